"""Bodies of the API of runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from towpath_core.runs import RunState, StepState
from towpath_engine.runs.journal import ErrorInfo, StepInfo
from towpath_engine.runs.service import RunEvent, RunInfo
from towpath_gateway.wire import Wire

__all__ = ("EventWire", "FailureWire", "RunWire", "StepWire")


class FailureWire(Wire, frozen=True):
    """Why a run, a step or a resource failed."""

    code: str
    message: str
    why: str | None = None
    next: str | None = None

    @classmethod
    def of(cls, error: ErrorInfo | None) -> FailureWire | None:
        """Show an error; None stays None."""
        return cls(error.code, error.message, error.why, error.next) if error else None


class StepWire(Wire, frozen=True):
    """A step of a run."""

    seq: int
    key: str
    name: str
    state: StepState
    attempts: int
    output: Any = None
    error: FailureWire | None = None

    @classmethod
    def of(cls, step: StepInfo) -> StepWire:
        """Show a step."""
        return cls(
            step.seq,
            step.key,
            step.name,
            step.state,
            step.attempts,
            step.output,
            FailureWire.of(step.error),
        )


class RunWire(Wire, frozen=True):
    """A run; `steps` only where one run is asked for."""

    id: UUID
    kind: str
    title: str
    state: RunState
    attempt: int
    created_by: str
    created_at: datetime
    cancel_requested: bool = False
    started_at: datetime | None = None
    finished_at: datetime | None = None
    output: Any = None
    error: FailureWire | None = None
    steps: list[StepWire] | None = None

    @classmethod
    def of(cls, run: RunInfo, steps: list[StepWire] | None = None) -> RunWire:
        """Show a run."""
        return cls(
            id=run.id,
            kind=run.kind,
            title=run.title,
            state=cast(RunState, run.state),
            attempt=run.attempt,
            created_by=run.created_ref,
            created_at=run.created_at,
            cancel_requested=run.cancel_requested,
            started_at=run.started_at,
            finished_at=run.finished_at,
            output=run.output,
            error=FailureWire.of(run.error),
            steps=steps,
        )


class EventWire(Wire, frozen=True):
    """An event of a run."""

    seq: int
    type: str
    body: dict[str, Any]
    at: datetime

    @classmethod
    def of(cls, event: RunEvent) -> EventWire:
        """Show an event."""
        return cls(event.seq, event.type, event.body, event.at)
