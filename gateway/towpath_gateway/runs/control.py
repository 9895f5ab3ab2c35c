"""Routes that stop runs, take them up again, take them back, and tell them something."""

from __future__ import annotations

from litestar import Controller

from towpath_core.identity import Scope
from towpath_gateway.answer import Answer, reply
from towpath_gateway.ask import Ask
from towpath_gateway.routing import get, post
from towpath_gateway.runs import operations_control as op
from towpath_gateway.runs.routes import RunId
from towpath_gateway.runs.wire import RunWire
from towpath_gateway.runs.wire_control import (
    CancelBody,
    ResolveBody,
    RetryBody,
    SignalBody,
    UndoBody,
    UndoListWire,
    UndoWire,
)
from towpath_gateway.wire import read_uuid

__all__ = ("RunControlController",)

READ: Scope = "runs:read"
WRITE: Scope = "runs:write"


class RunControlController(Controller):
    """Runs under somebody's hand: one's own, or all for an administrator."""

    path = "/api/v1/runs"
    tags = ("Runs",)

    @post("/{run_id:str}/cancel", READ, op.CANCEL_RUN)
    async def cancel(self, request: Ask, run_id: RunId) -> Answer:
        """Ask it and its children to stop; one that nobody works at ends at once.

        Repeating it changes nothing, but for `force` and a shorter grace.
        """
        id = read_uuid(run_id, "run")
        how = await request.read_if_any(CancelBody, CancelBody())
        run = await request.platform.control.cancel(
            request.principal,
            id,
            force=how.force,
            grace_seconds=how.grace_seconds,
            reason=how.reason,
        )
        return reply(RunWire.of(run), 202)

    @post("/{run_id:str}/retry", WRITE, op.RETRY_RUN)
    async def retry(self, request: Ask, run_id: RunId) -> Answer:
        """Go on with a run that failed, was cancelled or is unknown, at the step it ended with."""
        id = read_uuid(run_id, "run")
        new = await request.read_if_any(RetryBody, RetryBody())
        run = await request.platform.control.retry(
            request.principal,
            id,
            input=new.input,
            secrets=new.secrets,
            reason=new.reason,
            key=request.key,
        )
        return reply(RunWire.of(run), 202)

    @post("/{run_id:str}/resolve", WRITE, op.RESOLVE_RUN)
    async def resolve(self, request: Ask, run_id: RunId) -> Answer:
        """Record what became of the step of an unknown run, by one who looked; it goes on."""
        id = read_uuid(run_id, "run")
        found = await request.read(ResolveBody)
        run = await request.platform.control.resolve(
            request.principal,
            id,
            happened=found.happened,
            reason=found.reason,
            output=found.output,
            secrets=found.secrets,
        )
        return reply(RunWire.of(run), 202)

    @get("/{run_id:str}/undo", READ, op.LIST_UNDOS)
    async def undos(self, request: Ask, run_id: RunId) -> Answer:
        """What taking the run back would do, the last effect first; nothing is done."""
        id = read_uuid(run_id, "run")
        found = await request.platform.undoing.listing(request.principal, id)
        return reply(UndoListWire([UndoWire.of(undo) for undo in found]))

    @post("/{run_id:str}/undo", WRITE, op.UNDO_RUN)
    async def undo(self, request: Ask, run_id: RunId) -> Answer:
        """Take back what the run did, as a run of its own, the last effect first."""
        id = read_uuid(run_id, "run")
        why = await request.read_if_any(UndoBody, UndoBody())
        platform, asker = request.platform, request.principal
        begun = await platform.undoing.start(asker, id, reason=why.reason, key=request.key)
        return reply(RunWire.of(await platform.runs.get(asker, begun)), 202)

    @post("/{run_id:str}/signals", WRITE, op.SIGNAL_RUN)
    async def signal(self, request: Ask, run_id: RunId) -> Answer:
        """Tell the run something; kept for the step that will wait for it."""
        id = read_uuid(run_id, "run")
        told = await request.read(SignalBody)
        run = await request.platform.control.signal(
            request.principal, id, told.name, told.body, key=request.key
        )
        return reply(RunWire.of(run), 202)
