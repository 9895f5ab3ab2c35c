"""Routes of schedules."""

from __future__ import annotations

from typing import Annotated

from litestar import Controller
from litestar.params import PathParameter, QueryParameter

from towpath_core.identity import Scope
from towpath_engine.runs.schedule_records import ScheduleInfo
from towpath_gateway.answer import Answer, nothing, reply
from towpath_gateway.ask import Ask
from towpath_gateway.catalog.conditions import condition_of, has_seen, not_modified, tag_header
from towpath_gateway.parameters import Cursor, Limit
from towpath_gateway.routing import delete, get, patch, post
from towpath_gateway.runs import operations_schedules as op
from towpath_gateway.runs.wire import RunWire
from towpath_gateway.runs.wire_schedules import (
    ScheduleBody,
    ScheduleChangeBody,
    ScheduleTimesWire,
    ScheduleWire,
)
from towpath_gateway.wire import Page

__all__ = ("ScheduleController",)

READ: Scope = "runs:read"
WRITE: Scope = "runs:write"

Which = Annotated[str, PathParameter(description="Id or name of a schedule.")]


class ScheduleController(Controller):
    """Schedules of the asker, or all for an administrator."""

    path = "/api/v1/schedules"
    tags = ("Runs",)

    @get("/", READ, op.LIST_SCHEDULES)
    async def schedules(self, request: Ask, limit: Limit = 100, cursor: Cursor = None) -> Answer:
        """One's own, or everybody's for an administrator, by name."""
        found = await request.platform.schedules.list(
            request.principal, after=cursor or "", limit=limit + 1
        )
        more = found[limit - 1].spec.name if len(found) > limit else None
        return reply(Page([ScheduleWire.of(one) for one in found[:limit]], more))

    @post("/", WRITE, op.CREATE_SCHEDULE)
    async def create(self, request: Ask) -> Answer:
        """Make one. Its runs act with the rights that the asker has now; policies are asked anew.

        What could not be started now is refused. A fixed time that the wall clock leaves out
        comes at the moment the clocks change, one that it shows twice comes the first time.
        """
        data = await request.read(ScheduleBody)
        made = await request.platform.schedules.create(
            request.principal, data.spec(), paused=data.paused, key=request.key
        )
        return _told(made, 201)

    @get("/{schedule:str}", READ, op.GET_SCHEDULE)
    async def schedule(self, request: Ask, schedule: Which) -> Answer:
        """One schedule with its `ETag`; 304 for one who has it already."""
        found = await request.platform.schedules.get(request.principal, schedule)
        if has_seen(request, found.tag):
            return not_modified(found.tag)
        return _told(found)

    @patch("/{schedule:str}", WRITE, op.CHANGE_SCHEDULE)
    async def change(self, request: Ask, schedule: Which) -> Answer:
        """Change what is sent; its maker's rights of now become those of its runs."""
        match = condition_of(request).match
        data = await request.read(ScheduleChangeBody)
        schedules = request.platform.schedules
        return _told(await schedules.change(request.principal, schedule, data.change(), match))

    @delete("/{schedule:str}", WRITE, op.REMOVE_SCHEDULE)
    async def remove(self, request: Ask, schedule: Which) -> Answer:
        """Remove it; runs that it started go on."""
        match = condition_of(request).match
        await request.platform.schedules.remove(request.principal, schedule, match)
        return nothing()

    @post("/{schedule:str}/pause", WRITE, op.PAUSE_SCHEDULE)
    async def pause(self, request: Ask, schedule: Which) -> Answer:
        """Have it start nothing by itself. Repeating it changes nothing."""
        match = condition_of(request).match
        return _told(await request.platform.schedules.pause(request.principal, schedule, match))

    @post("/{schedule:str}/resume", WRITE, op.RESUME_SCHEDULE)
    async def resume(self, request: Ask, schedule: Which) -> Answer:
        """Go on from now; what came meanwhile is not made up for. Repeating it changes nothing."""
        match = condition_of(request).match
        return _told(await request.platform.schedules.resume(request.principal, schedule, match))

    @post("/{schedule:str}/run", WRITE, op.RUN_SCHEDULE)
    async def run(self, request: Ask, schedule: Which) -> Answer:
        """Start a run at once, also while it is paused; its times stay."""
        platform, principal = request.platform, request.principal
        run_id = await platform.schedules.run_now(principal, schedule, key=request.key)
        return reply(RunWire.of(await platform.runs.get(principal, run_id)), 201)

    @get("/{schedule:str}/next", READ, op.LIST_SCHEDULE_TIMES)
    async def next(
        self,
        request: Ask,
        schedule: Which,
        count: Annotated[int, QueryParameter(ge=1, le=100, description="How many.")] = 10,
    ) -> Answer:
        """Its next times, on the clock of its zone."""
        times = await request.platform.schedules.upcoming(request.principal, schedule, count)
        return reply(ScheduleTimesWire(list(times)))


def _told(schedule: ScheduleInfo, status: int = 200) -> Answer:
    answer = reply(ScheduleWire.of(schedule), status)
    answer.headers += tag_header(schedule.tag)[:1]
    return answer
