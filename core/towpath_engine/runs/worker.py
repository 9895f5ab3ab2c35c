"""The worker: takes runs off the queues, makes attempts at them, takes over from dead workers.

As many workers as wanted work on one database. Procrastinate hands out the jobs and keeps the
heartbeats; what may be written is decided by the journal's fence alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import UUID

import msgspec
import structlog
from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker
from sqlalchemy import select

from towpath_core.errors import Unavailable
from towpath_engine.runs.attempting import MAX_CRASHES, Attempts
from towpath_engine.runs.executing import Executor, Starting
from towpath_engine.runs.journal import FenceLost
from towpath_engine.runs.measuring import StepTimes, register_worker
from towpath_engine.runs.queue import TASK, OwnJobs
from towpath_engine.runs.sweeping import CANCEL_CHANNEL, Sweep
from towpath_engine.runs.tables import RUNS
from towpath_engine.runs.trouble import tell_trouble
from towpath_engine.secrets import Sealer
from towpath_engine.store.database import Database, DatabaseUnavailable, Listener, stop_tasks
from towpath_engine.store.patience import patience

__all__ = ("RunWorker", "WorkerTimes")

log = structlog.get_logger(__name__)

_LONGEST_DELAY = 5.0


Chore = Callable[[], Awaitable[None]]
"""Something to be done now and then by whichever worker; must be quick, and harmless to repeat."""


class WorkerTimes(msgspec.Struct, frozen=True):
    """How fast a worker notices things, in seconds.

    A dead worker's runs are taken over at the latest `stalled + sweep` after its last heartbeat.

    Attributes:
        heartbeat: between two signs of life.
        stalled: without a sign of life for so long, a worker is dead.
        sweep: between two looks for runs that nobody works at.
        grace: what runs get to end when the worker is stopped.
        poll: between two looks for runs whose time has come.
        retry: longest first wait before a step is tried again, doubled each time.
    """

    heartbeat: float = 2.0
    stalled: float = 9.0
    sweep: float = 3.0
    grace: float = 20.0
    poll: float = 1.0
    retry: float = 1.0

    @classmethod
    def of_takeover(cls, seconds: float, grace: float) -> WorkerTimes:
        """Times by which a dead worker's runs go on within so many seconds."""
        return cls(seconds / 7.5, seconds * 0.6, seconds / 5, grace=grace)


