"""Runs: any work that takes time, as the platform journals it and as plugin code sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from towpath_core.errors import LimitExceeded, StepFailed

__all__ = (
    "RETRY",
    "RUN_ENDED",
    "Approval",
    "Effect",
    "LogLevel",
    "Observed",
    "OutcomeUnknown",
    "Rejected",
    "Retry",
    "RunKind",
    "RunState",
    "Secret",
    "StepState",
    "StepTools",
    "Suspended",
    "TimedOut",
    "Undo",
    "Undoable",
)

RunState = Literal["queued", "running", "waiting", "succeeded", "failed", "cancelled", "unknown"]
"""`waiting` holds no worker; `unknown`: an effect may have happened and nobody recorded it."""
StepState = Literal["running", "waiting", "succeeded", "failed", "cancelled", "skipped", "unknown"]
LogLevel = Literal["debug", "info", "warning", "error"]
Effect = Literal["pure", "workspace", "external"]
"""What a step changes: nothing, its run's own folder, or something that others see."""

RUN_ENDED: frozenset[RunState] = frozenset({"succeeded", "failed", "cancelled", "unknown"})
"""States in which nobody works at a run; all but `succeeded` can be taken up again."""


class Suspended(BaseException):
    """The run waits and gives its worker back. Raised through plugin code, which lets it pass.

    Not an `Exception`, so that `except Exception` in plugin code does not swallow it.
    """


class TimedOut(LimitExceeded):
    """What was waited for did not come in time."""

    code = "timed-out"


class Rejected(StepFailed):
    """Somebody said no to an approval; `why` is the reason that was given."""

    code = "rejected"


class OutcomeUnknown(StepFailed):
    """An effect may have happened, nobody recorded it, and nothing can tell."""

    code = "outcome-unknown"

    @classmethod
    def of(cls, name: str) -> OutcomeUnknown:
        """The error for a step of that name."""
        return cls(
            f"Nobody knows whether the step {name!r} was done.",
            why="It was begun, its end was not recorded, and it may not be repeated blindly.",
            next="Look, then say what became of it: towpath runs resolve.",
        )


class Retry(msgspec.Struct, frozen=True):
    """How often a step that raises `Unavailable` is done, and how long to wait in between.

    Waits grow twofold from `first_seconds` to `most_seconds`, each shortened at random so that
    what failed together does not come back together.
    """

    attempts: int = 4
    first_seconds: float = 1.0
    most_seconds: float = 30.0


RETRY = Retry()
"""What is done about `Unavailable` where a step says nothing else."""


class Undo(msgspec.Struct, frozen=True):
    """How to take an effect back: a name and JSON data for the plugin's `undo`; no secret in it."""

    name: str
    data: Mapping[str, Any] = {}


class Observed(msgspec.Struct, frozen=True):
    """What looking at the world told about a step that may have happened.

    `found` with its `output` where it did; not found where it certainly did not. One who cannot
    tell returns None instead of this.
    """

    found: bool
    output: Any = None


class Approval(msgspec.Struct, frozen=True):
    """A yes: who gave it, as an entity reference, why, and when (UTC)."""

    by: str
    at: datetime
    reason: str | None = None


