"""The filters that work on lists and objects. Undefined and null are the empty list."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cmp_to_key
from typing import Any

from towpath_backstage.language.checks import CHECKS, check
from towpath_backstage.language.faults import TemplateFault
from towpath_backstage.language.members import member
from towpath_backstage.language.operators import add, less, strictly_equal
from towpath_backstage.language.utf16 import length, merged, units
from towpath_backstage.language.values import (
    UNDEFINED,
    Keywords,
    display,
    is_nothing,
    kind_of,
    own_keys,
    text,
    to_integer,
    truthy,
)

__all__ = ("LIST_FILTERS", "named")


def _items(value: Any) -> list[Any]:
    """Take what a list filter works on: a text is its units, what has no length has no items."""
    if isinstance(value, list):
        return value
    return list(units(value)) if isinstance(value, str) else []


def _only_list(value: Any, filter_name: str) -> list[Any]:
    """Take what a filter works on that calls a method of lists."""
    if isinstance(value, list):
        return value
    if is_nothing(value):
        return []
    raise TemplateFault(f"the filter `{filter_name}` needs a list, not {kind_of(value)}")


def named(args: tuple[Any, ...], *names: str) -> list[Any]:
    """Sort out arguments that may be given by position or by name; undefined where not given."""
    keywords: dict[str, Any] = {}
    if args and isinstance(args[-1], Keywords):
        keywords, args = args[-1], args[:-1]
    found = list(args[: len(names)])
    return found + [keywords.get(name, UNDEFINED) for name in names[len(found) :]]


def _batch(value: Any, size: Any = UNDEFINED, filling: Any = UNDEFINED) -> list[Any]:
    items = _items(value)
    count = to_integer(size)
    if count <= 0:
        return [items] if items else []
    batches: list[list[Any]] = [items[at : at + count] for at in range(0, len(items), count)]
    if truthy(filling) and batches:
        if count > 1_000_000:
            raise TemplateFault("the filter `batch` fills up to at most 1000000 items")
        batches[-1] += [filling] * (count - len(batches[-1]))
    return batches


def _dictsort(value: Any, case: Any = UNDEFINED, by: Any = UNDEFINED) -> list[Any]:
    if is_nothing(value):
        return []
    if not isinstance(value, dict):
        raise TemplateFault(f"the filter `dictsort` needs an object, not {kind_of(value)}")
    if by not in (UNDEFINED, "key", "value"):
        raise TemplateFault("the filter `dictsort` sorts by `key` or by `value`")
    place = 1 if by == "value" else 0

    def order(left: list[Any], right: list[Any]) -> int:
        a, b = left[place], right[place]
        if not truthy(case):
            a = a.upper() if isinstance(a, str) else a
            b = b.upper() if isinstance(b, str) else b
        if less(b, a):
            return 1
        return 0 if strictly_equal(a, b) else -1

    return sorted([[key, value[key]] for key in own_keys(value)], key=cmp_to_key(order))


def _first(value: Any) -> Any:
    return member(value, 0)


def _last(value: Any) -> Any:
    size = member(value, "length")
    return member(value, size - 1) if isinstance(size, int) else UNDEFINED


def _random(value: Any) -> Any:
    items = _items(value)
    if not items:
        return UNDEFINED
    return items[int.from_bytes(os.urandom(8), "big") % len(items)]


def _attribute(item: Any, path: Any) -> Any:
    """Follow a dotted path of own keys; undefined where one is missing."""
    for part in path.split(".") if isinstance(path, str) else [path]:
        if is_nothing(item):
            raise TemplateFault("an attribute cannot be read from null or undefined")
        item = item.get(text(part), UNDEFINED) if isinstance(item, dict) else member(item, part)
        if item is UNDEFINED:
            return UNDEFINED
    return item


def _groupby(value: Any, path: Any = UNDEFINED) -> dict[str, Any]:
    groups: dict[str, Any] = {}
    for item in _items(value):
        key = _attribute(item, path) if truthy(path) else item
        groups.setdefault(text(key), []).append(item)
    return groups


def _plucked(items: list[Any], key: Any) -> list[Any]:
    if any(is_nothing(item) for item in items):
        raise TemplateFault("an attribute cannot be read from null or undefined")
    return [member(item, key) for item in items]


def _join(value: Any, separator: Any = UNDEFINED, key: Any = UNDEFINED) -> str:
    items = _plucked(_items(value), key) if truthy(key) else _only_list(value, "join")
    return (text(separator) if truthy(separator) else "").join(map(display, items))


def _length(value: Any) -> Any:
    if isinstance(value, str):
        return length(value)
    if isinstance(value, (list, dict)):
        return len(value)
    return 0 if is_nothing(value) or value is False else UNDEFINED


def _list(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [{"key": key, "value": value[key]} for key in own_keys(value)]
    return _items(value) if isinstance(value, str) else _only_list(value, "list")


def _picking(wanted: bool) -> Callable[..., list[Any]]:
    name = "select" if wanted else "reject"

    def pick(value: Any, test: Any = UNDEFINED, argument: Any = UNDEFINED) -> list[Any]:
        test_name = "truthy" if test is UNDEFINED else text(test)
        if test_name not in CHECKS:
            raise TemplateFault(f"the filter `{name}` needs the name of a test")
        return [item for item in _items(value) if check(item, test_name, argument) is wanted]

    return pick


def _picking_attribute(wanted: bool) -> Callable[..., list[Any]]:
    name = "selectattr" if wanted else "rejectattr"

    def pick(value: Any, key: Any = UNDEFINED) -> list[Any]:
        items = _only_list(value, name)
        pairs = zip(items, _plucked(items, key), strict=True)
        return [item for item, found in pairs if truthy(found) is wanted]

    return pick


def _reverse(value: Any) -> Any:
    if isinstance(value, str):
        return merged(units(value)[::-1])
    return value[::-1] if isinstance(value, list) else []


def _slice(value: Any, slices: Any = UNDEFINED, filling: Any = UNDEFINED) -> list[Any]:
    if isinstance(value, str):
        return ["".join(part) for part in _slice(list(value), slices)]
    items = _items(value)
    count = to_integer(slices)
    if not 0 < count <= 1_000_000:
        return []
    size, extra = divmod(len(items), count)
    parts: list[list[Any]] = []
    start = 0
    for index in range(count):
        end = start + size + (index < extra)
        part = items[start:end]
        if truthy(filling) and index >= extra:
            part.append(filling)
        parts.append(part)
        start = end
    return parts


def _sort(value: Any, *args: Any) -> list[Any]:
    backwards, case, path = named(args, "reverse", "case_sensitive", "attribute")

    def order(left: Any, right: Any) -> int:
        if left is UNDEFINED or right is UNDEFINED:
            return (left is UNDEFINED) - (right is UNDEFINED)
        a = _attribute(left, path) if truthy(path) else left
        b = _attribute(right, path) if truthy(path) else right
        if not truthy(case) and isinstance(a, str) and isinstance(b, str):
            a, b = a.lower(), b.lower()
        result = less(b, a) - less(a, b)
        return -result if truthy(backwards) else result

    return sorted(_items(value), key=cmp_to_key(order))


def _sum(value: Any, key: Any = UNDEFINED, start: Any = UNDEFINED) -> Any:
    total: Any = 0
    items = _plucked(_items(value), key) if truthy(key) else _only_list(value, "sum")
    for item in items:
        total = add(total, item)
    return add(0 if start is UNDEFINED else start, total)


LIST_FILTERS = {
    "batch": _batch,
    "dictsort": _dictsort,
    "first": _first,
    "groupby": _groupby,
    "join": _join,
    "last": _last,
    "length": _length,
    "list": _list,
    "random": _random,
    "reject": _picking(False),
    "rejectattr": _picking_attribute(False),
    "reverse": _reverse,
    "select": _picking(True),
    "selectattr": _picking_attribute(True),
    "slice": _slice,
    "sort": _sort,
    "sum": _sum,
}
