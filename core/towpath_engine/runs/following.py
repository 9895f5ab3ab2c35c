"""Following runs: events as they come, read once for all who stand at the same place."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from towpath_core.identity import Principal
from towpath_core.runs import RUN_ENDED
from towpath_engine.runs.reading import read_events, row_of, sees
from towpath_engine.runs.records import RunEvent, no_run
from towpath_engine.store.database import Database

__all__ = ("Following",)

_PAGE = 500


class _Seen(msgspec.Struct, frozen=True):
    """A run and the events after some number, as one transaction saw them."""

    run: Mapping[Any, Any] | None
    events: Sequence[RunEvent]


class Following:
    """Those in this process who follow runs, and what wakes them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bells: dict[UUID, set[asyncio.Event]] = defaultdict(set)
        self._reading: dict[UUID, dict[int, asyncio.Task[_Seen]]] = {}

    def __len__(self) -> int:
        """How many follow a run now."""
        return sum(len(bells) for bells in self._bells.values())

    async def follow(
        self, principal: Principal, run_id: UUID, *, after: int = 0, beat_seconds: float = 15.0
    ) -> AsyncIterator[RunEvent | None]:
        """Yield events as they come, and None every `beat_seconds` without one.

        Ends behind the last event of a run that has ended. Holds no connection while it waits,
        and one page of events at the most while nobody takes them.

        Raises:
            NotFound: there is no such run that the asker may see, or may see any more.
        """
        bell = asyncio.Event()
        self._bells[run_id].add(bell)
        try:
            while True:
                bell.clear()
                seen = await self._read(run_id, after)
                if seen.run is None or not sees(principal, seen.run):
                    raise no_run(run_id)
                for event in seen.events:
                    after = event.seq
                    yield event
                if after < seen.run["last_event"] and seen.events:
                    continue
                if seen.run["state"] in RUN_ENDED:
                    return
                try:
                    await asyncio.wait_for(bell.wait(), beat_seconds)
                except TimeoutError:
                    yield None
        finally:
            self._bells[run_id].discard(bell)
            if not self._bells[run_id]:
                del self._bells[run_id]

    async def on_notify(self, payload: str) -> None:
        """Wake who follows the run named in a notification; all, when the feed was lost."""
        woken = [UUID(payload)] if payload else list(self._bells)
        for run_id in woken:
            # What began to be read before this may not have seen what it tells of.
            self._reading.pop(run_id, None)
            for bell in tuple(self._bells.get(run_id, ())):
                bell.set()

    async def _read(self, run_id: UUID, after: int) -> _Seen:
        """Read on, together with all who ask for the same since the last notification."""
        here = self._reading.setdefault(run_id, {})
        task = here.get(after)
        if task is None:
            task = here[after] = asyncio.create_task(self._look(run_id, after))
            task.add_done_callback(lambda done: self._forget(done, run_id, after))
        # One who goes away must not take it from the others.
        return await asyncio.shield(task)

    def _forget(self, done: asyncio.Task[_Seen], run_id: UUID, after: int) -> None:
        here = self._reading.get(run_id, {})
        if here.get(after) is done:
            del here[after]
            if not here:
                del self._reading[run_id]
        if not done.cancelled():
            # Told to those who still wait for it; where nobody does, it is nobody's.
            done.exception()

    async def _look(self, run_id: UUID, after: int) -> _Seen:
        async with self._database.begin() as transaction:
            # First the run: of one that has ended by now no event is still to come.
            run = await row_of(transaction, run_id)
            events = await read_events(transaction, run_id, after, _PAGE) if run else []
        return _Seen(run, events)
