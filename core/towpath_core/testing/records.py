"""What the journal of a run in memory holds, and what a run can come to that no plugin raises."""

from __future__ import annotations

from typing import Any

import msgspec

from towpath_core.errors import TowpathError, restored
from towpath_core.runs import StepState

__all__ = ("Crash", "RecordedChild", "RecordedStep", "RecordedUndo")


class Crash(BaseException):
    """The worker dies here, as by `kill -9`: nothing that comes after is kept."""


class RecordedStep(msgspec.Struct):
    """A step or a wait as the journal holds it.

    Attributes:
        seq: number within the run, the second half of its idempotency key.
        key: within the run, such as `outer/name#2`.
        name: for people; of an approval the question.
        error: what it failed with.
        wait: of a wait, what it is for: `sleep`, `wait:<event>`, `approval:<name>`, `child:<name>`.
        ends: whether a wait is over by itself in time.
        shown: of an approval, its `approvers` and `subject`.
    """

    seq: int
    key: str
    name: str
    state: StepState = "running"
    attempts: int = 0
    output: Any = None
    error: TowpathError | None = None
    wait: str = ""
    ends: bool = False
    shown: Any = None

    def result(self) -> Any:
        """What it came to.

        Raises:
            TowpathError: it failed; of the class that it failed with.
        """
        if self.error is not None:
            raise restored(
                self.error.code,
                self.error.what,
                why=self.error.why,
                next=self.error.next,
                problems=self.error.problems,
            )
        return self.output


class RecordedUndo(msgspec.Struct, frozen=True):
    """How to take back what a step did, as it was registered."""

    seq: int
    step: str
    name: str
    data: dict[str, Any]


class RecordedChild(msgspec.Struct, frozen=True):
    """A run that was started for another; of its secrets the names."""

    step: str
    kind: str
    input: dict[str, Any]
    secrets: tuple[str, ...] = ()
