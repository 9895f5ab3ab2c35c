"""What a worker does beside its runs: looks for those that nobody works at, or for too long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select, text

from towpath_engine.runs.admission import release_all
from towpath_engine.runs.executing import Executor
from towpath_engine.runs.journal import CLOCK
from towpath_engine.runs.queue import orphans, requeue, sweep_lock
from towpath_engine.runs.stopping import Stopping, ended_by_force
from towpath_engine.runs.tables import RUNS
from towpath_engine.runs.waits import lock_run, wake
from towpath_engine.store.database import Database

__all__ = ("CANCEL_CHANNEL", "Sweep")

log = structlog.get_logger(__name__)

CANCEL_CHANNEL = "towpath_cancel"
"""Notified with a run's id when it is asked to stop."""

_GRACE_SECONDS = 30.0

# A run that is late is asked to stop as a person would ask it.
_LATE = text(
    """
    WITH late AS (
        UPDATE runs SET cancel_requested = true,
            cancel_by = clock_timestamp() + make_interval(secs => :grace)
        WHERE state = 'running' AND deadline <= clock_timestamp() AND NOT cancel_requested
        RETURNING id)
    SELECT pg_notify(:channel, CAST(id AS text)) FROM late
    """
)


class Sweep:
    """Gives runs whose worker died to another, and ends what does not end by itself.

    As many as wanted may sweep; one does at a time, the others skip their turn.

    Args:
        database: holds the journal and the queue.
        executors: told of runs that are ended from outside.
        stalled_seconds: a worker without a heartbeat for so long is dead.
        limits: by queue, how many of its runs may be under way.
    """

    def __init__(
        self,
        database: Database,
        executors: Mapping[str, Executor],
        *,
        stalled_seconds: float,
        limits: Mapping[str, int] | None = None,
    ) -> None:
        self._database = database
        self._stopping = Stopping(database, executors)
        self._stalled = stalled_seconds
        self._limits = dict(limits or {})

    async def tick(self) -> None:
        """Look once.

        Raises:
            Unavailable: the database does not answer.
        """
        async with self._database.begin() as transaction:
            if not await sweep_lock(transaction):
                return
            lost = await orphans(transaction, self._stalled)
            await requeue(transaction, lost)
            await release_all(transaction, self._limits)
            values = {"grace": _GRACE_SECONDS, "channel": CANCEL_CHANNEL}
            await transaction.execute(_LATE, values)
        for run_id in lost:
            log.warning("worker.requeued", run=str(run_id))
        for run_id in await self._found(RUNS.c.state == "waiting", RUNS.c.deadline <= CLOCK):
            await self._wake(run_id)
        for run_id in await self._found(RUNS.c.state == "running", RUNS.c.cancel_by <= CLOCK):
            await self._force(run_id)

    async def _found(self, *conditions: Any) -> list[UUID]:
        async with self._database.begin() as transaction:
            query = select(RUNS.c.id).where(*conditions).order_by(RUNS.c.id).limit(100)
            return list((await transaction.execute(query)).scalars())

    async def _wake(self, run_id: UUID) -> None:
        async with self._database.begin() as transaction:
            row = await lock_run(transaction, run_id)
            if row is not None and row["state"] == "waiting":
                await wake(transaction, row)

    async def _force(self, run_id: UUID) -> None:
        async with self._database.begin() as transaction:
            row = await lock_run(transaction, run_id)
            if row is not None and row["state"] == "running" and row["cancel_by"] is not None:
                await self._stopping.stop(transaction, row, error=ended_by_force())
                log.warning("run.forced", run=str(run_id))
