"""A run under way: its steps, each journalled before the next and never done twice.

Lives in the worker, on its event loop. Knows no kind of run; executors drive it.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol
from uuid import UUID

import msgspec
import structlog

from towpath_core.errors import Cancelled, LimitExceeded, StepFailed, Unavailable
from towpath_core.identity import Principal
from towpath_core.runs import RunState, StepState
from towpath_engine.runs.faults import describe_error
from towpath_engine.runs.journal import (
    ErrorInfo,
    Event,
    Fence,
    FenceLost,
    StepInfo,
    add_events,
    end_run,
    write_step,
)
from towpath_engine.runs.tools import EventBuffer, RunStepTools
from towpath_engine.store.database import Database, DatabaseUnavailable, Transaction

__all__ = ("Executor", "RunContext")

log = structlog.get_logger(__name__)

Work = Callable[[RunStepTools], Awaitable[Any]]
Commit = Callable[[Transaction, Any], Awaitable[None]]

_FLUSH_SECONDS = 0.05
_STEP_SECONDS = 600.0
_TRIES = 4
_LONGEST_WAIT = 8.0


class Executor(Protocol):
    """Does the work of one kind of run."""

    async def execute(self, run: RunContext) -> Any:
        """Do the run and return its output, JSON. Called again from the top after a crash."""
        ...

    async def failed(self, transaction: Transaction, run: RunContext, error: ErrorInfo) -> None:
        """Write what a failure or a stop means for our tables, in the run's last transaction."""
        ...


