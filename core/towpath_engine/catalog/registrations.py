"""Registered locations: looked up, paged through, and pointed somewhere else.

`CatalogService` registers, refreshes and removes them; the entity that stands for each is made in
`locations`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, delete, func, select, true, update

from towpath_core.errors import Conflict, Invalid, NotFound
from towpath_core.identity import Principal
from towpath_engine import audit
from towpath_engine.catalog.feed import Follower
from towpath_engine.catalog.ingest import take_in
from towpath_engine.catalog.keeping import Keeping
from towpath_engine.catalog.location_query import condition
from towpath_engine.catalog.locations import Location, LocationReport
from towpath_engine.catalog.problems import look_over
from towpath_engine.catalog.reading import LocationReader
from towpath_engine.catalog.tables import CONFLICTS, ENTITIES, FILES, LOCATIONS
from towpath_engine.catalog.writer import serialise
from towpath_engine.policy import PolicyGate
from towpath_engine.store.database import Database, Transaction

__all__ = ("LocationPage", "Registrations", "check_target", "find_location", "settle_name")

_MAX_TARGET = 4096


class LocationPage(msgspec.Struct, frozen=True):
    """Some locations in order of their ids, how many match in all, and whether more follow."""

    items: Sequence[Location]
    total: int
    more: bool


class Registrations:
    """The registered locations of a catalog."""

    def __init__(
        self,
        database: Database,
        feed: Follower,
        reader: LocationReader,
        policy: PolicyGate,
        keeping: Keeping | None = None,
    ) -> None:
        # Who points a location elsewhere means it: nothing of the old place is held back.
        self._keeping = msgspec.structs.replace(keeping or Keeping(), guarded=False)
        self._database = database
        self._feed = feed
        self._reader = reader
        self._policy = policy

    async def location(self, location_id: UUID) -> Location:
        """A registered location.

        Raises:
            NotFound: there is none with that id.
        """
        async with self._database.begin() as transaction:
            return await _by_id(transaction, location_id)

    async def all(self) -> Sequence[Location]:
        """All registered locations, ordered by id."""
        async with self._database.begin() as transaction:
            rows = (await transaction.execute(select(LOCATIONS).order_by(LOCATIONS.c.id))).all()
        return [Location.of(row) for row in rows]

    async def page(
        self, query: Any = None, *, limit: int, after: UUID | None = None
    ) -> LocationPage:
        """Locations that a predicate holds for, ordered by id.

        Args:
            query: a predicate over `id`, `type` and `target`; None lets all through.
            limit: how many at the most.
            after: the id to go on behind; it need not be there any more.

        Raises:
            Invalid: the predicate is not well formed, or too large.
        """
        wanted: ColumnElement[bool] = true() if query is None else condition(query)
        c = LOCATIONS.c
        rows = select(LOCATIONS).where(wanted).order_by(c.id).limit(limit + 1)
        if after is not None:
            rows = rows.where(c.id > after)
        async with self._database.begin() as transaction:
            count = select(func.count()).select_from(LOCATIONS).where(wanted)
            total: int = (await transaction.execute(count)).scalar_one()
            found = [Location.of(row) for row in await transaction.execute(rows)]
        return LocationPage(found[:limit], total, len(found) > limit)

    async def find(self, type: str, target: str) -> Location | None:
        """The registered location with a type and a target; None when there is none."""
        async with self._database.begin() as transaction:
            return await find_location(transaction, type, target)

    async def of_entity(self, ref: str) -> Location:
        """The registered location that an entity was read from.

        Raises:
            NotFound: there is no such entity, or it was not read from one.
        """
        query = select(ENTITIES.c.location_id).where(ENTITIES.c.ref == ref.lower())
        async with self._database.begin() as transaction:
            row = (await transaction.execute(query)).one_or_none()
            if row is None:
                raise NotFound(f"found no entity for ref {ref}")
            if row.location_id is None:
                raise NotFound(f"found no origin annotation for ref {ref}")
            return await _by_id(transaction, row.location_id)

    async def change(
        self, principal: Principal, location_id: UUID, type: str, target: str
    ) -> LocationReport:
        """Point a location somewhere else and read it there; idempotent.

        It keeps its id and the name of its entity. Entities that stand in both places keep their
        uids; those of the old place alone are removed, unless the new one could not be read to
        the end. What is there is readable when this returns.

        Raises:
            NotFound: there is no such location, or it was removed meanwhile.
            Conflict: another location has that type and target.
            Invalid: no source reads such a location.
        """
        known = await self.location(location_id)
        for origin in {known.origin, f"{type}:{target}"}:
            await self._policy.check(principal, "catalog:write", origin)
        check_target(self._reader, type, target)
        async with self._database.begin() as transaction:
            await _refuse_taken(transaction, location_id, type, target)
            begun = (await transaction.execute(select(func.clock_timestamp()))).scalar_one()
        reading = await self._reader.read(type, target)
        async with self._database.begin() as transaction:
            await serialise(transaction)
            location = await _point(transaction, principal, location_id, type, target)
            outcome = await take_in(transaction, principal, location, reading, begun, self._keeping)
        await self._feed.catch_up(outcome.seq)
        warnings = await look_over(self._database, location.id)
        report = LocationReport.of(location, False, reading, outcome)
        return msgspec.structs.replace(report, warnings=warnings)


def check_target(reader: LocationReader, type: str, target: str) -> None:
    """See that a location may be registered, by its text alone.

    Raises:
        Invalid: its target is empty or too long, or no source reads it.
    """
    if not target.strip() or "\0" in f"{type}{target}" or len(target) > _MAX_TARGET:
        raise Invalid(f"A location needs a target of 1 to {_MAX_TARGET} characters.")
    if reader.source_for(type, target) is None:
        raise Invalid(
            f"No source reads {type}:{target}.",
            next="Known are files (file:/path), pages (url:https://...) and git repositories "
            "(url:git+file:///..., url:git+https://...).",
        )


async def settle_name(transaction: Transaction, location: Location) -> Location:
    """A location that is about to be registered, with a name for its entity that is free.

    The name that its target gives may belong to a location that has moved away from there.
    """
    query = select(LOCATIONS.c.id).where(LOCATIONS.c.name == location.entity_name)
    if (await transaction.execute(query)).first() is None:
        return location
    return msgspec.structs.replace(location, name=location.name_by_id)


async def _point(
    transaction: Transaction, principal: Principal, location_id: UUID, type: str, target: str
) -> Location:
    known = await _by_id(transaction, location_id)
    await _refuse_taken(transaction, location_id, type, target)
    location = Location(location_id, type, target, known.entity_name)
    if known.origin == location.origin:
        return known
    values = {"type": type, "target": target, "name": location.name, "held": None, "held_at": None}
    c = LOCATIONS.c
    await transaction.execute(update(LOCATIONS).where(c.id == location_id).values(**values))
    # Who holds them is the location, whatever it is called.
    held = (ENTITIES.c.location_id == location_id, ENTITIES.c.origin == known.origin)
    await transaction.execute(update(ENTITIES).where(*held).values(origin=location.origin))
    # What was remembered of the old place says nothing about the new one.
    for table in (FILES, CONFLICTS):
        await transaction.execute(delete(table).where(table.c.location_id == location_id))
    detail = {"from": known.origin}
    await audit.record(transaction, principal, "catalog:change", location.origin, detail=detail)
    return location


async def _refuse_taken(
    transaction: Transaction, location_id: UUID, type: str, target: str
) -> None:
    other = await find_location(transaction, type, target)
    if other is not None and other.id != location_id:
        raise Conflict(f"Location {type}:{target} already exists")


async def _by_id(transaction: Transaction, location_id: UUID) -> Location:
    query = select(LOCATIONS).where(LOCATIONS.c.id == location_id)
    row = (await transaction.execute(query)).one_or_none()
    if row is None:
        raise NotFound(f"Found no location with ID {location_id}")
    return Location.of(row)


async def find_location(transaction: Transaction, type: str, target: str) -> Location | None:
    """The registered location with a type and a target; None when there is none."""
    c = LOCATIONS.c
    query = select(LOCATIONS).where(c.type == type, c.target == target)
    row = (await transaction.execute(query)).one_or_none()
    return Location.of(row) if row is not None else None
