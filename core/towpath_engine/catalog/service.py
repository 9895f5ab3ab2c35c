"""The catalog's decisions about entities and locations, in one place for all who ask.

Locations are registered and read in by `registering`; here are entities and what can be listed.

Reads are answered by `query` over the index. Every write is one transaction with its revisions
and its audit row, and returns when the index of this process holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import exists, not_, select

from towpath_core.entities import Entity
from towpath_core.errors import Conflict, Invalid
from towpath_core.identity import Principal
from towpath_core.refs import parse_ref
from towpath_engine import audit
from towpath_engine.catalog.bringing import TombstoneService
from towpath_engine.catalog.conflicts import ConflictService
from towpath_engine.catalog.explaining import Explainer
from towpath_engine.catalog.feed import Follower
from towpath_engine.catalog.findings import Level
from towpath_engine.catalog.index import CatalogIndex
from towpath_engine.catalog.judging import annotated, json_of
from towpath_engine.catalog.keeping import Keeping
from towpath_engine.catalog.locations import Location, LocationReport, StoredProblem
from towpath_engine.catalog.planning import Planner
from towpath_engine.catalog.reading import LocationReader
from towpath_engine.catalog.registering import Registering
from towpath_engine.catalog.states import LocationStates
from towpath_engine.catalog.tables import ENTITIES, PROBLEMS
from towpath_engine.catalog.tombstones import OWN_ORIGIN
from towpath_engine.catalog.writer import Draft, Outcome, delete_entities, put_entities
from towpath_engine.policy import PolicyGate
from towpath_engine.store.database import Database, Transaction

__all__ = ("OWN_ORIGIN", "CatalogService", "Location", "LocationReport", "StoredProblem")

_MAX_BODY = 4 * 1024 * 1024


class CatalogService(Registering):
    """Everything about the catalog that is not a plain read.

    `conflicts` lists references that two origins state, `tombstones` what was removed and can come
    back, `planner` shows what would be done, `explainer` tells why an
    entity is as it is, and `states` how locations stand.
    """

    def __init__(
        self,
        database: Database,
        index: CatalogIndex,
        feed: Follower,
        reader: LocationReader,
        policy: PolicyGate,
        keeping: Keeping | None = None,
    ) -> None:
        kept = keeping or Keeping()
        super().__init__(database, feed, reader, policy, kept)
        self.index = index
        self.tombstones = TombstoneService(database, feed, policy)
        self.explainer = Explainer(database, index)
        self.states = LocationStates(database)
        self.planner = Planner(database, reader, policy, kept)
        self.conflicts = ConflictService(database)

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
            outcome = await delete_entities(
                transaction,
                [uid],
                actor=actor,
                source="api",
                days=self._keeping.tombstone_days,
            )
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
        (verdict,) = await self._reader.kinds.judge([entity], None)
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
        days = self._keeping.tombstone_days
        return await delete_entities(transaction, uids, actor=actor, source=origin, days=days)

    async def stored(self, principal: Principal, ref: str) -> Entity | None:
        """An entity as it is stored, without what others state about it; None when not there."""
        if not principal.has("catalog:read"):
            return None
        name = str(parse_ref(ref, default_kind="component"))
        query = select(ENTITIES.c.body).where(ENTITIES.c.ref == name)
        async with self._database.begin() as transaction:
            body = (await transaction.execute(query)).scalar_one_or_none()
        return msgspec.json.decode(body, type=Entity) if body is not None else None

    async def locations(self) -> Sequence[Location]:
        """All registered locations; see `Registrations.all`."""
        return await self.registrations.all()

    async def problems(
        self,
        *,
        location_id: UUID | None = None,
        level: Level | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> Sequence[StoredProblem]:
        """What was wrong when locations were last read, in order, at most `limit`.

        A reference that led nowhere then and leads somewhere now is no problem any more.
        """
        c = PROBLEMS.c
        mended = exists().where(ENTITIES.c.ref == c.target)
        query = select(PROBLEMS).where(c.id > after, not_(mended)).order_by(c.id).limit(limit)
        if location_id is not None:
            query = query.where(c.location_id == location_id)
        if level is not None:
            query = query.where(c.level == level)
        async with self._database.begin() as transaction:
            rows = (await transaction.execute(query)).mappings()
            return [StoredProblem(**row) for row in rows]
