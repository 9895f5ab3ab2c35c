"""Routes that read runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Literal
from uuid import UUID

from litestar import Controller
from litestar.params import PathParameter, QueryParameter

from towpath_core.identity import Scope
from towpath_core.runs import RUN_ENDED, RunState
from towpath_engine.runs.listing import RunFilter
from towpath_gateway.answer import Answer, reply
from towpath_gateway.ask import Ask
from towpath_gateway.parameters import After, Cursor, Limit, Resume
from towpath_gateway.routing import get
from towpath_gateway.runs import operations as op
from towpath_gateway.runs.wire import EventWire, RunWire, StepWire
from towpath_gateway.sse import KEEP_ALIVE, EventStream, closing, frame, last_event_id
from towpath_gateway.wire import Page, read_time, read_uuid

__all__ = ("RunController",)

READ: Scope = "runs:read"

RunId = Annotated[str, PathParameter(description="Id of a run.", format="uuid")]


class RunController(Controller):
    """Runs of the asker and those that ask the asker, or all for an administrator."""

    path = "/api/v1/runs"
    tags = ("Runs",)

    @get("/", READ, op.LIST_RUNS)
    async def runs(
        self,
        request: Ask,
        kind: Annotated[
            str | None, QueryParameter(description="`scaffold`, `provision`, `bind`, ...")
        ] = None,
        states: Annotated[
            list[RunState] | None,
            QueryParameter(name="state", description="Any of these states."),
        ] = None,
        queue: Annotated[str | None, QueryParameter(description="Queue they wait in.")] = None,
        created_by: Annotated[
            list[str] | None,
            QueryParameter(name="createdBy", description="Refs of who asked for them, any."),
        ] = None,
        parent: Annotated[
            str | None,
            QueryParameter(format="uuid", description="The run whose children they are."),
        ] = None,
        schedule: Annotated[
            str | None, QueryParameter(format="uuid", description="The schedule that fired them.")
        ] = None,
        waiting_for: Annotated[
            Literal["approval"] | None,
            QueryParameter(name="waitingFor", description="Only those that ask for a yes."),
        ] = None,
        since: Annotated[
            str | None,
            QueryParameter(format="date-time", description="Created then or later (RFC 3339)."),
        ] = None,
        until: Annotated[
            str | None,
            QueryParameter(format="date-time", description="Created before then (RFC 3339)."),
        ] = None,
        title: Annotated[
            str | None, QueryParameter(name="q", description="Text in their title, in any case.")
        ] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Answer:
        """One's own and those that ask one for a yes, or all for an administrator, newest first."""
        wanted = RunFilter(
            kind=kind,
            states=tuple(states or ()),
            queue=queue,
            created_by=tuple(created_by or ()),
            parent=read_uuid(parent, "run") if parent is not None else None,
            schedule=read_uuid(schedule, "schedule") if schedule is not None else None,
            asks_approval=waiting_for is not None,
            since=read_time(since) if since is not None else None,
            until=read_time(until) if until is not None else None,
            title=title,
        )
        marks, asker = request.served.run_marks, request.principal
        before = marks.read(asker, wanted, cursor)
        found = await request.platform.runs.list(asker, wanted, limit=limit + 1, before=before)
        last = found[limit - 1] if len(found) > limit else None
        more = marks.write(asker, wanted, (last.created_at, last.id)) if last else None
        return reply(Page([RunWire.of(run) for run in found[:limit]], more))

    @get("/{run_id:str}", READ, op.GET_RUN)
    async def run(self, request: Ask, run_id: RunId) -> Answer:
        """One run, with its steps."""
        id = read_uuid(run_id, "run")
        platform, principal = request.platform, request.principal
        run = await platform.runs.get(principal, id)
        steps = await platform.runs.steps(principal, id)
        if run.state in RUN_ENDED:
            # What the run made must be readable once it is said to be done.
            await platform.feed.catch_up()
        return reply(RunWire.of(run, steps))

    @get("/{run_id:str}/steps", READ, op.LIST_RUN_STEPS)
    async def steps(self, request: Ask, run_id: RunId) -> Answer:
        """The steps that were begun, in order."""
        found = await request.platform.runs.steps(request.principal, read_uuid(run_id, "run"))
        return reply(Page([StepWire.of(step) for step in found]))

    @get("/{run_id:str}/events", READ, op.LIST_RUN_EVENTS)
    async def events(
        self, request: Ask, run_id: RunId, after: After = 0, limit: Limit = 1000
    ) -> Answer:
        """Events with a higher number than `after`, in order, without gaps.

        Fewer than `limit` where they are big; there are no more where there is none.
        """
        id = read_uuid(run_id, "run")
        found = await request.platform.runs.events(request.principal, id, after=after, limit=limit)
        return reply(Page([EventWire.of(event) for event in found]))

    @get("/{run_id:str}/stream", READ, op.FOLLOW_RUN)
    async def stream(self, request: Ask, run_id: RunId, after: Resume = None) -> EventStream:
        """Server-sent events; ends with one of type `done`. Resumes by `Last-Event-ID`."""
        id = read_uuid(run_id, "run")
        await request.platform.runs.get(request.principal, id)
        return EventStream(_frames(request, id, last_event_id(request, after)))


async def _frames(request: Ask, run_id: UUID, after: int) -> AsyncGenerator[bytes, None]:
    platform, principal = request.platform, request.principal
    async with closing(platform.runs.follow(principal, run_id, after=after)) as events:
        async for event in events:
            if event is None:
                yield KEEP_ALIVE
            else:
                yield frame(event.type, EventWire.of(event), id=event.seq)
    await platform.feed.catch_up()
    run = await platform.runs.get(principal, run_id)
    yield frame("done", {"state": run.state})
