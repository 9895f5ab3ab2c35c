"""A call of plugin code and what becomes of it: deadline, typed result, trace, typed error.

Owns the record of calls. Knows the lanes; knows nothing of how plugins are found.
"""

from __future__ import annotations

import asyncio
import collections
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from towpath_core.errors import PluginError, TowpathError, Unavailable
from towpath_core.plugins.checks import WrongType
from towpath_core.plugins.lanes import Busy, Job, Lane, is_coroutine
from towpath_core.plugins.loading import NotLoaded
from towpath_core.plugins.model import CallOutcome, PluginCall
from towpath_core.plugins.words import UNREADABLE, Mask, describe_error, line_of
from towpath_core.runs import Suspended

__all__ = ("Answer", "Guard", "Trace")

_BROKEN: frozenset[CallOutcome] = frozenset({"error", "timeout", "wrong-type"})

Work = Callable[[], object]


class Trace:
    """The last calls of all plugins, and how many broke the contract. Safe from any thread."""

    def __init__(self, size: int) -> None:
        self._calls: collections.deque[PluginCall] = collections.deque(maxlen=size)
        self._failures: collections.Counter[str] = collections.Counter()
        self._lock = threading.Lock()

    def add(self, call: PluginCall) -> None:
        """Record a call."""
        with self._lock:
            self._calls.append(call)
            if call.outcome in _BROKEN:
                self._failures[call.plugin] += 1

    def calls(self) -> tuple[PluginCall, ...]:
        """The calls, in the order they ended."""
        with self._lock:
            return tuple(self._calls)

    def failures(self, plugin: str) -> int:
        """How many calls of a plugin broke the contract since the start."""
        return self._failures[plugin]


class Answer(msgspec.Struct, frozen=True, eq=False):
    """How a call ended: its value, or the exception, and the latter in words."""

    outcome: CallOutcome
    value: object = None
    error: BaseException | None = None
    detail: str | None = None


class Guard:
    """The one door to a plugin's code: every call in its lane, with a deadline, on the record."""

    def __init__(self, plugin: str, origin: str, lane: Lane, mask: Mask, trace: Trace) -> None:
        self.plugin = plugin
        self.origin = origin
        self.mask = mask
        self._lane = lane
        self._trace = trace

    def ask(self, call: str, work: Work, seconds: float) -> Answer:
        """Do work in the lane and wait for it. Never raises for what the plugin does."""
        at, started = time.time(), time.perf_counter()
        job = Job(work, self._describe)
        try:
            self._lane.submit(job)
        except Busy as busy:
            return self._record(call, at, started, Answer("busy", detail=str(busy)))
        try:
            job.wait(seconds)
        finally:
            how_far = job.give_up()
        return self._record(call, at, started, _answer(job, how_far, seconds))

    async def ask_async(
        self, call: str, work: Work, then: Callable[[Any], object], seconds: float
    ) -> Answer:
        """Do work in the lane without holding up the event loop.

        Where the work gives a coroutine, that is awaited in the loop and its result goes through
        `then` in the lane. Cancelling the caller gives the work up.
        """
        at, started = time.time(), time.perf_counter()
        answer = await self._in_lane(work, seconds)
        if is_coroutine(answer.value):
            answer = await self._in_loop(answer.value, started + seconds - time.perf_counter())
            if answer.outcome == "ok":
                value, left = answer.value, started + seconds - time.perf_counter()
                answer = await self._in_lane(lambda: then(value), left)
        return self._record(call, at, started, answer)

    def value_of(self, call: str, answer: Answer, seconds: float) -> Any:
        """The value of an answer.

        Raises:
            TowpathError: the plugin's own, unchanged.
            Suspended: its run waits.
            Unavailable: no thread of the plugin was free.
            PluginError: it broke its contract, or did not answer in time.
        """
        if answer.outcome == "ok":
            return answer.value
        if answer.outcome in ("refused", "suspended") and answer.error is not None:
            raise answer.error
        who = f"The plugin {self.plugin}"
        report = f"Report it to the makers of {self.origin}."
        if answer.outcome == "busy":
            raise Unavailable(
                f"{who} took no call of {call}.", why=answer.detail, next="Try again later."
            )
        if answer.outcome == "timeout":
            raise PluginError(f"{who} did not answer {call} within {seconds:g} s.", next=report)
        if answer.outcome == "wrong-type":
            raise PluginError(
                f"{who} answered {call} with the wrong type.", why=answer.detail, next=report
            )
        raise PluginError(f"{who} failed in {call}.", why=answer.detail, next=report)

    async def _in_lane(self, work: Work, seconds: float) -> Answer:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        job = Job(work, self._describe)
        try:
            self._lane.submit(job)
        except Busy as busy:
            return Answer("busy", detail=str(busy))
        job.when_done(lambda: _wake(loop, done))
        timer = loop.call_later(max(0.0, seconds), _end, done)
        try:
            await done
        except asyncio.CancelledError:
            if job.give_up() == "done":
                job.discard()
            raise
        finally:
            timer.cancel()
        return _answer(job, job.give_up(), seconds)

    async def _in_loop(self, coroutine: Coroutine[Any, Any, object], seconds: float) -> Answer:
        # A task of its own: SystemExit would end the loop if it left a task, and a CancelledError
        # of the plugin must not look like one of the caller.
        async def caught() -> Answer:
            try:
                return Answer("ok", await coroutine)
            except BaseException as error:
                return _failed(error, self._describe(error))

        task = asyncio.create_task(caught())
        # A task that is cancelled before its first step never reaches the coroutine.
        task.add_done_callback(lambda _: coroutine.close())
        try:
            done, _ = await asyncio.wait({task}, timeout=max(0.0, seconds))
        finally:
            task.cancel()
        return task.result() if done else Answer("timeout", detail=_late(seconds))

    def _describe(self, error: BaseException) -> str:
        if issubclass(type(error), (WrongType, NotLoaded)):
            return line_of(self.mask(str(error)))
        return describe_error(error, self.mask)

    def _record(self, call: str, at: float, started: float, answer: Answer) -> Answer:
        spent = round((time.perf_counter() - started) * 1000, 3)
        self._trace.add(
            PluginCall(
                at=at,
                plugin=self.plugin,
                call=call,
                milliseconds=spent,
                outcome=answer.outcome,
                detail=answer.detail,
            )
        )
        return answer


def _wake(loop: asyncio.AbstractEventLoop, done: asyncio.Future[None]) -> None:
    try:
        loop.call_soon_threadsafe(_end, done)
    except RuntimeError:
        return  # the loop was closed: nobody waits any more


def _end(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _answer(job: Job, how_far: str, seconds: float) -> Answer:
    if how_far == "waiting":
        return Answer("busy", detail=f"no thread of it was free for {seconds:g} s")
    if how_far == "running":
        return Answer("timeout", detail=_late(seconds))
    return Answer("ok", job.value) if job.error is None else _failed(job.error, job.said)


def _late(seconds: float) -> str:
    return f"no answer within {seconds:g} s"


def _failed(error: BaseException, said: str) -> Answer:
    kind = type(error)  # `isinstance` would ask a foreign `__class__`
    if issubclass(kind, Suspended):
        return Answer("suspended", None, error, said)
    if issubclass(kind, WrongType):
        return Answer("wrong-type", None, error, said)
    # An error of ours whose text cannot be read would blow up at whoever shows it.
    regular = issubclass(kind, (TowpathError, NotLoaded)) and not said.endswith(UNREADABLE)
    return Answer("refused" if regular else "error", None, error, said)
