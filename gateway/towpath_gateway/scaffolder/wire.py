"""Bodies of the scaffolder's API, and runs in its words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from towpath_core.runs import RUN_ENDED
from towpath_core.scaffolding import Action
from towpath_engine.jsonschema import SchemaFault
from towpath_engine.runs.service import RunEvent, RunInfo
from towpath_engine.scaffolding.service import Form, FormPage, ValuesRefused
from towpath_gateway.wire import Wire

__all__ = (
    "STATUS",
    "ActionWire",
    "CreateTask",
    "FormWire",
    "RefusedValues",
    "RetryTask",
    "Stopped",
    "TaskCreated",
    "TaskEvent",
    "TaskList",
    "TaskWire",
    "states_of",
    "task_status",
)

TaskStatus = Literal["open", "processing", "completed", "failed", "cancelled"]

STATUS: Mapping[str, TaskStatus] = {
    "queued": "open",
    "running": "processing",
    "waiting": "processing",
    "succeeded": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
    "unknown": "failed",
}
"""What the states of runs are called here, where there are fewer words."""


class CreateTask(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Body of `POST /v2/tasks`. Secrets are sealed, and wiped when the run ends."""

    template_ref: str
    values: dict[str, Any]
    secrets: dict[str, str] | None = None


class RetryTask(msgspec.Struct, frozen=True, omit_defaults=True):
    """Body of a retry; secrets are sealed, and wiped when the run ends."""

    secrets: dict[str, str] | None = None

    def __repr__(self) -> str:
        """Show nothing of the secrets."""
        return "RetryTask()"


class TaskCreated(Wire, frozen=True):
    """The id of the run that does a template, which is also the id of the task."""

    id: UUID


class Stopped(Wire, frozen=True):
    """A task was asked to stop."""

    status: Literal["cancelled"]


def task_status(state: str) -> TaskStatus:
    """A run's state in the scaffolder's words."""
    return STATUS[state]


def states_of(status: str) -> list[str]:
    """The run states that a scaffolder status names; none for one that no run is ever in."""
    return [state for state, name in STATUS.items() if name == status]


class TaskWire(Wire, frozen=True):
    """A run of a template as a task; it holds no secret."""

    id: UUID
    spec: Any
    status: TaskStatus
    created_at: datetime
    last_heartbeat_at: datetime
    created_by: str

    @classmethod
    def of(cls, run: RunInfo) -> TaskWire:
        """Show a run."""
        return cls(
            run.id,
            run.input,
            task_status(run.state),
            run.created_at,
            run.finished_at or run.started_at or run.created_at,
            run.created_ref,
        )


class TaskList(Wire, frozen=True):
    """A page of tasks, and how many there are."""

    tasks: list[TaskWire]
    total_tasks: int


class ExampleWire(Wire, frozen=True):
    """A use of an action: what it shows, and steps in YAML."""

    description: str
    example: str


class ActionSchema(Wire, frozen=True):
    """JSON Schemas of what an action takes and gives."""

    input: dict[str, Any]
    output: dict[str, Any]


class ActionWire(Wire, frozen=True):
    """An action that templates can call."""

    id: str
    description: str
    examples: list[ExampleWire]
    schema: ActionSchema

    @classmethod
    def of(cls, action: Action) -> ActionWire:
        """Show an action."""
        examples = [ExampleWire(one.description, one.example) for one in action.examples]
        schema = ActionSchema(action.input_schema, action.output_schema)
        return cls(action.id, action.description, examples, schema)


class FormPageWire(Wire, frozen=True):
    """A page of a form; the schema holds `ui:` hints."""

    title: str
    schema: dict[str, Any]
    description: str | None = None

    @classmethod
    def of(cls, page: FormPage) -> FormPageWire:
        """Show a page."""
        return cls(page.title, page.schema, page.description)


