"""What the operations of runs take and give, with examples."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from towpath_gateway.openapi.operation import LAST_EVENT_ID, Given, Operation
from towpath_gateway.runs.wire import EventWire, FailureWire, RunWire, StepWire, WaitWire
from towpath_gateway.sse import EVENT_STREAM
from towpath_gateway.wire import Page

_AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)

RUN = RunWire(
    id=UUID("019aaf41-0c4e-7b7a-8a53-2f6f0a9d7c11"),
    kind="scaffold",
    title="Create from template:default/python-service",
    state="succeeded",
    attempt=1,
    queue="scaffold",
    created_by="user:default/admin",
    created_at=_AT,
    started_at=_AT.replace(second=1),
    finished_at=_AT.replace(second=4),
    output={"remoteUrl": "https://git.example.com/canal/payments"},
)
FAILED = RunWire(
    id=UUID("019aaf42-9d8a-7d8f-9f6e-5b0e6c1d2a33"),
    kind="provision",
    title="Provision postgres-database ledger",
    state="failed",
    attempt=1,
    queue="provision",
    priority=10,
    concurrency_key="resource:019aaf40-7d2b-7c1e-9a44-3b1c9d5e6f70",
    secret_names=["TOKEN"],
    created_by="user:default/admin",
    created_at=_AT,
    error=FailureWire("unavailable", "The server does not answer.", next="Try again."),
)
WAITING = RunWire(
    id=UUID("019aaf43-1f2e-7a90-b3c4-8d7e6f5a4b3c"),
    kind="rotate-certificates",
    title="Rotate the certificates of the gate",
    state="waiting",
    attempt=1,
    queue="default",
    created_by="user:default/ada",
    created_at=_AT,
    started_at=_AT.replace(second=1),
    waiting=[
        WaitWire(
            step="approval:go",
            type="approval",
            name="go",
            question="May the old certificates be revoked?",
            approvers=["group:default/security"],
            until=_AT.replace(day=24),
        )
    ],
)
_STEPS = [
    StepWire(
        1,
        "fetch",
        "Render the skeleton",
        "succeeded",
        1,
        "workspace",
        output={},
        started_at=_AT.replace(second=1),
        finished_at=_AT.replace(second=2),
    )
]
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
            example=Page([RUN, FAILED, WAITING], "kV2mX3l0aGlzIGlzIG9wYXF1ZQ"),
            description="A page of runs, without their input and steps.",
        ),
    ),
)
GET_RUN = Operation(
    id="getRun",
    summary="Get a run",
    gives=(
        Given(
            type=RunWire,
            example=msgspec.structs.replace(
                RUN, input={"parameters": {"name": "payments"}}, steps=_STEPS
            ),
            description="The run, with its input and the steps that were begun.",
        ),
    ),
    errors=(404,),
)
LIST_RUN_STEPS = Operation(
    id="listRunSteps",
    summary="Get a run's steps",
    gives=(
        Given(
            type=Page[StepWire],
            example=Page(_STEPS),
            description="The steps that were begun, in order.",
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
GET_RUN_LOG = Operation(
    id="getRunLog",
    summary="Get a run's log as text",
    gives=(
        Given(
            type=str,
            example="2026-11-23T09:30:01.120Z info fetch: Beginning step Render the skeleton\n"
            "2026-11-23T09:30:04.007Z info run: succeeded\n",
            description="Lines of the form `<time> <level> <step>: <message>`; the step of what "
            "is said of the whole run is `run`.",
            media_type="text/plain",
            headers={"Towpath-Last-Event": "The `after` of the lines that come later."},
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
