"""`/api/scaffolder`: templates asked for and followed. Contract: Backstage's scaffolder."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller
from litestar.params import PathParameter, QueryParameter

from towpath_core.errors import Invalid, NotFound
from towpath_core.identity import Scope
from towpath_core.refs import EntityRef
from towpath_engine.runs.service import RunInfo
from towpath_engine.scaffolding.service import ValuesRefused
from towpath_gateway.answer import Answer, json_bytes, reply
from towpath_gateway.ask import Ask
from towpath_gateway.parameters import After, Kind, Name, Namespace, Resume
from towpath_gateway.routing import get, post
from towpath_gateway.scaffolder import operations as op
from towpath_gateway.scaffolder.following import poll, task_frames
from towpath_gateway.scaffolder.listing import listed, read_order
from towpath_gateway.scaffolder.wire import (
    ActionWire,
    CreateTask,
    FormWire,
    RefusedValues,
    RetryTask,
    Stopped,
    TaskCreated,
    TaskWire,
)
from towpath_gateway.sse import EventStream, last_event_id

__all__ = ("ScaffolderController",)

RUN: Scope = "scaffold:run"
AGAIN: Scope = "runs:write"

TaskId = Annotated[str, PathParameter(description="Id of a task, which is that of its run.")]


class ScaffolderController(Controller):
    """Actions, forms and tasks."""

    path = "/api/scaffolder/v2"
    tags = ("Scaffolder",)

    @get("/actions", RUN, op.LIST_ACTIONS)
    async def actions(self, request: Ask) -> Answer:
        """All actions that templates can call, ordered by id."""
        return reply([ActionWire.of(one) for one in request.platform.scaffolding.actions()])

    @get("/templates/{namespace:str}/{kind:str}/{name:str}/parameter-schema", RUN, op.GET_FORM)
    async def form(self, request: Ask, namespace: Namespace, kind: Kind, name: Name) -> Answer:
        """What the template asks for, page by page."""
        if kind.lower() != "template":
            raise Invalid("Unsupported kind; only templates have a form.")
        form = request.platform.scaffolding.form(str(EntityRef(kind, namespace, name)))
        return reply(FormWire.of(form))

    @post("/tasks", RUN, op.CREATE_TASK)
    async def create(self, request: Ask) -> Answer:
        """Accept a run; 400 with `errors` where the values do not fit the template."""
        data = await request.read(CreateTask)
        try:
            run_id = await request.platform.scaffolding.create(
                request.principal,
                data.template_ref,
                data.values,
                data.secrets,
                key=request.key,
            )
        except ValuesRefused as refused:
            return json_bytes(msgspec.json.encode(RefusedValues.of(refused)), 400)
        return reply(TaskCreated(run_id), 201)

    @get("/tasks", RUN, op.LIST_TASKS)
    async def tasks(
        self,
        request: Ask,
        created_by: Annotated[
            list[str] | None,
            QueryParameter(name="createdBy", description="Refs of who asked for them."),
        ] = None,
        status: Annotated[
            list[str] | None, QueryParameter(description="`open`, `processing`, `completed`, ...")
        ] = None,
        order: Annotated[
            list[str] | None,
            QueryParameter(
                description="`asc:` or `desc:`, and `created_at`, `status` or `created_by`."
            ),
        ] = None,
        limit: Annotated[
            int, QueryParameter(ge=0, le=1000, description="How many at the most.")
        ] = 100,
        offset: Annotated[
            int, QueryParameter(ge=0, le=1_000_000, description="How many to pass over.")
        ] = 0,
    ) -> Answer:
        """One's own, or everybody's for an administrator, newest first unless ordered."""
        found = await listed(
            request,
            created_by or (),
            status or (),
            read_order(order or ()),
            limit=limit,
            offset=offset,
        )
        return reply(found)

    @get("/tasks/{task_id:str}", RUN, op.GET_TASK)
    async def task(self, request: Ask, task_id: TaskId) -> Answer:
        """One task."""
        return reply(TaskWire.of(await _run(request, task_id)))

    @post("/tasks/{task_id:str}/cancel", RUN, op.CANCEL_TASK)
    async def cancel(self, request: Ask, task_id: TaskId) -> Answer:
        """Ask it to stop; a running action sees it at its next check."""
        run = await _run(request, task_id)
        await request.platform.control.cancel(request.principal, run.id)
        return reply(Stopped("cancelled"))

    @post("/tasks/{task_id:str}/retry", AGAIN, op.RETRY_TASK)
    async def retry(self, request: Ask, task_id: TaskId) -> Answer:
        """Go on with a task that failed or was cancelled, at the step it ended with.

        Secrets were wiped at its end, and are given again.
        """
        run = await _run(request, task_id)
        new = await request.read_if_any(RetryTask, RetryTask())
        await request.platform.control.retry(
            request.principal, run.id, secrets=new.secrets, key=request.key
        )
        return reply(TaskCreated(run.id), 201)

    @get("/tasks/{task_id:str}/events", RUN, op.LIST_TASK_EVENTS)
    async def events(self, request: Ask, task_id: TaskId, after: After = 0) -> Answer:
        """Events after a number; waits up to 30 seconds for the first one."""
        run = await _run(request, task_id)
        return reply(await poll(request, run.id, after))

    @get("/tasks/{task_id:str}/eventstream", RUN, op.FOLLOW_TASK)
    async def eventstream(self, request: Ask, task_id: TaskId, after: Resume = None) -> EventStream:
        """Server-sent events until the task has ended. Resumes by `Last-Event-ID` or `after`."""
        run = await _run(request, task_id)
        return EventStream(task_frames(request, run.id, last_event_id(request, after)))


async def _run(request: Ask, task_id: str) -> RunInfo:
    missing = NotFound(f"No task with id '{task_id[:80]}' found")
    try:
        run = await request.platform.runs.get(request.principal, UUID(task_id))
    except (ValueError, NotFound) as error:
        raise missing from error
    if run.kind != "scaffold":
        raise missing
    return run
