"""Values for templates and offerings: read from options and files, fitted to a JSON Schema.

Does what a form would do: text becomes what the schema wants, defaults are filled in, what is
required and missing is named. Whether a value is right is the platform's to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from towpath_cli.failure import USAGE, Failed
from towpath_cli.text import line

__all__ = ("Form", "pairs")

_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_INNER = ("allOf", "anyOf", "oneOf")
_BRANCHES = ("then", "else")
_DEPENDENT = ("dependencies", "dependentSchemas")
_MAX_DEPTH = 20


class Form:
    """What a list of schemas asks for, page by page, as a form would ask.

    Attributes:
        fields: the schema of each value, those that depend on others too.
        required: names that must be there, in the order of the pages.
    """

    def __init__(self, schemas: Iterable[Mapping[str, Any]]) -> None:
        self.fields: dict[str, Mapping[str, Any]] = {}
        self.required: list[str] = []
        for schema in schemas:
            self._take(schema, top=True)

    def _take(self, schema: Mapping[str, Any], *, top: bool, depth: int = 0) -> None:
        if depth > _MAX_DEPTH:
            return
        for name, field in _mapping(schema.get("properties")).items():
            if isinstance(field, Mapping) and (top or name not in self.fields):
                self.fields[name] = field
        if top:
            listed = schema.get("required")
            names = listed if isinstance(listed, list) else []
            self.required += [n for n in names if isinstance(n, str) and n not in self.required]
        for inner in _inner(schema):
            self._take(inner, top=False, depth=depth + 1)

    def read(self, given: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Make values of `name=text` options. A list may be said item by item.

        Raises:
            Failed: texts do not fit; all of them are named.
        """
        values: dict[str, Any] = {}
        faults: list[str] = []
        for name, text in given:
            try:
                self._put(values, name, text)
            except ValueError as error:
                faults.append(f"-p {name}: {error}")
        if faults:
            raise Failed("Values do not fit.", lines=faults, code=USAGE)
        return values

    def _put(self, values: dict[str, Any], name: str, text: str) -> None:
        if name in self.fields or "." not in name:
            field = self.fields.get(name, {})
            listed = _wants(field, "array") and isinstance(values.get(name), list)
            value = fitted(field, text)
            values[name] = [*values[name], *value] if listed else value
            return
        head, _, rest = name.partition(".")
        inner = values.setdefault(head, {})
        if not isinstance(inner, dict):
            raise ValueError(f"{head} has a value already, so it cannot have {rest}")
        Form([self.fields.get(head, {})])._put(inner, rest, text)

    def with_defaults(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values, and the defaults of what is missing, as a form would fill it in."""
        filled = dict(values)
        for name, field in self.fields.items():
            if name not in filled and "default" in field:
                filled[name] = field["default"]
            if isinstance(filled.get(name), dict) and "properties" in field:
                filled[name] = Form([field]).with_defaults(filled[name])
        return filled

    def missing(self, values: Mapping[str, Any]) -> list[str]:
        """Names that are required, have no default and are not there."""
        return [
            name
            for name in self.required
            if name not in values and "default" not in self.fields.get(name, {})
        ]


def pairs(options: Sequence[str]) -> list[tuple[str, str]]:
    """Split options such as `name=boat`.

    Raises:
        Failed: one has no name or no `=`; all such are named.
    """
    split = [option.partition("=") for option in options]
    faults = [f"-p {line(a)}" for a, equals, _ in split if not equals or not a]
    if faults:
        raise Failed("A value is written name=value.", lines=faults, code=USAGE)
    return [(name, text) for name, _, text in split]


def fitted(field: Mapping[str, Any], text: str) -> Any:
    """Make of a text what a schema wants; without a wish it stays a text.

    Raises:
        ValueError: it cannot be made of it; says what is wanted.
    """
    for choice in field.get("enum") or ():
        if text == choice or text == json.dumps(choice):
            return choice
    kinds = field.get("type")
    wanted = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
    for kind in sorted(wanted, key=lambda one: one == "string"):
        found, value = _as(kind, field, text)
        if found:
            return value
    if not wanted:
        return text
    hint = " of JSON" if {"object"} & set(wanted) else ""
    raise ValueError(f"{text!r} is not {' or '.join(_article(kind) for kind in wanted)}{hint}")


def _as(kind: str, field: Mapping[str, Any], text: str) -> tuple[bool, Any]:
    """Whether a text can be read as a kind of JSON, and the value."""
    if kind == "string":
        return True, text
    if kind == "null":
        return text in ("", "null"), None
    if kind == "boolean":
        return text.lower() in _WORDS, _WORDS.get(text.lower())
    if kind in ("integer", "number"):
        return _number(kind, text)
    found = _json(text)
    if kind == "object":
        return isinstance(found, dict), found
    if kind == "array":
        items = _mapping(field.get("items"))
        return True, found if isinstance(found, list) else [fitted(items, text)]
    return False, None


def _number(kind: str, text: str) -> tuple[bool, Any]:
    try:
        return True, int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return False, None
    finite = value == value and abs(value) != float("inf")
    return kind == "number" and finite, value


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text[:1] in ("[", "{") else None
    except (ValueError, RecursionError):
        return None


def _wants(field: Mapping[str, Any], kind: str) -> bool:
    kinds = field.get("type")
    return kinds == kind or (isinstance(kinds, list) and kind in kinds)


def _inner(schema: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """The schemas that apply beside this one, or under some condition."""
    found: list[Any] = []
    for key in _INNER:
        listed = schema.get(key)
        found += listed if isinstance(listed, list) else []
    found += [schema.get(key) for key in _BRANCHES]
    for key in _DEPENDENT:
        found += _mapping(schema.get(key)).values()
    return [one for one in found if isinstance(one, Mapping)]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _article(kind: str) -> str:
    return f"an {kind}" if kind[:1] in "aeiou" else f"a {kind}"
