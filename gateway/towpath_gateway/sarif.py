"""What validation found, as SARIF 2.1.0, which code hosts show beside the lines of a change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from towpath_core.errors import Place, Problem

__all__ = ("sarif",)

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_ROOT = "SRCROOT"
_MEANINGS = {
    "conflict": "Another source holds the reference.",
    "dangling": "A reference names nothing that was validated.",
    "duplicate": "A reference is stated twice.",
    "envelope": "The envelope of an entity is wrong: apiVersion, kind, metadata or spec.",
    "format": "No format reads such a file.",
    "kind": "No plugin knows the kind, or its version.",
    "limit": "A budget was exceeded.",
    "link": "A link has an address that must not be shown.",
    "metadata": "A field of the metadata is wrong.",
    "not-followed": "A location leads elsewhere, where nothing was read.",
    "placeholder": "A placeholder could not be read.",
    "ref": "A reference to an entity is malformed.",
    "rule": "A rule of the catalog does not allow the entity.",
    "reserved": "The catalog gives such names itself.",
    "schema": "The spec of an entity is not as its kind wants it.",
    "spec": "A field of the spec is not as the kind wants it.",
    "yaml-alias": "An alias names no anchor, or itself.",
    "yaml-character": "A character must not stand in a descriptor.",
    "yaml-duplicate-key": "A key stands twice in one mapping.",
    "yaml-encoding": "The file is not UTF-8.",
    "yaml-limit": "A budget of the file was exceeded.",
    "yaml-number": "A number cannot be written as JSON.",
    "yaml-syntax": "The file is not YAML.",
    "yaml-tag": "A tag stands for nothing that JSON has.",
}


def sarif(
    problems: Iterable[tuple[str | None, Problem]],
    warnings: Iterable[tuple[str | None, Problem]],
    unread: Sequence[Problem],
    *,
    root: Path,
    version: str,
) -> dict[str, Any]:
    """The log of one run, ready to be written as JSON.

    Args:
        problems: each with the reference of its entity, where that is known.
        warnings: the same.
        unread: what could not be read; the run was not successful where there is any.
        root: files below it are named relative to it.
        version: of Towpath.
    """
    found = [("error", ref, one) for ref, one in problems]
    found += [("warning", ref, one) for ref, one in warnings]
    codes = sorted({one.code for _, _, one in found})
    driver = {"name": "towpath", "version": version, "rules": [_rule(code) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "invocations": [_invocation(unread, root)],
        "originalUriBaseIds": {_ROOT: {"uri": f"{root.as_uri().rstrip('/')}/"}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(level, ref, one, codes, root) for level, ref, one in found],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, Any]:
    """A rule with what code hosts show of it; plugins have codes of their own."""
    text = _MEANINGS.get(code, f"A descriptor is refused: {code}.")
    return {"id": code, "shortDescription": {"text": text}, "help": {"text": text}}


def _invocation(unread: Sequence[Problem], root: Path) -> dict[str, Any]:
    if not unread:
        return {"executionSuccessful": True}
    notes = [
        _with_place({"level": "error", "message": {"text": str(one)}}, None, one.place, root)
        for one in unread
    ]
    return {"executionSuccessful": False, "toolExecutionNotifications": notes}


def _result(
    level: str, ref: str | None, one: Problem, codes: Sequence[str], root: Path
) -> dict[str, Any]:
    result = {
        "ruleId": one.code,
        "ruleIndex": codes.index(one.code),
        "level": level,
        "message": {"text": one.message},
    }
    return _with_place(result, ref, one.place, root)


def _with_place(
    result: dict[str, Any], ref: str | None, place: Place, root: Path
) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if place.file:
        physical: dict[str, Any] = {"artifactLocation": _artifact(place.file, root)}
        if place.line:
            column = {"startColumn": place.column} if place.column else {}
            physical["region"] = {"startLine": place.line, **column}
        location["physicalLocation"] = physical
    name = f"{ref or ''}{place.pointer or ''}"
    if name:
        location["logicalLocations"] = [{"fullyQualifiedName": name}]
    return {**result, "locations": [location]} if location else result


def _artifact(file: str, root: Path) -> dict[str, str]:
    try:
        relative = Path(file).relative_to(root).as_posix()
    except ValueError:
        return {"uri": Path(file).as_uri() if Path(file).is_absolute() else quote(file)}
    return {"uri": quote(relative), "uriBaseId": _ROOT}
