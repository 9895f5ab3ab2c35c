"""What a test sees of a run in memory, and what it gives: outcomes of waits, cancelling.

The side of `RecordingTools` that plugin code does not use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from towpath_core.errors import StepFailed
from towpath_core.runs import LogLevel, Rejected
from towpath_core.testing.journal import TIME, Journal
from towpath_core.testing.notes import Notes
from towpath_core.testing.records import RecordedChild, RecordedStep, RecordedUndo

__all__ = ("APPROVER", "Recorded")

APPROVER = "user:default/kit-approver"
"""Who answers where a test names nobody."""


class Recorded:
    """A journal and notes, to look at and to give outcomes to."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.notes = Notes()
        self._names: Counter[str] = Counter()

    @property
    def lines(self) -> list[tuple[LogLevel, str]]:
        """What was logged."""
        return self.notes.lines

    @property
    def reports(self) -> list[tuple[float, float | None, str]]:
        """What `progress` was told."""
        return self.notes.reports

    @property
    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """What was emitted."""
        return self.notes.events

    @property
    def checks(self) -> int:
        """How often somebody looked whether the run goes on."""
        return self.journal.looks

    @property
    def calls(self) -> Mapping[str, int]:
        """How often the work of each step was called."""
        return self.journal.calls

    @property
    def steps(self) -> Mapping[str, RecordedStep]:
        """The steps and waits."""
        return self.journal.steps

    @property
    def undos(self) -> Sequence[RecordedUndo]:
        """What was registered to be taken back."""
        return self.journal.undos

    @property
    def children(self) -> Sequence[RecordedChild]:
        """Runs that were started."""
        return self.journal.children

    def text(self) -> str:
        """All that was told, as one text to search in."""
        return self.notes.text()

    def cancel(self) -> None:
        """Ask the run to stop: every later `check` raises."""
        self.journal.cancel()

    def signal(self, name: str, body: Any = None) -> None:
        """Send a signal; one that nobody waits for yet is kept, and taken once."""
        self._give(f"wait:{name}", body)

    def approve(self, name: str, *, by: str = APPROVER, reason: str | None = None) -> None:
        """Say yes to a question."""
        self._give(f"approval:{name}", _yes(by, reason))

    def reject(self, name: str, *, by: str = APPROVER, reason: str = "no") -> None:
        """Say no to a question."""
        self._give(f"approval:{name}", None, Rejected(f"{by} said no.", why=reason))

    def end_child(self, name: str, output: Any = None, *, failed: str | None = None) -> None:
        """End a run that was started, with its output or with why it failed."""
        error = None if failed is None else StepFailed("The run ended as failed.", why=failed)
        self._give(f"child:{name}", output, error)

    def pass_time(self) -> None:
        """Let the time go by that is waited for, or that is given to others to answer.

        Raises:
            Conflict: nothing is waited for that time ends.
        """
        self.journal.pass_time()
        self.begin_again()

    def answer(self, answers: Mapping[str, Any] | None = None) -> None:
        """Give what is waited for: time passes, a question gets a yes, the rest is in `answers`.

        Args:
            answers: bodies of signals and outputs of children, as `{"wait:drained": ...}` and
                `{"child:build": ...}`; None for what is not in it.

        Raises:
            Conflict: nothing is waited for.
        """
        self._answer(answers or {})
        self.begin_again()

    def _answer(self, answers: Mapping[str, Any]) -> None:
        step = self.journal.wait
        wait = step.wait if step else TIME
        if wait.startswith("approval:"):
            self.journal.give(wait, _yes(APPROVER, None))
        elif wait == TIME:
            self.journal.pass_time()
        else:
            self.journal.give(wait, answers.get(wait))

    def begin_again(self) -> None:
        """Begin another attempt: the code is called from its top, and its steps are known."""
        self._names.clear()
        self.journal.begin_again()

    def _give(self, wait: str, output: Any, error: StepFailed | None = None) -> None:
        self.journal.give(wait, output, error)
        self.begin_again()


def _yes(by: str, reason: str | None) -> dict[str, Any]:
    return {"by": by, "at": datetime.now(UTC).isoformat(), "reason": reason}
