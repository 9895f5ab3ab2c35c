"""What is different between two documents, field by field, in bounds.

Pure. Operations are named as in RFC 6902; lists are compared item by item.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

__all__ = ("Difference", "differences")

MOST = 200
"""How many differences are told of one change."""
LONGEST = 1000
"""How many bytes of JSON a told value may have; a longer one is cut, and is a string then."""

Op = Literal["add", "remove", "replace"]
_ABSENT: Any = object()


class Difference(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field that is different.

    Attributes:
        op: what was done to it.
        pointer: where it is (RFC 6901).
        old: what was there; not told for `add`.
        new: what is there now; not told for `remove`.
        cut: whether a value was too long to be told whole, and is the beginning of its JSON text.
    """

    op: Op
    pointer: str
    old: Any = msgspec.UNSET
    new: Any = msgspec.UNSET
    cut: bool = False


def differences(old: Any, new: Any) -> tuple[list[Difference], bool]:
    """The differences in the order of the fields, at most `MOST`, and whether there are more."""
    found: list[Difference] = []
    for difference in _walk(old, new):
        if len(found) == MOST:
            return found, True
        found.append(difference)
    return found, False


def _walk(old: Any, new: Any) -> Iterator[Difference]:
    # A stack of our own: documents may nest deeper than the interpreter does.
    waiting: list[tuple[str, Any, Any]] = [("", old, new)]
    while waiting:
        at, before, after = waiting.pop()
        if type(before) is type(after) and isinstance(before, dict | list):
            waiting += reversed(list(_below(at, before, after)))
        elif before is _ABSENT:
            yield _told("add", at, before, after)
        elif after is _ABSENT:
            yield _told("remove", at, before, after)
        elif type(before) is not type(after) or before != after:
            yield _told("replace", at, before, after)


def _below(at: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(before, dict):
        for key in {**before, **after}:
            name = key.replace("~", "~0").replace("/", "~1")
            yield f"{at}/{name}", before.get(key, _ABSENT), after.get(key, _ABSENT)
        return
    for number in range(max(len(before), len(after))):
        yield (
            f"{at}/{number}",
            before[number] if number < len(before) else _ABSENT,
            after[number] if number < len(after) else _ABSENT,
        )


def _told(op: Op, pointer: str, before: Any, after: Any) -> Difference:
    old, old_cut = _shown(before)
    new, new_cut = _shown(after)
    return Difference(op, pointer[:LONGEST], old, new, old_cut or new_cut)


def _shown(value: Any) -> tuple[Any, bool]:
    if value is _ABSENT:
        return msgspec.UNSET, False
    encoded = msgspec.json.encode(value)
    if len(encoded) <= LONGEST:
        return value, False
    return encoded[:LONGEST].decode("utf-8", "ignore"), True
