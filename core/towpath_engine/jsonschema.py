"""JSON Schema, guarded: no remote references, and no schema or value that runs away.

Validation is native code on the event loop that nothing can stop, so what it may cost is judged
before it begins. Regular expressions run in linear time, or with a budget.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import jsonschema_rs
import msgspec

from towpath_core.errors import Invalid, Place, Problem

__all__ = ("SchemaFault", "check_affordable", "faults")

_LINEAR = jsonschema_rs.RegexOptions(size_limit=1 << 20)
# Look-around and back-references need the other engine; it is given a budget.
_BACKTRACKING = jsonschema_rs.FancyRegexOptions(backtrack_limit=50_000, size_limit=1 << 20)
_MAX_FAULTS = 100
_MAX_DEPTH = 100
_MAX_COST = 20_000_000
_TEXT_UNIT = 100


class SchemaFault(msgspec.Struct, frozen=True):
    """Where a value does not fit its schema.

    Attributes:
        path: keys and indices down to the value.
        message: what is wrong.
        keyword: the schema keyword that says so, such as `type` or `required`.
        argument: what the keyword asks for.
        missing: the property that is missing, for `required`.
    """

    path: tuple[str | int, ...]
    message: str
    keyword: str
    argument: Any
    missing: str | None = None

    @property
    def pointer(self) -> str:
        """The path as a JSON pointer."""
        parts = [str(p).replace("~", "~0").replace("/", "~1") for p in self.path]
        return "".join(f"/{part}" for part in parts)

    def problem(self, prefix: str = "") -> Problem:
        """The fault as a problem with its place."""
        return Problem("schema", self.message, Place(pointer=prefix + self.pointer or None))


def check_affordable(schema: Any, value: Any, what: str) -> None:
    """See that a schema from outside can be judged in about a second against a value.

    References may point into the schema itself only, as `#/...`, and not in a circle: each one
    counts with all that it leads to, so that a few of them cannot stand for millions.

    Raises:
        Invalid: it refers elsewhere or to itself, or schema and value are too large together.
    """
    cost = _Cost(schema, what).of(schema, 0) * _size(value, what)
    if cost > _MAX_COST:
        raise Invalid(
            f"The JSON Schema of {what} is too large for this value.",
            next="Make it smaller, or use fewer references in it.",
        )


def faults(schema: Any, value: Any, what: str, *, secret: bool = False) -> list[SchemaFault]:
    """List where a value does not fit a schema, in the schema's order; empty when it fits.

    Args:
        schema: draft-07. One from outside goes through `check_affordable` first.
        value: JSON.
        what: what the schema is of, for the error when it is not a schema.
        secret: messages do not show values.

    Returns:
        At most 100 faults.

    Raises:
        Invalid: the schema itself is wrong, or the value is nested too deep or is no JSON.
    """
    _size(value, what)
    validator = _validator(schema, what, "***" if secret else None)
    try:
        return [
            _fault(schema, error) for error in islice(validator.iter_errors(value), _MAX_FAULTS)
        ]
    except ValueError as error:
        raise Invalid(f"A value for {what} is no JSON.", why=str(error)) from error


def _fault(schema: Any, error: Any) -> SchemaFault:
    keyword = str(error.schema_path[-1]) if error.schema_path else ""
    return SchemaFault(
        path=tuple(error.instance_path),
        message=error.message,
        keyword=keyword,
        argument=_argument(schema, error.schema_path),
        missing=getattr(error.kind, "property", None) if keyword == "required" else None,
    )


def _validator(schema: Any, what: str, mask: str | None) -> Any:
    _size(schema, what)
    last: Exception | None = None
    for options in (_LINEAR, _BACKTRACKING):
        try:
            return jsonschema_rs.Draft7Validator(
                schema,
                pattern_options=options,
                retriever=_refuse,
                validate_formats=False,
                mask=mask,
            )
        except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
            last = error
    message = str(last).partition("\n")[0] or "it is not a JSON Schema"
    raise Invalid(f"The JSON Schema of {what} is wrong: {message}") from last


def _refuse(uri: str) -> Any:
    raise ValueError(f"remote references are not followed: {uri}")


def _argument(schema: Any, path: Any) -> Any:
    value = schema
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _size(value: Any, what: str) -> int:
    """How large JSON is, in nodes; refuses what is so deep that native recursion would crash."""
    size, waiting = 0, [(value, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > _MAX_DEPTH:
            raise Invalid(f"A value for {what} is nested deeper than {_MAX_DEPTH}.")
        size += 1 + (len(node) // _TEXT_UNIT if isinstance(node, str) else 0)
        waiting += [(child, depth + 1) for child in _children(node)]
    return size


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        return iter(node.values())
    return iter(node) if isinstance(node, list | tuple) else iter(())


class _Cost:
    """Counts the nodes of a schema with every reference written out."""

    def __init__(self, schema: Any, what: str) -> None:
        self._schema = schema
        self._what = what
        self._known: dict[str, int] = {}
        self._open: set[str] = set()

    def of(self, node: Any, depth: int) -> int:
        """Nodes of a part of the schema."""
        if depth > _MAX_DEPTH:
            raise self._wrong(f"it is nested deeper than {_MAX_DEPTH}")
        total = 1 + sum(self.of(child, depth + 1) for child in _children(node))
        if isinstance(node, dict):
            if isinstance(node.get("$id"), str):
                raise self._wrong("$id is not taken here")
            if isinstance(node.get("$ref"), str):
                total += self._referred(node["$ref"], depth)
        return total

    def _referred(self, ref: str, depth: int) -> int:
        if ref in self._open:
            raise self._wrong(f"{ref} refers to itself")
        if ref not in self._known:
            self._open.add(ref)
            self._known[ref] = self.of(self._find(ref), depth + 1)
            self._open.discard(ref)
        return self._known[ref]

    def _find(self, ref: str) -> Any:
        if not ref.startswith("#/"):
            raise self._wrong(f"{ref[:80]!r} is not a reference into the schema itself (#/...)")
        node = self._schema
        for part in ref[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, list) and name.isdecimal() and int(name) < len(node):
                node = node[int(name)]
            elif isinstance(node, dict) and name in node:
                node = node[name]
            else:
                raise self._wrong(f"nothing is at {ref[:80]!r}")
        return node

    def _wrong(self, why: str) -> Invalid:
        return Invalid(f"The JSON Schema of {self._what} cannot be used: {why}.")
