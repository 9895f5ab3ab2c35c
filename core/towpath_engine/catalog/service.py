"""The catalog's decisions: register, refresh and remove locations; remove entities; list problems.

Reads are answered by `query` over the index. Every write is one transaction with its revisions
and its audit row, and returns when the index of this process holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import delete, func, insert, select

from towpath_core.entities import Entity
from towpath_core.errors import Conflict, Invalid, NotFound
from towpath_core.identity import Principal
from towpath_core.refs import parse_ref
from towpath_engine import audit
from towpath_engine.catalog.feed import Follower
from towpath_engine.catalog.index import CatalogIndex
from towpath_engine.catalog.ingest import take_in
from towpath_engine.catalog.judging import annotated, json_of
from towpath_engine.catalog.locations import Location, LocationReport, StoredProblem
from towpath_engine.catalog.reading import LocationReader, Reading
from towpath_engine.catalog.registrations import Registrations, check_target, settle_name
from towpath_engine.catalog.tables import ENTITIES, LOCATIONS, PROBLEMS
from towpath_engine.catalog.writer import (
    Draft,
    Outcome,
    delete_entities,
    put_entities,
    serialise,
)
from towpath_engine.clock import new_id, now
from towpath_engine.policy import PolicyGate
from towpath_engine.store.database import Database, Transaction

__all__ = ("CatalogService", "Location", "LocationReport", "StoredProblem")

OWN_ORIGIN = "towpath:"
"""How the origins of entities begin that the platform itself holds."""

_MAX_BODY = 4 * 1024 * 1024


class CatalogService:
    """Everything about the catalog that is not a plain read."""

    def __init__(
        self,
        database: Database,
        index: CatalogIndex,
        feed: Follower,
        reader: LocationReader,
        policy: PolicyGate,
    ) -> None:
        self.index = index
        self.feed = feed
        self._database = database
        self._reader = reader
        self._policy = policy
        self.registrations = Registrations(database, feed, reader, policy)

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
        self._check_target(type, target)
        return await self._reader.read(type, target)

    async def refresh(self, principal: Principal, location_id: UUID) -> LocationReport:
        """Read a location again and take in what changed.

        Raises:
            NotFound: there is no such location, or it was removed meanwhile.
        """
        known = await self.location(location_id)
        return await self._read_in(principal, known.type, known.target, again=True, known=True)

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
        """Remove a location with the entities read from it.

        Raises:
            NotFound: there is no such location.
        """
        location = await self.location(location_id)
        await self._policy.check(principal, "catalog:write", location.origin)
        async with self._database.begin() as transaction:
            await serialise(transaction)
            query = select(ENTITIES.c.uid).where(ENTITIES.c.location_id == location_id)
            uids = [row.uid for row in await transaction.execute(query)]
            actor, source = audit.actor_of(principal), location.origin
            outcome = await delete_entities(transaction, uids, actor=actor, source=source)
            await transaction.execute(delete(LOCATIONS).where(LOCATIONS.c.id == location_id))
            await audit.record(transaction, principal, "catalog:unregister", source)
        await self.feed.catch_up(outcome.seq)

    async def delete_entity(self, principal: Principal, uid: UUID) -> None:
        """Remove an entity; one that its location still holds comes back at the next refresh.

        Removing what is not there is fine.

        Raises:
            Conflict: the platform holds it, as it does a resource's.
        """
        c = ENTITIES.c
        query = select(c.ref, c.origin).where(c.uid == uid)
        async with self._database.begin() as transaction:
            row = (await transaction.execute(query)).one_or_none()
        if row is None:
            return
        await self._policy.check(principal, "catalog:write", row.ref)
        if row.origin.startswith(OWN_ORIGIN):
            raise Conflict(
                f"{row.ref} stands for a resource.", next="Delete the resource; it goes with it."
            )
        async with self._database.begin() as transaction:
            actor = audit.actor_of(principal)
            outcome = await delete_entities(transaction, [uid], actor=actor, source="api")
            for ref in outcome.deleted:
                await audit.record(transaction, principal, "catalog:delete", ref)
        await self.feed.catch_up(outcome.seq)

    async def put(
        self, transaction: Transaction, principal: Principal, entity: Entity, origin: str
    ) -> Outcome:
        """Write an entity that the platform itself holds, such as a resource's.

        The caller lets the index catch up after its transaction.

        Raises:
            Conflict: another origin holds the reference.
            Invalid: its kind finds fault with it.
        """
        (verdict,) = await self._reader.kinds.judge([entity])
        final = annotated(verdict.completed or entity, origin, origin)
        body, fault = json_of(final, _MAX_BODY)
        if problems := (*verdict.problems, *([fault] if fault else ())):
            raise Invalid(f"{entity.ref} is not a good {entity.kind}.", problems=problems)
        draft = Draft(final, body, verdict.relations, origin)
        actor = audit.actor_of(principal)
        outcome = await put_entities(transaction, [draft], actor=actor, source=origin)
        if outcome.conflicts:
            raise Conflict(
                f"{draft.ref} is there already.",
                why=f"{outcome.conflicts[draft.ref]} holds it.",
                next="Choose another name.",
            )
        return outcome

    async def remove(
        self, transaction: Transaction, principal: Principal, ref: str, origin: str
    ) -> Outcome:
        """Remove an entity that `put` wrote for the same origin; a missing one is fine."""
        c = ENTITIES.c
        query = select(c.uid).where(c.ref == ref, c.origin == origin)
        uids = [row.uid for row in await transaction.execute(query)]
        actor = audit.actor_of(principal)
        return await delete_entities(transaction, uids, actor=actor, source=origin)

    async def stored(self, principal: Principal, ref: str) -> Entity | None:
        """An entity as it is stored, without what others state about it; None when not there."""
        if not principal.has("catalog:read"):
            return None
        name = str(parse_ref(ref, default_kind="component"))
        query = select(ENTITIES.c.body).where(ENTITIES.c.ref == name)
        async with self._database.begin() as transaction:
            body = (await transaction.execute(query)).scalar_one_or_none()
        return msgspec.json.decode(body, type=Entity) if body is not None else None

    async def location(self, location_id: UUID) -> Location:
        """A registered location; see `Registrations.location`."""
        return await self.registrations.location(location_id)

    async def locations(self) -> Sequence[Location]:
        """All registered locations; see `Registrations.all`."""
        return await self.registrations.all()

    async def location_of(self, ref: str) -> Location:
        """The location that an entity was read from; see `Registrations.of_entity`."""
        return await self.registrations.of_entity(ref)

    async def problems(
        self, *, location_id: UUID | None = None, after: int = 0, limit: int = 100
    ) -> Sequence[StoredProblem]:
        """What was wrong when locations were last read, in order, at most `limit`."""
        c = PROBLEMS.c
        query = select(PROBLEMS).where(c.id > after).order_by(c.id).limit(limit)
        if location_id is not None:
            query = query.where(c.location_id == location_id)
        async with self._database.begin() as transaction:
            rows = (await transaction.execute(query)).mappings()
            return [StoredProblem(**row) for row in rows]

    def _check_target(self, type: str, target: str) -> None:
        check_target(self._reader, type, target)

    async def _read_in(
        self, principal: Principal, type: str, target: str, *, again: bool, known: bool = False
    ) -> LocationReport:
        """Read a location and take it in; `known` is one that must not be made anew."""
        await self._policy.check(principal, "catalog:write", f"{type}:{target}")
        self._check_target(type, target)
        async with self._database.begin() as transaction:
            if not again and await self._find(transaction, type, target) is not None:
                raise Conflict(f"Location {type}:{target} already exists.")
            begun = (await transaction.execute(select(func.clock_timestamp()))).scalar_one()
        reading = await self._reader.read(type, target)
        async with self._database.begin() as transaction:
            # From here on no other process registers, reads in or removes anything.
            await serialise(transaction)
            location = await self._find(transaction, type, target)
            created = location is None
            if location is None:
                if known:
                    raise NotFound(f"Location {type}:{target} was removed meanwhile.")
                location = await self._insert(transaction, principal, type, target)
            elif not again:
                raise Conflict(f"Location {type}:{target} already exists.")
            outcome = await take_in(transaction, principal, location, reading, begun)
        await self.feed.catch_up(outcome.seq)
        refs = [ref for ref in reading.drafts if ref not in outcome.conflicts]
        return LocationReport(location, created, refs, tuple(reading.problems), outcome)

    async def _find(self, transaction: Transaction, type: str, target: str) -> Location | None:
        c = LOCATIONS.c
        query = select(LOCATIONS).where(c.type == type, c.target == target)
        row = (await transaction.execute(query)).one_or_none()
        return Location.of(row) if row is not None else None

    async def _insert(
        self, transaction: Transaction, principal: Principal, type: str, target: str
    ) -> Location:
        location = await settle_name(transaction, Location(new_id(), type, target))
        values = msgspec.structs.asdict(location)
        actor = audit.actor_of(principal)
        statement = insert(LOCATIONS).values(**values, created_by=actor, created_at=now())
        await transaction.execute(statement)
        await audit.record(transaction, principal, "catalog:register", location.origin)
        return location
