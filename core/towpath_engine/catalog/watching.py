"""Watching the catalog: a list to begin with, then every change, for any number of watchers.

One reader of the revisions serves all watchers of a process; a watcher asks the database only
where it begins behind the others. Who takes too long is cut off with word to come again, so that
memory stays bounded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Literal

import msgspec
import structlog

from towpath_core.errors import Gone, Unavailable
from towpath_engine.catalog.changes import Change, effect, kept, read_changes
from towpath_engine.catalog.feed import Follower
from towpath_engine.catalog.index import CatalogIndex
from towpath_engine.catalog.query import Filter, select
from towpath_engine.store.database import Database

__all__ = ("ChangeHub", "HubLimits", "Watch", "WatchEvent")

log = structlog.get_logger(__name__)

_BATCH = 200
_TURN = 64
_AGAIN = 1.0
"""Seconds after which a database that did not answer is asked again."""


class HubLimits(msgspec.Struct, frozen=True):
    """How far a watcher may be behind before it is cut off, in changes and in bytes."""

    changes: int = 4096
    size: int = 32 * 1024 * 1024


class WatchEvent(msgspec.Struct, frozen=True):
    """What a watcher gets.

    Attributes:
        type: `put` and `delete` are of one entity; `bookmark` says up to where all is told;
            `resume` is the last, for one who was too slow; `quiet` says nothing but that time
            has passed.
        seq: the number to go on after; None where the list is not told to its end.
        change: of `put` and `delete`.
        final: of `put` in the list to begin with.
    """

    type: Literal["put", "delete", "bookmark", "resume", "quiet"]
    seq: int | None
    change: Change | None = None
    final: bytes | None = None


class _Queue:
    """The changes that a watcher has not taken yet."""

    def __init__(self, position: int, limits: HubLimits) -> None:
        self.position = position
        self.waiting: deque[Change] = deque()
        self.lost = False
        self._limits = limits
        self._size = 0
        self._bell = asyncio.Event()

    def push(self, changes: list[Change]) -> None:
        """Add changes, or give up when there are too many."""
        if self.lost:
            return
        self.waiting.extend(changes)
        self._size += sum(change.size for change in changes)
        self.position = changes[-1].seq
        if len(self.waiting) > self._limits.changes or self._size > self._limits.size:
            self.waiting.clear()
            self.lost = True
        self._bell.set()

    async def take(self, seconds: float) -> Change | None:
        """The next change; None when there is none in time, or none will come any more."""
        if not self.waiting and not self.lost:
            self._bell.clear()
            try:
                await asyncio.wait_for(self._bell.wait(), max(seconds, 0))
            except TimeoutError:
                return None
        if not self.waiting:
            return None
        change = self.waiting.popleft()
        self._size -= change.size
        return change


class ChangeHub:
    """Reads changes once, and hands them to all who watch."""

    def __init__(
        self,
        database: Database,
        index: CatalogIndex,
        feed: Follower,
        limits: HubLimits | None = None,
    ) -> None:
        self.index = index
        self._database = database
        self._feed = feed
        self._limits = limits or HubLimits()
        self._queues: set[_Queue] = set()
        self._position = 0
        self._lock = asyncio.Lock()
        self._news = False
        self._pumping: asyncio.Task[None] | None = None

    @property
    def watchers(self) -> int:
        """How many watch now."""
        return len(self._queues)

    async def watch(
        self,
        filter: Filter = (),
        *,
        after: int | None = None,
        listed: bool = False,
        beat_seconds: float = 15.0,
    ) -> Watch:
        """Prepare to watch.

        Args:
            filter: which entities.
            after: the number to go on after; None for what comes from now on.
            listed: begin with all that there are; without effect where `after` is given.
            beat_seconds: how often a silent watcher gets a bookmark or a sign of life.

        Raises:
            Gone: what comes after the number is not kept any more, or it never was one.
        """
        if after is not None:
            async with self._database.begin() as transaction:
                pruned, newest = await kept(transaction)
            if not pruned <= after <= newest:
                which = "older than what is kept" if after < pruned else "not a number of this feed"
                raise Gone(
                    f"Watching cannot go on after {after}.",
                    why=f"It is {which}.",
                    next="Begin anew with a list: ?list=true, without Last-Event-ID.",
                )
        return Watch(self, filter, after, listed and after is None, beat_seconds)

    async def on_notify(self, payload: str) -> None:
        """React to a notification, or to a connection that stands again; returns at once."""
        self._news = True
        if self._pumping is None or self._pumping.done():
            self._pumping = asyncio.create_task(self._pump(), name="catalog-watch")

    async def close(self) -> None:
        """Hand on no more."""
        if self._pumping is not None:
            self._pumping.cancel()
            await asyncio.gather(self._pumping, return_exceptions=True)

    async def _pump(self) -> None:
        """Hand on all that is new; what comes meanwhile, too."""
        while self._news:
            self._news = False
            try:
                async with self._lock:
                    while self._queues and await self._step():
                        pass
            except Unavailable:
                log.warning("catalog.watch_waits", seconds=_AGAIN)
                await asyncio.sleep(_AGAIN)
                self._news = True
            except Exception:
                log.exception("catalog.watch_failed")

    async def join(self) -> _Queue:
        """Begin to get changes; all up to the queue's position are older."""
        async with self._lock:
            if not self._queues:
                async with self._database.begin() as transaction:
                    _, self._position = await kept(transaction)
            queue = _Queue(self._position, self._limits)
            self._queues.add(queue)
        return queue

    def leave(self, queue: _Queue) -> None:
        """Get no more."""
        self._queues.discard(queue)

    async def between(self, after: int, upto: int) -> AsyncIterator[Change]:
        """Changes that the others have seen already, for one who begins behind them."""
        while after < upto:
            async with self._database.begin() as transaction:
                changes = await read_changes(
                    transaction, self.index, after, upto=upto, limit=_BATCH
                )
            for change in changes:
                yield change
            if len(changes) < _BATCH:
                return
            after = changes[-1].seq

    async def _step(self) -> bool:
        # First the index: what is told of an entity must be what reads of it answer.
        await self._feed.catch_up()
        async with self._database.begin() as transaction:
            changes = await read_changes(transaction, self.index, self._position, limit=_BATCH)
        if changes:
            self._position = changes[-1].seq
            for queue in self._queues:
                queue.push(list(changes))
        return len(changes) == _BATCH


