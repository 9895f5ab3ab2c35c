"""The past of single entities: every revision with who, whence and what was different.

Reads only. Works for entities that are gone, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import func, select

from towpath_core.errors import NotFound
from towpath_core.refs import EntityRef
from towpath_engine.catalog.differences import Difference, differences
from towpath_engine.catalog.tables import REVISIONS
from towpath_engine.store.database import Database, Transaction

__all__ = ("History", "Revision")

_BYTES = 16 * 1024 * 1024
"""How much content one page is made of; a page of more ends early."""


class Revision(msgspec.Struct, frozen=True):
    """One change of an entity.

    Attributes:
        seq: its number in the catalog's sequence of all changes; names it in the API.
        ref: which entity.
        uid: the entity's id at that time; one that was made anew has another.
        revision: counts the changes of the entity since it was made.
        change: what was done.
        actor: who did it.
        source: where the content came from.
        reason: why, in a word, where it is known.
        at: when.
        differences: what is different from the revision before; None where that is not kept any
            more, or there is none.
        more: whether there are more differences than are told.
        body: the entity as its holder wrote it, as JSON text; None for a removal.
    """

    seq: int
    ref: str
    uid: UUID
    revision: int
    change: Literal["added", "changed", "deleted"]
    actor: str
    source: str
    reason: str | None
    at: datetime
    differences: Sequence[Difference] | None = None
    more: bool = False
    body: str | None = None


class History:
    """Reads what entities were."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def revisions(
        self, ref: EntityRef, *, before: int | None = None, limit: int = 100
    ) -> tuple[list[Revision], int | None]:
        """Revisions of an entity, newest first, and where the list goes on.

        A page may have fewer than `limit` though it goes on: those of large entities are short.

        Args:
            ref: which entity; it may be gone.
            before: only those with a lower sequence number.
            limit: how many at the most.

        Raises:
            NotFound: there never was one, or nothing is kept of it.
        """
        name = str(ref)
        async with self._database.begin() as transaction:
            rows = await _rows(transaction, await _page(transaction, name, before, limit))
            if not rows:
                if before is None:
                    raise NotFound(f"There is no history of {name}.")
                return [], None
            more = await _is_below(transaction, name, rows[-1].seq)
        # The lowest is there for what the one above it changed, unless it ends the list.
        count = len(rows) - 1 if (more and len(rows) > 1) or len(rows) > limit else len(rows)
        found = await asyncio.to_thread(_told, rows, count)
        return found, found[-1].seq if more or count < len(rows) else None

    async def revision(self, ref: EntityRef, seq: int) -> Revision:
        """One revision, with the whole entity.

        Raises:
            NotFound: the entity has none with that number, or it is not kept any more.
        """
        name = str(ref)
        c = REVISIONS.c
        query = select(c.seq).where(c.ref == name, c.seq <= seq).order_by(c.seq.desc()).limit(2)
        async with self._database.begin() as transaction:
            seqs = [row.seq for row in await transaction.execute(query)]
            rows = await _rows(transaction, seqs)
        if not rows or rows[0].seq != seq:
            what = f"{name} has no revision with the number {seq}."
            raise NotFound(what, next=f"List them: towpath catalog history {name}")
        (found,) = await asyncio.to_thread(_told, rows, 1)
        return msgspec.structs.replace(found, body=rows[0].body)


async def _page(transaction: Transaction, name: str, before: int | None, limit: int) -> list[int]:
    """Numbers of a page and of the revision below it, as far as their content is not too much."""
    c = REVISIONS.c
    size = func.coalesce(func.length(c.body), 0)
    query = select(c.seq, size).where(c.ref == name).order_by(c.seq.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(c.seq < before)
    found: list[int] = []
    total = 0
    for seq, length in await transaction.execute(query):
        total += length
        # Two at least: one to tell, and the one that it is different from.
        if total > _BYTES and len(found) > 1:
            break
        found.append(seq)
    return found


async def _is_below(transaction: Transaction, name: str, seq: int) -> bool:
    c = REVISIONS.c
    query = select(c.seq).where(c.ref == name, c.seq < seq).limit(1)
    return (await transaction.execute(query)).first() is not None


async def _rows(transaction: Transaction, seqs: Sequence[int]) -> Sequence[Any]:
    c = REVISIONS.c
    query = select(REVISIONS).where(c.seq == func.any(list(seqs))).order_by(c.seq.desc())
    return (await transaction.execute(query)).all()


def _told(rows: Sequence[Any], count: int) -> list[Revision]:
    return [
        _revision(rows[at], rows[at + 1] if at + 1 < len(rows) else None) for at in range(count)
    ]


def _revision(row: Any, before: Any) -> Revision:
    told: Sequence[Difference] | None = None
    more = False
    if row.action == "delete":
        change: Literal["added", "changed", "deleted"] = "deleted"
    elif row.revision == 1 or (before is not None and before.action == "delete"):
        change = "added"
    else:
        change = "changed"
        if before is not None:
            old, new = msgspec.json.decode(before.body), msgspec.json.decode(row.body)
            told, more = differences(old, new)
    return Revision(
        row.seq,
        row.ref,
        row.uid,
        row.revision,
        change,
        row.actor,
        row.source,
        row.reason,
        row.at,
        told,
        more,
    )
