"""References that two origins state: who has it, who would have it, and the handing over.

The first holder keeps a reference. What another states of it is kept beside, and takes its place
the moment that the holder lets go. Works in transactions of the caller, who has the lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from towpath_engine.catalog.drafts import Draft
from towpath_engine.catalog.tables import CONFLICTS, ENTITIES, PROBLEMS
from towpath_engine.clock import now
from towpath_engine.store.database import Database, Transaction

__all__ = (
    "ConflictService",
    "Conflicting",
    "claims_on",
    "forget_claims",
    "keep_claims",
    "pass_on",
)

_STATED = ("ref", "kind", "body", "edges", "hash", "origin", "file", "line", "location_id")


class Conflicting(msgspec.Struct, frozen=True):
    """A reference that one origin holds and another states, and where each stands.

    `holder` is None for a moment: when what held it was removed, and is not read again yet.
    """

    ref: str
    origin: str
    location_id: UUID | None
    file: str | None
    line: int | None
    since: datetime
    holder: str | None
    holder_location_id: UUID | None
    holder_file: str | None
    holder_line: int | None


class ConflictService:
    """Lists conflicts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self,
        *,
        location_id: UUID | None = None,
        ref: str | None = None,
        after: tuple[str, str] = ("", ""),
        limit: int = 100,
    ) -> Sequence[Conflicting]:
        """Conflicts by reference and origin, at most `limit`.

        Args:
            location_id: only those that a location has part in, as holder or as loser.
            ref: only those about a reference.
            after: the last reference and origin that are known already.
            limit: how many at most.
        """
        c, e = CONFLICTS.c, ENTITIES.c
        query = (
            select(
                *(c.ref, c.origin, c.location_id, c.file, c.line, c.at.label("since")),
                e.origin.label("holder"),
                e.location_id.label("holder_location_id"),
                e.file.label("holder_file"),
                e.line.label("holder_line"),
            )
            .select_from(CONFLICTS.outerjoin(ENTITIES, e.ref == c.ref))
            .where(or_(c.ref > after[0], and_(c.ref == after[0], c.origin > after[1])))
            .order_by(c.ref, c.origin)
            .limit(limit)
        )
        if location_id is not None:
            query = query.where(or_(c.location_id == location_id, e.location_id == location_id))
        if ref is not None:
            query = query.where(c.ref == ref)
        async with self._database.begin() as transaction:
            rows = (await transaction.execute(query)).mappings()
            return [Conflicting(**row) for row in rows]


async def keep_claims(
    transaction: Transaction,
    location_id: UUID,
    lost: Iterable[tuple[Draft, str]],
    *,
    complete: bool,
) -> None:
    """Remember what a location states and others hold, with who does.

    Args:
        transaction: the caller's.
        location_id: the location.
        lost: drafts, each with the origin that holds its reference.
        complete: these are all; what was kept of the location before and is not among them goes.
    """
    c, moment = CONFLICTS.c, now()
    rows = [{**d.row(location_id), "holder": holder, "at": moment} for d, holder in lost]
    if complete:
        others = delete(CONFLICTS).where(c.location_id == location_id)
        refs = [row["ref"] for row in rows]
        await transaction.execute(others.where(c.ref != func.all(refs)) if refs else others)
    if rows:
        statement = insert(CONFLICTS)
        renewed = {
            name: statement.excluded[name]
            for name in ("kind", "body", "edges", "hash", "holder", "location_id", "file", "line")
        }
        statement = statement.on_conflict_do_update(index_elements=[c.ref, c.origin], set_=renewed)
        await transaction.execute(statement, rows)


async def forget_claims(transaction: Transaction, location_id: UUID) -> None:
    """Drop what a location states and others hold."""
    await transaction.execute(delete(CONFLICTS).where(CONFLICTS.c.location_id == location_id))


async def claims_on(
    transaction: Transaction, uids: Sequence[UUID], *, let_go: bool
) -> Mapping[UUID, dict[str, Any]]:
    """What takes the place of entities when they are removed: the claim that is oldest.

    Args:
        transaction: the caller's.
        uids: of what is about to be removed.
        let_go: their origins state them no more. Otherwise those that were read from a location
            will come back, and nobody takes their place.

    Returns:
        Rows as the table of entities has them, with the body of the holder as `held`, by uid.
    """
    c, e = CONFLICTS.c, ENTITIES.c
    query = (
        select(e.uid, e.body.label("held"), *(c[name] for name in _STATED))
        .select_from(CONFLICTS.join(ENTITIES, and_(e.ref == c.ref, e.origin != c.origin)))
        .where(e.uid == func.any(list(uids)))
        .order_by(c.at.desc(), c.origin.desc())
    )
    if not let_go:
        query = query.where(e.location_id.is_(None))
    rows = (await transaction.execute(query)).mappings()
    return {row["uid"]: dict(row) for row in rows}  # the oldest comes last, and stays


async def pass_on(transaction: Transaction, heirs: Iterable[Mapping[str, Any]]) -> None:
    """Note that claims were met: nothing is wrong with them any more, and others wait for them."""
    c, p = CONFLICTS.c, PROBLEMS.c
    for heir in heirs:
        ref, origin = heir["ref"], heir["origin"]
        await transaction.execute(delete(CONFLICTS).where(c.ref == ref, c.origin == origin))
        await transaction.execute(update(CONFLICTS).where(c.ref == ref).values(holder=origin))
        met = (p.code == "conflict", p.entity_ref == ref, p.location_id == heir["location_id"])
        await transaction.execute(delete(PROBLEMS).where(*met))
