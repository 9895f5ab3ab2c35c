"""Orders of the catalog index: rows of (value, uid, number), sorted, and kept so through changes.

Pure. A row is compared whole, so no two are equal and every place in an order is exact.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator

from pyroaring import BitMap

__all__ = ("Row", "View")

Row = tuple[str, str, int]
"""The value in lower case, the uid, and the number of an entity."""

_GATHER_COST = 2
"""How much more it costs to fetch a row and to sort it than to walk past one."""


class View:
    """Rows in order, one an entity at the most."""

    __slots__ = ("_by_number", "_rows")

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = sorted(rows)
        self._by_number = {row[2]: row for row in self._rows}

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def get(self, number: int) -> Row | None:
        """The row of an entity, where it has one."""
        return self._by_number.get(number)

    def put(self, row: Row) -> None:
        """Place an entity, or move it."""
        old = self._by_number.get(row[2])
        if old == row:
            return
        if old is not None:
            del self._rows[bisect_left(self._rows, old)]
        insort(self._rows, row)
        self._by_number[row[2]] = row

    def drop(self, number: int) -> None:
        """Take an entity out; one that is not there is fine."""
        old = self._by_number.pop(number, None)
        if old is not None:
            del self._rows[bisect_left(self._rows, old)]

    def beyond(
        self, among: BitMap, start: tuple[str, str] | None, *, rising: bool, wanted: int
    ) -> Iterator[Row]:
        """The rows of what is `among`, from just beyond a place on, one way or the other.

        Args:
            among: numbers; those that have no row here are left out.
            start: (value, uid) to go on from; that row itself is left out.
            rising: whether values grow on the way.
            wanted: about how many are going to be taken; tells which way is cheaper.
        """
        # Few among many: fetching these and sorting them is less than walking past the others.
        if len(among) ** 2 * _GATHER_COST < wanted * len(self._rows):
            return iter(self._gathered(among, start, rising))
        rows, steps = self._rows, self._steps(start, rising)
        return (row for at in steps if (row := rows[at])[2] in among)

    def _gathered(self, among: BitMap, start: tuple[str, str] | None, rising: bool) -> list[Row]:
        rows: list[Row] = list(filter(None, map(self._by_number.get, among)))
        if start is not None:
            rows = [row for row in rows if (row[:2] > start if rising else row[:2] < start)]
        rows.sort(reverse=not rising)
        return rows

    def _steps(self, start: tuple[str, str] | None, rising: bool) -> range:
        if rising:
            at = bisect_right(self._rows, (*start, 1 << 62)) if start else 0
            return range(at, len(self._rows))
        at = bisect_left(self._rows, (*start, -1)) if start else len(self._rows)
        return range(at - 1, -1, -1)
