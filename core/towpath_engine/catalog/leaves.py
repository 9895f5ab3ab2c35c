"""What an entity is found by: its dotted keys and scalar values, as Backstage's catalog has them.

One semantics for filters, facets, ordering and full text. Pure; knows no index.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from math import inf, isfinite, isnan
from typing import Any

__all__ = ("MAX_KEY", "MAX_VALUE", "Leaf", "leaves", "relation_leaves", "scan", "text_of")

MAX_KEY = 200
"""Longer keys are not found by."""
MAX_VALUE = 200
"""Longer values are found to exist, but not by their text."""

Leaf = tuple[str, str | None]
"""A key in lower case, and a value as written; None where the key only exists."""

_EXACT = 2**53
"""Larger integers are doubles to a client in JavaScript."""

_NOT_TRAVERSED = frozenset({"attachments", "relations", "status"})


def text_of(value: object) -> str | None:
    """A scalar as filters compare it, in its own case; None for what has no text."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int) and -_EXACT <= value <= _EXACT:
        return str(value)
    if isinstance(value, int | float):
        return _number_text(value)
    return None


def _number_text(value: float) -> str:
    """A number as JavaScript writes it (ECMA-262, Number::toString), in which filters are asked."""
    try:
        number = float(value)
    except OverflowError:
        number = inf if value > 0 else -inf
    if not isfinite(number):
        return "NaN" if isnan(number) else "Infinity" if number > 0 else "-Infinity"
    sign, digits, exponent = Decimal(repr(number)).as_tuple()
    whole = "".join(map(str, digits)).lstrip("0")
    text, point = whole.rstrip("0"), len(whole) + int(exponent)
    if not text:
        return "0"
    if len(text) <= point <= 21:
        plain = text + "0" * (point - len(text))
    elif 0 < point <= 21:
        plain = f"{text[:point]}.{text[point:]}"
    elif -6 < point <= 0:
        plain = f"0.{'0' * -point}{text}"
    else:
        rest = f".{text[1:]}" if len(text) > 1 else ""
        plain = f"{text[0]}{rest}e{point - 1:+d}"
    return f"-{plain}" if sign else plain


def scan(entity: Mapping[str, Any]) -> tuple[list[Leaf], list[str]]:
    """What an entity is found by, but for its relations: leaves, and keys that are `true`.

    The latter are `key.item` for each string in a list: there are many, and they say no more.
    """
    found: list[Leaf] = []
    flags: list[str] = []
    metadata = entity.get("metadata") or {}
    # (path of what a mapping or list holds, the mapping or list)
    stack: list[tuple[str, Any]] = []
    for key, value in entity.items():
        if key not in _NOT_TRAVERSED:
            _visit(key, value, found, stack)
    while stack:
        path, node = stack.pop()
        if node.__class__ is dict:
            path += "."
            for key, value in node.items():
                if value.__class__ is str:
                    found.append((path + key, value))
                else:
                    _visit(path + key, value, found, stack)
        else:
            for item in node:
                if item.__class__ is str:
                    flags.append(f"{path}.{item}")
                _visit(path, item, found, stack)
    if not metadata.get("namespace"):
        found.append(("metadata.namespace", "default"))
    return _bounded(found), [key.lower() for key in flags if len(key) <= MAX_KEY]


def leaves(entity: Mapping[str, Any]) -> Iterator[Leaf]:
    """Yield each (key, value) an entity is found by; keys in lower case, values as written.

    A value is None where the key only exists. Strings in lists are also found as `key.item`
    with the value `true`. Relations are found as `relations.<type>`.
    """
    found, flags = scan(entity)
    yield from found
    for key in flags:
        yield key, "true"
    relations = entity.get("relations") or ()
    yield from relation_leaves((each["type"], each["targetRef"]) for each in relations)


def relation_leaves(edges: Iterable[tuple[str, str]]) -> list[Leaf]:
    """What relations are found by; edges are (type, target). Targets have no case."""
    return _bounded([(f"relations.{type}", target.lower()) for type, target in edges])


def _visit(path: str, value: Any, found: list[Leaf], stack: list[tuple[str, Any]]) -> None:
    if isinstance(value, dict | list):
        stack.append((path, value))
    else:
        found.append((path, text_of(value)))


def _bounded(found: list[Leaf]) -> list[Leaf]:
    """Without keys that are too long, and without the texts that are; keys in lower case."""
    return [
        (key.lower(), value if value is not None and len(value) <= MAX_VALUE else None)
        for key, value in found
        if len(key) <= MAX_KEY and key != "metadata.etag"
    ]