class RunContext:
    """One attempt of one run.

    Args:
        database: holds the journal.
        row: the run, with the number of this attempt.
        steps: what earlier attempts did.
        secrets: the run's, opened.
        cancelled: set when the run is asked to stop, or this attempt is over.
        retry_seconds: longest first wait before a step is tried again, doubled each time.
    """

    def __init__(
        self,
        database: Database,
        row: Mapping[str, Any],
        steps: Mapping[str, StepInfo],
        secrets: Mapping[str, str],
        *,
        cancelled: threading.Event | None = None,
        retry_seconds: float = 1.0,
    ) -> None:
        self.database = database
        self.id: UUID = row["id"]
        self.kind: str = row["kind"]
        self.input: Any = row["input"]
        self.principal = msgspec.convert(row["principal"], Principal)
        self.secrets = dict(secrets)
        self.fence = Fence(row["id"], row["attempt"])
        self.cancelled = cancelled or threading.Event()
        if row["cancel_requested"]:
            self.cancelled.set()
        self.buffer = EventBuffer(list(self.secrets.values()))
        self._retry_seconds = retry_seconds
        self._steps = dict(steps)
        # Events are taken and written by one at a time, or they would change places.
        self._writing = asyncio.Lock()

    def known(self, key: str) -> StepInfo | None:
        """What the journal knows of a step."""
        return self._steps.get(key)

    def forget(self, key: str) -> None:
        """Do a step again although it was done; only for one whose repetition is harmless."""
        step = self._steps[key]
        self._steps[key] = msgspec.structs.replace(step, state="running")

    def log(self, message: str, *, step: str | None = None, **more: Any) -> None:
        """Add a line to the run's log."""
        body: dict[str, Any] = {"message": message, "level": "info", **more}
        if step is not None:
            body["step"] = step
        self.buffer.add("log", body)

    async def step(
        self,
        key: str,
        name: str,
        work: Work,
        *,
        seconds: float = _STEP_SECONDS,
        commit: Commit | None = None,
    ) -> Any:
        """Do a step once: its output comes from the journal when it was done before.

        Args:
            key: names the step within the run, the same at every attempt.
            name: for people.
            work: does it; may be called again after a crash, with the same `tools.key`.
            seconds: how long it may take in all.
            commit: writes to our tables in the transaction that journals the result.

        Raises:
            Cancelled: the run was asked to stop before or during the step.
            TowpathError: the step failed; this is journalled.
            FenceLost, DatabaseUnavailable: another attempt goes on with the run.
        """
        before = self._steps.get(key)
        if before is not None and before.state in ("succeeded", "failed"):
            return _as_before(before)
        if self.cancelled.is_set():
            raise Cancelled("The run was asked to stop.")
        seq = before.seq if before else len(self._steps) + 1
        step = StepInfo(seq, key, name, "running", before.attempts + 1 if before else 1, None, None)
        await self._write(step)
        try:
            found = await self._try(work, self._tools(key, seq, seconds), seconds)
            done = msgspec.structs.replace(step, state="succeeded", output=self.buffer.plain(found))
            await self._write(done, commit)
        except (FenceLost, DatabaseUnavailable):
            raise
        except Exception as error:
            await self._fail(step, error)
            raise
        return done.output

    async def skip(self, key: str, name: str) -> None:
        """Journal a step that is not done because its condition does not hold."""
        if key not in self._steps:
            await self._write(StepInfo(len(self._steps) + 1, key, name, "skipped", 0, None, None))

    async def end(
        self,
        state: RunState,
        *,
        output: Any = None,
        error: ErrorInfo | None = None,
        commit: Callable[[Transaction], Awaitable[None]] | None = None,
    ) -> None:
        """Write what waits and end the run; `commit` writes to our tables with it.

        Raises:
            FenceLost: another worker goes on with the run; nothing is written.
        """
        async with self._waiting() as events, self.database.begin() as transaction:
            await add_events(transaction, self.fence, events)
            await end_run(transaction, self.fence, state, output=output, error=error)
            if commit is not None:
                await commit(transaction)

    async def flush(self) -> None:
        """Write the events that wait."""
        async with self._waiting() as events:
            if events:
                async with self.database.begin() as transaction:
                    await add_events(transaction, self.fence, events)

    @asynccontextmanager
    async def flushing(self) -> AsyncIterator[None]:
        """Write events as they come, until the block ends."""
        over = asyncio.Event()
        task = asyncio.create_task(self._flush_often(over))
        try:
            yield
        finally:
            over.set()
            await task

    async def _flush_often(self, over: asyncio.Event) -> None:
        while not over.is_set():
            try:
                await asyncio.wait_for(over.wait(), _FLUSH_SECONDS)
            except TimeoutError:
                try:
                    await self.flush()
                except FenceLost:
                    # Somebody else goes on with the run: long work should notice.
                    self.cancelled.set()
                    return
                except Unavailable:
                    log.warning("run.flush", run=str(self.id))

    @asynccontextmanager
    async def _waiting(self) -> AsyncIterator[list[Event]]:
        async with self._writing:
            events = self.buffer.take()
            try:
                yield events
            except Exception:
                self.buffer.give_back(events)
                raise

    def _tools(self, key: str, seq: int, seconds: float) -> RunStepTools:
        return RunStepTools(
            str(self.id),
            key,
            seq,
            seconds=seconds,
            buffer=self.buffer,
            cancelled=self.cancelled,
        )

    async def _try(self, work: Work, tools: RunStepTools, seconds: float) -> Any:
        try:
            async with asyncio.timeout(seconds):
                for attempt in range(1, _TRIES):
                    try:
                        return await work(tools)
                    except Unavailable as error:
                        # Full jitter: runs that failed together must not come back together.
                        longest = min(_LONGEST_WAIT, self._retry_seconds * 2 ** (attempt - 1))
                        delay = random.uniform(0, longest)  # noqa: S311
                        tools.log(f"{error.what} Trying again in {delay:.1f} s.", level="warning")
                        await asyncio.sleep(delay)
                        tools.check()
                return await work(tools)
        except TimeoutError as error:
            raise LimitExceeded("The step has used up its time.") from error

    async def _fail(self, step: StepInfo, error: Exception) -> None:
        state: StepState = "cancelled" if isinstance(error, Cancelled) else "failed"
        info = describe_error(error, self.buffer.mask)
        await self._write(msgspec.structs.replace(step, state=state, error=info))

    async def _write(self, step: StepInfo, commit: Commit | None = None) -> None:
        async with self._waiting() as events, self.database.begin() as transaction:
            await add_events(transaction, self.fence, events)
            await write_step(transaction, self.fence, step)
            if commit is not None:
                await commit(transaction, step.output)
        self._steps[step.key] = step


def _as_before(step: StepInfo) -> Any:
    """What a step came to that was done: its output, or the error that it failed with."""
    if step.error is not None:
        raise StepFailed(step.error.message, why=step.error.why, next=step.error.next)
    return step.output
