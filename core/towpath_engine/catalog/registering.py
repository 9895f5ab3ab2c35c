"""Registers, refreshes and removes locations.

Each is read first, without holding anybody up; what was read is then taken in as one transaction
with its revisions and its audit row. All return when the index of this process holds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import delete, func, insert, select, update

from towpath_core.errors import Conflict, NotFound, Unavailable
from towpath_core.identity import Principal
from towpath_engine import audit
from towpath_engine.catalog.conflicts import forget_claims
from towpath_engine.catalog.feed import Follower
from towpath_engine.catalog.files import known_files
from towpath_engine.catalog.findings import KnownFile, Reading
from towpath_engine.catalog.ingest import still_fits, take_in
from towpath_engine.catalog.keeping import Keeping, digest_of
from towpath_engine.catalog.locations import Location, LocationReport
from towpath_engine.catalog.problems import look_over
from towpath_engine.catalog.reading import LocationReader
from towpath_engine.catalog.registrations import (
    Registrations,
    check_target,
    find_location,
    settle_name,
)
from towpath_engine.catalog.tables import ENTITIES, LOCATIONS, PROBLEMS
from towpath_engine.catalog.writer import Outcome, delete_entities, serialise
from towpath_engine.clock import new_id, now
from towpath_engine.memory import give_back
from towpath_engine.policy import PolicyGate
from towpath_engine.store.database import Database, Transaction

__all__ = ("Registering",)

_TRIES = 3
_MANY = 1000
"""So many entities at once leave a lot of memory that is free again."""

Files = dict[str, KnownFile]


class Registering:
    """What changes the registered locations of a catalog."""

    def __init__(
        self,
        database: Database,
        feed: Follower,
        reader: LocationReader,
        policy: PolicyGate,
        keeping: Keeping,
    ) -> None:
        self.feed = feed
        self._database = database
        self._reader = reader
        self._policy = policy
        self._keeping = keeping
        self.registrations = Registrations(database, feed, reader, policy, keeping)

    async def register(
        self, principal: Principal, type: str, target: str, *, again: bool = False
    ) -> LocationReport:
        """Register a location and read it; its entities are readable when this returns.

        A location with nothing but problems is registered too, so that they can be looked up and
        a later refresh finds it mended.

        Args:
            principal: who asks.
            type: location type, such as `url` or `file`.
            target: where it is.
            again: a known location is read again instead of refused.

        Raises:
            Conflict: it is registered already and `again` is False.
            Invalid: no source reads such a location.
        """
        return await self._read_in(principal, type, target, again=again)

    async def look(self, principal: Principal, type: str, target: str) -> Reading:
        """Read a location as `register` would, without writing anything."""
        await self._policy.check(principal, "catalog:write", f"{type}:{target}")
        check_target(self._reader, type, target)
        return await self._reader.read(type, target)

    async def refresh(
        self, principal: Principal, location_id: UUID, *, full: bool = False
    ) -> LocationReport:
        """Read a location again and take in what changed.

        Args:
            principal: who asks.
            location_id: the location.
            full: parse files that have not changed too, as when the rules for them have.

        Raises:
            NotFound: there is no such location, or it was removed meanwhile.
        """
        known = await self.location(location_id)
        return await self._read_in(
            principal, known.type, known.target, again=True, known=True, full=full
        )

    async def refresh_entity(self, principal: Principal, ref: str) -> None:
        """Read the location of an entity again; an entity without one is left alone.

        Raises:
            NotFound: there is no such entity.
        """
        query = select(ENTITIES.c.location_id).where(ENTITIES.c.ref == ref.lower())
        async with self._database.begin() as transaction:
            row = (await transaction.execute(query)).one_or_none()
        if row is None:
            raise NotFound(f"There is no entity {ref}.")
        if row.location_id is not None:
            await self.refresh(principal, row.location_id)

    async def unregister(self, principal: Principal, location_id: UUID) -> None:
        """Remove a location with the entities read from it; they can be restored for some days.

        What another location states too passes to that one.

        Raises:
            NotFound: there is no such location.
        """
        location = await self.location(location_id)
        await self._policy.check(principal, "catalog:write", location.origin)
        async with self._database.begin() as transaction:
            await serialise(transaction)
            await forget_claims(transaction, location_id)
            query = select(ENTITIES.c.uid).where(ENTITIES.c.location_id == location_id)
            uids = [row.uid for row in await transaction.execute(query)]
            outcome = await self._delete(transaction, principal, location, uids, "unregistered")
            await transaction.execute(delete(LOCATIONS).where(LOCATIONS.c.id == location_id))
            await audit.record(transaction, principal, "catalog:unregister", location.origin)
        await self.feed.catch_up(outcome.seq)

    async def confirm(self, principal: Principal, location_id: UUID, digest: str) -> Sequence[str]:
        """Remove what vanished from a location and was held back.

        Args:
            principal: who confirms.
            location_id: the location.
            digest: of what is held, as the report or the location tells it: one confirms what
                one has seen.

        Returns:
            The references that were removed.

        Raises:
            NotFound: there is no such location.
            Conflict: nothing is held, or something else than was seen.
        """
        location = await self.location(location_id)
        await self._policy.check(principal, "catalog:write", location.origin)
        async with self._database.begin() as transaction:
            await serialise(transaction)
            uids = await _held(transaction, location)
            if digest_of(uids) != digest:
                raise Conflict(
                    f"What is held of {location.origin} has changed meanwhile.",
                    next=f"Look at it again; it is {digest_of(uids)} now.",
                )
            outcome = await self._delete(transaction, principal, location, uids, "vanished")
            await _let_go(transaction, location_id)
            detail = {"deleted": len(outcome.deleted)}
            await audit.record(
                transaction, principal, "catalog:confirm", location.origin, detail=detail
            )
        await self.feed.catch_up(outcome.seq)
        return sorted([*outcome.deleted, *outcome.handed])

    async def location(self, location_id: UUID) -> Location:
        """A registered location; see `Registrations.location`."""
        return await self.registrations.location(location_id)

    async def _delete(
        self,
        transaction: Transaction,
        principal: Principal,
        location: Location,
        uids: Sequence[UUID],
        reason: str,
    ) -> Outcome:
        return await delete_entities(
            transaction,
            uids,
            actor=audit.actor_of(principal),
            source=location.origin,
            reason=reason,
            days=self._keeping.tombstone_days,
        )

    async def _read_in(
        self,
        principal: Principal,
        type: str,
        target: str,
        *,
        again: bool,
        known: bool = False,
        full: bool = False,
    ) -> LocationReport:
        """Read a location and take it in; `known` is one that must not be made anew."""
        await self._policy.check(principal, "catalog:write", f"{type}:{target}")
        check_target(self._reader, type, target)
        for number in range(_TRIES):
            # The last try relies on nothing that another could change meanwhile.
            whole = full or number == _TRIES - 1
            begun, files = await self._begin(type, target, again=again, full=whole)
            reading = await self._reader.read(type, target, files)
            async with self._database.begin() as transaction:
                # From here on no other process registers, reads in or removes anything.
                await serialise(transaction)
                location, created = await self._settled(
                    transaction, principal, type, target, again=again, known=known
                )
                if not await still_fits(transaction, location.id, reading):
                    continue
                outcome = await take_in(
                    transaction, principal, location, reading, begun, self._keeping
                )
            report = LocationReport.of(location, created, reading, outcome)
            # What was read is not needed while the index takes in as much again.
            del reading
            # The database looks for what leads nowhere while the index is brought up to date.
            _, warnings = await asyncio.gather(
                self.feed.catch_up(outcome.seq), look_over(self._database, location.id)
            )
            if len(outcome.added) + len(outcome.changed) >= _MANY:
                await asyncio.to_thread(give_back)
            return msgspec.structs.replace(report, warnings=warnings)
        raise Unavailable(f"Location {type}:{target} changes all the time.", next="Try again.")

    async def _begin(
        self, type: str, target: str, *, again: bool, full: bool
    ) -> tuple[datetime, Files]:
        async with self._database.begin() as transaction:
            location = await find_location(transaction, type, target)
            if not again and location is not None:
                raise Conflict(f"Location {type}:{target} already exists.")
            begun = (await transaction.execute(select(func.clock_timestamp()))).scalar_one()
            if full or location is None:
                return begun, {}
            return begun, dict(await known_files(transaction, location.id))

    async def _settled(
        self,
        transaction: Transaction,
        principal: Principal,
        type: str,
        target: str,
        *,
        again: bool,
        known: bool,
    ) -> tuple[Location, bool]:
        """The location, and whether it was made just now."""
        location = await find_location(transaction, type, target)
        if location is None:
            if known:
                raise NotFound(f"Location {type}:{target} was removed meanwhile.")
            return await _insert(transaction, principal, type, target), True
        if not again:
            raise Conflict(f"Location {type}:{target} already exists.")
        return location, False


async def _insert(
    transaction: Transaction, principal: Principal, type: str, target: str
) -> Location:
    location = await settle_name(transaction, Location(new_id(), type, target))
    values = msgspec.structs.asdict(location)
    actor = audit.actor_of(principal)
    statement = insert(LOCATIONS).values(**values, created_by=actor, created_at=now())
    await transaction.execute(statement)
    await audit.record(transaction, principal, "catalog:register", location.origin)
    return location


async def _held(transaction: Transaction, location: Location) -> Sequence[UUID]:
    """The uids that are held of a location and still its own."""
    c = LOCATIONS.c
    query = select(c.held).where(c.id == location.id)
    named = [UUID(uid) for uid in (await transaction.execute(query)).scalar_one_or_none() or ()]
    e = ENTITIES.c
    there = select(e.uid).where(e.uid == func.any(named), e.location_id == location.id)
    found = list((await transaction.execute(there)).scalars())
    if not found:
        raise Conflict(f"Nothing is held of {location.origin}.")
    return found


async def _let_go(transaction: Transaction, location_id: UUID) -> None:
    c, p = LOCATIONS.c, PROBLEMS.c
    done = update(LOCATIONS).where(c.id == location_id).values(held=None, held_at=None)
    await transaction.execute(done)
    over = delete(PROBLEMS).where(p.location_id == location_id, p.code == "held")
    await transaction.execute(over)
