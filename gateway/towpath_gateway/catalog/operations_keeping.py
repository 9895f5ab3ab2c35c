"""What the operations on plans, held deletions, tombstones, conflicts and reasons take and give."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from towpath_gateway.catalog.wire import HeldWire
from towpath_gateway.catalog.wire_history import FieldDifferenceWire
from towpath_gateway.catalog.wire_keeping import (
    ConfirmBody,
    ConfirmedWire,
    ConflictWire,
    ExplanationWire,
    LocationPlanWire,
    LocationStateWire,
    PlanLocationBody,
    PlannedChangeWire,
    PlannedConflictWire,
    PlannedEntityWire,
    RestoredWire,
    StageWire,
    TombstoneWire,
)
from towpath_gateway.openapi.operation import Given, Operation
from towpath_gateway.wire import Page

_ID = UUID("019aaf3c-54c8-7d2e-9c8b-6a1f0b7d2e41")
_UID = UUID("019aaf3c-5f0b-7c55-b1c5-0f6ad1d8a3f7")
_URL = "https://git.example.com/canal/payments/blob/main/catalog-info.yaml"
_ORIGIN = f"url:{_URL}"
_AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
_DIGEST = "3f786850e387550f"
_REF = "component:default/payments"
_STATE = LocationStateWire(
    id=_ID,
    type="url",
    target=_URL,
    created_by="towpath/ada",
    created_at=_AT,
    read_at=_AT,
    entities=61,
    errors=1,
    warnings=2,
    conflicts=0,
    held=HeldWire(_DIGEST, 7, [_REF]),
    held_at=_AT,
)
_FIELD = FieldDifferenceWire("replace", "/spec/lifecycle", "beta", "production")
_PLAN = LocationPlanWire(
    type="url",
    target=_URL,
    location_id=_ID,
    adds=[PlannedEntityWire("component:default/tolls", _URL, 1)],
    changes=[
        PlannedChangeWire(
            _REF,
            [_FIELD],
            _URL,
            14,
        )
    ],
    deletes=[PlannedEntityWire("component:default/locks", _URL, 27)],
    held=[],
    handed=[],
    conflicts=[PlannedConflictWire("group:default/tolls", "url:https://git.example.com/org.yaml")],
    unchanged=58,
    problems=[],
)
_TOMBSTONE = TombstoneWire(
    uid=_UID,
    ref=_REF,
    origin=_ORIGIN,
    reason="vanished",
    actor="towpath/ada",
    deleted_at=_AT,
    expires_at=datetime(2026, 11, 30, 9, 30, tzinfo=UTC),
    location_id=_ID,
    file=_URL,
    line=14,
)
_CONFLICT = ConflictWire(
    ref=_REF,
    origin="url:https://git.example.com/canal/copy/catalog-info.yaml",
    since=_AT,
    holder=_ORIGIN,
    holder_location_id=_ID,
    holder_file=_URL,
    holder_line=14,
)
_EXPLANATION = ExplanationWire(
    ref=_REF,
    state="there",
    summary=f"It is in the catalog, in revision 3, as {_URL}:14 states it.",
    uid=_UID,
    stages=[
        StageWire("registered", "ok", f"{_ORIGIN} was registered by towpath/ada.", _AT),
        StageWire("parsed", "ok", "Its document was parsed.", _AT, _URL, 14, _ID),
    ],
    named_by=[],
    dangling=["group:default/tolls"],
    nearest=[],
)

LIST_LOCATION_STATES = Operation(
    id="listLocationStates",
    summary="List locations as they stand",
    gives=(
        Given(
            type=Page[LocationStateWire],
            example=Page([_STATE], str(_ID)),
            description="A page of locations, ordered by id.",
        ),
    ),
)
GET_LOCATION_STATE = Operation(
    id="getLocationState",
    summary="Get a location as it stands",
    gives=(Given(type=LocationStateWire, example=_STATE, description="The location."),),
    errors=(404,),
)
PLAN_LOCATION = Operation(
    id="planLocation",
    summary="Show what registering or reading again would do",
    takes=PlanLocationBody,
    request=PlanLocationBody(_URL, "url"),
    gives=(Given(type=LocationPlanWire, example=_PLAN, description="The plan."),),
    errors=(502, 503),
)
REMOVE_LOCATION = Operation(
    id="removeLocation",
    summary="Remove a location, or show what would go with it",
    gives=(
        Given(
            type=LocationPlanWire,
            example=_PLAN,
            description="What went with it and what passed to others; with `dryRun`, what would.",
        ),
    ),
    errors=(404,),
)
CONFIRM_LOCATION = Operation(
    id="confirmLocation",
    summary="Confirm that held entities are gone",
    takes=ConfirmBody,
    request=ConfirmBody(_DIGEST),
    gives=(
        Given(
            type=ConfirmedWire,
            example=ConfirmedWire([_REF]),
            description="What was removed by it.",
        ),
    ),
    errors=(404, 409),
)
LIST_TOMBSTONES = Operation(
    id="listTombstones",
    summary="List what was removed and can be restored",
    gives=(
        Given(
            type=Page[TombstoneWire],
            example=Page([_TOMBSTONE], "WyIyMDI2LTExLTIzIl0"),
            description="A page of tombstones, the last removed first.",
        ),
    ),
)
RESTORE_TOMBSTONE = Operation(
    id="restoreTombstone",
    summary="Restore a removed entity",
    gives=(
        Given(
            type=RestoredWire,
            example=RestoredWire(_REF, _UID),
            description="The entity is there again, with its uid and its history.",
        ),
    ),
    errors=(404, 409),
)
LIST_CONFLICTS = Operation(
    id="listConflicts",
    summary="List references that two sources state",
    gives=(
        Given(
            type=Page[ConflictWire],
            example=Page([_CONFLICT], "WyJjb21wb25lbnQiXQ"),
            description="A page of conflicts, ordered by reference.",
        ),
    ),
)
EXPLAIN_ENTITY = Operation(
    id="explainEntity",
    summary="Explain why an entity is there, or is not",
    gives=(
        Given(
            type=ExplanationWire,
            example=_EXPLANATION,
            description="The answer, also for a reference that nobody ever stated.",
        ),
    ),
)
