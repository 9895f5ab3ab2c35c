"""The catalog as it was at a time: entities with the relations of then.

Reads revisions only. A time means the state after the last change that was not later.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import func, select

from towpath_core.errors import Gone, Invalid, NotFound
from towpath_core.refs import EntityRef
from towpath_engine.catalog.finals import final_form
from towpath_engine.catalog.preconditions import entity_tag
from towpath_engine.catalog.tables import MARKS, REVISIONS
from towpath_engine.clock import now
from towpath_engine.store.database import Database, Transaction

__all__ = ("PRUNED", "Edges", "Past", "PastEntity", "edges_of")

PRUNED = "pruned"
"""The mark up to which revisions were pruned."""

Edges = tuple[tuple[str, str, str], ...]
_EDGES = msgspec.json.Decoder(Edges)


class PastEntity(msgspec.Struct, frozen=True):
    """An entity as readers would have got it, and its tag."""

    ref: str
    seq: int
    final: bytes
    tag: str


class Past:
    """Reads the catalog as of a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def entity(self, ref: EntityRef, at: datetime) -> PastEntity:
        """One entity as it was.

        Raises:
            NotFound: it was not there then.
            Gone: the time is before what is kept.
            Invalid: the time has not come yet.
        """
        name = str(ref)
        async with self._database.begin() as transaction:
            seq = await _seq_at(transaction, at)
            rows = await _latest(transaction, seq, name)
            stating = await _latest(transaction, seq, *(await _naming(transaction, seq, name)))
        if not rows or rows[0].action == "delete":
            raise NotFound(f"There was no entity {name} at {at.isoformat()}.")
        return _entity(rows[0], _statements(stating, {name}).get(name, ()))

    async def list(
        self, at: datetime, *, kind: str | None = None, after: str = "", limit: int = 100
    ) -> Sequence[PastEntity]:
        """Entities that were there, by reference, at most `limit`.

        Args:
            at: the time.
            kind: only of this kind, without case.
            after: only with a greater reference.
            limit: how many at the most.

        Raises:
            Gone: the time is before what is kept.
            Invalid: the time has not come yet.
        """
        async with self._database.begin() as transaction:
            seq = await _seq_at(transaction, at)
            rows = await _live(transaction, seq, kind, after, limit)
            stating = await _stating(transaction, seq) if rows else []
        # Every edge of then is looked at, which may be many.
        return await asyncio.to_thread(_entities, rows, stating)


def edges_of(text: str | None) -> Edges:
    """The relations that an entity states, as they are stored; none for None."""
    return _EDGES.decode(text) if text else ()


async def _seq_at(transaction: Transaction, at: datetime) -> int:
    """The number of the last change that was not later than a time; 0 before the first."""
    if at > now():
        raise Invalid("as_of lies in the future.")
    mark = select(MARKS.c.at).where(MARKS.c.name == PRUNED)
    pruned = (await transaction.execute(mark)).scalar_one_or_none()
    if pruned is not None and at < pruned:
        raise Gone(
            "The history of that time is not kept any more.",
            why=f"It goes back to {pruned.isoformat()}.",
        )
    c = REVISIONS.c
    query = select(c.seq).where(c.at <= at).order_by(c.at.desc(), c.seq.desc()).limit(1)
    return (await transaction.execute(query)).scalar_one_or_none() or 0


async def _latest(transaction: Transaction, seq: int, *refs: str) -> Sequence[Any]:
    """The last revision of each reference, up to a number."""
    if not refs:
        return ()
    c = REVISIONS.c
    last = select(func.max(c.seq)).where(c.ref.in_(refs), c.seq <= seq).group_by(c.ref)
    return (await transaction.execute(select(REVISIONS).where(c.seq.in_(last)))).all()


async def _naming(transaction: Transaction, seq: int, name: str) -> Sequence[str]:
    """References of entities that ever stated a relation with one."""
    c = REVISIONS.c
    written = msgspec.json.encode(name).decode()
    query = select(c.ref).distinct().where(c.seq <= seq, c.edges.contains(written, autoescape=True))
    return [row.ref for row in await transaction.execute(query)]


async def _live(
    transaction: Transaction, seq: int, kind: str | None, after: str, limit: int
) -> Sequence[Any]:
    c = REVISIONS.c
    last = select(func.max(c.seq)).where(c.seq <= seq, c.ref > after).group_by(c.ref)
    if kind is not None:
        last = last.where(c.ref.startswith(f"{kind.lower()}:", autoescape=True))
    query = select(REVISIONS).where(c.seq.in_(last), c.action == "put")
    return (await transaction.execute(query.order_by(c.ref).limit(limit))).all()


async def _stating(transaction: Transaction, seq: int) -> Sequence[Any]:
    c = REVISIONS.c
    last = select(func.max(c.seq)).where(c.seq <= seq).group_by(c.ref)
    query = select(c.action, c.edges).where(c.seq.in_(last), c.edges.is_not(None), c.edges != "[]")
    return (await transaction.execute(query)).all()


def _statements(rows: Iterable[Any], about: set[str]) -> Mapping[str, Sequence[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in rows:
        for source, type, target in edges_of(row.edges) if row.action == "put" else ():
            if source in about:
                found[source].append((type, target))
    return found


def _entities(rows: Sequence[Any], stating: Sequence[Any]) -> list[PastEntity]:
    edges = _statements(stating, {row.ref for row in rows})
    return [_entity(row, edges.get(row.ref, ())) for row in rows]


def _entity(row: Any, edges: Iterable[tuple[str, str]]) -> PastEntity:
    final, etag = final_form(row.body, str(row.uid), sorted(set(edges)))
    return PastEntity(row.ref, row.seq, final, entity_tag(final, etag))
