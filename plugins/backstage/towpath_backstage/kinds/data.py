"""Kinds that YAML files declare: a JSON Schema of the spec, relations, and defaults.

Reads the files that the operator names, when the platform starts. What is wrong in one stops the
start, with its place.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec

from towpath_backstage.kinds.declared import Edge
from towpath_backstage.kinds.schema import SchemaKind, SpecSchema
from towpath_backstage.yaml import escaped, parse_documents
from towpath_core.catalog import Document
from towpath_core.errors import Invalid, SettingsError

__all__ = ("kinds_from",)

_SUFFIXES = (".yaml", ".yml")
_MAX_BYTES = 1024 * 1024
_SHOWN = re.compile(r"(.*?)(?: - at `\$(.*)`)?", re.DOTALL)
_PART = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")

Kind = Annotated[str, msgspec.Meta(pattern=r"\A[A-Z][A-Za-z0-9]{0,62}\Z")]
Version = Annotated[
    str, msgspec.Meta(pattern=r"\A([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[a-z0-9A-Z]{1,63}\Z")
]
Word = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z][A-Za-z0-9_-]{0,62}\Z")]


class _Relation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    field: Annotated[str, msgspec.Meta(min_length=1)]
    forward: Word
    reverse: Word
    default_kind: Kind | None = None


class _Declaration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One document of a file of kinds."""

    kind: Kind
    api_versions: Annotated[tuple[Version, ...], msgspec.Meta(min_length=1)]
    schema: dict[str, Any] = {}
    relations: tuple[_Relation, ...] = ()
    defaults: dict[str, Any] = {}
    description: str = ""


def kinds_from(paths: Iterable[str]) -> list[SchemaKind]:
    """The kinds that files declare, one a document, in their order.

    Args:
        paths: absolute paths of files, or of folders whose `.yaml` and `.yml` files are read.

    Raises:
        SettingsError: a file cannot be read, or is wrong; says where and what would be right.
    """
    found: list[SchemaKind] = []
    for path in paths:
        for file in _files(Path(path)):
            found += _kinds_of(file)
    return found


def _files(path: Path) -> list[Path]:
    if not path.is_absolute():
        raise SettingsError(
            f"{str(path)!r} in `kinds` of [plugins.backstage] is no absolute path.",
            next='Write it like this: kinds = ["/etc/towpath/kinds.yaml"].',
        )
    if not path.is_dir():
        return [path]
    return sorted(one for one in path.iterdir() if one.suffix in _SUFFIXES and one.is_file())


def _kinds_of(file: Path) -> Iterator[SchemaKind]:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"The kinds in {file} cannot be read: {error.strerror}.") from None
    if len(content) > _MAX_BYTES:
        raise SettingsError(f"{file} has more than {_MAX_BYTES:,} bytes.")
    for document in parse_documents(content, str(file)):
        if document.problems:
            raise SettingsError(f"{document.problems[0]}.")
        yield _kind_of(document, file)


def _kind_of(document: Document, file: Path) -> SchemaKind:
    try:
        declared = msgspec.convert(document.value, _Declaration)
    except msgspec.ValidationError as error:
        matched = _SHOWN.fullmatch(str(error))
        message, path = (matched[1], matched[2] or "") if matched else (str(error), "")
        known = path.partition("[...]")[0]
        pointer = "".join(f"/{escaped(name or at)}" for name, at in _PART.findall(known))
        raise _wrong(document, file, pointer, message) from None
    for at, relation in enumerate(declared.relations):
        if relation.field in [one.field for one in declared.relations[:at]]:
            why = f"the field {relation.field} has a relation already"
            raise _wrong(document, file, f"/relations/{at}/field", why)
    try:
        schema = SpecSchema(declared.schema)
    except Invalid as error:
        pointer = error.problems[0].place.pointer or ""
        raise _wrong(document, file, f"/schema{pointer}", error.what) from None
    for problem in schema.problems(declared.defaults, ""):
        # What the defaults lack is for authors; what they have must be good.
        field = (problem.place.pointer or "").split("/")
        if len(field) > 1 and field[1].replace("~1", "/").replace("~0", "~") in declared.defaults:
            raise _wrong(document, file, f"/defaults{problem.place.pointer}", problem.message)
    edges = {
        one.field: Edge(one.default_kind, one.forward, one.reverse) for one in declared.relations
    }
    versions = frozenset(declared.api_versions)
    revision = hashlib.sha256(msgspec.json.encode(document.value)).hexdigest()
    return SchemaKind(declared.kind, versions, schema, edges, declared.defaults, revision)


def _wrong(document: Document, file: Path, pointer: str, why: str) -> SettingsError:
    return SettingsError(
        f"{document.place(str(file), pointer)}: {why}.",
        next="The page docs/how-to/add-a-kind.md shows what a file of kinds has.",
    )
