"""A run of a kind, in memory: called from its top until it ends, and broken off where one likes.

Does what the platform's worker does around plugin code, without a database. It must not know
which rules look at it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from towpath_core.errors import Cancelled, LimitExceeded, Unavailable
from towpath_core.runs import RETRY, OutcomeUnknown, RunKind, RunState, Suspended, Undoable
from towpath_core.testing.journal import plain
from towpath_core.testing.records import Crash
from towpath_core.testing.tools import RecordingTools

__all__ = ("RecordedRun", "take_back")

_MOST_CALLS = 1000


class RecordedRun(RecordingTools):
    """A run of a kind. It is also the tools that the kind is handed.

    Args:
        kind: does the run.
        input: of the run.
        run_id: first half of the idempotency keys of its steps.
        secrets: the run's, by name.
        answers: bodies of signals and outputs of children that `finish` gives, by what is waited
            for: `{"wait:drained": {...}, "child:build": {...}}`.
        seconds: how long one call may take; what the kind says without it.
        cancel_at: number of the look that finds the run cancelled, counted from 1.

    Attributes:
        state: as the platform would have it; `running` when its worker died, `queued` when
            another attempt goes on with it.
        output: what it gave, as JSON, once it has succeeded.
        error: what it failed with.
        swallowed: waits and breaks that the kind's code did not let pass, one text each.
    """

    def __init__(
        self,
        kind: RunKind,
        input: Mapping[str, Any],
        *,
        run_id: str = "kit-run",
        secrets: Mapping[str, str] | None = None,
        answers: Mapping[str, Any] | None = None,
        seconds: float | None = None,
        cancel_at: int | None = None,
    ) -> None:
        self._seconds = kind.seconds if seconds is None else seconds
        super().__init__(
            seconds=self._seconds, cancel_at=cancel_at, key=f"{run_id}:0", secrets=secrets
        )
        self.kind = kind
        self.input = plain(dict(input))
        self.answers = dict(answers or {})
        self.state: RunState = "queued"
        self.output: Any = None
        self.error: Exception | None = None
        self.swallowed: list[str] = []

    def crash_at(self, moment: int) -> None:
        """Let the worker die at a boundary of a step, counted from 1 over all calls.

        Each step has three: it has begun and its work was not called; its work was done and not
        journalled; it was journalled.
        """
        self.journal.break_at(moment, Crash)

    def go(self) -> RunState:
        """Call the kind from its top once, and again while a backend does not answer.

        Returns:
            The state it comes to. What the kind raises is `error`.
        """
        self.output = self.error = None
        for attempt in range(1, RETRY.attempts + 1):
            self.begin_again()
            self.deadline = time.monotonic() + self._seconds
            try:
                self.output = self._call_kind()
                self.state = "succeeded"
            except Crash:
                self.state = "running"
            except Suspended:
                self.state = "waiting" if self.journal.wait is not None else "queued"
            except Cancelled as error:
                self.state, self.error = "cancelled", error
            except OutcomeUnknown as error:
                self.state, self.error = "unknown", error
            except Exception as error:
                self.state, self.error = "failed", error
                if isinstance(error, Unavailable) and attempt < RETRY.attempts:
                    continue
            break
        return self.state

    def finish(self) -> RunState:
        """Call the kind until the run ends: crashes are overcome, and each wait is answered.

        Time passes, questions get a yes, signals and children come with what `answers` says.

        Raises:
            LimitExceeded: it does not end.
        """
        for _ in range(_MOST_CALLS):
            if self.go() == "waiting":
                self.answer(self.answers)
            elif self.state not in ("running", "queued"):
                return self.state
        raise LimitExceeded(f"The run was called {_MOST_CALLS} times and has not ended.")

    def _call_kind(self) -> Any:
        raised: BaseException | None = None
        try:
            found = self.kind.run(deepcopy(self.input), self)
        except BaseException as error:
            raised = error
        try:
            self.journal.go_on()
        except (Crash, Suspended) as ended:
            if not isinstance(raised, Crash | Suspended):
                what = self.journal.wait.key if self.journal.wait else self.journal.moments[-1]
                self.swallowed.append(f"{type(ended).__name__} at {what}")
            raise
        if raised is not None:
            raise raised
        return plain(dict(found))


def take_back(undoable: Undoable, done: RecordingTools, *, run_id: str = "kit-undo") -> None:
    """Take back what was registered with some tools, last first, as rolling back a run does.

    Raises:
        TowpathError: what `undo` raises.
    """
    for number, undo in enumerate(reversed(done.undos), 1):
        tools = RecordingTools(key=f"{run_id}:{number}", secrets=done.secrets)
        undoable.undo(undo.name, plain(undo.data), tools)
