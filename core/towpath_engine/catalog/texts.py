"""All values of a key in one text, which is searched much faster than one value after another.

Pure. A pattern is a part of a value; with an `EDGE` in front, or behind, a value must begin with
it, or end.
"""

from __future__ import annotations

from collections.abc import Collection

__all__ = ("EDGE", "JoinedText", "edged")

EDGE = "\0"
"""Stands around values: no text that can be stored has it."""


def edged(value: str) -> str:
    """A value as patterns are looked for in it."""
    return f"{EDGE}{value}{EDGE}"


class JoinedText:
    """Values in one text.

    `fresh` are values that came later; values that went stay in it.
    """

    __slots__ = ("_text", "_values", "fresh")

    def __init__(self, values: Collection[str]) -> None:
        self._text = edged(EDGE.join(values))
        self._values = len(values)
        self.fresh: list[str] = []

    def is_stale(self, values: int) -> bool:
        """Whether so much has come, or gone, that it had better be made anew."""
        return len(self.fresh) + max(self._values - values, 0) > 256 + values // 8

    def holding(self, pattern: str) -> list[str] | None:
        """The values that hold a pattern, some of them gone; None when too many for this way do."""
        text = self._text
        if text.count(pattern) > self._values // 8:
            return None
        found = [value for value in self.fresh if pattern in edged(value)]
        inside = len(pattern) - len(pattern.removeprefix(EDGE))
        at = text.find(pattern)
        while at >= 0:
            at += inside
            end = text.index(EDGE, at)
            found.append(text[text.rindex(EDGE, 0, at) + 1 : end])
            at = text.find(pattern, end)
        return found
