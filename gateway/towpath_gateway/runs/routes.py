"""Routes that read one run."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated
from uuid import UUID

from litestar import Controller
from litestar.params import PathParameter

from towpath_core.identity import Scope
from towpath_core.runs import RUN_ENDED
from towpath_gateway.answer import Answer, reply
from towpath_gateway.ask import Ask
from towpath_gateway.parameters import After, Limit, Resume
from towpath_gateway.routing import get
from towpath_gateway.runs import operations as op
from towpath_gateway.runs.wire import EventWire, RunWire, StepWire
from towpath_gateway.sse import KEEP_ALIVE, EventStream, closing, frame, last_event_id
from towpath_gateway.wire import Page, read_uuid

__all__ = ("RunController",)

READ: Scope = "runs:read"

RunId = Annotated[str, PathParameter(description="Id of a run.", format="uuid")]


class RunController(Controller):
    """Runs of the asker and those that ask the asker, or all for an administrator."""

    path = "/api/v1/runs"
    tags = ("Runs",)

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
