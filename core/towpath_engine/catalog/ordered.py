"""Texts in order, and in order of their reverse: found by how they begin or end.

Pure.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

__all__ = ("OrderedTexts",)

_AFTER = chr(0x10FFFF)
"""Comes after all that may follow in a text."""


class OrderedTexts:
    """A set of texts. Whoever puts or drops one knows whether it is there."""

    __slots__ = ("_backwards", "_changes", "_forwards")

    def __init__(self, texts: Iterable[str]) -> None:
        self._forwards = sorted(texts)
        self._backwards = sorted(text[::-1] for text in self._forwards)
        self._changes = 0

    @property
    def is_stale(self) -> bool:
        """Whether so much has changed that what comes had better be sorted all at once."""
        return self._changes > 256 + len(self._forwards) // 8

    def put(self, text: str) -> None:
        """Take one in that is not there."""
        insort(self._forwards, text)
        insort(self._backwards, text[::-1])
        self._changes += 1

    def drop(self, text: str) -> None:
        """Take one out that is there."""
        del self._forwards[bisect_left(self._forwards, text)]
        del self._backwards[bisect_left(self._backwards, text[::-1])]
        self._changes += 1

    def beginning(self, part: str) -> list[str]:
        """Those that begin so."""
        return _from(self._forwards, part)

    def ending(self, part: str) -> list[str]:
        """Those that end so."""
        return [text[::-1] for text in _from(self._backwards, part[::-1])]


def _from(texts: list[str], part: str) -> list[str]:
    return texts[bisect_left(texts, part) : bisect_left(texts, part + _AFTER)]
