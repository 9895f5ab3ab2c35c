"""How registered locations stand: when they were read, what they hold, what waits or is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, select

from towpath_core.errors import NotFound
from towpath_engine.catalog.drafts import Held
from towpath_engine.catalog.keeping import digest_of
from towpath_engine.catalog.tables import CONFLICTS, ENTITIES, LOCATIONS, PROBLEMS
from towpath_engine.store.database import Database, Transaction

__all__ = ("LocationState", "LocationStates")


class LocationState(msgspec.Struct, frozen=True):
    """A registered location as it stands.

    Attributes:
        read_at: when it was last read to be taken in; None for never.
        entities: how many it holds, without the one that stands for it.
        errors: how many things in it could not be taken in.
        warnings: how many are taken in, but not as they should be.
        conflicts: how many references it states that others hold.
        held: what vanished from it and stays until somebody confirms, since `held_at`.
    """

    id: UUID
    type: str
    target: str
    created_by: str
    created_at: datetime
    read_at: datetime | None
    entities: int
    errors: int
    warnings: int
    conflicts: int
    held: Held | None = None
    held_at: datetime | None = None


class LocationStates:
    """Looks at how locations stand."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, *, after: UUID | None = None, limit: int = 100) -> Sequence[LocationState]:
        """Locations in the order of their ids, at most `limit`, behind the one of id `after`."""
        query = _query().order_by(LOCATIONS.c.id).limit(limit)
        if after is not None:
            query = query.where(LOCATIONS.c.id > after)
        async with self._database.begin() as transaction:
            rows = (await transaction.execute(query)).all()
            return [await _state(transaction, row) for row in rows]

    async def get(self, location_id: UUID) -> LocationState:
        """One location.

        Raises:
            NotFound: there is none with that id.
        """
        query = _query().where(LOCATIONS.c.id == location_id)
        async with self._database.begin() as transaction:
            row = (await transaction.execute(query)).one_or_none()
            if row is None:
                raise NotFound(f"Found no location with ID {location_id}")
            return await _state(transaction, row)


def _query() -> Any:
    c, e, p, k = LOCATIONS.c, ENTITIES.c, PROBLEMS.c, CONFLICTS.c

    def count(column: Any, *conditions: Any) -> Any:
        return select(func.count()).where(column == c.id, *conditions).scalar_subquery()

    return select(
        *(c.id, c.type, c.target, c.created_by, c.created_at, c.read_at, c.held, c.held_at),
        count(e.location_id, e.file.is_not(None)).label("entities"),
        count(p.location_id, p.level == "error").label("errors"),
        count(p.location_id, p.level == "warning").label("warnings"),
        count(k.location_id).label("conflicts"),
    )


async def _state(transaction: Transaction, row: Any) -> LocationState:
    held = None
    if row.held:
        e = ENTITIES.c
        named = [UUID(uid) for uid in row.held]
        query = select(e.uid, e.ref).where(e.uid == func.any(named), e.location_id == row.id)
        there = (await transaction.execute(query.order_by(e.ref))).all()
        if there:
            held = Held(digest_of(r.uid for r in there), tuple(r.ref for r in there))
    return LocationState(
        row.id,
        row.type,
        row.target,
        row.created_by,
        row.created_at,
        row.read_at,
        row.entities,
        row.errors,
        row.warnings,
        row.conflicts,
        held,
        row.held_at if held else None,
    )
