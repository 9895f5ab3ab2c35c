"""Bodies that start, stop, retry, answer and take back runs."""

from __future__ import annotations

from typing import Any, Literal, cast
from uuid import UUID

from towpath_engine.runs.undoing import UndoInfo
from towpath_gateway.runs.wire import FailureWire
from towpath_gateway.wire import StrictBody, Wire

__all__ = (
    "ApproveBody",
    "CancelBody",
    "RejectBody",
    "ResolveBody",
    "RetryBody",
    "SignalBody",
    "StartBody",
    "UndoBody",
    "UndoListWire",
    "UndoWire",
)


class StartBody(StrictBody, frozen=True):
    """What is asked for. Secrets are sealed, and wiped when the run ends.

    `priority`: from -100 to 100, higher first. `concurrency_key`: only one run of a key is under
    way. `deadline_seconds`: how long it may take in all, waits included.
    """

    kind: str
    input: dict[str, Any]
    title: str | None = None
    priority: int = 0
    concurrency_key: str | None = None
    deadline_seconds: float | None = None
    secrets: dict[str, str] | None = None
    queue: str | None = None

    def __repr__(self) -> str:
        """Name the kind; secrets are not shown."""
        return f"StartBody(kind={self.kind!r})"


class CancelBody(StrictBody, frozen=True):
    """How to stop a run.

    `force` ends it now, from outside; else that is done when `grace_seconds` have not been enough.
    """

    force: bool = False
    grace_seconds: float | None = None
    reason: str | None = None


class RetryBody(StrictBody, frozen=True):
    """What is different this time: the whole input, or secrets, which were wiped at the end."""

    input: dict[str, Any] | None = None
    secrets: dict[str, str] | None = None
    reason: str | None = None

    def __repr__(self) -> str:
        """Show nothing of the input and the secrets."""
        return "RetryBody()"


class ResolveBody(StrictBody, frozen=True):
    """What became of the step that nobody recorded, as somebody found out who looked.

    Where it has `happened`, `output` is what it came to; where not, it is done again. Secrets were
    wiped when the run ended, and are given again.
    """

    happened: bool
    reason: str
    output: Any = None
    secrets: dict[str, str] | None = None

    def __repr__(self) -> str:
        """Show nothing of the secrets."""
        return f"ResolveBody(happened={self.happened})"


class UndoBody(StrictBody, frozen=True):
    """Why a run's effects are taken back."""

    reason: str | None = None


class ApproveBody(StrictBody, frozen=True):
    """A yes. `step` is the key of the step that asks, where several ask at once."""

    step: str | None = None
    reason: str | None = None


class RejectBody(StrictBody, frozen=True):
    """A no, with its reason. `step` is the key of the step that asks, where several ask at once."""

    reason: str
    step: str | None = None


class SignalBody(StrictBody, frozen=True):
    """A signal to a run, for a step that waits for one of this name, or will."""

    name: str
    body: Any = None


class UndoWire(Wire, frozen=True):
    """How an effect is taken back: what `owner` is told, and with what.

    `run` is the run whose step it was: the one that is looked at, or one below it.
    """

    run: UUID
    seq: int
    step: str
    name: str
    owner: str
    data: Any
    state: Literal["ready", "done", "failed"]
    error: FailureWire | None = None
    undone_by: UUID | None = None

    @classmethod
    def of(cls, undo: UndoInfo) -> UndoWire:
        """Show how an effect is taken back."""
        return cls(
            undo.run_id,
            undo.seq,
            undo.step,
            undo.name,
            undo.owner,
            undo.data,
            cast(Any, undo.state),
            FailureWire.of(undo.error),
            undo.undone_by,
        )


class UndoListWire(Wire, frozen=True):
    """What would be taken back, in the order in which it would be done."""

    undos: list[UndoWire]
