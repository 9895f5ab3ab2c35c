"""What the operations that start, stop, retry, answer and take back runs take and give."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from towpath_gateway.openapi.operation import IDEMPOTENCY_KEY, Given, Operation
from towpath_gateway.runs.operations import FAILED, RUN, WAITING
from towpath_gateway.runs.wire import RunKindWire, RunWire
from towpath_gateway.runs.wire_control import (
    ApproveBody,
    CancelBody,
    RejectBody,
    ResolveBody,
    RetryBody,
    SignalBody,
    StartBody,
    UndoBody,
    UndoListWire,
    UndoWire,
)
from towpath_gateway.wire import Page

_AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)

_KIND = RunKindWire(
    name="rotate-certificates",
    title="Rotate certificates",
    description="Makes new certificates, hands them out, and revokes the old ones.",
    queue="default",
    input_schema={
        "type": "object",
        "required": ["system"],
        "properties": {"system": {"type": "string"}},
    },
)
_STARTED = RunWire(
    id=UUID("019aaf44-2b3c-7d4e-8f5a-6b7c8d9e0f1a"),
    kind="rotate-certificates",
    title="Rotate certificates",
    state="queued",
    attempt=0,
    queue="default",
    created_by="user:default/ada",
    created_at=_AT,
    priority=10,
    concurrency_key="certificates:gate",
    deadline=_AT.replace(hour=11),
    secret_names=["AUTHORITY_TOKEN"],
)
_AGAIN = msgspec.structs.replace(FAILED, state="queued", error=None)
_UNDO_RUN = msgspec.structs.replace(
    _STARTED,
    kind="undo",
    title="Take back: Create from template:default/python-service",
    undoes=RUN.id,
    priority=0,
    concurrency_key=None,
    deadline=None,
    secret_names=None,
)
_ANSWERED = msgspec.structs.replace(WAITING, state="queued", waiting=None)

LIST_RUN_KINDS = Operation(
    id="listRunKinds",
    summary="List kinds of run",
    gives=(
        Given(
            type=Page[RunKindWire],
            example=Page([_KIND]),
            description="The kinds that plugins offer, ordered by name.",
        ),
    ),
)
START_RUN = Operation(
    id="startRun",
    summary="Start a run",
    takes=StartBody,
    request=StartBody(
        "rotate-certificates",
        {"system": "gate"},
        priority=10,
        concurrency_key="certificates:gate",
        deadline_seconds=5400,
        secrets={"AUTHORITY_TOKEN": "a secret"},
    ),
    gives=(
        Given(
            status=201,
            type=RunWire,
            example=_STARTED,
            description="It was accepted, and will be done.",
        ),
    ),
    headers=(IDEMPOTENCY_KEY,),
    errors=(404, 422),
)
CANCEL_RUN = Operation(
    id="cancelRun",
    summary="Cancel a run",
    takes=CancelBody,
    request=CancelBody(grace_seconds=20, reason="The wrong system."),
    optional=True,
    gives=(
        Given(
            status=202,
            type=RunWire,
            example=msgspec.structs.replace(
                RUN,
                state="running",
                cancel_requested=True,
                cancel_by=_AT.replace(second=24),
                finished_at=None,
                output=None,
            ),
            description="The run was asked to stop; following it tells when it has.",
        ),
    ),
    errors=(404, 409),
)
RETRY_RUN = Operation(
    id="retryRun",
    summary="Take up a run again",
    takes=RetryBody,
    request=RetryBody(secrets={"TOKEN": "a secret"}, reason="The server is back."),
    optional=True,
    gives=(
        Given(
            status=202,
            type=RunWire,
            example=_AGAIN,
            description="It goes on with the step that failed; what was done is not done again.",
        ),
    ),
    headers=(IDEMPOTENCY_KEY,),
    errors=(404, 409, 422),
)
RESOLVE_RUN = Operation(
    id="resolveRun",
    summary="Say what became of a step",
    takes=ResolveBody,
    request=ResolveBody(True, "The bucket is there.", {"bucket": "ledger"}),
    gives=(
        Given(
            status=202,
            type=RunWire,
            example=_AGAIN,
            description="It goes on: after the step where it happened, else with it.",
        ),
    ),
    errors=(404, 409),
)
LIST_UNDOS = Operation(
    id="listUndos",
    summary="See what would be taken back",
    gives=(
        Given(
            type=UndoListWire,
            example=UndoListWire(
                [
                    UndoWire(RUN.id, 2, "publish", "delete-repository", "action:publish:git",
                             {"repository": "canal/payments"}, "ready"),
                    UndoWire(RUN.id, 1, "fetch", "drop-branch", "action:fetch:template",
                             {"branch": "new"}, "ready"),
                ]
            ),
            description="In the order in which it would be done; nothing is done.",
        ),
    ),
    errors=(404,),
)  # fmt: skip
UNDO_RUN = Operation(
    id="undoRun",
    summary="Take a run's effects back",
    takes=UndoBody,
    request=UndoBody("The wrong owner."),
    optional=True,
    gives=(
        Given(
            status=202,
            type=RunWire,
            example=_UNDO_RUN,
            description="The run that takes them back, the last one first.",
        ),
    ),
    headers=(IDEMPOTENCY_KEY,),
    errors=(404, 409, 422),
)
APPROVE_RUN = Operation(
    id="approveRun",
    summary="Say yes to a run that asks",
    takes=ApproveBody,
    request=ApproveBody(reason="The window is open."),
    optional=True,
    gives=(Given(type=RunWire, example=_ANSWERED, description="The run, which goes on."),),
    errors=(404, 409),
)
REJECT_RUN = Operation(
    id="rejectRun",
    summary="Say no to a run that asks",
    takes=RejectBody,
    request=RejectBody("Not before the audit."),
    gives=(
        Given(type=RunWire, example=_ANSWERED, description="The run, which is told, and ends."),
    ),
    errors=(404, 409),
)
SIGNAL_RUN = Operation(
    id="signalRun",
    summary="Send a signal to a run",
    takes=SignalBody,
    request=SignalBody("delivered", {"crate": 7}),
    gives=(
        Given(
            status=202,
            type=RunWire,
            example=_ANSWERED,
            description="A step that waits for it has it; else it is kept for one that will.",
        ),
    ),
    headers=(IDEMPOTENCY_KEY,),
    errors=(404, 409, 422),
)
