"""Whether single documents pass a filter: the filters of the index, without an index."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from towpath_engine.catalog.leaves import leaves
from towpath_engine.catalog.query import Filter

__all__ = ("Found", "asks_for_relations", "found_by", "passes")

Found = Mapping[str, Set[str]]
"""What a document is found by: the keys that it has, with their values in lower case."""


def found_by(document: Mapping[str, Any]) -> Found:
    """What a document is found by."""
    found: dict[str, set[str]] = {}
    for key, value in leaves(document):
        values = found.setdefault(key, set())
        if value is not None:
            values.add(value.lower())
    return found


def passes(filter: Filter, found: Found) -> bool:
    """Whether a filter lets a document through; an empty one lets all."""
    return not filter or any(
        all(
            key in found and (None in values or not found[key].isdisjoint(_texts(values)))
            for key, values in group.items()
        )
        for group in filter
    )


def asks_for_relations(filter: Filter) -> bool:
    """Whether a filter looks at relations, which others may state."""
    return any(key.startswith("relations.") for group in filter for key in group)


def _texts(values: Any) -> list[str]:
    return [value for value in values if value is not None]