class Watch:
    """One watcher, before and while it watches."""

    def __init__(
        self,
        hub: ChangeHub,
        filter: Filter,
        after: int | None,
        listed: bool,
        beat_seconds: float,
    ) -> None:
        self._hub = hub
        self._filter = filter
        self._after = after
        self._listed = listed
        self._beat = beat_seconds

    async def events(self) -> AsyncIterator[WatchEvent]:
        """Yield events for ever; ends after `resume`, and when the caller closes it.

        Every change comes once and in order. What the list holds is not told again.
        """
        queue = await self._hub.join()
        joined = queue.position
        try:
            last = joined if self._after is None else self._after
            if self._listed:
                last = self._hub.index.seq
                for final in self._list():
                    yield WatchEvent("put", None, final=final)
                yield WatchEvent("bookmark", last)
            async for change in self._hub.between(last, joined):
                last = change.seq
                if (event := self._event(change)) is not None:
                    yield event
            async for event in self._live(queue, last):
                yield event
        finally:
            self._hub.leave(queue)

    async def _live(self, queue: _Queue, last: int) -> AsyncIterator[WatchEvent]:
        clock = asyncio.get_running_loop().time
        told, silent = last, clock()
        turn = 0
        while True:
            change = await queue.take(silent + self._beat - clock())
            event = None
            if change is not None and change.seq > last:
                last = change.seq
                event = self._event(change)
            elif change is None and queue.lost:
                yield WatchEvent("resume", last)
                return
            elif change is None:
                last = max(last, queue.position)
            if event is None and clock() - silent >= self._beat:
                event = WatchEvent("bookmark" if last > told else "quiet", last)
            if event is not None:
                told, silent = last, clock()
                yield event
            elif (turn := turn + 1) % _TURN == 0:
                await asyncio.sleep(0)  # what is not for this one must not keep others waiting

    def _event(self, change: Change) -> WatchEvent | None:
        match effect(change, self._filter):
            case "put":
                return WatchEvent("put", change.seq, change)
            case "delete":
                return WatchEvent("delete", change.seq, change)
        return None

    def _list(self) -> list[bytes]:
        """All that pass now, by the index; taken at once, so that it fits one number."""
        index = self._hub.index
        return [index.by_number(number).final for number in select(index, self._filter)]
