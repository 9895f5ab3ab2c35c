"""The writes of one attempt at a run: gathered, in order, one at a time.

Lives in the worker, on its event loop. Events are written as they come, a few at a time; the end
of a step rides with what is written next, which is a moment later at the latest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog

from towpath_core.errors import Unavailable
from towpath_engine.runs import journal_sql
from towpath_engine.runs.buffer import EventBuffer
from towpath_engine.runs.journal import Event, Fence, FenceLost, StepInfo, step_event
from towpath_engine.runs.journal_sql import InTransaction
from towpath_engine.store.database import Database, Transaction

__all__ = ("RunWriter",)

log = structlog.get_logger(__name__)

_GATHER_SECONDS = 0.003
"""Events that come so soon after the first are written with it."""
_STEP_SECONDS = 0.02
"""How long the end of a step waits for something that it can be written with."""
_AGAIN_SECONDS = 0.5
"""After a write that the database did not take."""


class RunWriter:
    """Writes what a run has to tell, while the database takes it and the fence holds.

    Args:
        database: holds the journal.
        fence: of the attempt.
        buffer: where events wait that come from any thread.
        lost: called when the fence turns out to be another's.
    """

    def __init__(
        self, database: Database, fence: Fence, buffer: EventBuffer, lost: Callable[[], None]
    ) -> None:
        self._database = database
        self._fence = fence
        self._buffer = buffer
        # What waits is taken and written by one at a time, or it would change places.
        self._turn = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._lost = lost
        self.going = False
        """Whether what waits is written by itself."""

    async def write(self, *steps: StepInfo) -> None:
        """Write what waits, and then steps with their events; committed when it returns.

        Raises:
            FenceLost: the attempt is not the current one; nothing is written.
            DatabaseUnavailable: nothing is written; what waited waits on.
        """
        async with self._taken() as (events, ended):
            events = [*events, *map(step_event, steps)]
            if events:
                changed = [*_without(ended, steps), *steps]
                await journal_sql.write(self._database, self._fence, events, changed)

    def later(self, step: StepInfo) -> None:
        """Write the end of a step with what is written next, or soon. Called from any thread."""
        self._buffer.add_end(step_event(step), step)

    async def end(self, event: Event, *, output: Any, job_id: int | None) -> bool:
        """Write what waits, and the end of a run that succeeded; see `journal_sql.end`."""
        async with self._taken() as (events, ended):
            return await journal_sql.end(
                self._database, self._fence, [*events, event], ended, output=output, job_id=job_id
            )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A transaction that writes what waits first, under the fence.

        Raises:
            FenceLost: the attempt is not the current one; nothing is written.
        """
        async with self._taken() as (events, ended), self._database.begin() as transaction:
            if events:
                store = InTransaction(transaction)
                await journal_sql.write(store, self._fence, events, ended)
            yield transaction

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write events as they come, until the block ends; then what is left."""
        self._buffer.tell(self._told)
        self.going = True
        try:
            yield
        finally:
            self.going = False
            self._buffer.tell(None)
            self._sleep()
            if self._task is not None:
                await self._task
            self._sleep()
            await self._flush(again=False)

    @asynccontextmanager
    async def _taken(self) -> AsyncIterator[tuple[list[Event], list[StepInfo]]]:
        async with self._turn:
            self._sleep()
            events, ended = self._buffer.take()
            try:
                yield events, ended
            except Exception:
                self._buffer.give_back(events, ended)
                raise

    def _told(self, step: bool) -> None:
        """Something came to be written; called from any thread."""
        seconds = _STEP_SECONDS if step else _GATHER_SECONDS
        self._loop.call_soon_threadsafe(self._wake, seconds)

    def _wake(self, seconds: float) -> None:
        when = self._loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(when, self._begin)

    def _sleep(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        self._timer = None
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._flush(again=True))
        else:
            self._wake(_GATHER_SECONDS)

    async def _flush(self, *, again: bool) -> None:
        try:
            await self.write()
        except FenceLost:
            # Somebody else goes on with the run: long work should notice.
            self._lost()
        except Unavailable:
            log.warning("run.flush", run=str(self._fence.run_id))
            if again:
                self._wake(_AGAIN_SECONDS)


def _without(steps: Sequence[StepInfo], others: Sequence[StepInfo]) -> list[StepInfo]:
    """Steps but those of which a newer state is among the others."""
    newer = {step.seq for step in others}
    return [step for step in steps if step.seq not in newer]
