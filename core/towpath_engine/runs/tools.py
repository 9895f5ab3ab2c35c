"""What plugin code gets while it works for a run: see `towpath_core.runs.StepTools`.

Lives in the worker, on the plugin's thread. What the journal must hold is handed to the run's
event loop and waited for.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from towpath_core.errors import (
    Cancelled,
    Invalid,
    LimitExceeded,
    NotFound,
    PluginError,
    TowpathError,
    Unavailable,
)
from towpath_core.plugins.rules import OWN_EVENTS
from towpath_core.runs import (
    RETRY,
    Approval,
    LogLevel,
    Observed,
    OutcomeUnknown,
    Retry,
    Secret,
    StepTools,
    Suspended,
    Undo,
)
from towpath_engine.runs.buffer import line
from towpath_engine.runs.journal import FenceLost, StepInfo
from towpath_engine.runs.outcomes import (
    Wait,
    approved,
    as_before,
    came,
    child_output,
    pause,
)
from towpath_engine.store.database import DatabaseUnavailable

if TYPE_CHECKING:
    from towpath_engine.runs.context import RunContext

__all__ = ("RunStepTools",)

T = TypeVar("T")

_MAX_NAME = 200
_MAX_TYPE = 100


class RunStepTools:
    """The tools of one step of one run, or of the whole of one that a plugin does.

    Args:
        run: the attempt.
        step: the step; of number 0 and without a key for a whole run.
        seconds: until the deadline.
        owner: whose code takes effects back, such as `action:acme:make`.
    """

    def __init__(self, run: RunContext, step: StepInfo, *, seconds: float, owner: str = "") -> None:
        self.run_id = str(run.id)
        self.key = f"{run.id}:{step.seq}"
        self.deadline = time.monotonic() + seconds
        self._run = run
        self.of = step
        self._owner = owner
        self._names: Counter[str] = Counter()

    def begin_again(self) -> None:
        """Forget which parts were named: the code is called from its top."""
        self._names.clear()

    def log(self, message: str, *, level: LogLevel = "info") -> None:
        """Add a line to the run's log; a very long one is cut."""
        self._add("log", {"message": line(message, self._run.buffer.mask), "level": level})

    def progress(self, done: float, total: float | None = None, unit: str = "") -> None:
        """Report how far the step is."""
        body: dict[str, Any] = {"done": done, "unit": unit}
        if total is not None:
            body["total"] = total
        self._add("progress", body)

    def emit(self, type: str, body: Mapping[str, Any]) -> None:
        """Add a typed event to the run.

        Raises:
            Invalid: the type is one of the platform's own, or the body is not JSON.
        """
        if type in OWN_EVENTS or not _is_name(type, _MAX_TYPE):
            raise Invalid(
                f"An event cannot have the type {type[:_MAX_NAME]!r}.",
                next="Use a name of your own, such as acme:built.",
            )
        self._add(self._run.buffer.text(type), body)

    def check(self) -> None:
        """Raise `Cancelled` when the run was asked to stop, `LimitExceeded` past the deadline."""
        self._see_that_it_goes()
        if self._run.cancelled.is_set():
            raise Cancelled("The run was asked to stop.")
        if time.monotonic() > self.deadline:
            raise LimitExceeded("The step has used up its time.")

    def step(
        self,
        name: str,
        work: Callable[[StepTools], Any],
        *,
        retry: Retry = RETRY,
        seconds: float | None = None,
        undo: Undo | None = None,
        repeatable: bool = True,
        observe: Callable[[StepTools], Observed | None] | None = None,
    ) -> Any:
        """Do a part once; later its output comes from the journal."""
        run, key = self._run, self._key(name)
        step = self._do(
            run.open_step(
                key,
                run.buffer.text(name),
                undo=undo,
                owner=self._owner,
                repeatable=repeatable or observe is not None,
            )
        )
        if step.state != "running":
            return as_before(step)
        left = self.deadline - time.monotonic()
        limit = left if seconds is None else min(left, seconds)
        tools = RunStepTools(run, step, seconds=limit, owner=self._owner)
        try:
            found = tools._perform(work, retry, repeatable, observe)
            if not (repeatable and run.going):
                return self._do(run.close_step(step, found))
            self._see_that_it_goes()
            return run.close_step_soon(step, found)
        except Exception as error:
            failed = self._do(run.fail_step(step, error))
            if isinstance(error, TowpathError):
                raise
            # As a replay would raise it, or code that catches it went another way then.
            raise as_before(failed) from error

    def sleep(self, seconds: float) -> None:
        """Wait so long without holding a worker."""
        self._wait("sleep", "Wait", {"type": "time"}, seconds=_duration(seconds))

    def sleep_until(self, moment: datetime) -> None:
        """Wait until a moment, by the database's clock, without holding a worker."""
        if moment.tzinfo is None:
            raise Invalid("sleep_until() takes a moment with a time zone.")
        self._wait("sleep", "Wait", {"type": "time"}, until=moment)

    def wait_for(self, event: str, *, seconds: float | None = None) -> Any:
        """Wait for a signal to the run, and return its body."""
        _check_name(event)
        # Not masked: who sends it must know it.
        what = {"type": "signal", "event": event}
        wait = self._wait(f"wait:{event}", f"Wait for {event}", what, seconds=_duration(seconds))
        return came(wait, event)

    def approval(
        self,
        name: str,
        question: str,
        *,
        approvers: Sequence[str] = (),
        seconds: float | None = None,
        subject: Any = None,
    ) -> Approval:
        """Ask people for a yes, and return it."""
        told = self._run.buffer
        question = line(question, told.mask)
        what = {
            "type": "approval",
            "question": question,
            "approvers": [told.text(str(ref)).lower() for ref in approvers],
        }
        if subject is not None:
            what["subject"] = told.shown(subject)
        _check_name(name)
        wait = self._wait(f"approval:{name}", question, what, seconds=_duration(seconds))
        return approved(wait, question)

    def child(
        self,
        name: str,
        kind: str,
        input: Mapping[str, Any],
        *,
        secrets: Mapping[str, str] | None = None,
    ) -> Any:
        """Start a run of its own, wait for its end, return its output."""
        run, key = self._run, self._key(name)
        if (before := run.known(key)) is None or before.state != "succeeded":
            if run.starting is None:
                raise Unavailable("This worker cannot start runs.")
            starting = run.starting.start_child(run, key, kind, dict(input), secrets)
            child = self._do(starting)
            what = {"type": "child", "run": str(child), "kind": kind}
            wait = Wait(key, run.buffer.text(name), what)
            return child_output(run.wait_for(wait), kind)
        return child_output(before.output, kind)

    def secret(self, name: str) -> Secret:
        """A handle on one of the run's secrets."""
        if name not in self._run.secrets:
            raise NotFound(
                f"The run has no secret {name!r}.",
                next="Give it when the run is started, or taken up again.",
            )
        return Secret(name, self._run.secrets[name])

    def undo(self, name: str, data: Mapping[str, Any]) -> None:
        """Journal how to take back what this step did; when it returns, it is kept."""
        _check_name(name)
        self._do(self._run.register_undo(self.of, self._owner, Undo(name, data)))

    def _perform(
        self,
        work: Callable[[StepTools], Any],
        retry: Retry,
        repeatable: bool,
        observe: Callable[[StepTools], Observed | None] | None,
    ) -> Any:
        self.check()
        if observe is not None and self.of.attempts > 1 and (seen := self._look(observe)).found:
            return seen.output
        for attempt in itertools.count(1):
            try:
                found = work(self)
                break
            except Unavailable as error:
                # Who gave no answer may have done it all the same.
                if not repeatable and (seen := self._look(observe)).found:
                    return seen.output
                if attempt >= retry.attempts:
                    raise
                self._rest(error, pause(retry, attempt))
        self._see_that_it_goes()
        return found

    def _look(self, observe: Callable[[StepTools], Observed | None] | None) -> Observed:
        """What looking at the world tells.

        Raises:
            OutcomeUnknown: it cannot tell, or nobody can look.
        """
        seen = observe(self) if observe is not None else None
        if seen is None:
            raise OutcomeUnknown.of(self.of.name)
        if seen.found:
            self.log(f"Found that {self.of.name} had been done.")
        return seen

    def _rest(self, error: Unavailable, delay: float) -> None:
        """Wait before the work is called again from its top."""
        self.log(f"{error.what} Trying again in {delay:.1f} s.", level="warning")
        self._run.cancelled.wait(min(delay, max(0.0, self.deadline - time.monotonic())))
        self.check()
        self.begin_again()

    def _wait(
        self,
        key: str,
        name: str,
        what: Mapping[str, Any],
        *,
        seconds: float | None = None,
        until: datetime | None = None,
    ) -> Any:
        self._see_that_it_goes()
        return self._run.wait_for(Wait(self._key(key), name, what, seconds, until))

    def _key(self, name: str) -> str:
        """The key of the next part of that name: `name`, then `name#2`, below this step's own."""
        _check_name(name)
        shown = self._run.buffer.text(name)
        self._names[shown] += 1
        return self._run.key_of(self._below(name, shown), self._below(shown, shown))

    def _below(self, name: str, counted: str) -> str:
        count = self._names[counted]
        own = name if count == 1 else f"{name}#{count}"
        return f"{self.of.key}/{own}" if self.of.key else own

    def _add(self, type: str, body: Mapping[str, Any]) -> None:
        self._run.buffer.add(type, {**body, "step": self.of.key})

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        """Have the run's loop do something, and wait for it."""
        try:
            self._see_that_it_goes()
            if threading.get_ident() == self._run.thread:
                raise PluginError(
                    "A step's tools were called from a coroutine.",
                    next="Make the method a plain function: it is called in a thread.",
                )
        except BaseException:
            work.close()
            raise
        try:
            return asyncio.run_coroutine_threadsafe(work, self._run.loop).result()
        except (FenceLost, DatabaseUnavailable) as error:
            # Not an Exception from here on: plugin code must not take it for its own.
            self._run.lose(error)
            raise Suspended from error

    def _see_that_it_goes(self) -> None:
        if self._run.lost is not None or self._run.wait is not None:
            raise Suspended


def _is_name(name: object, longest: int = _MAX_NAME) -> bool:
    return isinstance(name, str) and 0 < len(name) <= longest and name.isprintable()


def _check_name(name: object) -> None:
    if not _is_name(name):
        raise Invalid(f"A name is printable text of at most {_MAX_NAME} characters.")


def _duration(seconds: float | None) -> float | None:
    if seconds is not None and not 0 <= seconds <= 10 * 365 * 86_400:
        raise Invalid("A wait takes 0 seconds to ten years.")
    return seconds
