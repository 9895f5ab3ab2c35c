"""The journal of a run in memory: its steps, waits, children and undos, kept while it is replayed.

What the platform keeps in its database. It must not know plugin code, nor what a rule asks.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from typing import Any

import msgspec

from towpath_core.errors import Cancelled, Conflict, Invalid, StepFailed, TowpathError
from towpath_core.runs import OutcomeUnknown, Suspended, TimedOut, Undo
from towpath_core.testing.records import (
    Crash,
    RecordedChild,
    RecordedStep,
    RecordedUndo,
)

__all__ = ("TIME", "Journal", "plain")

TIME = "sleep"
"""What the key of a wait for time alone begins with."""


class Journal:
    """What a run remembers over waits, crashes and replays. Safe to use from any thread.

    Args:
        first: number of the step that the tools stand for; 0 for a whole run.
        cancel_at: number of the look at whether the run goes on that finds it cancelled, from 1.

    Attributes:
        steps: by key, in the order they were begun.
        calls: how often the work of each step was called, by key.
        undos: in the order they were registered.
        children: runs that were started, each once.
        moments: the boundaries that were come to, in order: `begun`, `done` or `kept` and a key.
        stumbles: errors of other classes than the platform's that left the work of steps.
        looks: how often somebody looked whether the run goes on.
        wait: what the run waits for now.
    """

    def __init__(self, *, first: int = 0, cancel_at: int | None = None) -> None:
        self.steps: dict[str, RecordedStep] = {}
        self.calls: Counter[str] = Counter()
        self.undos: list[RecordedUndo] = []
        self.children: list[RecordedChild] = []
        self.moments: list[str] = []
        self.stumbles: list[Exception] = []
        self.looks = 0
        self.wait: RecordedStep | None = None
        self.lock = threading.RLock()
        self._first = first
        self._cancel_at = cancel_at
        self._cancelled = False
        self._break_at = 0
        self._how: type[BaseException] = Crash
        self._broken: type[BaseException] | None = None
        self._given: dict[str, deque[tuple[Any, TowpathError | None]]] = defaultdict(deque)

    def cancel(self) -> None:
        """Ask the run to stop: every later look raises."""
        with self.lock:
            self._cancelled = True

    def break_at(self, moment: int, how: type[BaseException] = Crash) -> None:
        """Break the run off at a boundary, counted from 1 over all attempts; 0 for never.

        Args:
            moment: its number in `moments`.
            how: `Crash`, or `Suspended` as where another worker has taken the run over.
        """
        with self.lock:
            self._break_at, self._how = moment, how

    def begin_again(self) -> None:
        """Begin another attempt: what broke off the last one is over."""
        with self.lock:
            self._broken, self.wait = None, None

    def go_on(self) -> None:
        """Raise again what has ended this attempt, whatever plugin code made of it.

        Raises:
            Crash, Suspended: it has.
        """
        with self.lock:
            if self._broken is not None:
                raise self._broken
            if self.wait is not None:
                raise Suspended

    def look(self) -> None:
        """Look whether the run goes on.

        Raises:
            Cancelled: it was asked to stop.
        """
        with self.lock:
            self.looks += 1
            self._cancelled = self._cancelled or self.looks == self._cancel_at
            if self._cancelled:
                raise Cancelled("The run was asked to stop.")

    def known(self, key: str) -> RecordedStep | None:
        """The step of a key where it has ended for good."""
        with self.lock:
            step = self.steps.get(key)
            return step if step is not None and step.state in ("succeeded", "failed") else None

    def begin(self, key: str, name: str, undo: Undo | None, repeatable: bool) -> RecordedStep:
        """Keep that a step begins, and how to undo it.

        Raises:
            OutcomeUnknown: it was begun before, did not end, and may not be repeated.
            Crash, Suspended: the run breaks off here.
        """
        with self.lock:
            step = self._step(key, name)
            begun = step.attempts > 0 and step.state in ("running", "cancelled", "unknown")
            if begun and not repeatable:
                step.state = "unknown"
                raise OutcomeUnknown.of(name)
            # To go on after a wait is no further attempt.
            step.attempts += step.state != "waiting"
            step.state = "running"
            if undo is not None:
                self.add_undo(key, undo)
            self._moment("begun", key)
            return step

    def end(self, step: RecordedStep, found: Any) -> Any:
        """Keep what a step gave, and return it as JSON.

        Raises:
            Invalid: it is not JSON.
            Crash, Suspended: the run breaks off before or after it was kept.
        """
        with self.lock:
            self.go_on()
            output = plain(found)
            self._moment("done", step.key)
            step.state, step.output = "succeeded", output
            self._moment("kept", step.key)
            return plain(output)

    def fail(self, step: RecordedStep, error: Exception) -> TowpathError:
        """Keep that a step failed, was cancelled, or that nobody knows; gives what is kept."""
        with self.lock:
            self.go_on()
            kept = error if isinstance(error, TowpathError) else None
            if kept is None:
                self.stumbles.append(error)
                kept = StepFailed("Something went wrong that should not have.")
            if isinstance(kept, Cancelled):
                step.state = "cancelled"
            elif isinstance(kept, OutcomeUnknown):
                step.state = "unknown"
            else:
                step.state, step.error = "failed", kept
            return kept

    def add_undo(self, key: str, undo: Undo) -> None:
        """Keep how to take back what a step did; the same again changes nothing.

        Raises:
            Invalid: the data is not JSON.
        """
        with self.lock:
            kept = RecordedUndo(self._seq(key), key, undo.name, plain(dict(undo.data)))
            if kept not in self.undos:
                self.undos.append(kept)

    def add_child(self, key: str, kind: str, input: Mapping[str, Any], secrets: list[str]) -> None:
        """Keep that a run was started; once for a key.

        Raises:
            Invalid: the input is not JSON.
        """
        with self.lock:
            if all(child.step != key for child in self.children):
                kept = RecordedChild(key, kind, plain(dict(input)), tuple(sorted(secrets)))
                self.children.append(kept)

    def wait_for(self, key: str, wait: str, name: str, ends: bool, shown: Any = None) -> Any:
        """What a wait came to; what was given before it was waited for is taken, once.

        Raises:
            Suspended: it is not over.
            TowpathError: what it came to.
            Invalid: what is shown is not JSON.
        """
        with self.lock:
            step = self._step(key, name)
            step.wait, step.ends, step.shown = wait, ends, plain(shown)
            if step.state not in ("succeeded", "failed"):
                if not self._given[wait]:
                    step.state, self.wait = "waiting", step
                    raise Suspended
                self._settle(step, *self._given[wait].popleft())
            return step.result()

    def give(self, wait: str, output: Any, error: TowpathError | None = None) -> None:
        """Give what is waited for, or will be."""
        with self.lock:
            if self.wait is not None and self.wait.wait == wait:
                self._settle(self.wait, output, error)
                self.wait = None
            else:
                self._given[wait].append((plain(output), error))

    def pass_time(self) -> None:
        """Let the time go by that the run waits for, or that it gives others.

        Raises:
            Conflict: it waits for nothing that time ends.
        """
        with self.lock:
            step = self.wait
            if step is None or not step.ends:
                raise Conflict("The run waits for nothing that time ends.")
            late = None if step.wait == TIME else TimedOut(f"It did not come in time: {step.name}")
            self._settle(step, None, late)
            self.wait = None

    def suspended(self, step: RecordedStep) -> None:
        """Keep that a step is left because something within it is waited for."""
        with self.lock:
            if self.wait is not None:
                step.state = "waiting"

    def _settle(self, step: RecordedStep, output: Any, error: TowpathError | None) -> None:
        step.output, step.error = plain(output), error
        step.state = "succeeded" if error is None else "failed"

    def _step(self, key: str, name: str) -> RecordedStep:
        seq = self._first + len(self.steps) + 1
        return self.steps.setdefault(key, RecordedStep(seq, key, name))

    def _seq(self, key: str) -> int:
        return self.steps[key].seq if key in self.steps else self._first

    def _moment(self, what: str, key: str) -> None:
        self.moments.append(f"{what} {key}")
        if len(self.moments) == self._break_at:
            self._broken = self._how
            raise self._how


def plain(value: Any) -> Any:
    """A value as JSON data of its own.

    Raises:
        Invalid: it is not JSON.
    """
    try:
        return msgspec.json.decode(msgspec.json.encode(value))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Invalid("That is nothing that JSON can say.", why=type(error).__name__) from error
