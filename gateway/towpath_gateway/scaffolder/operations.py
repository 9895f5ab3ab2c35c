"""What the scaffolder's operations take and give, with examples."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from towpath_gateway.openapi.operation import IDEMPOTENCY_KEY, LAST_EVENT_ID, Given, Operation
from towpath_gateway.problems import BackstageError
from towpath_gateway.scaffolder.wire import (
    ActionSchema,
    ActionWire,
    CreateTask,
    ExampleWire,
    FormPageWire,
    FormWire,
    RefusedValue,
    RefusedValues,
    RetryTask,
    Stopped,
    TaskCreated,
    TaskEvent,
    TaskList,
    TaskWire,
)
from towpath_gateway.sse import EVENT_STREAM

_TASK_ID = UUID("019aaf41-0c4e-7b7a-8a53-2f6f0a9d7c11")
_AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
_NAME = {"type": "string", "pattern": "^[a-z][a-z0-9-]*$", "ui:autofocus": True}

_ACTION = ActionWire(
    id="debug:log",
    description="Writes a message to the log of the run.",
    examples=[
        ExampleWire("Say hello", "steps:\n  - action: debug:log\n    input: {message: hello}\n")
    ],
    schema=ActionSchema(
        {"type": "object", "properties": {"message": {"type": "string"}}}, {"type": "object"}
    ),
)
_FORM = FormWire(
    title="Python service",
    description="A service with tests, a container and a place in the catalog.",
    steps=[
        FormPageWire(
            "What is it",
            {"type": "object", "required": ["name"], "properties": {"name": _NAME}},
        )
    ],
)
_TASK = TaskWire(
    id=_TASK_ID,
    spec={
        "apiVersion": "scaffolder.backstage.io/v1beta3",
        "steps": [{"id": "fetch", "name": "Render the skeleton", "action": "fetch:template"}],
        "parameters": {"name": "payments"},
    },
    status="completed",
    created_at=_AT,
    last_heartbeat_at=_AT.replace(second=4),
    created_by="user:default/admin",
)
_EVENT = TaskEvent(
    2, _TASK_ID, _AT, "log", {"message": "Beginning step Render the skeleton", "stepId": "fetch"}
)
_REFUSED = RefusedValues(
    [
        RefusedValue(
            path=["name"],
            property="instance.name",
            message='"Bad Name" does not match "^[a-z][a-z0-9-]*$"',
            schema=_NAME,
            name="pattern",
            argument="^[a-z][a-z0-9-]*$",
            stack='instance.name "Bad Name" does not match "^[a-z][a-z0-9-]*$"',
        )
    ]
)

LIST_ACTIONS = Operation(
    id="listActions",
    summary="List actions",
    gives=(Given(type=list[ActionWire], example=[_ACTION], description="Actions, ordered by id."),),
)
GET_FORM = Operation(
    id="getTemplateForm",
    summary="Get a template's form",
    gives=(Given(type=FormWire, example=_FORM, description="The form, page by page."),),
    errors=(404,),
)
CREATE_TASK = Operation(
    id="createTask",
    summary="Run a template",
    takes=CreateTask,
    request=CreateTask(
        "template:default/python-service", {"name": "payments"}, {"TOKEN": "a secret"}
    ),
    gives=(
        Given(
            status=201,
            type=TaskCreated,
            example=TaskCreated(_TASK_ID),
            description="The run was accepted; its id is that of the task.",
        ),
        Given(
            status=400,
            type=(RefusedValues, BackstageError),
            example=_REFUSED,
            description="Values do not fit the template, or the request is wrong.",
        ),
    ),
    headers=(IDEMPOTENCY_KEY,),
    errors=(404, 422),
)
LIST_TASKS = Operation(
    id="listTasks",
    summary="List tasks",
    gives=(
        Given(
            type=TaskList,
            example=TaskList([_TASK], 1),
            description="A page of tasks, and how many there are, up to 10,000.",
        ),
    ),
)
GET_TASK = Operation(
    id="getTask",
    summary="Get a task",
    gives=(Given(type=TaskWire, example=_TASK, description="The task."),),
    errors=(404,),
)
CANCEL_TASK = Operation(
    id="cancelTask",
    summary="Cancel a task",
    gives=(Given(type=Stopped, example=Stopped("cancelled"), description="It was asked to stop."),),
    errors=(404, 409),
)
RETRY_TASK = Operation(
    id="retryTask",
    summary="Take up a task again",
    takes=RetryTask,
    request=RetryTask({"TOKEN": "a secret"}),
    optional=True,
    gives=(
        Given(
            status=201,
            type=TaskCreated,
            example=TaskCreated(_TASK_ID),
            description="It goes on; its id is the same.",
        ),
    ),
    headers=(IDEMPOTENCY_KEY,),
    errors=(404, 409, 422),
)
LIST_TASK_EVENTS = Operation(
    id="listTaskEvents",
    summary="Get a task's events",
    gives=(
        Given(
            type=list[TaskEvent],
            example=[_EVENT],
            description="Events in order; none where nothing happened for 30 seconds.",
        ),
    ),
    errors=(404,),
)
FOLLOW_TASK = Operation(
    id="followTask",
    summary="Follow a task",
    gives=(
        Given(
            type=str,
            example="id: 2\nevent: log\ndata: "
            '{"id":2,"taskId":"019aaf41-0c4e-7b7a-8a53-2f6f0a9d7c11",'
            '"createdAt":"2026-11-23T09:30:00Z","type":"log",'
            '"body":{"message":"Beginning step Render the skeleton"},'
            '"isTaskRecoverable":false}\n\n',
            description="Server-sent events: the data of each is a `TaskEvent`. The last one is "
            "of type `completion`.",
            media_type=EVENT_STREAM,
        ),
    ),
    headers=(LAST_EVENT_ID,),
    errors=(404,),
)
