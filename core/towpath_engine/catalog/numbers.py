"""Sets of entity numbers, most of which have one member."""

from __future__ import annotations

from pyroaring import BitMap

__all__ = ("Numbers", "added", "bitmap_of", "packed", "removed", "union", "unpacked")

Numbers = int | BitMap
"""A set of entities: the number of the only one, or a bitmap."""


def bitmap_of(numbers: Numbers | None) -> BitMap:
    """The same set as a bitmap; not to be changed by the caller."""
    if numbers is None:
        return BitMap()
    return BitMap((numbers,)) if isinstance(numbers, int) else numbers


def added(numbers: Numbers | None, number: int) -> Numbers:
    """The set with one more; a bitmap is changed in place."""
    if numbers is None:
        return number
    if isinstance(numbers, int):
        return numbers if numbers == number else BitMap((numbers, number))
    numbers.add(number)
    return numbers


def removed(numbers: Numbers | None, number: int) -> Numbers | None:
    """The set without one, None when nothing is left; a bitmap is changed in place."""
    if numbers is None or isinstance(numbers, int):
        return None if numbers == number else numbers
    numbers.discard(number)
    return numbers if numbers else None


def union(sets: list[Numbers]) -> BitMap:
    """What is in any of them."""
    found = BitMap([one for one in sets if isinstance(one, int)])
    several = [one for one in sets if not isinstance(one, int)]
    return BitMap.union(found, *several) if several else found


def packed(numbers: Numbers) -> int | bytes:
    """The set in a form that can be written to a file."""
    return numbers if isinstance(numbers, int) else numbers.serialize()


def unpacked(found: int | bytes) -> Numbers:
    """The set that `packed` gave."""
    return found if isinstance(found, int) else BitMap.deserialize(found)
