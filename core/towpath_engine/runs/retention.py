"""Forgets runs that ended long ago, a batch at a time; what the audit has of them stays.

A run is gone at once, with its row; what hangs on it (events, steps, signals, undos) follows in
batches, named by a list of what is left over, so that a process that dies in between leaves
nothing half seen, and the next goes on. Nobody waits for it: no statement has more than a batch,
and rows that somebody is at are left for the next time.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import delete, exists, func, insert, select, text, update

from towpath_core.errors import TowpathError
from towpath_engine.runs.journal import CLOCK
from towpath_engine.runs.schedule_tables import LEFTOVERS, SCHEDULES
from towpath_engine.runs.tables import RUNS
from towpath_engine.store.database import Database, Transaction

__all__ = ("Retention",)

log = structlog.get_logger(__name__)

_LOCK = 0x70_77_70_0A
_RUNS = 100
_ROWS = 1000
_PAUSE = 0.05
_FIRST = 120.0
"""Seconds after the start: there is enough to do then."""
_EVERY = 3600.0
# As the index says it. What is `unknown` is kept until somebody has looked.
_ENDED = "{}.state IN ('succeeded', 'failed', 'cancelled')"
# However the rows of a run lie, and whatever was counted of them: the table is not read as a whole.
_BY_INDEX = text(
    "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)"
)
_SWEEPING = [
    text(
        f"DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table}"  # noqa: S608
        f" WHERE run_id = :run_id ORDER BY {order} LIMIT :room))"
    )
    for table, order in (
        ("run_events", "seq"),
        ("run_steps", "seq"),
        ("run_signals", "name, id"),
        ("run_undos", "seq"),
    )
]


class Retention:
    """Keeps runs as long as the settings say.

    Args:
        database: that holds them.
        days: how long a run is kept after its end.
        pause: seconds between two batches.
    """

    def __init__(self, database: Database, days: int, *, pause: float = _PAUSE) -> None:
        self._database = database
        self._days = days
        self._pause = pause

    async def run(self) -> None:
        """Forget now and then, until cancelled; what fails is tried again the next time."""
        await asyncio.sleep(_FIRST)
        while True:
            try:
                if count := await self.prune():
                    log.info("runs.pruned", runs=count, days=self._days)
            except TowpathError as error:
                log.warning("runs.not_pruned", code=error.code, what=error.what)
            await asyncio.sleep(_EVERY)

    async def prune(self) -> int:
        """Forget what is too old by the database's clock, and how many runs that was.

        Processes do it one at a time: where another is at it, nothing is done.
        """
        total = 0
        while (count := await self._batch()) is not None:
            total += count
            await asyncio.sleep(self._pause)
        return total

    async def _batch(self) -> int | None:
        """Do a batch, and how many runs went; None where there is nothing to do."""
        async with self._database.begin() as transaction:
            if not await _alone(transaction):
                return None
            if await _sweep_up(transaction):
                return 0
            return await _forget(transaction, timedelta(days=self._days)) or None


async def _sweep_up(transaction: Transaction) -> bool:
    """Take away a batch of what is left over; whether there was any."""
    query = select(LEFTOVERS.c.run_id).order_by(LEFTOVERS.c.run_id).limit(_RUNS)
    run_ids = list((await transaction.execute(query)).scalars())
    room = _ROWS
    await transaction.execute(_BY_INDEX)
    for run_id in run_ids:
        for statement in _SWEEPING:
            values = {"run_id": run_id, "room": room}
            room -= (await transaction.execute(statement, values)).rowcount
            if not room:
                return True
        await transaction.execute(delete(LEFTOVERS).where(LEFTOVERS.c.run_id == run_id))
    return bool(run_ids)


async def _forget(transaction: Transaction, age: timedelta) -> int:
    """Take away a batch of runs; how many."""
    moment: datetime = (await transaction.execute(select(CLOCK))).scalar_one()
    run_ids = await _old(transaction, moment - age)
    if run_ids:
        named = update(SCHEDULES).where(SCHEDULES.c.last_run == func.any(run_ids))
        await transaction.execute(named.values(last_run=None))
        await transaction.execute(insert(LEFTOVERS), [{"run_id": id} for id in run_ids])
        await transaction.execute(delete(RUNS).where(RUNS.c.id == func.any(run_ids)))
    return len(run_ids)


async def _alone(transaction: Transaction) -> bool:
    query = text("SELECT pg_try_advisory_xact_lock(:key)")
    return bool((await transaction.execute(query, {"key": _LOCK})).scalar_one())


async def _old(transaction: Transaction, limit: datetime) -> list[UUID]:
    """Runs that may go, locked: nobody takes them up again meanwhile.

    A child goes after its parent, which asks for it when it is taken up again; a run goes after
    the run that took it back.
    """
    run, other = RUNS.alias("run"), RUNS.alias("other")
    parent = exists().where(other.c.id == run.c.parent_id)
    undo = exists().where(other.c.undoes == run.c.id)
    ended, not_ended = text(_ENDED.format("run")), text(f"NOT {_ENDED.format('other')}")
    child = exists().where(other.c.parent_id == run.c.id, not_ended)
    query = (
        select(run.c.id)
        .where(ended, run.c.finished_at < limit, ~parent, ~undo, ~child)
        .order_by(run.c.finished_at)
        .limit(_RUNS)
        .with_for_update(skip_locked=True, of=run)
    )
    return list((await transaction.execute(query)).scalars())
