"""Shows what registering, reading again or removing a location would do. Writes nothing.

The decision is the one that is taken when it is done (`diffing`), in a transaction that cannot
write.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, select

from towpath_core.identity import Principal
from towpath_engine.catalog.conflicts import claims_on
from towpath_engine.catalog.differences import Difference, differences
from towpath_engine.catalog.diffing import Diff, diff
from towpath_engine.catalog.files import known_files
from towpath_engine.catalog.findings import FoundProblem
from towpath_engine.catalog.keeping import Keeping
from towpath_engine.catalog.locations import Location
from towpath_engine.catalog.reading import LocationReader
from towpath_engine.catalog.registrations import check_target, find_location
from towpath_engine.catalog.tables import ENTITIES
from towpath_engine.clock import new_id
from towpath_engine.policy import PolicyGate
from towpath_engine.store.database import Database, Transaction

__all__ = ("Planned", "PlannedChange", "PlannedConflict", "Planner", "RefreshPlan")


class Planned(msgspec.Struct, frozen=True):
    """An entity that would come, go, or wait; `back` is True for one that was removed before."""

    ref: str
    file: str | None = None
    line: int | None = None
    back: bool = False


class PlannedChange(msgspec.Struct, frozen=True):
    """An entity that would change, with the fields that are different; `more` if not all."""

    ref: str
    file: str | None
    line: int | None
    fields: Sequence[Difference]
    more: bool


class PlannedConflict(msgspec.Struct, frozen=True):
    """An entity that would be left out because another origin holds its reference."""

    ref: str
    holder: str
    file: str | None
    line: int | None


class RefreshPlan(msgspec.Struct, frozen=True):
    """What would be done with a location; each list ordered by reference.

    Attributes:
        type: of the location.
        target: where it is.
        location_id: None where it is not registered yet.
        adds: entities that would come.
        changes: entities that would change.
        deletes: entities that would go at once.
        held: entities that would wait for confirmation.
        handed: entities that would pass to another location, which states them too.
        conflicts: entities that would be left out.
        unchanged: how many would stay as they are.
        problems: what is wrong with what was read.
    """

    type: str
    target: str
    location_id: UUID | None
    adds: Sequence[Planned] = ()
    changes: Sequence[PlannedChange] = ()
    deletes: Sequence[Planned] = ()
    held: Sequence[Planned] = ()
    handed: Sequence[Planned] = ()
    conflicts: Sequence[PlannedConflict] = ()
    unchanged: int = 0
    problems: Sequence[FoundProblem] = ()


class Planner:
    """Makes plans of locations."""

    def __init__(
        self, database: Database, reader: LocationReader, policy: PolicyGate, keeping: Keeping
    ) -> None:
        self._database = database
        self._reader = reader
        self._policy = policy
        self._keeping = keeping

    async def plan(
        self, principal: Principal, type: str, target: str, *, full: bool = False
    ) -> RefreshPlan:
        """What registering a location, or reading it again, would do now.

        Args:
            principal: who asks; must be allowed to do it.
            type: location type.
            target: where it is.
            full: parse files that have not changed too.

        Raises:
            Invalid: no source reads such a location.
        """
        await self._policy.check(principal, "catalog:write", f"{type}:{target}")
        check_target(self._reader, type, target)
        async with self._looking() as transaction:
            known = await find_location(transaction, type, target)
            files = {}
            if known is not None and not full:
                files = dict(await known_files(transaction, known.id))
        reading = await self._reader.read(type, target, files)
        location = known or Location(new_id(), type, target)
        async with self._looking() as transaction:
            found = await diff(transaction, location, reading, self._keeping)
            handed = await claims_on(transaction, [row.uid for row in found.gone], let_go=True)
            bodies = await _bodies(transaction, [row["uid"] for row in found.weighed.renewed])
        # Comparing many documents must not hold up the event loop.
        return await asyncio.to_thread(_plan, location, known is not None, found, handed, bodies)

    async def plan_removal(self, principal: Principal, location: Location) -> RefreshPlan:
        """What removing a location would take along, and what would pass to others."""
        await self._policy.check(principal, "catalog:write", location.origin)
        c = ENTITIES.c
        query = select(c.uid, c.ref, c.file, c.line).where(c.location_id == location.id)
        async with self._looking() as transaction:
            rows = (await transaction.execute(query.order_by(c.ref))).all()
            handed = await claims_on(transaction, [row.uid for row in rows], let_go=True)
        found = Diff.removing(rows)
        return _plan(location, True, found, handed, {})

    @asynccontextmanager
    async def _looking(self) -> AsyncIterator[Transaction]:
        async with self._database.begin() as transaction:
            mode = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
            await transaction.exec_driver_sql(mode)
            yield transaction


def _plan(
    location: Location,
    known: bool,
    found: Diff,
    handed: Mapping[UUID, Any],
    bodies: Mapping[UUID, str],
) -> RefreshPlan:
    weighed = found.weighed
    back = set(weighed.returned)
    adds = [Planned(r["ref"], r["file"], r["line"], r["uid"] in back) for r in weighed.fresh]
    conflicts = [PlannedConflict(d.ref, by, d.file, d.line) for d, by in found.lost]
    return RefreshPlan(
        location.type,
        location.target,
        location.id if known else None,
        adds=_ordered(adds),
        changes=_ordered(_change(row, bodies[row["uid"]]) for row in weighed.renewed),
        deletes=_ordered(_gone(row) for row in found.gone if row.uid not in handed),
        held=_ordered(map(_gone, found.held)),
        handed=_ordered(_gone(row) for row in found.gone if row.uid in handed),
        conflicts=_ordered(conflicts),
        unchanged=len(weighed.unchanged) + len(found.kept),
        problems=found.problems,
    )


def _ordered(items: Iterable[Any]) -> Sequence[Any]:
    return sorted(items, key=lambda item: item.ref)


def _gone(row: Any) -> Planned:
    return Planned(row.ref, row.file, row.line)


def _change(row: Mapping[str, Any], before: str) -> PlannedChange:
    fields, more = differences(msgspec.json.decode(before), msgspec.json.decode(row["body"]))
    return PlannedChange(row["ref"], row["file"], row["line"], fields, more)


async def _bodies(transaction: Transaction, uids: Sequence[UUID]) -> Mapping[UUID, str]:
    c = ENTITIES.c
    query = select(c.uid, c.body).where(c.uid == func.any(list(uids)))
    return {row.uid: row.body for row in await transaction.execute(query)}
