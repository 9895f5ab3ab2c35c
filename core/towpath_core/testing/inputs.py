"""Inputs made from one that is good: with hostile texts, and such that a schema should refuse.

Knows JSON and JSON Schema, and nothing of what the input is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

import jsonschema_rs

from towpath_core.errors import Invalid

__all__ = ("accepts", "bad_inputs", "with_texts")

_ODD: tuple[Any, ...] = ([None], {"kit": [None]}, 0.5, None, "")


def with_texts(good: dict[str, Any], ways: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The good input with one text at a time replaced by each of others."""
    for path in _texts(good):
        for way in ways:
            hostile = deepcopy(good)
            holder: Any = hostile
            for key in path[:-1]:
                holder = holder[key]
            holder[path[-1]] = way
            yield hostile


def accepts(schema: Mapping[str, Any], input: Any) -> bool:
    """Whether a JSON Schema takes an input.

    Raises:
        Invalid: the schema is none, or refers to others.
    """
    try:
        found = jsonschema_rs.Draft7Validator(dict(schema), retriever=_refuse)
        return bool(found.is_valid(input))
    except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        line = str(error).partition("\n")[0]
        raise Invalid("That is no JSON Schema that can be used.", why=line) from error


def bad_inputs(good: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Inputs that are wrong whatever they mean: a value of no type that fits, an unknown name."""
    yield {**good, "kit-unknown": 1}
    for name in good:
        kinds = {type(good[name])}
        odd = next(one for one in _ODD if type(one) not in kinds)
        yield {**good, name: odd}


def _texts(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all texts in a JSON value."""
    if isinstance(value, str) and path:
        yield path
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _texts(one, (*path, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _texts(one, (*path, index))


def _refuse(uri: str) -> Any:
    raise ValueError(f"remote references are not followed: {uri}")
