"""Predicates over registered locations, as conditions of a statement.

The same language as `query.predicate` reads for entities, over the fields `id`, `type`, `target`
and `entityRef`, the entity that stands for a location. Values are compared without case and as they
are: `%` and `_` mean themselves.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Text,
    and_,
    cast,
    false,
    func,
    not_,
    or_,
    select,
    true,
)

from towpath_core.errors import Invalid
from towpath_engine.catalog.judging import GENERATED
from towpath_engine.catalog.leaves import text_of
from towpath_engine.catalog.tables import ENTITIES, LOCATIONS

__all__ = ("MAX_DEPTH", "MAX_PARTS", "condition")

MAX_DEPTH = 50
MAX_PARTS = 1000

_FIELDS: dict[str, Column[Any]] = {name: LOCATIONS.c[name] for name in ("id", "type", "target")}
_STANDS_FOR_ONE = and_(
    ENTITIES.c.location_id.is_not(None),
    ENTITIES.c.ref.startswith(f"location:default/{GENERATED}", autoescape=True),
)
_MATCHERS = ("$exists", "$in", "$hasPrefix", "$contains")

Condition = ColumnElement[bool]


def condition(query: Any) -> Condition:
    """The condition that holds for the locations that a predicate holds for.

    Raises:
        Invalid: it is not well formed, nests deeper than 50, or has over 1000 parts.
    """
    if _parts(query) > MAX_PARTS:
        raise Invalid(f"Invalid query: it has more than {MAX_PARTS} parts.")
    return _predicate(query, 0)


def _parts(query: Any) -> int:
    parts, waiting = 0, [query]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict | list):
            parts += len(node)
            waiting += node.values() if isinstance(node, dict) else node
    return parts


def _predicate(query: Any, depth: int) -> Condition:
    if not isinstance(query, dict):
        raise Invalid("Invalid query: a predicate must be an object.")
    if depth > MAX_DEPTH:
        raise Invalid(f"Invalid query: it nests deeper than {MAX_DEPTH}.")
    operator = next((key for key in query if key.startswith("$")), None)
    if operator is None:
        return and_(true(), *(_field(field, value) for field, value in query.items()))
    if len(query) != 1:
        raise Invalid(f"Invalid query: {operator[:80]} must stand alone in its object.")
    operand = query[operator]
    if operator == "$not":
        return not_(_predicate(operand, depth + 1))
    if operator not in ("$all", "$any") or not isinstance(operand, list):
        raise Invalid(f"Invalid query: {operator[:80]} is not known here, or needs a list.")
    conditions = [_predicate(part, depth + 1) for part in operand]
    return and_(true(), *conditions) if operator == "$all" else or_(false(), *conditions)


def _field(name: str, value: Any) -> Condition:
    if name.lower() == "entityref":
        # Names are hashes, which the database cannot make; the entities have them.
        standing = select(ENTITIES.c.location_id)
        standing = standing.where(_STANDS_FOR_ONE, _matching(name, ENTITIES.c.ref, value))
        return LOCATIONS.c.id.in_(standing)
    column = _FIELDS.get(name.lower())
    if column is None:
        known = "id, type, target and entityRef"
        raise Invalid(f"Invalid query: a location has {known}, not {name[:80]!r}.")
    return _matching(name, column, value)


def _matching(name: str, column: Column[Any], value: Any) -> Condition:
    if not isinstance(value, dict):
        return _among(column, [value])
    if len(value) != 1 or next(iter(value)) not in _MATCHERS:
        known = ", ".join(_MATCHERS)
        raise Invalid(f"Invalid query: {name[:80]} needs a value or one of {known}.")
    matcher, operand = next(iter(value.items()))
    if matcher == "$exists":
        if not isinstance(operand, bool):
            raise Invalid("Invalid query: $exists needs true or false.")
        return true() if operand else false()
    if matcher == "$in":
        if not isinstance(operand, list):
            raise Invalid("Invalid query: $in needs a list.")
        return _among(column, operand)
    if matcher == "$hasPrefix":
        if not isinstance(operand, str):
            raise Invalid("Invalid query: $hasPrefix needs a string.")
        return func.starts_with(_lowered(column), _given(operand))
    # No field of a location is a list.
    return false()


def _among(column: Column[Any], values: list[Any]) -> Condition:
    texts = [text_of(value) for value in values]
    if any(text is None for text in texts):
        raise Invalid("Invalid query: a value must be a string, a number or a boolean.")
    return _lowered(column).in_([_given(text) for text in texts if text is not None])


def _lowered(column: Column[Any]) -> ColumnElement[str]:
    # References are in lower case already, and found by their index.
    return column if column is ENTITIES.c.ref else func.lower(cast(column, Text))


def _given(text: str) -> ColumnElement[str]:
    # Lowered by the database as well: what it takes for a letter depends on its locale. It takes
    # no NUL, and has none: a control character that no target has stands in for it.
    return func.lower(text.replace("\0", "\x01"))