class FormWire(Wire, frozen=True):
    """What a template asks for; what is not there is left out."""

    title: str
    steps: list[FormPageWire]
    description: str | None = None
    presentation: Any = None
    ui_options: Any = msgspec.field(name="ui:options", default=None)
    form_decorators: Any = None

    @classmethod
    def of(cls, form: Form) -> FormWire:
        """Show a form."""
        return cls(
            form.title,
            [FormPageWire.of(page) for page in form.steps],
            form.description,
            form.presentation,
            form.ui_options,
            form.form_decorators,
        )


class TaskEvent(Wire, frozen=True, omit_defaults=False):
    """An event of a task. A log's body has `message`, a completion's also `output` or `error`.

    `recovered`: the task was taken up again where it had ended.
    """

    id: int
    task_id: UUID
    created_at: datetime
    type: Literal["log", "recovered", "completion"]
    body: dict[str, Any]
    is_task_recoverable: bool = False

    @classmethod
    def of(cls, run: RunInfo, event: RunEvent, last_end: int) -> TaskEvent | None:
        """Show an event; None for one that the scaffolder has no word for.

        Args:
            run: the task.
            event: of its run.
            last_end: the number of the event that ended it; an earlier end was taken back by a
                retry, and a client that saw it would go away.
        """
        if event.type == "log":
            return cls(event.seq, run.id, event.at, "log", _line(event.body))
        if event.type == "decision" and event.body.get("decision") in _TAKEN_UP:
            # What was done stays done: a client keeps the steps that it has seen.
            body = {"recoverStrategy": "none"}
            return cls(event.seq, run.id, event.at, "recovered", body)
        state = event.body.get("state") if event.type == "state" else None
        if state not in RUN_ENDED or event.seq != last_end:
            return None
        return cls(event.seq, run.id, event.at, "completion", _completion(run, state, event.body))


_TAKEN_UP = ("retry", "resolve")


def _line(body: Mapping[str, Any]) -> dict[str, Any]:
    names = {"message": "message", "step": "stepId", "status": "status"}
    return {shown: body[name] for name, shown in names.items() if name in body}


def _completion(run: RunInfo, state: str, body: Mapping[str, Any]) -> dict[str, Any]:
    message = f"Run completed with status: {task_status(state)}"
    if state == "succeeded":
        return {"message": message, "output": run.output}
    error = body.get("error") or {}
    name = error.get("code", "cancelled")
    shown = {"name": name, "message": error.get("message", "The task was cancelled.")}
    return {"message": message, "error": shown}


class RefusedValue(Wire, frozen=True):
    """One value that does not fit, in the form of the `jsonschema` package of npm."""

    path: list[str | int]
    property: str
    message: str
    schema: dict[str, Any]
    name: str
    argument: Any
    stack: str


class RefusedValues(Wire, frozen=True):
    """Values or secrets that do not fit a template."""

    errors: list[RefusedValue]

    @classmethod
    def of(cls, refused: ValuesRefused) -> RefusedValues:
        """Show what is wrong with values."""
        return cls([_refused(refused.where, schema, fault) for schema, fault in refused.faults])


def _refused(where: str, schema: Mapping[str, Any], fault: SchemaFault) -> RefusedValue:
    secrets = where == "secrets"
    root = "secrets" if secrets else "instance"
    name = root + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in fault.path)
    message, argument = fault.message, fault.argument
    if fault.keyword == "required":
        argument = fault.missing
        message = (
            f"secrets.{fault.missing} is required"
            if secrets
            else f'requires property "{fault.missing}"'
        )
    return RefusedValue(
        list(fault.path),
        name,
        message,
        _below(schema, fault.path),
        fault.keyword,
        argument,
        f"{name} {message}",
    )


def _below(schema: Mapping[str, Any], path: Sequence[str | int]) -> dict[str, Any]:
    found: Any = schema
    for part in path:
        found = found.get("items") if isinstance(part, int) else found.get("properties")
        if isinstance(part, str) and isinstance(found, dict):
            found = found.get(part)
        if not isinstance(found, dict):
            return {}
    return dict(found)
