"""What plugin code is handed while it works, in memory: a step's tools that remember.

Real, not a mock: deadlines pass, cancelling cancels, a step is done once by key, a wait is over
when the test says so. It must not know which rules look at what was recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from towpath_core.errors import Invalid, LimitExceeded, NotFound, TowpathError, Unavailable
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
from towpath_core.testing.answers import Recorded
from towpath_core.testing.journal import TIME, Journal
from towpath_core.testing.records import RecordedStep

__all__ = ("PatientTools", "RecordingTools")

_MAX_NAME = 200
_NAP = 0.1


class RecordingTools(Recorded):
    """A `StepTools` that keeps what it is told. Safe to use from any thread.

    Plugin code that waits raises `Suspended`; give the outcome with `approve`, `reject`,
    `signal`, `pass_time` or `end_child`, before or after, and call the code again.

    Args:
        seconds: time until the deadline; 0 or less for one that has passed.
        cancel_at: number of the look that finds the run cancelled, counted from 1.
        key: idempotency key of the step, `<run>:<number>`; number 0 for a whole run.
        secrets: the run's, by name.

    Attributes:
        lines: what was logged, as (level, message), in order.
        reports: what `progress` was told, as (done, total, unit), in order.
        events: what was emitted, as (type, body), in order.
        checks: how often somebody looked whether the run goes on: a `check`, a step or a wait.
        calls: how often the work of each step was called, by its key.
        steps: the steps and waits by key, as the journal has them.
        undos: what was registered to be taken back, in order.
        children: runs that were started, each once.
        asked: names of the secrets that were asked for.
        patient: whether waits are over at once, with the usual answers, and raise nothing.
    """

    def __init__(
        self,
        *,
        seconds: float = 60.0,
        cancel_at: int | None = None,
        key: str = "kit-run:1",
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        run, _, number = key.rpartition(":")
        self.run_id = run or key
        self.key = key
        self.deadline = time.monotonic() + seconds
        first = int(number) if number.isdecimal() else 0
        super().__init__(Journal(first=first, cancel_at=cancel_at))
        self.asked: set[str] = set()
        self.patient = False
        self.secrets = dict(secrets or {})
        self._part = ""

    def log(self, message: str, *, level: LogLevel = "info") -> None:
        """Keep a line."""
        self.notes.log(message, level=level)

    def progress(self, done: float, total: float | None = None, unit: str = "") -> None:
        """Keep a report of progress."""
        self.notes.progress(done, total, unit)

    def emit(self, type: str, body: Mapping[str, Any]) -> None:
        """Keep a copy of an event, as it would be stored."""
        self.notes.emit(type, body)

    def check(self) -> None:
        """Raise `Cancelled` once the run was cancelled, `LimitExceeded` past the deadline."""
        self.journal.go_on()
        self.journal.look()
        if time.monotonic() >= self.deadline:
            raise LimitExceeded("The step's deadline has passed.")

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
        """Do a part once by its key; `Unavailable` is retried without waiting in between."""
        key, journal = self._key(name), self.journal
        journal.go_on()
        if (before := journal.known(key)) is not None:
            return before.result()
        self.check()
        step = journal.begin(key, name, undo, repeatable or observe is not None)
        try:
            inner = self._inner(step, seconds)
            return journal.end(step, inner._perform(step, work, retry, repeatable, observe))
        except Exception as error:
            failed = journal.fail(step, error)
            if isinstance(error, TowpathError):
                raise
            # As a replay would raise it, or code that catches it went another way then.
            raise failed from error
        except Suspended:
            journal.suspended(step)
            raise

    def sleep(self, seconds: float) -> None:
        """Wait until `pass_time`."""
        _check_duration(seconds)
        if self.patient:
            time.sleep(min(seconds, _NAP))  # what is looked for meanwhile may be real
        self._wait(TIME, TIME, "Wait", ends=True)

    def sleep_until(self, moment: datetime) -> None:
        """Wait until `pass_time`."""
        if moment.tzinfo is None:
            raise Invalid("sleep_until() takes a moment with a time zone.")
        self._wait(TIME, TIME, "Wait", ends=True)

    def wait_for(self, event: str, *, seconds: float | None = None) -> Any:
        """Wait until `signal`, or `pass_time` where there are `seconds`."""
        _check_duration(seconds)
        wait = f"wait:{event}"
        return self._wait(wait, wait, f"Wait for {event}", ends=seconds is not None)

    def approval(
        self,
        name: str,
        question: str,
        *,
        approvers: Sequence[str] = (),
        seconds: float | None = None,
        subject: Any = None,
    ) -> Approval:
        """Wait until `approve` or `reject`, or `pass_time` where there are `seconds`."""
        _check_duration(seconds)
        wait = f"approval:{name}"
        shown = {"approvers": [str(ref).lower() for ref in approvers], "subject": subject}
        found = self._wait(wait, wait, question, ends=seconds is not None, shown=shown)
        return msgspec.convert(found, Approval)

    def child(
        self,
        name: str,
        kind: str,
        input: Mapping[str, Any],
        *,
        secrets: Mapping[str, str] | None = None,
    ) -> Any:
        """Keep that a run was started, and wait until `end_child`."""
        key = self._key(name)
        self.journal.go_on()
        if (before := self.journal.known(key)) is not None:
            return before.result()
        self.check()
        self.journal.add_child(key, kind, input, list(secrets or {}))
        return self._settled(key, f"child:{name}", name, False, None)

    def secret(self, name: str) -> Secret:
        """A handle on one of the secrets that were given."""
        self.asked.add(name)
        if name not in self.secrets:
            raise NotFound(f"The run has no secret {name!r}.", next="Pass it as `secrets=`.")
        return Secret(name, self.secrets[name])

    def undo(self, name: str, data: Mapping[str, Any]) -> None:
        """Keep how to take back what this step did."""
        _check_name(name)
        self.journal.go_on()
        self.journal.add_undo(self._part, Undo(name, data))

    def _inner(self, step: RecordedStep, seconds: float | None) -> RecordingTools:
        """The tools of a part: a key and names of its own, and the same journal."""
        left = self.deadline - time.monotonic()
        inner = RecordingTools(
            seconds=left if seconds is None else min(left, seconds),
            key=f"{self.run_id}:{step.seq}",
            secrets=self.secrets,
        )
        inner.journal, inner.notes, inner.asked = self.journal, self.notes, self.asked
        inner._part, inner.patient = step.key, self.patient
        return inner

    def _perform(
        self,
        step: RecordedStep,
        work: Callable[[StepTools], Any],
        retry: Retry,
        repeatable: bool,
        observe: Callable[[StepTools], Observed | None] | None,
    ) -> Any:
        if observe is not None and step.attempts > 1 and (seen := self._look(step, observe)).found:
            return seen.output
        attempt = 1
        while True:
            try:
                return self._call(step, work)
            except Unavailable as error:
                if not repeatable and (seen := self._look(step, observe)).found:
                    return seen.output
                if attempt >= retry.attempts:
                    raise
                self.log(f"{error.what} Trying again.", level="warning")
                self.check()
                self._names.clear()
            attempt += 1

    def _look(
        self, step: RecordedStep, observe: Callable[[StepTools], Observed | None] | None
    ) -> Observed:
        seen = observe(self) if observe is not None else None
        if seen is None:
            raise OutcomeUnknown.of(step.name)
        return seen

    def _call(self, step: RecordedStep, work: Callable[[StepTools], Any]) -> Any:
        with self.journal.lock:
            self.journal.calls[step.key] += 1
        return work(self)

    def _wait(self, name: str, wait: str, title: str, *, ends: bool, shown: Any = None) -> Any:
        key = self._key(name)
        self.journal.go_on()
        if (before := self.journal.known(key)) is not None:
            return before.result()
        self.check()
        return self._settled(key, wait, title, ends, shown)

    def _settled(self, key: str, wait: str, title: str, ends: bool, shown: Any) -> Any:
        try:
            return self.journal.wait_for(key, wait, title, ends, shown)
        except Suspended:
            if not self.patient:
                raise
            self._answer({})
            return self.journal.wait_for(key, wait, title, ends, shown)

    def _key(self, name: str) -> str:
        """The key of the next part of that name: `name`, then `name#2`, below this step's own."""
        _check_name(name)
        self._names[name] += 1
        own = name if self._names[name] == 1 else f"{name}#{self._names[name]}"
        return f"{self._part}/{own}" if self._part else own


class PatientTools(RecordingTools):
    """Recording tools whose waits are over at once: a yes, the time, a signal without a body."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.patient = True


def _check_name(name: object) -> None:
    if not (isinstance(name, str) and 0 < len(name) <= _MAX_NAME and name.isprintable()):
        raise Invalid(f"A name is printable text of at most {_MAX_NAME} characters.")


def _check_duration(seconds: float | None) -> None:
    if seconds is not None and not 0 <= seconds <= 10 * 365 * 86_400:
        raise Invalid("A wait takes 0 seconds to ten years.")
