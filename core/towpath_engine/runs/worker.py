"""The worker: takes runs off the queue, drives their executors, takes over from dead workers.

As many workers as wanted work on one database. Procrastinate hands out the jobs and keeps the
heartbeats; what may be written is decided by the journal's fence alone.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
import structlog
from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker
from sqlalchemy import select

from towpath_core.errors import Cancelled, LimitExceeded, TowpathError, Unavailable
from towpath_core.runs import RunState
from towpath_engine.runs.context import Executor, RunContext
from towpath_engine.runs.faults import describe_error
from towpath_engine.runs.journal import Event, FenceLost, add_events, begin_attempt, load_steps
from towpath_engine.runs.queue import QUEUE, TASK, OwnJobs, sweep
from towpath_engine.runs.service import CANCEL_CHANNEL, secrets_purpose
from towpath_engine.runs.tables import RUNS
from towpath_engine.secrets import Sealer
from towpath_engine.store.database import Database, DatabaseUnavailable, Listener, Transaction

__all__ = ("MAX_ATTEMPTS", "RunWorker", "WorkerTimes")

log = structlog.get_logger(__name__)

MAX_ATTEMPTS = 20
"""A run that was begun so often and never ended kills its workers; it is given up."""


class WorkerTimes(msgspec.Struct, frozen=True):
    """How fast a worker notices things, in seconds.

    A dead worker's runs are taken over at the latest `stalled + sweep` after its last heartbeat.

    Attributes:
        heartbeat: between two signs of life.
        stalled: without a sign of life for so long, a worker is dead.
        sweep: between two looks for runs that nobody works at.
        grace: what runs get to end when the worker is stopped.
        poll: between two looks for runs that wait for another to end.
        retry: longest first wait before a step is tried again, doubled each time.
    """

    heartbeat: float = 2.0
    stalled: float = 8.0
    sweep: float = 3.0
    grace: float = 20.0
    poll: float = 1.0
    retry: float = 1.0


class RunWorker:
    """One worker process's part in doing runs."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        executors: Mapping[str, Executor],
        *,
        concurrency: int = 8,
        times: WorkerTimes | None = None,
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._executors = dict(executors)
        self._times = times or WorkerTimes()
        self._active: set[tuple[UUID, threading.Event]] = set()
        self._app = App(connector=PsycopgConnector(conninfo=database.url, min_size=1, max_size=4))
        self._app.job_manager = OwnJobs(self._app.connector)
        self._app.task(name=TASK, queue=QUEUE)(self._job)
        self._listener = Listener(database.url, {CANCEL_CHANNEL: self._on_cancel})
        self._concurrency = concurrency
        self._worker: Worker | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Work until `stop`; then take nothing new and give what runs `grace` seconds to end.

        What has not ended by then is handed back: another worker goes on with it.

        Raises:
            Unavailable: the queue was lost; start again.
        """
        try:
            await self._listener.start()
            async with self._app.open_async():
                await self._work()
        except ConnectorException as error:
            raise Unavailable("The queue of runs does not answer.", why=str(error)) from error
        finally:
            await self._listener.stop()

    def stop(self) -> None:
        """Stop taking runs; `run` returns when those under way have ended or the grace is over."""
        self._stopping.set()
        if self._worker is not None:
            self._worker.stop()  # type: ignore[no-untyped-call]

    async def _work(self) -> None:
        times = self._times
        self._worker = Worker(
            self._app,
            queues=[QUEUE],
            concurrency=self._concurrency,
            delete_jobs="always",
            install_signal_handlers=False,
            update_heartbeat_interval=times.heartbeat,
            stalled_worker_timeout=times.stalled,
            shutdown_graceful_timeout=times.grace,
            fetch_job_polling_interval=times.poll,
        )
        if self._stopping.is_set():
            return
        sweeper = asyncio.create_task(self._sweep_often(), name="run-sweeper")
        try:
            await self._worker.run()  # type: ignore[no-untyped-call]
        finally:
            sweeper.cancel()
            await asyncio.gather(sweeper, return_exceptions=True)
        if not self._stopping.is_set():
            raise Unavailable("The worker has lost the queue of runs.", next="Start it again.")
        await self._sweep()

    async def _job(self, run_id: str) -> None:
        stop = threading.Event()
        # Known before the attempt begins, so that no request to stop falls in between.
        entry = (UUID(run_id), stop)
        self._active.add(entry)
        try:
            await self._attempt(entry[0], stop)
        except FenceLost:
            log.info("run.fence_lost", run=run_id)
        finally:
            # Threads that still work for it end at their next check.
            stop.set()
            self._active.discard(entry)

    async def _attempt(self, run_id: UUID, stop: threading.Event) -> None:
        async with self._database.begin() as transaction:
            row = await begin_attempt(transaction, run_id)
            steps = await load_steps(transaction, run_id) if row else {}
        if row is None:
            return
        fault: TowpathError | None = None
        secrets: dict[str, str] = {}
        if row["secrets"]:
            try:
                secrets = self._sealer.open(row["secrets"], secrets_purpose(run_id))
            except TowpathError as error:
                fault = error
        if row["attempt"] > MAX_ATTEMPTS:
            fault = LimitExceeded(f"The run was begun {MAX_ATTEMPTS} times and never ended.")
        run = RunContext(
            self._database, row, steps, secrets, cancelled=stop, retry_seconds=self._times.retry
        )
        async with run.flushing():
            await self._execute(run, fault)

    async def _execute(self, run: RunContext, fault: TowpathError | None) -> None:
        executor = self._executors.get(run.kind)
        async with self._database.begin() as transaction:
            body = {"state": "running", "attempt": run.fence.attempt}
            await add_events(transaction, run.fence, [Event("state", body)])
        try:
            if fault is not None:
                raise fault
            if executor is None:
                raise TowpathError(f"This worker does not know runs of kind {run.kind!r}.")
            output = run.buffer.plain(await executor.execute(run))
        except (FenceLost, DatabaseUnavailable):
            # Not the run's fault: it is left open, and goes on when the database is back.
            raise
        except Exception as error:
            await self._end(run, executor, error)
        else:
            await run.end("succeeded", output=output)

    async def _end(self, run: RunContext, executor: Executor | None, error: Exception) -> None:
        state: RunState = "cancelled" if isinstance(error, Cancelled) else "failed"
        info = describe_error(error, run.buffer.mask)

        async def mark(transaction: Transaction) -> None:
            if executor is not None:
                await executor.failed(transaction, run, info)

        await run.end(state, error=None if state == "cancelled" else info, commit=mark)

    async def _on_cancel(self, payload: str) -> None:
        wanted = UUID(payload) if payload else None
        for run_id, stop in tuple(self._active):
            if run_id == wanted or (wanted is None and await self._is_cancelled(run_id)):
                stop.set()

    async def _is_cancelled(self, run_id: UUID) -> bool:
        async with self._database.begin() as transaction:
            query: Any = select(RUNS.c.cancel_requested).where(RUNS.c.id == run_id)
            return bool((await transaction.execute(query)).scalar_one_or_none())

    async def _sweep_often(self) -> None:
        while True:
            try:
                await self._sweep()
            except Exception:
                log.exception("worker.sweep")
            await asyncio.sleep(self._times.sweep)

    async def _sweep(self) -> None:
        try:
            async with self._database.begin() as transaction:
                for run_id in await sweep(transaction, self._times.stalled):
                    log.warning("worker.requeued", run=str(run_id))
        except Unavailable:
            log.warning("worker.sweep_waits")
