"""Routes that start runs."""

from __future__ import annotations

from litestar import Controller

from towpath_core.identity import Scope
from towpath_engine.runs.terms import USUAL, Terms
from towpath_gateway.answer import Answer, reply
from towpath_gateway.ask import Ask
from towpath_gateway.parameters import Cursor, Limit
from towpath_gateway.routing import get, post
from towpath_gateway.runs import operations_control as op
from towpath_gateway.runs.wire import RunKindWire, RunWire
from towpath_gateway.runs.wire_control import StartBody
from towpath_gateway.wire import page_of

__all__ = ("RunKindController", "RunStartController")

READ: Scope = "runs:read"
WRITE: Scope = "runs:write"


class RunKindController(Controller):
    """What can be started."""

    path = "/api/v1/run-kinds"
    tags = ("Runs",)

    @get("/", READ, op.LIST_RUN_KINDS)
    async def kinds(self, request: Ask, limit: Limit = 1000, cursor: Cursor = None) -> Answer:
        """The kinds of run that these credentials may start, ordered by name."""
        found = request.platform.starters.kinds(request.principal)
        return reply(page_of([RunKindWire.of(kind) for kind in found], limit, cursor))


class RunStartController(Controller):
    """Runs of the kinds that plugins offer."""

    path = "/api/v1/runs"
    tags = ("Runs",)

    @post("/", WRITE, op.START_RUN)
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
