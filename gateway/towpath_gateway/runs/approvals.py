"""Routes that answer runs which ask for a yes."""

from __future__ import annotations

from litestar import Controller

from towpath_core.identity import Scope
from towpath_gateway.answer import Answer, reply
from towpath_gateway.ask import Ask
from towpath_gateway.routing import post
from towpath_gateway.runs import operations_control as op
from towpath_gateway.runs.routes import RunId
from towpath_gateway.runs.wire import RunWire
from towpath_gateway.runs.wire_control import ApproveBody, RejectBody
from towpath_gateway.wire import read_uuid

__all__ = ("RunApprovalController",)

WRITE: Scope = "runs:write"


class RunApprovalController(Controller):
    """Answers of those who are named, and of administrators; never of who started the run."""

    path = "/api/v1/runs"
    tags = ("Runs",)

    @post("/{run_id:str}/approve", WRITE, op.APPROVE_RUN)
    async def approve(self, request: Ask, run_id: RunId) -> Answer:
        """Say yes. The same answer again changes nothing; another one is 409."""
        id = read_uuid(run_id, "run")
        said = await request.read_if_any(ApproveBody, ApproveBody())
        run = await request.platform.approvals.approve(
            request.principal, id, step=said.step, reason=said.reason
        )
        return reply(RunWire.of(run))

    @post("/{run_id:str}/reject", WRITE, op.REJECT_RUN)
    async def reject(self, request: Ask, run_id: RunId) -> Answer:
        """Say no, with the reason, which the run is told."""
        id = read_uuid(run_id, "run")
        said = await request.read(RejectBody)
        run = await request.platform.approvals.reject(
            request.principal, id, step=said.step, reason=said.reason
        )
        return reply(RunWire.of(run))
