"""One attempt at a run: begun under a new fence, driven by its executor, ended, parked or left.

Lives in the worker. Whatever happens to the process, the journal says how far the run was.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog

from towpath_core.errors import Cancelled, PluginError, TowpathError, Unavailable
from towpath_core.runs import OutcomeUnknown, RunState, Suspended, TimedOut
from towpath_engine.runs import journal_sql
from towpath_engine.runs.beginning import Suspect, begin_attempt, is_late
from towpath_engine.runs.context import RunContext
from towpath_engine.runs.ending import hand_back
from towpath_engine.runs.executing import Executor, Starting
from towpath_engine.runs.faults import describe_error
from towpath_engine.runs.journal import FenceLost, StepInfo, load_steps
from towpath_engine.runs.measuring import StepTimes
from towpath_engine.runs.parking import park
from towpath_engine.runs.service import secrets_purpose
from towpath_engine.secrets import Sealer
from towpath_engine.store.database import Database, DatabaseUnavailable, Transaction

__all__ = ("MAX_CRASHES", "Attempts", "Poisoned")

log = structlog.get_logger(__name__)

MAX_CRASHES = 5
"""A run on which so many workers died without getting a step further kills them; it is parked."""


class Poisoned(TowpathError):
    """Worker after worker died on the run, so no other tries; a person can take it up again."""

    code = "poisoned"


class Attempts:
    """Makes the attempts of one worker."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        executors: Mapping[str, Executor],
        *,
        starting: Starting | None = None,
        limits: Mapping[str, int] | None = None,
        retry_seconds: float = 1.0,
        max_crashes: int = MAX_CRASHES,
        times: StepTimes | None = None,
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._executors = dict(executors)
        self._starting = starting
        self._limits = dict(limits or {})
        self._retry_seconds = retry_seconds
        self._max_crashes = max_crashes
        self._suspect = max(2, max_crashes // 2)
        self._one_suspect = asyncio.Lock()
        self._times = times

    async def make(
        self, run_id: UUID, turn: int, stop: threading.Event, *, job_id: int | None = None
    ) -> bool:
        """Do a run as far as it goes now, if the job that was delivered is its latest.

        Of runs on which workers died again and again it does one at a time: so a run that kills
        its workers is told from those that were only beside it.

        Args:
            run_id: the run.
            turn: of the job.
            stop: set when the run is asked to stop.
            job_id: the job.

        Returns:
            Whether the job left the queue with the end of the run.

        Raises:
            FenceLost: another attempt goes on with it.
            DatabaseUnavailable: it is left open; it goes on when the database is back.
            asyncio.CancelledError: the worker stops; the run was handed back.
        """
        with contextlib.suppress(Suspect):
            return await self._make(run_id, turn, stop, job_id, self._suspect)
        async with self._one_suspect:
            return await self._make(run_id, turn, stop, job_id, None)

    async def _make(
        self,
        run_id: UUID,
        turn: int,
        stop: threading.Event,
        job_id: int | None,
        suspect: int | None,
    ) -> bool:
        found = await self._begin(run_id, turn, suspect)
        if found is None:
            return False
        row, steps = found
        secrets, fault = self._secrets(row)
        run = RunContext(
            self._database,
            row,
            steps,
            secrets,
            cancelled=stop,
            retry_seconds=self._retry_seconds,
            starting=self._starting,
            times=self._times,
            job_id=job_id,
        )
        try:
            async with run.flushing():
                await self._drive(run, fault or self._unfit(run, row))
        except asyncio.CancelledError:
            run.lose(FenceLost("The worker stops."))
            await asyncio.shield(self._hand_back(run))
            raise
        return run.job_gone

    async def _begin(
        self, run_id: UUID, turn: int, suspect: int | None
    ) -> tuple[Mapping[str, Any], Mapping[str, StepInfo]] | None:
        limits = self._limits
        quickly = await journal_sql.begin(self._database, run_id, turn, list(limits))
        if quickly is not None and not quickly[1]:
            return quickly[0], {}
        async with self._database.begin() as transaction:
            row: Mapping[str, Any] | None = quickly[0] if quickly else None
            if row is None:
                row = await begin_attempt(transaction, run_id, turn, limits, suspect=suspect)
            return (row, await load_steps(transaction, run_id)) if row else None

    async def _drive(self, run: RunContext, fault: TowpathError | None) -> None:
        executor = self._executors.get(run.kind)
        try:
            try:
                if fault is not None:
                    raise fault
                if executor is None:
                    raise TowpathError(f"This worker does not know runs of kind {run.kind!r}.")
                output = run.buffer.plain(await executor.execute(run))
            except Suspended:
                await self._suspend(run)
                return
        except (FenceLost, DatabaseUnavailable):
            # Not the run's fault: it is left open, and goes on when the database is back.
            raise
        except Exception as error:
            await self._fail(run, executor, error)
        else:
            await run.end("succeeded", output=output)

    async def _suspend(self, run: RunContext) -> None:
        if run.lost is not None:
            raise run.lost
        if run.wait is None:
            raise PluginError("A plugin says that the run waits, but not what for.")
        await park(run, run.wait)

    async def _fail(self, run: RunContext, executor: Executor | None, error: Exception) -> None:
        if isinstance(error, Cancelled) and await self._is_late(run):
            error = _too_late()
        info = describe_error(error, run.buffer.mask)
        state: RunState = "cancelled" if isinstance(error, Cancelled) else "failed"
        if isinstance(error, OutcomeUnknown) or run.has_open_effect():
            state = "unknown"

        async def mark(transaction: Transaction) -> None:
            if executor is not None:
                await executor.failed(transaction, run, info)

        await run.end(state, error=None if state == "cancelled" else info, commit=mark)

    def _secrets(self, row: Mapping[str, Any]) -> tuple[dict[str, str], TowpathError | None]:
        if not row["secrets"]:
            return {}, None
        try:
            return self._sealer.open(row["secrets"], secrets_purpose(row["id"])), None
        except TowpathError as error:
            return {}, error

    def _unfit(self, run: RunContext, row: Mapping[str, Any]) -> TowpathError | None:
        """Why a run is not to be done although it was begun."""
        if row["crashes"] >= self._max_crashes:
            where = run.open_step_names()
            return Poisoned(
                f"{row['crashes']} workers died on the run, one after the other.",
                why=f"The last one in: {', '.join(where)}." if where else None,
                next="See the workers' logs, then take it up again: towpath runs retry.",
            )
        return _too_late() if row["late"] else None

    async def _is_late(self, run: RunContext) -> bool:
        if run.deadline is None:
            return False
        async with self._database.begin() as transaction:
            return await is_late(transaction, run.id)

    async def _hand_back(self, run: RunContext) -> None:
        try:
            async with self._database.begin() as transaction:
                await hand_back(transaction, run.fence)
            log.info("run.handed_back", run=str(run.id))
        except (FenceLost, Unavailable) as error:
            # Then it is found without a job, and gets one from the next sweep.
            log.warning("run.not_handed_back", run=str(run.id), error=error.what)


def _too_late() -> TimedOut:
    return TimedOut("The run has not ended by its deadline.", next="Take it up again with another.")
