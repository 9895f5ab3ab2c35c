"""Jobs for runs on Procrastinate's queue, written in the caller's own transaction.

A run has one job at a time that counts: the one that carries its present `turn`. Any other that is
delivered, be it late, twice, or to a worker that slept, finds its turn over and does nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from uuid import UUID

from procrastinate.connector import BaseConnector
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from sqlalchemy import text

from towpath_engine.store.database import Database, Transaction

__all__ = ("TASK", "OwnJobs", "drop_jobs", "enqueue", "orphans", "requeue", "sweep_lock")

TASK = "towpath:run"

_SWEEP_LOCK = 0x70_77_70_0B

# The queue's public SQL function, so that the job commits with the run it is for.
_DEFER = text(
    """
    SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(
        CAST(:queue AS varchar), :task, CAST(:priority AS integer), NULL, NULL,
        jsonb_build_object('run_id', CAST(:run_id AS text), 'turn', CAST(:turn AS integer)), NULL
    )::procrastinate_job_to_defer_v1])
    """
)

# A job that waits is of an earlier turn now. One that is being done is its worker's to end.
_REQUEUE = text(
    """
    WITH run AS (
        UPDATE runs SET turn = turn + 1, held = NULL WHERE id = ANY(:run_ids)
        RETURNING id, turn, queue, priority, CASE WHEN state = 'waiting' THEN wake_at END AS at
    ), dropped AS (
        DELETE FROM procrastinate_jobs j USING run
        WHERE j.task_name = :task AND j.args ->> 'run_id' = CAST(run.id AS text)
          AND j.status = 'todo'
    )
    SELECT procrastinate_defer_jobs_v1(array_agg(ROW(
        run.queue, CAST(:task AS varchar), run.priority, NULL, NULL,
        jsonb_build_object('run_id', run.id, 'turn', run.turn), run.at
    )::procrastinate_job_to_defer_v1)) FROM run HAVING count(*) > 0
    """
)

# Workers that start take those off the list that were silent; they may only have been paused.
_BEAT = """
    INSERT INTO procrastinate_workers (id, last_heartbeat) OVERRIDING SYSTEM VALUE
    VALUES (%(worker_id)s, now()) ON CONFLICT (id) DO UPDATE SET last_heartbeat = now()
    """

_DROP = text(
    """
    DELETE FROM procrastinate_jobs
    WHERE task_name = :task AND args ->> 'run_id' = :run_id AND status = 'todo'
    """
)

_DROP_STALLED = text(
    """
    DELETE FROM procrastinate_jobs j
    WHERE j.task_name = :task AND j.status = 'doing'
      AND NOT EXISTS (
        SELECT 1 FROM procrastinate_workers w
        WHERE w.id = j.worker_id AND w.last_heartbeat > now() - make_interval(secs => :seconds))
    """
)

_ORPHANS = text(
    """
    SELECT r.id FROM runs r
    WHERE (r.state IN ('queued', 'running') AND r.held IS NULL
           OR r.state = 'waiting' AND r.wake_at IS NOT NULL)
      AND NOT EXISTS (
        SELECT 1 FROM procrastinate_jobs j
        WHERE j.task_name = :task AND j.status IN ('todo', 'doing')
          AND j.args ->> 'run_id' = CAST(r.id AS text)
          AND CAST(j.args ->> 'turn' AS integer) = r.turn)
    ORDER BY r.priority DESC, r.created_at, r.id
    LIMIT 1000
    FOR UPDATE OF r SKIP LOCKED
    """
)


_FETCHED = (
    "id",
    "status",
    "priority",
    "lock",
    "queueing_lock",
    "task_name",
    "args",
    "scheduled_at",
    "queue_name",
    "attempts",
    "worker_id",
)

_FETCH = """
    SELECT id, status::text, priority, lock, queueing_lock, task_name, args, scheduled_at,
        queue_name, attempts, worker_id
    FROM procrastinate_fetch_job_v2(%(queues)s::varchar[], %(worker)s)
"""


class OwnJobs(JobManager):
    """The jobs of a worker; one that was taken away from it meanwhile is not missed at its end.

    Args:
        connector: to the queue.
        database: the same, for what is asked all the time.
        registered: told the number by which the queue knows the worker, each time it gets one.
    """

    def __init__(
        self,
        connector: BaseConnector,
        database: Database,
        registered: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(connector)
        self._database = database
        self._registered = registered
        self.gone: set[int] = set()
        """Jobs that left the queue with the end of their run."""

    async def register_worker(self) -> int:
        """Let the queue know the worker, and its number who wants to."""
        worker_id = await super().register_worker()
        if self._registered is not None:
            await self._registered(worker_id)
        return worker_id

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """Take the next job off the queues, in one statement."""
        wanted = None if queues is None else list(queues)
        row = await self._database.one(_FETCH, {"queues": wanted, "worker": worker_id})
        if row is None or row[0] is None:
            return None
        return Job.from_row(dict(zip(_FETCHED, row, strict=True)))

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        """Take a job that is over off the queue; what became of the run is in the journal."""
        if job.id in self.gone:
            self.gone.discard(job.id)
            return
        await self.connector.execute_query_async(
            "DELETE FROM procrastinate_jobs WHERE id = %(id)s", id=job.id
        )

    async def update_heartbeat(self, worker_id: int) -> None:
        """Give a sign of life; a worker that slept and was taken for dead is listed again by it."""
        await self.connector.execute_query_async(_BEAT, worker_id=worker_id)


async def enqueue(
    transaction: Transaction, run_id: UUID, queue: str, priority: int, turn: int
) -> None:
    """Put the job of a run that was just written on its queue; higher priorities come first."""
    values = {"task": TASK, "queue": queue, "priority": priority}
    await transaction.execute(_DEFER, {**values, "run_id": str(run_id), "turn": turn})


async def requeue(transaction: Transaction, run_ids: Sequence[UUID]) -> None:
    """Give runs a new turn and its job, due when a waiting run wants to be woken, else now."""
    if run_ids:
        await transaction.execute(_REQUEUE, {"task": TASK, "run_ids": list(run_ids)})


async def drop_jobs(transaction: Transaction, run_id: UUID) -> None:
    """Take the jobs of a run off the queue that no worker has begun."""
    await transaction.execute(_DROP, {"task": TASK, "run_id": str(run_id)})


async def sweep_lock(transaction: Transaction) -> bool:
    """Be the one that sweeps until the transaction ends; False where another is at it."""
    lock = text("SELECT pg_try_advisory_xact_lock(:key)")
    return bool((await transaction.execute(lock, {"key": _SWEEP_LOCK})).scalar_one())


async def orphans(transaction: Transaction, stalled_seconds: float) -> list[UUID]:
    """Take away the jobs of dead workers, and find the unfinished runs that have no job.

    A new job, not the old one again: a worker that was only paused finishes its own old job when
    it wakes up, and must not take the new one off the queue with it.

    Args:
        transaction: the caller's.
        stalled_seconds: a worker without a heartbeat for so long is dead.
    """
    await transaction.execute(_DROP_STALLED, {"task": TASK, "seconds": stalled_seconds})
    return list((await transaction.execute(_ORPHANS, {"task": TASK})).scalars())
