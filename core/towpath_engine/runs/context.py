"""A run under way: its steps, each journalled before the next and never done twice.

Lives in the worker, on its event loop. Knows no kind of run; executors drive it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from towpath_core.errors import Cancelled
from towpath_core.identity import Principal
from towpath_core.runs import Effect, OutcomeUnknown, Retry, RunState, StepState, Suspended, Undo
from towpath_engine.runs.admission import make_room
from towpath_engine.runs.buffer import EventBuffer
from towpath_engine.runs.ending import end_run
from towpath_engine.runs.executing import Starting
from towpath_engine.runs.faults import describe_error
from towpath_engine.runs.journal import (
    ErrorInfo,
    Event,
    Fence,
    FenceLost,
    StepInfo,
    add_undo,
    write_step,
)
from towpath_engine.runs.keys import key_of
from towpath_engine.runs.measuring import StepClock, StepTimes
from towpath_engine.runs.outcomes import Wait, as_before
from towpath_engine.runs.tools import RunStepTools
from towpath_engine.runs.trying import Work, try_often
from towpath_engine.runs.writing import RunWriter
from towpath_engine.store.database import Database, DatabaseUnavailable, Transaction

__all__ = ("RunContext",)

Commit = Callable[[Transaction, Any], Awaitable[None]]

_STEP_SECONDS = 600.0


class RunContext:
    """One attempt of one run.

    Args:
        database: holds the journal.
        row: the run, with the number of this attempt.
        steps: what earlier attempts did.
        secrets: the run's, opened.
        cancelled: set when the run is asked to stop, or this attempt is over.
        retry_seconds: longest first wait before a step is tried again, doubled each time.
        starting: starts child runs.
        times: how long steps took is noted there.
        job_id: the job that brought it, which goes with its end.
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
        starting: Starting | None = None,
        times: StepTimes | None = None,
        job_id: int | None = None,
    ) -> None:
        self.database = database
        self.id: UUID = row["id"]
        self.kind: str = row["kind"]
        self.input: Any = row["input"]
        self.principal = msgspec.convert(row["principal"], Principal)
        self.secrets = dict(secrets)
        self.fence = Fence(row["id"], row["attempt"])
        self.deadline: datetime | None = row["deadline"]
        self.undoes: UUID | None = row["undoes"]
        self.cancelled = cancelled or threading.Event()
        if row["cancel_requested"]:
            self.cancelled.set()
        self.buffer = EventBuffer(list(self.secrets.values()))
        self.starting = starting
        self.loop = asyncio.get_running_loop()
        self.wait: Wait | None = None
        self.lost: Exception | None = None
        self.thread = threading.get_ident()
        self.retry = Retry(first_seconds=retry_seconds, most_seconds=8.0)
        self._steps = dict(steps)
        self._clock = StepClock(times or StepTimes(), self.kind)
        self._writer = RunWriter(database, self.fence, self.buffer, self.cancelled.set)
        # Whom its end concerns is looked at only where there can be somebody.
        self._alone = row["parent_id"] is None and row["concurrency_key"] is None
        self.job_id = job_id
        self.job_gone = False
        self.queue: str = row["queue"]

    def known(self, key: str) -> StepInfo | None:
        """What the journal knows of a step."""
        return self._steps.get(key)

    def key_of(self, named: str, shown: str) -> str:
        """The key of a part that plugin code names so, and is shown so; see `keys`."""
        return key_of(self._steps, named, shown) if self.secrets else named

    def has_open_effect(self) -> bool:
        """Whether a step with an effect on others was begun and its end is not recorded."""
        return any(s.state == "running" and s.effect == "external" for s in self._steps.values())

    def open_step_names(self) -> list[str]:
        """The names of steps that were begun and did not end, in order."""
        return [step.name for step in self._steps.values() if step.state == "running"]

    def next_seq(self, key: str) -> int:
        """The number of a step: its own where it was begun before, else the next one."""
        before = self._steps.get(key)
        return before.seq if before else len(self._steps) + 1

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
        effect: Effect = "external",
        owner: str = "",
    ) -> Any:
        """Do a step once: its output comes from the journal when it was done before.

        Args:
            key: names the step within the run, the same at every attempt.
            name: for people.
            work: does it; may be called again after a crash, with the same `tools.key`.
            seconds: how long it may take in all.
            commit: writes to our tables in the transaction that journals the result.
            effect: what it changes.
            owner: whose code takes it back, for undos that the work registers.

        Raises:
            Cancelled: the run was asked to stop before or during the step.
            TowpathError: the step failed; this is journalled.
            FenceLost, DatabaseUnavailable: another attempt goes on with the run.
            Suspended: the run waits for something within the step.
        """
        step = await self.open_step(key, name, effect=effect, owner=owner)
        if step.state != "running":
            return as_before(step)
        try:
            tools = self._tools(step, seconds, owner)
            found = await try_often(self, work, tools, seconds)
            if commit is None and self.going:
                return self.close_step_soon(step, found)
            return await self.close_step(step, found, commit)
        except (FenceLost, DatabaseUnavailable):
            raise
        except Exception as error:
            await self.fail_step(step, error)
            raise

    async def open_step(
        self,
        key: str,
        name: str,
        *,
        effect: Effect = "external",
        undo: Undo | None = None,
        owner: str = "",
        repeatable: bool = True,
    ) -> StepInfo:
        """Journal that a step begins, and how to undo it; or give it as it ended before.

        Raises:
            Cancelled: the run was asked to stop.
            OutcomeUnknown: it was begun before and may not be repeated.
        """
        before = self._steps.get(key)
        if before is not None and before.state in ("succeeded", "failed"):
            return before
        if self.cancelled.is_set():
            raise Cancelled("The run was asked to stop.")
        begun = before is not None and before.state in ("running", "cancelled", "unknown")
        if begun and not repeatable:
            raise OutcomeUnknown.of(name)
        seq = self.next_seq(key)
        # To go on after a wait is no further attempt.
        again = (before.attempts if before else 0) + (before is None or before.state != "waiting")
        step = StepInfo(seq, key, name, "running", again, None, None, effect)
        await self._write(step, undo=undo, owner=owner)
        self._clock.begin(key, owner)
        return step

    async def close_step(self, step: StepInfo, found: Any, commit: Commit | None = None) -> Any:
        """Journal what a step gave, and return it as JSON data."""
        done = msgspec.structs.replace(step, state="succeeded", output=self.buffer.plain(found))
        await self._write(done, commit)
        return done.output

    def close_step_soon(self, step: StepInfo, found: Any) -> Any:
        """Have journalled what a step gave, before anything else of the run; from any thread.

        For a step that may be done again: where the worker dies in this moment, it is.
        """
        done = msgspec.structs.replace(step, state="succeeded", output=self.buffer.plain(found))
        self._writer.later(done)
        self._note(done)
        return done.output

    async def fail_step(
        self, step: StepInfo, error: Exception, commit: Commit | None = None
    ) -> StepInfo:
        """Journal that a step failed, was cancelled, or that nobody knows; gives it so."""
        state: StepState = "cancelled" if isinstance(error, Cancelled) else "failed"
        if isinstance(error, OutcomeUnknown):
            state = "unknown"
        info = describe_error(error, self.buffer.mask)
        failed = msgspec.structs.replace(step, state=state, error=info)
        await self._write(failed, commit)
        return failed

    async def skip(self, key: str, name: str) -> None:
        """Journal a step that is not done because its condition does not hold."""
        before = self._steps.get(key)
        if before is None or before.state == "waiting":
            seq = self.next_seq(key)
            await self._write(StepInfo(seq, key, name, "skipped", 0, None, None, "pure"))

    async def register_undo(self, step: StepInfo, owner: str, undo: Undo) -> None:
        """Journal how to take back what a step did; the same again changes nothing."""
        plain = self._plain(undo)
        async with self.writing() as transaction:
            await add_undo(transaction, self.fence, step, owner, plain)

    def wait_for(self, wait: Wait) -> Any:
        """The outcome of a wait, where it is over.

        Raises:
            Cancelled: the run was asked to stop.
            Suspended: it is not over; the executor lets it pass, and the run waits then.
        """
        before = self._steps.get(wait.key)
        if before is not None and before.state == "succeeded":
            return before.output
        if self.cancelled.is_set():
            raise Cancelled("The run was asked to stop.")
        self.wait = wait
        raise Suspended

    def lose(self, error: Exception) -> None:
        """End this attempt: the journal could not be written, or is another's to write."""
        self.lost = self.lost or error
        self.cancelled.set()

    def check_going(self) -> None:
        """Raise again what ended this attempt and plugin code may have kept to itself.

        Raises:
            FenceLost, DatabaseUnavailable: another attempt goes on with the run.
            Suspended: the run waits.
        """
        if self.lost is not None:
            raise self.lost
        if self.wait is not None:
            raise Suspended

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
        if state == "succeeded" and commit is None and self._concerns_nobody():
            await self._succeed(output)
            return
        async with self.writing() as transaction:
            await end_run(transaction, self.fence, state, output=output, error=error)
            if commit is not None:
                await commit(transaction)

    def writing(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction of this attempt that writes the events that wait first.

        Raises:
            FenceLost: another worker goes on with the run; nothing is written.
        """
        return self._writer.transaction()

    async def flush(self) -> None:
        """Write the events that wait."""
        await self._writer.write()

    def flushing(self) -> AbstractAsyncContextManager[None]:
        """Write events as they come, until the block ends."""
        return self._writer.writing()

    @property
    def going(self) -> bool:
        """Whether what waits to be written is written by itself."""
        return self._writer.going

    def _concerns_nobody(self) -> bool:
        """Whether the run's end changes nothing but the run."""
        still = any(step.state in ("running", "waiting") for step in self._steps.values())
        return self._alone and not still

    async def _succeed(self, output: Any) -> None:
        last = Event("state", {"state": "succeeded"})
        room = await self._writer.end(last, output=output, job_id=self.job_id)
        self.job_gone = self.job_id is not None
        if room:
            async with self.database.begin() as transaction:
                await make_room(transaction, {"queue": self.queue}, ended=False)

    def _tools(self, step: StepInfo, seconds: float, owner: str) -> RunStepTools:
        return RunStepTools(self, step, seconds=seconds, owner=owner)

    async def _write(
        self,
        step: StepInfo,
        commit: Commit | None = None,
        *,
        undo: Undo | None = None,
        owner: str = "",
    ) -> None:
        if commit is None and undo is None:
            await self._writer.write(step)
        else:
            async with self.writing() as transaction:
                await write_step(transaction, self.fence, step)
                if undo is not None:
                    await add_undo(transaction, self.fence, step, owner, self._plain(undo))
                if commit is not None:
                    await commit(transaction, step.output)
        self._note(step)

    def _plain(self, undo: Undo) -> Undo:
        return Undo(self.buffer.text(undo.name), self.buffer.plain(dict(undo.data)))

    def _note(self, step: StepInfo) -> None:
        self._steps[step.key] = step
        if step.state != "running":
            self._clock.end(step.key, step.state)
