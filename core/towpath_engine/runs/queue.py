"""Jobs for runs on Procrastinate's queue, written in the caller's own transaction."""

from __future__ import annotations

from uuid import UUID

from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from sqlalchemy import text

from towpath_engine.store.database import Transaction

__all__ = ("QUEUE", "TASK", "OwnJobs", "enqueue", "sweep")

QUEUE = "runs"
TASK = "towpath:run"

_SWEEP_LOCK = 0x70_77_70_03

# The queue's public SQL function, so that the job commits with the run it is for.
_DEFER = text(
    """
    SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(
        :queue, :task, 0, :lock, NULL, json_build_object('run_id', CAST(:run_id AS text)), NULL
    )::procrastinate_job_to_defer_v1])
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
    SELECT r.id, r.subject_ref FROM runs r
    WHERE r.state IN ('queued', 'running')
      AND NOT EXISTS (
        SELECT 1 FROM procrastinate_jobs j
        WHERE j.task_name = :task AND j.status IN ('todo', 'doing')
          AND j.args ->> 'run_id' = CAST(r.id AS text))
    ORDER BY r.created_at, r.id
    """
)


class OwnJobs(JobManager):
    """The jobs of a worker; one that was taken away from it meanwhile is not missed at its end."""

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        """Take a job that is over off the queue; what became of the run is in the journal."""
        await self.connector.execute_query_async(
            "DELETE FROM procrastinate_jobs WHERE id = %(id)s", id=job.id
        )


async def enqueue(transaction: Transaction, run_id: UUID, lock: str | None) -> None:
    """Put a run's job on the queue.

    Args:
        transaction: the one that writes the run.
        run_id: the run.
        lock: jobs with the same lock are done one after the other, in order of creation.
    """
    values = {"queue": QUEUE, "task": TASK, "lock": lock, "run_id": str(run_id)}
    await transaction.execute(_DEFER, values)


async def sweep(transaction: Transaction, stalled_seconds: float) -> list[UUID]:
    """Take away the jobs of dead workers, and give one to every unfinished run that has none.

    A new job, not the old one again: a worker that was only paused finishes its own old job when
    it wakes up, and must not take the new one off the queue with it.

    Args:
        transaction: the caller's. One sweep at a time; where another is at it, nothing is done.
        stalled_seconds: a worker without a heartbeat for so long is dead.

    Returns:
        The runs that got a job.
    """
    lock = text("SELECT pg_try_advisory_xact_lock(:key)")
    if not (await transaction.execute(lock, {"key": _SWEEP_LOCK})).scalar_one():
        return []
    await transaction.execute(_DROP_STALLED, {"task": TASK, "seconds": stalled_seconds})
    rows = (await transaction.execute(_ORPHANS, {"task": TASK})).all()
    for row in rows:
        await enqueue(transaction, row.id, row.subject_ref)
    return [row.id for row in rows]
