"""Routes of runs as a whole: listed and started; and what can be started."""

from __future__ import annotations

from typing import Annotated, Literal

from litestar import Controller
from litestar.params import QueryParameter

from towpath_core.identity import Scope
from towpath_core.runs import RunState
from towpath_engine.runs.listing import RunFilter
from towpath_engine.runs.terms import USUAL, Terms
from towpath_gateway.answer import Answer, reply
from towpath_gateway.ask import Ask
from towpath_gateway.parameters import Cursor, Limit
from towpath_gateway.routing import get, post
from towpath_gateway.runs import operations as op
from towpath_gateway.runs import operations_control as control
from towpath_gateway.runs.wire import RunKindWire, RunWire
from towpath_gateway.runs.wire_control import StartBody
from towpath_gateway.wire import Page, page_of, read_time, read_uuid

__all__ = ("RunCollectionController", "RunKindController")

READ: Scope = "runs:read"
WRITE: Scope = "runs:write"


class RunCollectionController(Controller):
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

    @post("/", WRITE, control.START_RUN)
    async def start(self, request: Ask) -> Answer:
        """Accept a run, which acts with the rights of who asks for it.

        Resources are asked for with a plan, and templates may also be run as tasks.
        """
        asked = await request.read(StartBody)
        terms = Terms(
            queue=asked.queue or USUAL.queue, priority=asked.priority, key=asked.concurrency_key
        )
        platform, asker = request.platform, request.principal
        run_id = await platform.starters.start(
            asker,
            asked.kind,
            asked.input,
            title=asked.title,
            secrets=asked.secrets,
            terms=terms,
            seconds=asked.deadline_seconds,
            key=request.key,
        )
        return reply(RunWire.of(await platform.runs.get(asker, run_id)), 201)


class RunKindController(Controller):
    """What can be started."""

    path = "/api/v1/run-kinds"
    tags = ("Runs",)

    @get("/", READ, control.LIST_RUN_KINDS)
    async def kinds(self, request: Ask, limit: Limit = 1000, cursor: Cursor = None) -> Answer:
        """The kinds of run that these credentials may start, ordered by name."""
        found = request.platform.starters.kinds(request.principal)
        return reply(page_of([RunKindWire.of(kind) for kind in found], limit, cursor))
