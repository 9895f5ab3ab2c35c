"""What the operations of provisioning take and give, with examples."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from towpath_gateway.openapi.operation import IDEMPOTENCY_KEY, Given, Operation
from towpath_gateway.provisioning.wire import (
    AcceptedBinding,
    AcceptedResource,
    ApplyBody,
    BindBody,
    BindingWire,
    ChangeWire,
    CredentialsWire,
    OfferingWire,
    OutputWire,
    PlanBody,
    PlanWire,
    ResourceWire,
    SizeWire,
)
from towpath_gateway.wire import Page

_AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
_RESOURCE_ID = UUID("019aaf45-1f0e-7a63-8a11-7d2f3e9b0c55")
_BINDING_ID = UUID("019aaf47-7a2b-7f0c-b3f4-1c9d8e7f6a55")
_RUN_ID = UUID("019aaf46-3b7d-7e21-94d2-0a1b2c3d4e5f")
_HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_CURSOR = "WyIyMDI2LTExLTIzVDA5OjMwOjAwWiIsIjAxOWFhZjQ1Il0"
_KEY = (IDEMPOTENCY_KEY,)

_OFFERING = OfferingWire(
    name="postgres-database",
    title="PostgreSQL database",
    description="A database of its own on a shared server.",
    resource_type="database",
    provisioner="postgres",
    parameters={
        "type": "object",
        "additionalProperties": False,
        "properties": {"connection_limit": {"type": "integer", "minimum": 1, "maximum": 500}},
    },
    sizes=[SizeWire("small", "For development.", {"connection_limit": 20})],
    outputs=[OutputWire("host", "Where it listens.", False)],
    credentials=[OutputWire("uri", "Everything in one.", True)],
)
_PLAN = PlanWire(
    id=UUID("019aaf44-6d1c-7c8e-9a70-4e5f6a7b8c9d"),
    hash=_HASH,
    offering="postgres-database",
    name="ledger",
    owner="group:default/tolls",
    parameters={"connection_limit": 20},
    changes=[ChangeWire("create", "database ledger_3f9a", {"connection_limit": 20})],
    resource_id=_RESOURCE_ID,
    state="open",
    created_at=_AT,
    expires_at=_AT + timedelta(hours=1),
    size="small",
)
_RESOURCE = ResourceWire(
    id=_RESOURCE_ID,
    name="ledger",
    offering="postgres-database",
    phase="active",
    owner="group:default/tolls",
    entity_ref="resource:default/ledger",
    outputs={"host": "db.example.com"},
    parameters={"connection_limit": 20},
    created_at=_AT,
    updated_at=_AT + timedelta(seconds=2),
    run_id=_RUN_ID,
)
_BINDING = BindingWire(_BINDING_ID, _RESOURCE_ID, "payments", "active", False, _AT, _RUN_ID)
_CREDENTIALS = CredentialsWire({"uri": "postgresql://ledger_app:...@db.example.com/ledger_3f9a"})

_TAKEN_RESOURCE = Given(
    status=202,
    type=AcceptedResource,
    example=AcceptedResource(_RESOURCE_ID, _RUN_ID),
    description="It was taken on; the run does it.",
)
_TAKEN_BINDING = Given(
    status=202,
    type=AcceptedBinding,
    example=AcceptedBinding(_BINDING_ID, _RUN_ID),
    description="It was taken on; the run does it.",
)

LIST_OFFERINGS = Operation(
    id="listOfferings",
    summary="List offerings",
    gives=(
        Given(
            type=Page[OfferingWire],
            example=Page([_OFFERING]),
            description="All offerings, ordered by name.",
        ),
    ),
)
GET_OFFERING = Operation(
    id="getOffering",
    summary="Get an offering",
    gives=(Given(type=OfferingWire, example=_OFFERING, description="The offering."),),
    errors=(404,),
)
CREATE_PLAN = Operation(
    id="createPlan",
    summary="Plan a resource",
    takes=PlanBody,
    request=PlanBody("postgres-database", "ledger", {}, "small", "group:default/tolls"),
    gives=(
        Given(
            status=201,
            type=PlanWire,
            example=_PLAN,
            description="The plan. Nothing was done yet.",
        ),
    ),
    headers=_KEY,
    errors=(404, 409, 422, 502, 503),
)
GET_PLAN = Operation(
    id="getPlan",
    summary="Get a plan",
    gives=(Given(type=PlanWire, example=_PLAN, description="The plan."),),
    errors=(404,),
)
APPLY_PLAN = Operation(
    id="applyPlan",
    summary="Apply a plan",
    takes=ApplyBody,
    request=ApplyBody(_HASH),
    gives=(_TAKEN_RESOURCE,),
    headers=_KEY,
    errors=(404, 409, 422, 502, 503),
)
LIST_RESOURCES = Operation(
    id="listResources",
    summary="List resources",
    gives=(
        Given(
            type=Page[ResourceWire],
            example=Page([_RESOURCE], _CURSOR),
            description="A page of resources.",
        ),
    ),
)
GET_RESOURCE = Operation(
    id="getResource",
    summary="Get a resource",
    gives=(Given(type=ResourceWire, example=_RESOURCE, description="The resource."),),
    errors=(404,),
)
DELETE_RESOURCE = Operation(
    id="deleteResource",
    summary="Delete a resource",
    gives=(_TAKEN_RESOURCE,),
    headers=_KEY,
    errors=(404, 409, 422),
)
CREATE_BINDING = Operation(
    id="createBinding",
    summary="Bind a resource",
    takes=BindBody,
    request=BindBody("payments"),
    gives=(_TAKEN_BINDING,),
    headers=_KEY,
    errors=(404, 409, 422),
)
LIST_BINDINGS = Operation(
    id="listBindings",
    summary="List a resource's bindings",
    gives=(
        Given(
            type=Page[BindingWire],
            example=Page([_BINDING]),
            description="The bindings of the resource, oldest first.",
        ),
    ),
    errors=(404,),
)
REVEAL_CREDENTIALS = Operation(
    id="revealCredentials",
    summary="Show credentials once",
    gives=(
        Given(
            type=CredentialsWire,
            example=_CREDENTIALS,
            description="The credentials. Only the key of this request gets them again.",
        ),
    ),
    headers=_KEY,
    errors=(404, 409, 410, 422),
)
DELETE_BINDING = Operation(
    id="deleteBinding",
    summary="Take credentials back",
    gives=(_TAKEN_BINDING,),
    headers=_KEY,
    errors=(404, 409, 422),
)
