"""Forgets revisions that are older than they must be kept, a batch at a time.

A revision goes when the one after it is older than the limit too: what was at any time within the
limit can still be told. The newest of each entity always stays.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete, exists, func, select, text
from sqlalchemy.dialects.postgresql import insert

from towpath_core.errors import TowpathError
from towpath_engine.catalog.past import PRUNED
from towpath_engine.catalog.tables import MARKS, REVISIONS
from towpath_engine.clock import now
from towpath_engine.store.database import Database, Transaction

__all__ = ("Pruner",)

log = structlog.get_logger(__name__)

_LOCK = 0x70_77_70_03
_BATCH = 2000
_FIRST = 60.0
"""Seconds after the start: there is enough to do then."""
_EVERY = 6 * 3600.0


class Pruner:
    """Keeps the history as long as the settings say.

    Args:
        database: that holds it.
        days: how long what was is kept.
    """

    def __init__(self, database: Database, days: int) -> None:
        self._database = database
        self._days = days

    async def run(self) -> None:
        """Prune now and then, until cancelled; what fails is tried again the next time."""
        await asyncio.sleep(_FIRST)
        while True:
            try:
                if count := await self.prune():
                    log.info("history.pruned", revisions=count, days=self._days)
            except TowpathError as error:
                log.warning("history.not_pruned", code=error.code, what=error.what)
            await asyncio.sleep(_EVERY)

    async def prune(self, *, moment: datetime | None = None) -> int:
        """Forget what is too old, and how much that was. Processes do it one at a time.

        Args:
            moment: what counts as now.
        """
        limit = (moment or now()) - timedelta(days=self._days)
        total = 0
        while True:
            async with self._database.begin() as transaction:
                count = await _batch(transaction, limit)
            total += count
            if count < _BATCH:
                return total


async def _batch(transaction: Transaction, limit: datetime) -> int:
    alone = text("SELECT pg_try_advisory_xact_lock(:key)")
    if not (await transaction.execute(alone, {"key": _LOCK})).scalar_one():
        return 0
    old, newer = REVISIONS.alias("old"), REVISIONS.alias("newer")
    replaced = exists().where(
        newer.c.ref == old.c.ref, newer.c.seq > old.c.seq, newer.c.at <= limit
    )
    query = select(old.c.seq).where(old.c.at < limit, replaced).order_by(old.c.seq).limit(_BATCH)
    seqs = [row.seq for row in await transaction.execute(query)]
    if not seqs:
        return 0
    await transaction.execute(delete(REVISIONS).where(REVISIONS.c.seq == func.any(seqs)))
    mark = insert(MARKS).values(name=PRUNED, seq=seqs[-1], at=limit)
    await transaction.execute(
        mark.on_conflict_do_update(
            index_elements=["name"],
            set_={
                "seq": func.greatest(MARKS.c.seq, mark.excluded.seq),
                "at": func.greatest(MARKS.c.at, mark.excluded.at),
            },
        )
    )
    return len(seqs)
