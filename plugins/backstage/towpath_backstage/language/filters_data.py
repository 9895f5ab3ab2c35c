"""The filters that work on any value, and the scaffolder's own: references and repository urls."""

from __future__ import annotations

import math
import re
from json.encoder import encode_basestring
from typing import Any
from urllib.parse import parse_qs, urlsplit

from towpath_backstage.language.faults import TemplateFault
from towpath_backstage.language.filters_list import named
from towpath_backstage.language.numerals import (
    normal,
    number_text,
    parse_float,
    parse_int,
    to_double,
)
from towpath_backstage.language.utf16 import JS_SPACE
from towpath_backstage.language.values import (
    UNDEFINED,
    display,
    is_callable,
    is_nothing,
    is_number,
    own_keys,
    text,
    to_integer,
    to_number,
    truthy,
)

__all__ = ("DATA_FILTERS", "dump")


def dump(value: Any, indent: Any = UNDEFINED) -> Any:
    """Write as JSON, as `JSON.stringify` does; undefined stays undefined.

    Args:
        value: what to write; entries that are undefined or functions are left out.
        indent: spaces a level, at most 10, or the text to indent with.
    """
    if value is UNDEFINED or is_callable(value):
        return UNDEFINED
    unit = ""
    if is_number(indent):
        unit = " " * min(max(to_integer(indent), 0), 10)
    elif isinstance(indent, str):
        unit = indent[:10]
    parts: list[str] = []
    _write(value, unit, "\n" if unit else "", parts)
    return "".join(parts)


def _write(value: Any, unit: str, newline: str, parts: list[str]) -> None:
    if isinstance(value, str):
        parts.append(_quoted(value))
    elif isinstance(value, list):
        _write_list(value, unit, newline + unit, parts)
    elif isinstance(value, dict):
        _write_object(value, unit, newline + unit, parts)
    elif is_number(value):
        parts.append(number_text(value) if math.isfinite(to_double(value)) else "null")
    elif isinstance(value, bool):
        parts.append("true" if value else "false")
    else:
        parts.append("null" if is_nothing(value) or is_callable(value) else "{}")


def _write_list(items: list[Any], unit: str, newline: str, parts: list[str]) -> None:
    parts.append("[")
    for index, item in enumerate(items):
        parts.append(f"{',' if index else ''}{newline}")
        _write(item, unit, newline, parts)
    parts.append(newline[: len(newline) - len(unit)] + "]" if items else "]")


def _write_object(entries: dict[str, Any], unit: str, newline: str, parts: list[str]) -> None:
    parts.append("{")
    colon = ": " if unit else ":"
    written = 0
    for key in own_keys(entries):
        if entries[key] is UNDEFINED or is_callable(entries[key]):
            continue
        parts.append(f"{',' if written else ''}{newline}{_quoted(key)}{colon}")
        _write(entries[key], unit, newline, parts)
        written += 1
    parts.append(newline[: len(newline) - len(unit)] + "}" if written else "}")


def _quoted(value: str) -> str:
    written = encode_basestring(value)
    if written.isascii():
        return written
    return re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match.group()):04x}", written)


def _abs(value: Any) -> int | float:
    return abs(to_number(value))


def _default(value: Any, other: Any = UNDEFINED, falsy_too: Any = UNDEFINED) -> Any:
    if truthy(falsy_too):
        return value if truthy(value) else other
    return other if value is UNDEFINED else value


def _float(value: Any, other: Any = UNDEFINED) -> Any:
    number = value if is_number(value) else parse_float(text(value).strip(JS_SPACE))
    return other if number != number else number


def _int(value: Any, *args: Any) -> Any:
    other, base = named(args, "default", "base")
    number = parse_int(text(value).strip(JS_SPACE), to_integer(base, 10))
    return other if number != number else number


