"""Questions to the catalog index: filters, predicates, pages, facets, and selection of fields.

The semantics are those of Backstage's catalog: filters as in its `filter` parameter, predicates
as in its `query` bodies. Everything is set algebra over the index; nothing here knows HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

import msgspec
from pyroaring import BitMap

from towpath_core.errors import Invalid
from towpath_engine.catalog.index import CatalogIndex
from towpath_engine.catalog.leaves import text_of
from towpath_engine.catalog.numbers import bitmap_of

__all__ = (
    "Filter",
    "Order",
    "Page",
    "facets",
    "parse_filters",
    "pick",
    "predicate",
    "search",
    "select",
    "walk",
)

Filter = Sequence[Mapping[str, Sequence[str | None]]]
"""Any of these groups; in a group all keys; of a key any value, where None means it exists."""

_MAX_DEPTH = 50
_MAX_PARTS = 1000
_MOST_REMEMBERED = 1024
_OPERATORS = frozenset({"$exists", "$in", "$contains", "$hasPrefix"})


class Order(msgspec.Struct, frozen=True):
    """By which field to order, and which way."""

    field: str
    descending: bool = False


class Page(msgspec.Struct, frozen=True):
    """A page of results: numbers in order, and whether there are more on either side."""

    numbers: list[int]
    before: bool
    after: bool


def parse_filters(texts: Sequence[str]) -> Filter:
    """Read `filter` parameters: `a=b,c` is "a is b and c exists"; several are alternatives.

    Raises:
        Invalid: a part has no key.
    """
    if sum(map(len, texts)) > _MOST_REMEMBERED:
        return _parse(tuple(texts))
    return _parse_known(tuple(texts))


def _parse(texts: tuple[str, ...]) -> Filter:
    groups: list[dict[str, list[str | None]]] = []
    for text in texts:
        group: dict[str, list[str | None]] = {}
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            key, equals, value = part.partition("=")
            if not key.strip():
                raise Invalid(
                    f"Invalid filter {part!r}: it has no key.",
                    next="Write key=value, for example kind=component.",
                )
            group.setdefault(key.strip().lower(), []).append(
                value.strip().lower() if equals else None
            )
        if group:
            # Of a key that has values, that it exists says no more.
            groups.append(
                {k: [v for v in vs if v is not None] or [None] for k, vs in group.items()}
            )
    return tuple(groups)


# The same few filters come again and again.
_parse_known = lru_cache(maxsize=512)(_parse)


def select(index: CatalogIndex, filter: Filter) -> BitMap:
    """The numbers of all entities that a filter lets through; an empty filter lets all."""
    if not filter:
        return index.everything
    return BitMap.union(*(_group(index, group) for group in filter))


def _group(index: CatalogIndex, group: Mapping[str, Sequence[str | None]]) -> BitMap:
    result: BitMap | None = None
    for key, values in group.items():
        sets = [index.matching(key, value) for value in values]
        found = sets[0] if len(sets) == 1 else BitMap.union(*sets)
        result = found if result is None else result & found
    return result if result is not None else index.everything


def predicate(index: CatalogIndex, query: Any) -> BitMap:
    """The numbers of all entities that a predicate holds for.

    Raises:
        Invalid: the predicate is not well formed, nests deeper than 50, or has over 1000 parts.
    """
    if _parts(query) > _MAX_PARTS:
        raise Invalid(f"Invalid query: it has more than {_MAX_PARTS} parts.")
    return _predicate(index, query, 0)


def _parts(query: Any) -> int:
    """How many fields and operators a predicate has; each costs a look through the index."""
    parts, waiting = 0, [query]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            parts += len(node)
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return parts


def _predicate(index: CatalogIndex, query: Any, depth: int) -> BitMap:
    if not isinstance(query, dict):
        raise Invalid("Invalid query: a predicate must be an object.")
    if depth > _MAX_DEPTH:
        raise Invalid(f"Invalid query: it nests deeper than {_MAX_DEPTH}.")
    operator = next((key for key in query if key.startswith("$")), None)
    if operator is None:
        result = index.everything
        for field, value in query.items():
            result = result & _field(index, field.lower(), value)
        return result
    if len(query) != 1:
        raise Invalid(f"Invalid query: {operator} must stand alone in its object.")
    operand = query[operator]
    if operator == "$not":
        return index.everything - _predicate(index, operand, depth + 1)
    if operator not in ("$all", "$any") or not isinstance(operand, list):
        raise Invalid(f"Invalid query: {operator} is not known here, or needs a list.")
    sets = [_predicate(index, part, depth + 1) for part in operand]
    if operator == "$all":
        return BitMap.intersection(index.everything, *sets)
    return BitMap.union(*sets) if sets else BitMap()


def _field(index: CatalogIndex, field: str, value: Any) -> BitMap:
    if not isinstance(value, dict):
        return index.matching(field, _scalar(value))
    if len(value) != 1 or next(iter(value)) not in _OPERATORS:
        known = ", ".join(sorted(_OPERATORS))
        raise Invalid(f"Invalid query: {field[:80]} needs a value or one of {known}.")
    operator, operand = next(iter(value.items()))
    if operator == "$exists":
        if not isinstance(operand, bool):
            raise Invalid("Invalid query: $exists needs true or false.")
        found = index.matching(field, None)
        return found if operand else index.everything - found
    if operator == "$in":
        if not isinstance(operand, list):
            raise Invalid("Invalid query: $in needs a list.")
        sets = [index.matching(field, _scalar(item)) for item in operand]
        return BitMap.union(*sets) if sets else BitMap()
    if operator == "$hasPrefix":
        if not isinstance(operand, str):
            raise Invalid("Invalid query: $hasPrefix needs a string.")
        return index.postings(field).starting(operand.lower())
    return _contains(index, field, operand)


def _contains(index: CatalogIndex, field: str, operand: Any) -> BitMap:
    if not isinstance(operand, dict):
        return index.matching(field, _scalar(operand))
    if field != "relations":
        raise Invalid("Invalid query: $contains takes an object for relations only.")
    asked = {key.lower(): value for key, value in operand.items()}
    kind = asked.get("type")
    known = asked.keys() <= _EDGE and len(asked) == len(operand)
    if not known or not isinstance(kind, str) or not kind:
        raise Invalid("Invalid query: $contains of relations takes a type and a targetRef.")
    key = f"relations.{kind}".lower()
    if "targetref" not in asked:
        return index.matching(key, None)
    return BitMap.union(*(index.matching(key, ref) for ref in _targets(asked["targetref"])))


_EDGE = frozenset({"type", "targetref"})


def _targets(value: Any) -> list[str]:
    """The references that a relation may lead to, one of them at least."""
    listed = value.get("$in") if isinstance(value, dict) and len(value) == 1 else [value]
    if not isinstance(listed, list) or not listed or not all(isinstance(r, str) for r in listed):
        raise Invalid('Invalid query: targetRef needs a string or {"$in": [strings]}.')
    return [ref.lower() for ref in listed]


def _scalar(value: Any) -> str:
    text = text_of(value)
    if text is None:
        raise Invalid("Invalid query: a value must be a string, a number or a boolean.")
    return text.lower()


def search(index: CatalogIndex, among: BitMap, term: str, fields: Sequence[str]) -> BitMap:
    """Those whose fields hold a term as a part, without case; an empty term lets all through."""
    low = term.strip().lower()
    if not low:
        return among
    sets = [index.postings(field.lower()).containing(low) for field in fields]
    return among & (sets[0] if len(sets) == 1 else BitMap.union(BitMap(), *sets))


def walk(
    index: CatalogIndex,
    among: BitMap,
    order: Order,
    *,
    limit: int,
    start: tuple[str, str] | None = None,
    backwards: bool = False,
    offset: int = 0,
) -> Page:
    """A page of what is `among`, in an order, from just beyond `start` on.

    Args:
        index: the index.
        among: numbers to page through; those without the field are left out.
        order: the field, and the way.
        limit: how many at the most.
        start: (value, uid) to go on from; that row itself is left out.
        backwards: page towards the beginning; the page itself is still in order.
        offset: how many to pass over.
    """
    rising = order.descending == backwards
    last = offset + limit
    rows = index.view(order.field.lower()).beyond(among, start, rising=rising, wanted=last + 1)
    found = [row[2] for row in islice(rows, offset, last + 1)]
    more = len(found) > limit
    del found[limit:]
    if backwards:
        found.reverse()
        return Page(found, before=more, after=True)
    return Page(found, before=start is not None, after=more)


def facets(index: CatalogIndex, among: BitMap, keys: Sequence[str]) -> dict[str, Any]:
    """For each key as asked: its values as written, in order, with how many have them."""
    whole = len(among) == len(index.everything)
    result: dict[str, Any] = {}
    for key in keys:
        postings = index.postings(key.lower())
        if whole:
            counts = postings.counts()
        else:
            counts = sorted(
                (value, count)
                for value, numbers in postings.written()
                if (count := bitmap_of(numbers).intersection_cardinality(among))
            )
        result[key] = [{"value": value, "count": count} for value, count in counts]
    return result


def pick(entity: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """An entity with only some of its fields; keys that hold dots are found greedily."""
    result: dict[str, Any] = {}
    for field in fields:
        _copy(entity, result, field)
    return result


def _copy(source: Any, into: dict[str, Any], path: str) -> None:
    if not isinstance(source, dict):
        return
    if path in source:
        into[path] = source[path]
        return
    at = path.find(".")
    while at >= 0:
        head = path[:at]
        if isinstance(source.get(head), dict):
            inner: dict[str, Any] = into.get(head) or {}
            _copy(source[head], inner, path[at + 1 :])
            if inner:
                into[head] = inner
            return
        at = path.find(".", at + 1)
