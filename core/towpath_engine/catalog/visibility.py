"""What a principal may see of the catalog, as a set of the index.

One set for every read: lists, counts, facets, search, cursors and single entities. What policies
say of a principal is kept for 5 seconds, the set that follows from it until the catalog changes.
"""

from __future__ import annotations

import time
from collections import OrderedDict

from pyroaring import BitMap

from towpath_core.identity import Principal
from towpath_core.policy import AllOf, AnyOf, Criteria, Not, Rule
from towpath_engine.catalog.index import CatalogIndex
from towpath_engine.catalog.passing import Found
from towpath_engine.policy import PolicyGate

__all__ = ("Sight", "meeting", "meets")

_SECONDS = 5.0
_MOST = 1024


class Sight:
    """Tells what principals may see."""

    def __init__(self, index: CatalogIndex, gate: PolicyGate) -> None:
        self._index = index
        self._gate = gate
        self._criteria: OrderedDict[Principal, tuple[float, Criteria]] = OrderedDict()
        self._sets: dict[Criteria, BitMap] = {}
        self._version = -1

    async def of(self, principal: Principal) -> BitMap | None:
        """The entities a principal may see; None for all of them. Not to be changed."""
        criteria = await self.criteria(principal)
        if criteria is None:
            return None
        if self._version != self._index.version:
            self._sets.clear()
            self._version = self._index.version
        found = self._sets.get(criteria)
        if found is None:
            found = self._sets[criteria] = meeting(self._index, criteria)
        return found

    async def criteria(self, principal: Principal) -> Criteria | None:
        """What entities must be like for a principal to see them; None where any may be seen."""
        if self._gate.is_open:
            return None
        criteria = await self._of(principal)
        return None if criteria == AllOf() else criteria

    async def _of(self, principal: Principal) -> Criteria:
        known = self._criteria.get(principal)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        criteria = await self._gate.readable(principal)
        self._criteria[principal] = (time.monotonic() + _SECONDS, criteria)
        self._criteria.move_to_end(principal)
        if len(self._criteria) > _MOST:
            self._criteria.popitem(last=False)
        return criteria


def meeting(index: CatalogIndex, criteria: Criteria) -> BitMap:
    """The numbers of the entities that meet criteria."""
    match criteria:
        case Rule(field, values):
            if not values:
                return index.matching(field.lower(), None)
            sets = [index.matching(field.lower(), value.lower()) for value in values]
            return BitMap.union(BitMap(), *sets)
        case AllOf(parts):
            return BitMap.intersection(index.everything, *(meeting(index, p) for p in parts))
        case AnyOf(parts):
            return BitMap.union(BitMap(), *(meeting(index, part) for part in parts))
        case Not(part):
            return index.everything - meeting(index, part)


def meets(criteria: Criteria, found: Found) -> bool:
    """Whether a single document meets criteria, by what it is found by."""
    match criteria:
        case Rule(field, values):
            there = found.get(field.lower())
            if there is None or not values:
                return there is not None
            return any(value.lower() in there for value in values)
        case AllOf(parts):
            return all(meets(part, found) for part in parts)
        case AnyOf(parts):
            return any(meets(part, found) for part in parts)
        case Not(part):
            return not meets(part, found)
