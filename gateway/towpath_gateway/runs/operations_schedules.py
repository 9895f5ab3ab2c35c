"""What the operations of schedules take and give, with examples."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import msgspec

from towpath_gateway.openapi.operation import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    Given,
    Operation,
)
from towpath_gateway.runs.wire import RunWire
from towpath_gateway.runs.wire_schedules import (
    ScheduleBody,
    ScheduleChangeBody,
    ScheduleTimesWire,
    ScheduleWire,
)
from towpath_gateway.wire import Page

_AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
_NIGHT = datetime(2026, 11, 24, 2, 30, tzinfo=timezone(timedelta(hours=1)))
_TIMES = [_NIGHT + timedelta(days=days) for days in range(3)]
_INPUT = {"folder": "/srv/exports", "days": 30}
_ETAG = {"ETag": "The tag of this state, for `If-Match`."}

_SCHEDULE = ScheduleWire(
    id=UUID("019aaf43-7c51-7f0c-8d7b-1e2a3b4c5d6e"),
    etag="3-9f0c2b7a",
    name="clean-exports",
    kind="clean-folder",
    input=_INPUT,
    cron="30 2 * * mon-fri",
    time_zone="Europe/Amsterdam",
    catch_up="one",
    catch_up_limit=10,
    overlap="skip",
    priority=0,
    paused=False,
    created_by="user:default/ada",
    created_at=_AT,
    updated_at=_AT,
    next=_TIMES,
)
_PAUSED = msgspec.structs.replace(_SCHEDULE, etag="4-1c2d3e4f", paused=True, next=[])
_RUN = RunWire(
    id=UUID("019aaf44-1b2c-7d3e-8f40-5a6b7c8d9e0f"),
    kind="clean-folder",
    title="clean-exports",
    state="queued",
    attempt=0,
    queue="default",
    schedule=_SCHEDULE.id,
    created_by="user:default/ada",
    created_at=_AT,
)

LIST_SCHEDULES = Operation(
    id="listSchedules",
    summary="List schedules",
    gives=(
        Given(
            type=Page[ScheduleWire],
            example=Page([_SCHEDULE], "clean-exports"),
            description="A page of schedules, ordered by name.",
        ),
    ),
)
CREATE_SCHEDULE = Operation(
    id="createSchedule",
    summary="Make a schedule",
    takes=ScheduleBody,
    request=ScheduleBody(
        name="clean-exports",
        kind="clean-folder",
        input=_INPUT,
        cron="30 2 * * mon-fri",
        time_zone="Europe/Amsterdam",
    ),
    gives=(
        Given(
            status=201,
            type=ScheduleWire,
            example=_SCHEDULE,
            description="The schedule; it starts its first run at the first of its next times.",
            headers=_ETAG,
        ),
    ),
    headers=(IDEMPOTENCY_KEY,),
    errors=(404, 409, 422),
)
GET_SCHEDULE = Operation(
    id="getSchedule",
    summary="Get a schedule",
    gives=(
        Given(type=ScheduleWire, example=_SCHEDULE, description="The schedule.", headers=_ETAG),
        Given(status=304, description="It is as `If-None-Match` says."),
    ),
    headers=(IF_NONE_MATCH,),
    errors=(404,),
)
CHANGE_SCHEDULE = Operation(
    id="changeSchedule",
    summary="Change a schedule",
    takes=ScheduleChangeBody,
    request=ScheduleChangeBody(cron="0 4 * * *", overlap="queue"),
    gives=(
        Given(
            type=ScheduleWire,
            example=msgspec.structs.replace(
                _SCHEDULE, etag="4-8a7b6c5d", cron="0 4 * * *", overlap="queue"
            ),
            description="The schedule as it is now.",
            headers=_ETAG,
        ),
    ),
    headers=(IF_MATCH,),
    errors=(404, 409, 412, 422),
)
REMOVE_SCHEDULE = Operation(
    id="removeSchedule",
    summary="Remove a schedule",
    gives=(Given(status=204, description="It is gone; its runs stay."),),
    headers=(IF_MATCH,),
    errors=(404, 412),
)
PAUSE_SCHEDULE = Operation(
    id="pauseSchedule",
    summary="Pause a schedule",
    gives=(
        Given(
            type=ScheduleWire,
            example=_PAUSED,
            description="It starts no runs by itself any more.",
            headers=_ETAG,
        ),
    ),
    headers=(IF_MATCH,),
    errors=(404, 412),
)
RESUME_SCHEDULE = Operation(
    id="resumeSchedule",
    summary="Resume a schedule",
    gives=(
        Given(
            type=ScheduleWire,
            example=_SCHEDULE,
            description="It goes on from now.",
            headers=_ETAG,
        ),
    ),
    headers=(IF_MATCH,),
    errors=(404, 412, 422),
)
RUN_SCHEDULE = Operation(
    id="runSchedule",
    summary="Run a schedule now",
    gives=(Given(status=201, type=RunWire, example=_RUN, description="The run that was started."),),
    headers=(IDEMPOTENCY_KEY,),
    errors=(404, 409, 422),
)
LIST_SCHEDULE_TIMES = Operation(
    id="listScheduleTimes",
    summary="List the next times of a schedule",
    gives=(
        Given(
            type=ScheduleTimesWire,
            example=ScheduleTimesWire(_TIMES),
            description="Times in order; also while it is paused.",
        ),
    ),
    errors=(404,),
)
