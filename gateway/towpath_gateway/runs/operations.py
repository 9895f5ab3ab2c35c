"""What the operations of runs take and give, with examples."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from towpath_gateway.openapi.operation import LAST_EVENT_ID, Given, Operation
from towpath_gateway.runs.wire import EventWire, FailureWire, RunWire, StepWire
from towpath_gateway.sse import EVENT_STREAM
from towpath_gateway.wire import Page

_AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)

_RUN = RunWire(
    id=UUID("019aaf41-0c4e-7b7a-8a53-2f6f0a9d7c11"),
    kind="scaffold",
    title="Create from template:default/python-service",
    state="succeeded",
    attempt=1,
    created_by="user:default/admin",
    created_at=_AT,
    started_at=_AT.replace(second=1),
    finished_at=_AT.replace(second=4),
    output={"remoteUrl": "https://git.example.com/canal/payments"},
)
_FAILED = RunWire(
    id=UUID("019aaf42-9d8a-7d8f-9f6e-5b0e6c1d2a33"),
    kind="provision",
    title="Provision postgres-database ledger",
    state="failed",
    attempt=1,
    created_by="user:default/admin",
    created_at=_AT,
    error=FailureWire("unavailable", "The server does not answer.", next="Try again."),
)
_STEPS = [StepWire(1, "fetch", "Render the skeleton", "succeeded", 1, output={})]
_EVENTS = [
    EventWire(1, "state", {"state": "queued"}, _AT),
    EventWire(2, "log", {"message": "Beginning step Render the skeleton", "step": "fetch"}, _AT),
]

LIST_RUNS = Operation(
    id="listRuns",
    summary="List runs",
    gives=(
        Given(
            type=Page[RunWire],
            example=Page([_RUN, _FAILED], "WyIyMDI2LTExLTIzVDA5OjMwOjAwWiIsIjAxOWFhZjQxIl0"),
            description="A page of runs, without their steps.",
        ),
    ),
)
GET_RUN = Operation(
    id="getRun",
    summary="Get a run",
    gives=(
        Given(
            type=RunWire,
            example=msgspec.structs.replace(_RUN, steps=_STEPS),
            description="The run, with the steps that were begun.",
        ),
    ),
    errors=(404,),
)
LIST_RUN_EVENTS = Operation(
    id="listRunEvents",
    summary="Get a run's events",
    gives=(
        Given(
            type=Page[EventWire],
            example=Page(_EVENTS),
            description="Events in order; none are there yet where the list is empty.",
        ),
    ),
    errors=(404,),
)
FOLLOW_RUN = Operation(
    id="followRun",
    summary="Follow a run",
    gives=(
        Given(
            type=str,
            example='id: 1\nevent: state\ndata: {"seq":1,"type":"state","body":{"state":"queued"},'
            '"at":"2026-11-23T09:30:00Z"}\n\nevent: done\ndata: {"state":"succeeded"}\n\n',
            description="Server-sent events: the data of each is an `Event`; the id is its "
            "number, the type its type. The last one is `done`, with the state of the run.",
            media_type=EVENT_STREAM,
        ),
    ),
    headers=(LAST_EVENT_ID,),
    errors=(404,),
)
CANCEL_RUN = Operation(
    id="cancelRun",
    summary="Cancel a run",
    gives=(
        Given(
            status=202,
            type=RunWire,
            example=msgspec.structs.replace(
                _RUN, state="running", cancel_requested=True, finished_at=None, output=None
            ),
            description="The run was asked to stop; following it tells when it has.",
        ),
    ),
    errors=(404, 409),
)
