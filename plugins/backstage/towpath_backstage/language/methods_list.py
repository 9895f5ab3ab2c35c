"""JavaScript's methods of arrays and objects, and Python's for cookiecutter templates."""

from __future__ import annotations

from functools import cmp_to_key
from typing import Any

from towpath_backstage.language.faults import TemplateFault
from towpath_backstage.language.methods_text import Methods, clamped
from towpath_backstage.language.operators import less, strictly_equal
from towpath_backstage.language.values import (
    UNDEFINED,
    display,
    own_keys,
    text,
    to_integer,
)

__all__ = ("LIST_METHODS", "MUTATING", "OBJECT_METHODS", "PYTHON_LIST", "PYTHON_OBJECT")

_MOST_DEPTH = 100


def _at(items: list[Any], index: Any = UNDEFINED) -> Any:
    place = to_integer(index)
    place += len(items) if place < 0 else 0
    return items[place] if 0 <= place < len(items) else UNDEFINED


def _concat(items: list[Any], *others: Any) -> list[Any]:
    joined = items[:]
    for other in others:
        if isinstance(other, list):
            joined += other
        else:
            joined.append(other)
    return joined


def _fill(
    items: list[Any], value: Any = UNDEFINED, start: Any = UNDEFINED, end: Any = UNDEFINED
) -> list[Any]:
    first, last = clamped(start, len(items), 0), clamped(end, len(items), len(items))
    items[first:last] = [value] * max(last - first, 0)
    return items


def _flat(items: list[Any], depth: Any = UNDEFINED) -> list[Any]:
    return _flattened(items, min(to_integer(depth, 1), _MOST_DEPTH))


def _flattened(items: list[Any], depth: int) -> list[Any]:
    flat: list[Any] = []
    for item in items:
        if isinstance(item, list) and depth > 0:
            flat += _flattened(item, depth - 1)
        else:
            flat.append(item)
    return flat


def _same(left: Any, right: Any) -> bool:
    """Compare as `includes` does, where NaN is found too."""
    return strictly_equal(left, right) or (left != left and right != right)


def _includes(items: list[Any], wanted: Any = UNDEFINED, start: Any = UNDEFINED) -> bool:
    return any(_same(item, wanted) for item in items[clamped(start, len(items), 0) :])


def _index_of(items: list[Any], wanted: Any = UNDEFINED, start: Any = UNDEFINED) -> int:
    for index in range(clamped(start, len(items), 0), len(items)):
        if strictly_equal(items[index], wanted):
            return index
    return -1


def _last_index_of(items: list[Any], wanted: Any = UNDEFINED, *start: Any) -> int:
    last = to_integer(start[0]) if start else len(items) - 1
    last = len(items) + last if last < 0 else min(last, len(items) - 1)
    for index in range(last, -1, -1):
        if strictly_equal(items[index], wanted):
            return index
    return -1


def _join(items: list[Any], separator: Any = UNDEFINED) -> str:
    return ("," if separator is UNDEFINED else text(separator)).join(map(display, items))


def _push(items: list[Any], *values: Any) -> int:
    items.extend(values)
    return len(items)


def _pop(items: list[Any]) -> Any:
    return items.pop() if items else UNDEFINED


def _shift(items: list[Any]) -> Any:
    return items.pop(0) if items else UNDEFINED


def _unshift(items: list[Any], *values: Any) -> int:
    items[:0] = values
    return len(items)


def _reverse(items: list[Any]) -> list[Any]:
    items.reverse()
    return items


def _slice(items: list[Any], start: Any = UNDEFINED, end: Any = UNDEFINED) -> list[Any]:
    return items[clamped(start, len(items), 0) : clamped(end, len(items), len(items))]


def _compare(left: Any, right: Any) -> int:
    """Order as `sort` does without a function: by text, undefined last."""
    if left is UNDEFINED or right is UNDEFINED:
        return (left is UNDEFINED) - (right is UNDEFINED)
    return less(text(right), text(left)) - less(text(left), text(right))


def _sort(items: list[Any]) -> list[Any]:
    items.sort(key=cmp_to_key(_compare))
    return items


def _splice(items: list[Any], *args: Any) -> list[Any]:
    if not args:
        return []
    first = clamped(args[0], len(items), 0)
    count = len(items) - first if len(args) == 1 else to_integer(args[1])
    last = first + min(max(count, 0), len(items) - first)
    removed = items[first:last]
    items[first:last] = args[2:]
    return removed


def _has_own(entries: dict[str, Any], key: Any = UNDEFINED) -> bool:
    return text(key) in entries


LIST_METHODS: Methods = {
    "at": _at,
    "concat": _concat,
    "fill": _fill,
    "flat": _flat,
    "includes": _includes,
    "indexOf": _index_of,
    "join": _join,
    "lastIndexOf": _last_index_of,
    "pop": _pop,
    "push": _push,
    "reverse": _reverse,
    "shift": _shift,
    "slice": _slice,
    "sort": _sort,
    "splice": _splice,
    "toString": text,
    "unshift": _unshift,
}
OBJECT_METHODS: Methods = {"hasOwnProperty": _has_own}


def _count(items: list[Any], wanted: Any = UNDEFINED) -> int:
    return sum(1 for item in items if strictly_equal(item, wanted))


def _index(items: list[Any], wanted: Any = UNDEFINED) -> int:
    index = _index_of(items, wanted)
    if index < 0:
        raise TemplateFault("`index` did not find the value in the list")
    return index


def _remove(items: list[Any], wanted: Any = UNDEFINED) -> list[Any]:
    return [items.pop(_index(items, wanted))]


def _insert(items: list[Any], index: Any = UNDEFINED, value: Any = UNDEFINED) -> list[Any]:
    return _splice(items, index, 0, value)


def _python_pop(items: list[Any], *index: Any) -> Any:
    if not index:
        return _pop(items)
    place = to_integer(index[0])
    if not 0 <= place < len(items):
        raise TemplateFault("`pop` needs an index inside the list")
    return items.pop(place)


def _get(entries: dict[str, Any], key: Any = UNDEFINED, otherwise: Any = UNDEFINED) -> Any:
    return entries.get(text(key), otherwise)


def _items(entries: dict[str, Any]) -> list[Any]:
    return [[key, entries[key]] for key in own_keys(entries)]


def _values(entries: dict[str, Any]) -> list[Any]:
    return [entries[key] for key in own_keys(entries)]


PYTHON_LIST: Methods = {
    "append": _push,
    "count": _count,
    "find": _index_of,
    "index": _index,
    "insert": _insert,
    "pop": _python_pop,
    "remove": _remove,
}
PYTHON_OBJECT: Methods = {
    "get": _get,
    "has_key": _has_own,
    "items": _items,
    "iteritems": _items,
    "iterkeys": own_keys,
    "itervalues": _values,
    "keys": own_keys,
    "values": _values,
}
MUTATING = frozenset(
    {"append", "fill", "insert", "pop", "push", "remove"}
    | {"reverse", "shift", "sort", "splice", "unshift"}
)
"""Methods that change what they are called on."""
