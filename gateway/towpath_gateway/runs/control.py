"""Routes that stop runs and take them up again."""

from __future__ import annotations

from litestar import Controller

from towpath_core.identity import Scope
from towpath_gateway.answer import Answer, reply
from towpath_gateway.ask import Ask
from towpath_gateway.routing import post
from towpath_gateway.runs import operations_control as op
from towpath_gateway.runs.routes import RunId
from towpath_gateway.runs.wire import RunWire
from towpath_gateway.runs.wire_control import CancelBody
from towpath_gateway.wire import read_uuid

__all__ = ("RunControlController",)

READ: Scope = "runs:read"


class RunControlController(Controller):
    """Runs under somebody's hand."""

    path = "/api/v1/runs"
    tags = ("Runs",)

    @post("/{run_id:str}/cancel", READ, op.CANCEL_RUN)
    async def cancel(self, request: Ask, run_id: RunId) -> Answer:
        """Ask it to stop; one that waits ends at once. Repeating it changes nothing."""
        id = read_uuid(run_id, "run")
        await request.read_if_any(CancelBody, CancelBody())
        return reply(RunWire.of(await request.platform.runs.cancel(request.principal, id)), 202)
