"""Bodies of the API of runs, as they are read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

from towpath_core.runs import Effect, RunState, StepState
from towpath_engine.runs.journal import ErrorInfo, StepInfo
from towpath_engine.runs.records import RunEvent, RunInfo, RunWait
from towpath_engine.runs.starting import KindInfo
from towpath_gateway.wire import Wire

__all__ = ("EventWire", "FailureWire", "RunKindWire", "RunWire", "StepWire", "WaitWire")


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


class WaitWire(Wire, frozen=True):
    """What a step waits for.

    `question`, `approvers` and `subject` belong to an approval, `event` to a signal, `run` to a
    child run.
    """

    step: str
    type: Literal["time", "signal", "approval", "child"]
    name: str
    question: str | None = None
    approvers: list[str] | None = None
    subject: Any = None
    until: datetime | None = None
    event: str | None = None
    run: UUID | None = None

    @classmethod
    def of(cls, wait: RunWait) -> WaitWire:
        """Show a wait."""
        return cls(
            wait.step,
            cast(Any, wait.type),
            wait.name,
            wait.question,
            list(wait.approvers) or None,
            wait.subject,
            wait.until,
            wait.event,
            UUID(wait.run) if wait.run else None,
        )


class StepWire(Wire, frozen=True):
    """A step of a run."""

    seq: int
    key: str
    name: str
    state: StepState
    attempts: int
    effect: Effect
    output: Any = None
    error: FailureWire | None = None
    wait: WaitWire | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @classmethod
    def of(cls, step: StepInfo) -> StepWire:
        """Show a step."""
        return cls(
            step.seq,
            step.key,
            step.name,
            step.state,
            step.attempts,
            step.effect,
            step.output,
            FailureWire.of(step.error),
            WaitWire.of(RunWait.of(step.key, step.name, step.wait)) if step.wait else None,
            step.started_at,
            step.finished_at,
        )


class RunWire(Wire, frozen=True):
    """A run; in a list without `input` and `steps`.

    A list has no `output` and no subject of a question above 16 KiB either.

    `held` says why a queued run is not offered to workers; `waiting` what a waiting one waits for;
    `undoes` whose effects it takes back.
    """

    id: UUID
    kind: str
    title: str
    state: RunState
    attempt: int
    queue: str
    created_by: str
    created_at: datetime
    priority: int = 0
    concurrency_key: str | None = None
    deadline: datetime | None = None
    parent: UUID | None = None
    schedule: UUID | None = None
    undoes: UUID | None = None
    cancel_requested: bool = False
    cancel_by: datetime | None = None
    held: str | None = None
    waiting: list[WaitWire] | None = None
    secret_names: list[str] | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    output: Any = None
    error: FailureWire | None = None
    input: Any = None
    steps: list[StepWire] | None = None

    @classmethod
    def of(cls, run: RunInfo, steps: Sequence[StepInfo] | None = None) -> RunWire:
        """Show a run; with its steps, its input too."""
        return cls(
            id=run.id,
            kind=run.kind,
            title=run.title,
            state=cast(RunState, run.state),
            attempt=run.attempt,
            queue=run.queue,
            created_by=run.created_ref,
            created_at=run.created_at,
            priority=run.priority,
            concurrency_key=run.concurrency_key,
            deadline=run.deadline,
            parent=run.parent_id,
            schedule=run.schedule_id,
            undoes=run.undoes,
            cancel_requested=run.cancel_requested,
            cancel_by=run.cancel_by,
            held=run.held,
            waiting=[WaitWire.of(wait) for wait in run.waits] or None,
            secret_names=list(run.secret_names) or None,
            started_at=run.started_at,
            finished_at=run.finished_at,
            output=run.output,
            error=FailureWire.of(run.error),
            input=run.input if steps is not None else None,
            steps=None if steps is None else [StepWire.of(step) for step in steps],
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


class RunKindWire(Wire, frozen=True):
    """A kind of run that can be started; `input_schema` is a JSON Schema."""

    name: str
    title: str
    description: str
    queue: str
    input_schema: dict[str, Any]

    @classmethod
    def of(cls, kind: KindInfo) -> RunKindWire:
        """Show a kind."""
        return cls(kind.name, kind.title, kind.description, kind.queue, kind.input_schema)
