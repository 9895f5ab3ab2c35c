"""What was removed is kept for some days, whole, so that it can come back as what it was.

Works in transactions of its callers; `bringing` is for those who look and restore.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, delete, func, literal, not_, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from towpath_engine.catalog.drafts import Draft, same_content
from towpath_engine.catalog.judging import GENERATED
from towpath_engine.catalog.tables import ENTITIES, TOMBSTONES
from towpath_engine.clock import now
from towpath_engine.store.database import Transaction

__all__ = (
    "OWN_ORIGIN",
    "Buried",
    "Grave",
    "bury",
    "prune",
    "returning",
    "tombstones",
    "unbury",
)

OWN_ORIGIN = "towpath:"
"""How the origins of entities begin that the platform itself holds."""

_BATCH = 500
_COPIED = (
    "uid",
    "ref",
    "kind",
    "body",
    "edges",
    "hash",
    "origin",
    "file",
    "line",
    "location_id",
    "created_at",
)


class Grave(msgspec.Struct, frozen=True):
    """What an entity that comes back gets back: its uid, its first day, the count of revisions."""

    uid: UUID
    revision: int
    created_at: datetime


async def bury(
    transaction: Transaction, uids: Sequence[UUID], *, actor: str, reason: str, days: int
) -> None:
    """Keep entities that are about to be removed.

    Not kept is what comes and goes with something else: what stands for a resource, or for a
    registered location.
    """
    c, moment = ENTITIES.c, now()
    added = {
        "revision": c.revision + 1,
        "deleted_at": literal(moment),
        "expires_at": literal(moment + timedelta(days=days)),
        "actor": literal(actor),
        "reason": literal(reason),
    }
    query = select(*(c[name] for name in _COPIED), *added.values()).where(
        c.uid == func.any(list(uids)),
        not_(c.origin.startswith(OWN_ORIGIN)),
        not_(c.ref.startswith(f"location:default/{GENERATED}")),
    )
    await transaction.execute(insert(TOMBSTONES).from_select([*_COPIED, *added], query))


async def returning(transaction: Transaction, drafts: Sequence[Draft]) -> Mapping[str, Grave]:
    """The tombstones that drafts are the return of, by reference.

    An entity comes back when its own origin states it again, or another states the very same:
    then it has moved.
    """
    c, wanted = TOMBSTONES.c, {draft.ref: draft for draft in drafts}
    query = (
        select(c.uid, c.ref, c.revision, c.created_at, c.origin)
        .where(c.ref == func.any(list(wanted)), alive())
        .order_by(c.deleted_at)
    )
    found: dict[str, Grave] = {}
    moved: list[UUID] = []
    for row in (await transaction.execute(query)).all():
        if row.origin == wanted[row.ref].origin:
            found[row.ref] = Grave(row.uid, row.revision, row.created_at)
        else:
            moved.append(row.uid)
    if moved:
        query = select(c.uid, c.ref, c.revision, c.created_at, c.body)
        for row in await transaction.execute(query.where(c.uid == func.any(moved))):
            same = row.ref not in found and same_content(row.body, wanted[row.ref].body.decode())
            if same:
                found[row.ref] = Grave(row.uid, row.revision, row.created_at)
    return found


async def unbury(transaction: Transaction, uids: Sequence[UUID]) -> None:
    """Remove the tombstones of what is there again."""
    await transaction.execute(delete(TOMBSTONES).where(TOMBSTONES.c.uid == func.any(list(uids))))


async def prune(transaction: Transaction) -> None:
    """Remove some tombstones whose time is over; called at each write, that is enough."""
    c = TOMBSTONES.c
    over = select(c.uid).where(c.expires_at <= func.now()).order_by(c.expires_at).limit(_BATCH)
    await transaction.execute(delete(TOMBSTONES).where(c.uid.in_(over)))


def alive() -> ColumnElement[bool]:
    """The condition that a tombstone's time is not over."""
    return TOMBSTONES.c.expires_at > func.now()


class Buried(msgspec.Struct, frozen=True):
    """An entity that was removed and can be brought back until `expires_at`."""

    uid: UUID
    ref: str
    origin: str
    location_id: UUID | None
    file: str | None
    line: int | None
    reason: str
    actor: str
    deleted_at: datetime
    expires_at: datetime


async def tombstones(
    transaction: Transaction,
    *,
    ref: str | None = None,
    uid: UUID | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int = 100,
) -> Sequence[Buried]:
    """What can still be brought back, the last removed first.

    Args:
        transaction: the caller's.
        ref: only that of a reference.
        uid: only that of an entity.
        before: time and uid of the last that is known already.
        limit: how many at most.
    """
    c = TOMBSTONES.c
    query = select(*(c[name] for name in Buried.__struct_fields__)).where(alive())
    if ref is not None:
        query = query.where(c.ref == ref)
    if uid is not None:
        query = query.where(c.uid == uid)
    if before is not None:
        query = query.where(tuple_(c.deleted_at, c.uid) < tuple_(*map(literal, before)))
    query = query.order_by(c.deleted_at.desc(), c.uid.desc()).limit(limit)
    return [Buried(**row) for row in (await transaction.execute(query)).mappings()]