def _round(value: Any, digits: Any = UNDEFINED, method: Any = UNDEFINED) -> int | float:
    places = to_number(digits) if truthy(digits) else 0
    try:
        factor = math.pow(10, places)
        scaled = to_double(to_number(value)) * factor
        if not math.isfinite(scaled):
            return scaled / factor
        rounding = {"ceil": math.ceil, "floor": math.floor}.get(display(method))
        whole = rounding(scaled) if rounding else math.floor(scaled + 0.5)
        return normal(whole / factor)
    except (OverflowError, ZeroDivisionError):
        return math.nan


def _pick(value: Any, path: Any = UNDEFINED) -> Any:
    """Follow a path such as `a.b[0].c`; a key that is the whole path goes first."""
    if isinstance(value, dict) and isinstance(path, str) and path in value:
        return value[path]
    parts = map(text, path) if isinstance(path, list) else _path(text(path))
    for part in parts:
        if isinstance(value, dict):
            value = value.get(part, UNDEFINED)
        elif isinstance(value, (list, str)) and part == "length":
            value = len(value)
        elif isinstance(value, (list, str)) and part.isascii() and part.isdigit():
            place = int(part[:12])
            value = value[place] if place < len(value) else UNDEFINED
        else:
            return UNDEFINED
    return value


def _path(path: str) -> list[str]:
    parts = re.finditer(r"""\[(?:"([^"]*)"|'([^']*)'|([^\[\]]*))\]|([^.\[\]]+)""", path)
    return [next(group for group in part.groups() if group is not None) for part in parts]


def _parse_repo_url(value: Any) -> dict[str, Any]:
    """Take a repository picker's answer apart, such as `github.com?owner=o&repo=r`.

    What is not in it is left out. Whether the host is a known one is for the action that uses it.
    """
    if is_nothing(value):
        return {}
    try:
        address = urlsplit(f"https://{text(value)}")
        query = parse_qs(address.query)
    except ValueError:
        raise TemplateFault("the filter `parseRepoUrl` needs a repository url") from None
    parsed: dict[str, Any] = {"host": address.netloc}
    for key in ("owner", "repo", "organization", "workspace", "project"):
        if found := query.get(key, [""])[0].strip("/"):
            parsed[key] = found
    return parsed


def _project_slug(value: Any) -> str:
    parsed = _parse_repo_url(value)
    return f"{parsed.get('owner', 'undefined')}/{parsed.get('repo', 'undefined')}"


def _parse_entity_ref(value: Any, defaults: Any = UNDEFINED) -> dict[str, Any]:
    """Take a reference apart: `[kind:][namespace/]name`, or an object with these keys."""
    options = defaults if isinstance(defaults, dict) else {}
    if isinstance(value, dict):
        parts = {key: value.get(key) for key in ("kind", "namespace", "name")}
    else:
        parts = _reference(value)
    found = {
        "kind": parts["kind"] or options.get("defaultKind"),
        "namespace": parts["namespace"] or options.get("defaultNamespace") or "default",
        "name": parts["name"],
    }
    for key, part in found.items():
        if not truthy(part):
            raise TemplateFault(f"the filter `parseEntityRef` got a reference without {key}")
    return found


def _reference(value: Any) -> dict[str, Any]:
    if not isinstance(value, str) or not value:
        raise TemplateFault("the filter `parseEntityRef` needs a reference, and got none")
    before, slash, after = value.partition("/")
    kind, colon, rest = before.partition(":") if slash else value.partition(":")
    if slash and not colon:
        parts = {"kind": None, "namespace": before, "name": after}
    elif slash:
        parts = {"kind": kind, "namespace": rest, "name": after}
    elif colon:
        parts = {"kind": kind, "namespace": None, "name": rest}
    else:
        parts = {"kind": None, "namespace": None, "name": value}
    if "" in parts.values():
        raise TemplateFault(
            "the filter `parseEntityRef` needs the form [<kind>:][<namespace>/]<name>"
        )
    return parts


DATA_FILTERS = {
    "abs": _abs,
    "d": _default,
    "default": _default,
    "dump": dump,
    "float": _float,
    "int": _int,
    "jsonify": dump,
    "parseEntityRef": _parse_entity_ref,
    "parseRepoUrl": _parse_repo_url,
    "pick": _pick,
    "projectSlug": _project_slug,
    "round": _round,
}
