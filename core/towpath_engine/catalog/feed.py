"""The change feed: builds the index from the store and keeps it current.

Revisions are numbered in order of commit (catalog writes are serialised), so reading on from the
last number seen misses nothing, also after a lost connection.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import Select, func, select

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

    async def load(self) -> None:
        """Build the index from all that is stored; call it once, before the first `catch_up`."""
        async with self._database.begin() as transaction:
            # One snapshot for all three reads, so that the number fits the entities.
            await transaction.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            query = select(func.coalesce(func.max(REVISIONS.c.seq), 0))
            seq = (await transaction.execute(query)).scalar_one()
            touched: set[str] = set()
            started = time.monotonic()
            found = await transaction.stream(_query(), execution_options={"yield_per": _BATCH})
            async for rows in found.partitions():
                touched |= await self._take([_stored(row) for row in rows], ())
                if time.monotonic() > started + _PROGRESS_SECONDS:
                    started = time.monotonic()
                    log.info("catalog.loading", entities=len(self._index))
        await self._renew(touched)
        self._index.seq = seq
        if len(self._index) >= _BATCH:
            log.info("catalog.loaded", entities=len(self._index))

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
        await self._renew(await self._take(stored, gone))
        self._index.seq = rows[-1].seq
        return len(rows) == _BATCH

    async def _take(self, stored: Sequence[StoredEntity], gone: Sequence[str]) -> set[str]:
        touched: set[str] = set()
        for at in range(0, len(gone), _SLICE):
            touched |= self._index.take((), gone[at : at + _SLICE])
            await asyncio.sleep(0)
        for at in range(0, len(stored), _SLICE):
            touched |= self._index.take(stored[at : at + _SLICE], ())
            await asyncio.sleep(0)
        return touched

    async def _renew(self, touched: set[str]) -> None:
        refs = list(touched)
        for at in range(0, len(refs), _SLICE):
            self._index.renew(refs[at : at + _SLICE])
            await asyncio.sleep(0)


def _query() -> Select[Any]:
    c = ENTITIES.c
    return select(c.uid, c.ref, c.body, c.edges).order_by(c.uid)


def _stored(row: Any) -> StoredEntity:
    return StoredEntity(str(row.uid), row.ref, row.body, _EDGES.decode(row.edges))


async def _read(transaction: Transaction, uids: Iterable[UUID]) -> list[StoredEntity]:
    query = _query().where(ENTITIES.c.uid == func.any(list(uids)))
    return [_stored(row) for row in await transaction.execute(query)]
