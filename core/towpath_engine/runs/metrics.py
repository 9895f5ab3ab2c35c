"""How the runs of the whole platform stand, read from its database: for metrics and for readiness.

Every process that asks gets the same, whichever of them did what.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import text

from towpath_engine.runs.measuring import BOUNDS, fold_counts
from towpath_engine.store.database import Database

__all__ = ("Count", "QueueState", "RunMetrics", "RunsState", "StepHistogram", "WorkerState")

_FOLD_ABOVE = 500
"""So many single counts are put together into sums."""


class WorkerState(msgspec.Struct, frozen=True):
    """A worker that lives; it takes runs from `queues`, or from all where that is None."""

    id: int
    queues: tuple[str, ...] | None
    concurrency: int
    host: str
    pid: int


class QueueState(msgspec.Struct, frozen=True):
    """A queue that has runs.

    Attributes:
        name: of the queue.
        due: runs that a worker could begin now.
        held: runs that are not offered, because their key or the queue is busy.
        oldest_seconds: how long the oldest of those that are due has waited; 0 where none is.
        workers: how many workers that live take runs from it.
    """

    name: str
    due: int
    held: int
    oldest_seconds: float
    workers: int


class RunsState(msgspec.Struct, frozen=True):
    """What waits, and who would do it."""

    queues: Sequence[QueueState]
    workers: Sequence[WorkerState]

    @property
    def deserted(self) -> Sequence[str]:
        """The queues that have runs which are due, and no worker."""
        return [queue.name for queue in self.queues if queue.due and not queue.workers]

    @property
    def oldest_seconds(self) -> float:
        """How long the oldest run that is due has waited; 0 where none is."""
        return max((queue.oldest_seconds for queue in self.queues), default=0.0)


class Count(msgspec.Struct, frozen=True):
    """How many there are, or have been; `label` is a state, or empty."""

    kind: str
    label: str
    amount: int


class StepHistogram(msgspec.Struct, frozen=True):
    """How long the steps of one action took that came to one state.

    Attributes:
        kind: of their runs.
        action: what they did.
        state: what they came to.
        buckets: how many took at most as long as each of `BOUNDS`, the shorter ones included.
        seconds: how long all took together.
    """

    kind: str
    action: str
    state: str
    buckets: Sequence[int]
    seconds: float


class RunMetrics:
    """Reads how runs stand. Each method is one transaction.

    Args:
        database: the platform's.
        alive_seconds: a worker that has given no sign of life for so long does not count.
    """

    def __init__(self, database: Database, alive_seconds: float = 15.0) -> None:
        self._database = database
        self._alive_seconds = alive_seconds

    async def state(self) -> RunsState:
        """What waits in each queue, and which workers live.

        Raises:
            DatabaseUnavailable: it cannot be told now.
        """
        async with self._database.begin() as transaction:
            workers = [
                WorkerState(
                    row.id,
                    None if row.queues is None else tuple(row.queues),
                    row.concurrency or 0,
                    row.host or "",
                    row.pid or 0,
                )
                for row in await transaction.execute(_WORKERS, {"seconds": self._alive_seconds})
            ]
            rows = (await transaction.execute(_QUEUES)).all()
        queues = [
            QueueState(row.queue, row.due, row.held, row.oldest, _takers(workers, row.queue))
            for row in rows
        ]
        return RunsState(queues, workers)

    async def present(self) -> Sequence[Count]:
        """How many runs of each kind are in each state that is not their last, and unknown."""
        async with self._database.begin() as transaction:
            rows = (await transaction.execute(_PRESENT)).all()
        return [Count(row.kind, row.state, row.amount) for row in rows]

    async def totals(self) -> Mapping[str, Sequence[Count]]:
        """How often something has happened to runs of each kind: `ended`, `takeovers`, `parked`.

        Never becomes less, whatever is pruned, retried or started again.
        """
        found: dict[str, list[Count]] = {"ended": [], "takeovers": [], "parked": []}
        async with self._database.begin() as transaction:
            rows = (await transaction.execute(_TOTALS)).all()
            if sum(row.rows - 1 for row in rows) > _FOLD_ABOVE:
                await fold_counts(transaction)
        for row in rows:
            found.setdefault(row.name, []).append(Count(row.kind, row.label, int(row.amount)))
        return found

    async def steps(self) -> Sequence[StepHistogram]:
        """How long steps took, by kind of run, action and state."""
        async with self._database.begin() as transaction:
            rows = (await transaction.execute(_STEPS)).all()
        buckets: dict[tuple[str, str, str], list[int]] = {}
        seconds: dict[tuple[str, str, str], float] = {}
        for row in rows:
            label = (row.kind, row.action, row.state)
            counts = buckets.setdefault(label, [0] * len(BOUNDS))
            for place in range(min(row.bucket, len(BOUNDS) - 1), len(BOUNDS)):
                counts[place] += row.steps
            seconds[label] = seconds.get(label, 0.0) + row.seconds
        return [StepHistogram(*label, counts, seconds[label]) for label, counts in buckets.items()]


def _takers(workers: Sequence[WorkerState], queue: str) -> int:
    return sum(worker.queues is None or queue in worker.queues for worker in workers)


_WORKERS = text(
    """
    SELECT p.id, w.queues, w.concurrency, w.host, w.pid
    FROM procrastinate_workers p LEFT JOIN run_workers w ON w.worker_id = p.id
    WHERE p.last_heartbeat > now() - make_interval(secs => :seconds)
    ORDER BY p.id
    """
)

# A run is due since its job is: since it was to be woken, or was last queued.
_QUEUES = text(
    """
    WITH jobs AS (
        SELECT queue_name AS queue, count(*) AS due, min(id) AS first,
            min(scheduled_at) AS woken
        FROM procrastinate_jobs
        WHERE task_name = 'towpath:run' AND status = 'todo'
            AND (scheduled_at IS NULL OR scheduled_at <= clock_timestamp())
        GROUP BY queue_name
    ), held AS (
        SELECT queue, count(*) AS held FROM runs
        WHERE state = 'queued' AND held IS NOT NULL GROUP BY queue
    ), aged AS (
        SELECT jobs.queue, jobs.due, least(jobs.woken, (
            SELECT coalesce(j.scheduled_at, max(e.at))
            FROM procrastinate_jobs j
            LEFT JOIN run_events e
                ON e.run_id = CAST(j.args ->> 'run_id' AS uuid) AND e.type = 'state'
            WHERE j.id = jobs.first GROUP BY j.scheduled_at)) AS since
        FROM jobs
    )
    SELECT coalesce(aged.queue, held.queue) AS queue, coalesce(due, 0) AS due,
        coalesce(held, 0) AS held, coalesce(greatest(
            0, extract(epoch FROM clock_timestamp() - since)), 0)::float AS oldest
    FROM aged FULL JOIN held ON aged.queue = held.queue
    ORDER BY 1
    """
)

_PRESENT = text(
    """
    SELECT kind, state, count(*) AS amount FROM runs
    WHERE state IN ('queued', 'running', 'waiting') GROUP BY kind, state
    UNION ALL
    SELECT kind, 'unknown', count(*) FROM runs WHERE state = 'unknown' GROUP BY kind
    ORDER BY 1, 2
    """
)

_TOTALS = text(
    """
    SELECT name, kind, label, sum(amount) AS amount, count(*) AS rows FROM run_counts
    GROUP BY name, kind, label ORDER BY name, kind, label
    """
)

_STEPS = text(
    """
    SELECT kind, action, state, bucket, steps, seconds FROM run_step_times
    ORDER BY kind, action, state, bucket
    """
)
