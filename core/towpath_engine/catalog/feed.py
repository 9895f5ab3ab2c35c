"""The change feed: builds the index from the store and keeps it current.

Revisions are numbered in order of commit (catalog writes are serialised), so reading on from the
last number seen misses nothing, also after a lost connection.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import Select, Text, cast, func, select

from towpath_core.errors import Unavailable
from towpath_engine.catalog.index import CatalogIndex, StoredEntity
from towpath_engine.catalog.tables import ENTITIES, REVISIONS
from towpath_engine.store.database import Database, Transaction

__all__ = ("CHANNEL", "CatalogFeed", "Follower", "NoIndex")

CHANNEL = "towpath_catalog"
"""Notified with the last sequence number of a catalog write."""

log = structlog.get_logger(__name__)

_BATCH = 500
_PROGRESS_SECONDS = 2.0
_SLICE = 64
"""How many entities are taken in without giving the loop a turn: some milliseconds' worth."""
_HASHES = select(cast(ENTITIES.c.uid, Text), ENTITIES.c.hash)
_EDGES = msgspec.json.Decoder(tuple[tuple[str, str, str], ...])


class Follower(Protocol):
    """Whoever wants to have a write before it is answered."""

    async def catch_up(self, seq: int = 0) -> None:
        """Take in all changes up to `seq` at least."""
        ...


class NoIndex:
    """A follower for processes that answer no reads, such as workers."""

    async def catch_up(self, seq: int = 0) -> None:
        """Do nothing: there is no index to bring up to date."""


class CatalogFeed:
    """Follows the store and feeds one index."""

    def __init__(self, database: Database, index: CatalogIndex) -> None:
        self._database = database
        self._index = index
        self._lock = asyncio.Lock()
        # Whose relations are to be looked at; kept here, for who is cancelled while at it.
        self._touched: set[str] = set()

    async def load(self, known: Mapping[str, str] | None = None) -> None:
        """Build the index from all that is stored; call it once, before the first `catch_up`.

        Args:
            known: what the index has already, as `read_snapshot` gave it: by uid, the hash of
                what was stored. Only what differs is read.
        """
        async with self._database.begin() as transaction:
            # One view of the store for all reads, so that the number fits the entities.
            await transaction.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            seq = await _last(transaction)
            await (self._mend(transaction, known) if known else self._build(transaction))
        await self._renew()
        self._index.seq = seq
        if len(self._index) >= _BATCH:
            log.info("catalog.loaded", entities=len(self._index))

    async def _build(self, transaction: Transaction) -> None:
        started = time.monotonic()
        found = await transaction.stream(_query(), execution_options={"yield_per": _BATCH})
        async for rows in found.partitions():
            await self._take([_stored(row) for row in rows], ())
            if time.monotonic() > started + _PROGRESS_SECONDS:
                started = time.monotonic()
                log.info("catalog.loading", entities=len(self._index))

    async def _mend(self, transaction: Transaction, known: Mapping[str, str]) -> None:
        """Bring an index up to date that has what was stored at some other time."""
        gone = set(known)
        changed: list[str] = []
        found = await transaction.stream(_HASHES, execution_options={"yield_per": _BATCH})
        async for rows in found.partitions():
            gone.difference_update(uid for uid, _ in rows)
            changed += [uid for uid, stored in rows if known.get(uid) != stored]
        await self._take((), list(gone))
        for at in range(0, len(changed), _BATCH):
            uids = [UUID(uid) for uid in changed[at : at + _BATCH]]
            await self._take(await _read(transaction, uids), ())

    async def hashes(self) -> Mapping[str, str] | None:
        """By uid, the hash of what is stored; None where the index has something else.

        Raises:
            Unavailable: the database does not answer.
        """
        async with self._database.begin() as transaction:
            await transaction.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            if await _last(transaction) != self._index.seq:
                return None
            return {uid: found for uid, found in await transaction.execute(_HASHES)}

    async def catch_up(self, seq: int = 0) -> None:
        """Take in all changes; returns when the index holds `seq` at least."""
        async with self._lock:
            if seq and self._index.seq >= seq:
                return
            while await self._step():
                pass

    async def on_notify(self, payload: str) -> None:
        """React to a notification, or to a connection that stands again."""
        try:
            await self.catch_up(int(payload) if payload else 0)
        except Unavailable:
            log.warning("catalog.feed_waits")

    async def _step(self) -> bool:
        c = REVISIONS.c
        query = (
            select(c.seq, c.uid, c.action)
            .where(c.seq > self._index.seq)
            .order_by(c.seq)
            .limit(_BATCH)
        )
        async with self._database.begin() as transaction:
            await transaction.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            rows = (await transaction.execute(query)).all()
            if not rows:
                return False
            changed = {row.uid for row in rows}
            stored = await _read(transaction, changed)
        # What is not stored any more was deleted, now or by a later change that comes next.
        there = {entity.uid for entity in stored}
        gone = [str(uid) for uid in changed if str(uid) not in there]
        await self._take(stored, gone)
        await self._renew()
        self._index.seq = rows[-1].seq
        return len(rows) == _BATCH

    async def _take(self, stored: Sequence[StoredEntity], gone: Sequence[str]) -> None:
        for at in range(0, len(gone), _SLICE):
            self._touched |= self._index.take((), gone[at : at + _SLICE])
            await asyncio.sleep(0)
        for at in range(0, len(stored), _SLICE):
            self._touched |= self._index.take(stored[at : at + _SLICE], ())
            await asyncio.sleep(0)

    async def _renew(self) -> None:
        refs = list(self._touched)
        for at in range(0, len(refs), _SLICE):
            self._index.renew(refs[at : at + _SLICE])
            await asyncio.sleep(0)
        self._touched.clear()


async def _last(transaction: Transaction) -> int:
    query = select(func.coalesce(func.max(REVISIONS.c.seq), 0))
    last: int = (await transaction.execute(query)).scalar_one()
    return last


def _query() -> Select[Any]:
    c = ENTITIES.c
    return select(c.uid, c.ref, c.body, c.edges).order_by(c.uid)


def _stored(row: Any) -> StoredEntity:
    return StoredEntity(str(row.uid), row.ref, row.body, _EDGES.decode(row.edges))


async def _read(transaction: Transaction, uids: Iterable[UUID]) -> list[StoredEntity]:
    query = _query().where(ENTITIES.c.uid == func.any(list(uids)))
    return [_stored(row) for row in await transaction.execute(query)]
