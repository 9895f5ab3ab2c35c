"""A run's log as text."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated
from uuid import UUID

from litestar import Controller
from litestar.params import QueryParameter

from towpath_core.errors import TowpathError
from towpath_core.identity import Scope
from towpath_core.runs import LogLevel
from towpath_engine.runs.records import RunEvent
from towpath_gateway.ask import Ask
from towpath_gateway.parameters import After
from towpath_gateway.routing import get
from towpath_gateway.runs import operations as op
from towpath_gateway.runs.log_text import lines_of
from towpath_gateway.runs.routes import RunId
from towpath_gateway.sse import EventStream
from towpath_gateway.wire import read_uuid

__all__ = ("LAST_EVENT", "RunLogController")

READ: Scope = "runs:read"
LAST_EVENT = "Towpath-Last-Event"
"""The header that says where to go on: `after` for the lines that come later."""

_PAGE = 500


class RunLogController(Controller):
    """Logs of runs."""

    path = "/api/v1/runs"
    tags = ("Runs",)

    @get("/{run_id:str}/log", READ, op.GET_RUN_LOG)
    async def log(
        self,
        request: Ask,
        run_id: RunId,
        after: After = 0,
        level: Annotated[
            LogLevel, QueryParameter(description="Leave out what is below this level.")
        ] = "info",
    ) -> EventStream:
        """What has been logged so far, a line each: time, level, step and message.

        Ends; `Towpath-Last-Event` is the `after` of the lines that come later.
        """
        id = read_uuid(run_id, "run")
        run = await request.platform.runs.get(request.principal, id)
        first = await request.platform.runs.events(request.principal, id, after=after, limit=_PAGE)
        last = max(after, first[-1].seq if first else 0, run.last_event)
        headers = [(LAST_EVENT.lower().encode(), b"%d" % last)]
        return EventStream(
            _lines(request, id, list(first), last, level),
            media_type="text/plain",
            headers=headers,
        )


async def _lines(
    request: Ask, run_id: UUID, events: list[RunEvent], last: int, level: LogLevel
) -> AsyncGenerator[bytes, None]:
    """Lines page by page, up to an event; the next page is read when this one was taken."""
    runs, principal = request.platform.runs, request.principal
    while events:
        text = "".join(line for event in events for line in lines_of(event, level))
        if text:
            yield text.encode()
        seen = events[-1].seq
        if seen >= last:
            return
        try:
            page = await runs.events(principal, run_id, after=seen, limit=min(_PAGE, last - seen))
        except TowpathError as error:
            # The status is sent already; an end without a word would look like the whole log.
            yield f"--- the log goes on after event {seen}: {error.what}\n".encode()
            return
        events = list(page)