class Secret:
    """A handle on one of the run's secrets; shows nothing unless it is asked to."""

    __slots__ = ("_value", "name")

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself, for the call that needs it."""
        return self._value

    def __repr__(self) -> str:
        """Name it without showing it."""
        return f"Secret({self.name!r})"

    __str__ = __repr__


class StepTools(Protocol):
    """What plugin code gets while it works for a run.

    All methods are safe to call from the thread that plugin code was called in, and raise
    `Suspended` where they say so; the code is called again from its top when the run goes on.
    What was done in `step` is not done again then. What is logged, what is asked and the names of
    steps are masked against the run's secrets before they are stored; names of signals are not.
    """

    run_id: str
    key: str
    """Idempotency key, the same at every attempt of this step: `<run>:<sequence>`."""
    deadline: float
    """When the step must be done, in seconds of `time.monotonic()`."""

    def log(self, message: str, *, level: LogLevel = "info") -> None:
        """Add a line to the run's log."""
        ...

    def progress(self, done: float, total: float | None = None, unit: str = "") -> None:
        """Report how far the step is; `total` is left out where it is not known."""
        ...

    def emit(self, type: str, body: Mapping[str, Any]) -> None:
        """Add a typed event to the run."""
        ...

    def check(self) -> None:
        """Raise `Cancelled` when the run was asked to stop, `LimitExceeded` past the deadline.

        Call it between the parts of long work; the platform cannot stop a thread from outside.
        """
        ...

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
        """Do a part once, and return what `work` returned, as JSON; later from the journal.

        Args:
            name: names the part within the code that calls this; a second of one name in the
                same order is another part.
            work: is called in this thread with tools of its own, whose `key` it hands to the
                backend; called again where a worker died in it.
            retry: what is done about `Unavailable`.
            seconds: how long it may take; without it as long as what it is part of.
            undo: journalled before `work` is called.
            repeatable: whether calling `work` again with the same key is harmless. Where it is
                not, and `observe` cannot tell either, a run ends as `unknown`, for a person to
                look at, when its worker died in the work or this raised `Unavailable`.
            observe: is asked first where `work` was begun before and never ended, and where it
                is not repeatable and raised `Unavailable`.

        Raises:
            Cancelled: the run was asked to stop.
            LimitExceeded: the time was used up.
            OutcomeUnknown: it may have been done, it is not repeatable, and nothing can tell.
            TowpathError: what `work` raised, at this attempt or before; this is journalled.
        """
        ...

    def sleep(self, seconds: float) -> None:
        """Wait so long without holding a worker, counted from the first time this is reached.

        Raises:
            Suspended: until then.
        """
        ...

    def sleep_until(self, moment: datetime) -> None:
        """Wait until a moment, aware, by the database's clock, without holding a worker.

        Raises:
            Suspended: until then.
        """
        ...

    def wait_for(self, event: str, *, seconds: float | None = None) -> Any:
        """Wait for a signal of that name to the run, and return its body.

        Signals that came before are kept and taken in order, each once.

        Raises:
            Suspended: until it comes.
            TimedOut: it has not come within `seconds`.
        """
        ...

    def approval(
        self,
        name: str,
        question: str,
        *,
        approvers: Sequence[str] = (),
        seconds: float | None = None,
        subject: Any = None,
    ) -> Approval:
        """Ask people for a yes, and return it.

        Args:
            name: names the question within the code that calls this.
            question: what they are asked, one sentence.
            approvers: references of users and groups who may answer; administrators always may.
                Never the one who started the run or took it up again, unless the operator of the
                platform allows that. Asked again where the run goes on with another input.
            seconds: how long to wait; without it until somebody answers.
            subject: JSON that shows what the question is about, such as a plan and its hash.

        Raises:
            Suspended: until somebody answers.
            Rejected: somebody said no.
            TimedOut: nobody has answered in time.
        """
        ...

    def child(
        self,
        name: str,
        kind: str,
        input: Mapping[str, Any],
        *,
        secrets: Mapping[str, str] | None = None,
    ) -> Any:
        """Start a run of its own with this run's rights, wait for its end, return its output.

        Raises:
            Suspended: until it has ended.
            StepFailed: it did not succeed.
            NotFound, Invalid, Forbidden: it could not be started.
        """
        ...

    def secret(self, name: str) -> Secret:
        """A handle on one of the run's secrets.

        Raises:
            NotFound: the run has none of that name.
        """
        ...

    def undo(self, name: str, data: Mapping[str, Any]) -> None:
        """Journal how to take back what this step did; when it returns, it is kept.

        `name` and `data` (JSON, no secret) are given to `undo` of the object that plugin code
        belongs to (`Undoable`) when the run is rolled back, last registered first. Registering
        the same again changes nothing.
        """
        ...


@runtime_checkable
class Undoable(Protocol):
    """The power to take effects back, beside `RunKind`, `Action` or `Provisioner`."""

    def undo(self, name: str, data: dict[str, Any], tools: StepTools) -> None:
        """Take back what was registered with `tools.undo` or `Undo`; what is gone is success.

        Called in a thread, with a deadline; again after a crash, with the same `tools.key`.
        """
        ...


@runtime_checkable
class RunKind(Protocol):
    """A kind of run that a plugin does: discovery, a day-2 action, a clean-up.

    Attributes:
        name: lower-case kebab-case, unique among all plugins.
        title: for people, a few words.
        description: for people, one or more sentences.
        input_schema: JSON Schema of the input; checked before the run is accepted.
        queue: name of the queue that its runs wait in; workers may be started for some only.
        seconds: how long one call of `run` may take; waits do not count.
    """

    name: str
    title: str
    description: str
    input_schema: dict[str, Any]
    queue: str
    seconds: float

    def run(self, input: dict[str, Any], tools: StepTools) -> Mapping[str, Any]:
        """Do the run and return its output, JSON.

        Called in a thread, from its top again after every wait, crash and retry: everything
        that has an effect stands in `tools.step`, and the rest gives the same each time.

        Raises:
            Invalid, StepFailed: it cannot be done.
            Unavailable: a backend does not answer; tried again.
        """
        ...