class RunWorker:
    """One worker process's part in doing runs.

    Args:
        database: holds the journal and the queue.
        sealer: opens the runs' secrets.
        executors: by kind of run.
        concurrency: how many runs it does at a time.
        queues: which queues it takes runs from; all without any.
        limits: by queue, how many of its runs may be under way in all workers together.
        times: how fast it notices things.
        starting: starts child runs.
        max_crashes: on how many deaths of workers a run is given up.
        chores: done after each look for runs that nobody works at.
    """

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        executors: Mapping[str, Executor],
        *,
        concurrency: int = 8,
        queues: Sequence[str] = (),
        limits: Mapping[str, int] | None = None,
        times: WorkerTimes | None = None,
        starting: Starting | None = None,
        max_crashes: int = MAX_CRASHES,
        chores: Sequence[Chore] = (),
    ) -> None:
        self._database = database
        self._chores = tuple(chores)
        self._times = times or WorkerTimes()
        self._step_times = StepTimes()
        self._attempts = Attempts(
            database,
            sealer,
            executors,
            starting=starting,
            limits=limits,
            retry_seconds=self._times.retry,
            max_crashes=max_crashes,
            times=self._step_times,
        )
        self._sweep = Sweep(database, executors, stalled_seconds=self._times.stalled, limits=limits)
        self._active: set[tuple[UUID, threading.Event]] = set()
        self._listener = Listener(database.url, {CANCEL_CHANNEL: self._on_cancel})
        self._queues = list(queues) or None
        self._concurrency = concurrency
        self._worker: Worker | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Work until `stop`; then take nothing new and give what runs `grace` seconds to end.

        What has not ended by then is handed back: another worker goes on with it. Where the
        database is lost it tries again until it is back.
        """
        delay = 0.1
        try:
            await self._listener.start()
            while not self._stopping.is_set():
                started = asyncio.get_running_loop().time()
                try:
                    await self._work()
                except (ConnectorException, Unavailable) as error:
                    log.warning("worker.queue_lost", error=str(error), retry_seconds=delay)
                if asyncio.get_running_loop().time() - started > _LONGEST_DELAY:
                    delay = 0.1
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), delay)
                delay = min(delay * 2, _LONGEST_DELAY)
        finally:
            with contextlib.suppress(Unavailable):
                await self._step_times.write(self._database)
            await self._listener.stop()

    def stop(self) -> None:
        """Stop taking runs; `run` returns when those under way have ended or the grace is over."""
        self._stopping.set()
        if self._worker is not None:
            self._worker.stop()  # type: ignore[no-untyped-call]

    async def _work(self) -> None:
        """Take jobs until asked to stop, or until the connection is lost."""
        url = self._database.url
        connector = PsycopgConnector(conninfo=url, min_size=1, max_size=4, kwargs=patience(url))
        app = App(connector=connector)
        app.job_manager = self._jobs = OwnJobs(app.connector, self._database, self._registered)
        app.task(name=TASK, pass_context=True)(self._job)
        async with app.open_async():
            self._worker = worker = self._made(app)
            if self._stopping.is_set():
                return
            beside = [
                asyncio.create_task(self._sweep_often(), name="run-sweeper"),
                asyncio.create_task(self._beat(app, worker), name="run-heartbeat"),
            ]
            try:
                await worker.run()  # type: ignore[no-untyped-call]
            finally:
                self._worker = None
                await stop_tasks(*beside)

    def _made(self, app: App) -> Worker:
        times = self._times
        return Worker(
            app,
            queues=self._queues,
            concurrency=self._concurrency,
            delete_jobs="always",
            install_signal_handlers=False,
            update_heartbeat_interval=times.heartbeat,
            stalled_worker_timeout=times.stalled,
            shutdown_graceful_timeout=times.grace,
            fetch_job_polling_interval=times.poll,
        )

    async def _job(self, context: JobContext, run_id: str, turn: int = 0) -> None:
        stop = threading.Event()
        # Known before the attempt begins, so that no request to stop falls in between.
        entry = (UUID(run_id), stop)
        self._active.add(entry)
        try:
            job = context.job.id
            if await self._attempts.make(entry[0], turn, stop, job_id=job) and job is not None:
                self._jobs.gone.add(job)
        except FenceLost:
            log.info("run.fence_lost", run=run_id)
        except DatabaseUnavailable as error:
            log.warning("run.left_open", run=run_id, error=error.why or error.what)
            await tell_trouble(self._database, error)
        finally:
            # Threads that still work for it end at their next check.
            stop.set()
            self._active.discard(entry)

    async def _on_cancel(self, payload: str) -> None:
        wanted = UUID(payload) if payload else None
        for run_id, stop in tuple(self._active):
            if run_id == wanted or (wanted is None and await self._is_cancelled(run_id)):
                stop.set()

    async def _is_cancelled(self, run_id: UUID) -> bool:
        async with self._database.begin() as transaction:
            query = select(RUNS.c.cancel_requested).where(RUNS.c.id == run_id)
            return bool((await transaction.execute(query)).scalar_one_or_none())

    async def _beat(self, app: App, worker: Worker) -> None:
        # Procrastinate stops its own heartbeat before it waits for the runs under way.
        while True:
            await asyncio.sleep(self._times.heartbeat)
            if self._stopping.is_set() and worker.worker_id is not None:
                with contextlib.suppress(ConnectorException):
                    await app.job_manager.update_heartbeat(worker.worker_id)

    async def _registered(self, worker_id: int) -> None:
        await register_worker(self._database, worker_id, self._queues, self._concurrency)

    async def _sweep_often(self) -> None:
        while True:
            try:
                await self._sweep.tick()
                for chore in self._chores:
                    await chore()
                await self._step_times.write(self._database)
            except Unavailable:
                log.warning("worker.sweep_waits")
            except Exception:
                log.exception("worker.sweep")
            await asyncio.sleep(self._times.sweep)
