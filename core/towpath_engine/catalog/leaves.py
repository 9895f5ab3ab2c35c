"""What an entity is found by: its dotted keys and scalar values, as Backstage's catalog has them.

One semantics for filters, facets, ordering and full text. Pure; knows no index.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ("MAX_KEY", "MAX_VALUE", "leaves", "relation_leaves", "text_of")

MAX_KEY = 200
"""Longer keys are not found by."""
MAX_VALUE = 200
"""Longer values are found to exist, but not by their text."""

_NOT_TRAVERSED = frozenset({"attachments", "relations", "status"})


def text_of(value: object) -> str | None:
    """A scalar as filters compare it, in its own case; None for what has no text."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    return None


def leaves(entity: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Yield each (key, value) an entity is found by; keys in lower case, values as written.

    A value is None where the key only exists. Strings in lists are also found as `key.item`
    with the value `true`. Relations are found as `relations.<type>`.
    """
    metadata = entity.get("metadata") or {}
    stack: list[tuple[str, Any]] = [
        (key, value) for key, value in entity.items() if key not in _NOT_TRAVERSED
    ]
    while stack:
        path, value = stack.pop()
        if path == "metadata.etag":
            continue
        if isinstance(value, dict):
            stack.extend((f"{path}.{key}", item) for key, item in value.items())
        elif isinstance(value, list):
            for item in value:
                stack.append((path, item))
                if isinstance(item, str):
                    stack.append((f"{path}.{item}", True))
        else:
            yield from _leaf(path, value)
    if not metadata.get("namespace"):
        yield "metadata.namespace", "default"
    relations = entity.get("relations") or ()
    yield from relation_leaves((each["type"], each["targetRef"]) for each in relations)


def relation_leaves(edges: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str | None]]:
    """Yield what relations are found by; edges are (type, target)."""
    for type, target in edges:
        yield from _leaf(f"relations.{type}", target)


def _leaf(path: str, value: Any) -> Iterator[tuple[str, str | None]]:
    if len(path) > MAX_KEY:
        return
    text = text_of(value)
    yield path.lower(), text if text is not None and len(text) <= MAX_VALUE else None
