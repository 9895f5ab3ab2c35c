"""What the catalog's writes take and give, with examples."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from towpath_gateway.catalog.wire import EntityWire, RelationWire
from towpath_gateway.catalog.wire_history import PastEntitiesWire
from towpath_gateway.catalog.wire_writes import (
    AppliedSetWire,
    DeclaredEntityWire,
    DescriptorFileBody,
    EntityBody,
    EntityHolderWire,
    EntityReturnsWire,
    EntitySetBody,
    EntitySetDetailWire,
    EntitySetWire,
    HeldElsewhereWire,
    RemovedEntityWire,
    RemovedSetWire,
)
from towpath_gateway.openapi.operation import IF_MATCH, IF_NONE_MATCH, Given, Operation
from towpath_gateway.wire import Page

__all__ = (
    "APPLY_SET",
    "DECLARED",
    "GET_SET",
    "LIST_PAST_ENTITIES",
    "LIST_SETS",
    "PUT_ENTITY",
    "READ_ENTITY",
    "REMOVE_ENTITY",
    "REMOVE_SET",
    "STORED",
)

_REF = "component:default/payments"
_UID = UUID("019aaf3c-5f0b-7c55-b1c5-0f6ad1d8a3f7")
_TAG = '"0f6ad1d8a3f75d2a-5d2a3c8e9b7f4e1d"'
_FILE = "https://git.example.com/canal/payments/blob/main/catalog-info.yaml"
_ID = "tolls"

_BODY = EntityBody(
    api_version="backstage.io/v1alpha1",
    kind="Component",
    metadata={"name": "payments", "description": "Takes the tolls."},
    spec={"type": "service", "lifecycle": "production", "owner": "group:tolls"},
)
STORED = EntityWire(
    api_version=_BODY.api_version,
    kind=_BODY.kind,
    metadata={
        "name": "payments",
        "description": "Takes the tolls.",
        "namespace": "default",
        "annotations": {
            "backstage.io/managed-by-location": "api:entities",
            "backstage.io/managed-by-origin-location": "api:entities",
        },
        "uid": str(_UID),
        "etag": "5d2a3c8e9b7f4e1d0c6b5a4938271605f4e3d2c1",
    },
    spec=_BODY.spec,
    relations=[RelationWire("ownedBy", "group:default/tolls")],
)
DECLARED = DeclaredEntityWire(_REF, _UID, 1, "added", _TAG, STORED)
_HOLDER = EntityHolderWire(
    "location",
    f"url:{_FILE}",
    UUID("019aaf3c-54c8-7d2e-9c8b-6a1f0b7d2e41"),
    _FILE,
    1,
)
_REMOVED = RemovedEntityWire(
    _REF,
    _UID,
    [
        EntityReturnsWire(
            _HOLDER,
            "when the location is read again",
            f"Take it out of {_FILE}:1, or unregister the location: "
            "towpath catalog rm 019aaf3c-54c8-7d2e-9c8b-6a1f0b7d2e41 "
            "(DELETE /api/catalog/locations/019aaf3c-54c8-7d2e-9c8b-6a1f0b7d2e41).",
        )
    ],
)
_APPLIED = AppliedSetWire(
    id=_ID,
    dry_run=True,
    added=[_REF],
    changed=[],
    unchanged=["api:default/tolls"],
    deleted=["component:default/old-payments"],
    handed=[],
    conflicts=[
        HeldElsewhereWire(
            "component:default/gate", _HOLDER, "Change it in its file and refresh it."
        )
    ],
    guarded=False,
    prune_digest="4f1d0c6b5a493827",
)
_SET = EntitySetWire(_ID, 12, datetime(2026, 11, 23, 9, 30, tzinfo=UTC))
_TAGGED = {"ETag": "Tells this state from others; send it as `If-Match` to write over just it."}

READ_ENTITY = Operation(
    id="readEntity",
    summary="Read an entity, now or as it was",
    gives=(
        Given(type=EntityWire, example=STORED, description="The entity.", headers=_TAGGED),
        Given(status=304, description="It has the tag that `If-None-Match` names."),
    ),
    headers=(IF_NONE_MATCH,),
    errors=(404, 410),
)
LIST_PAST_ENTITIES = Operation(
    id="listPastEntities",
    summary="List entities as they were",
    gives=(
        Given(
            type=PastEntitiesWire,
            example=PastEntitiesWire([STORED], _REF),
            description="A page of entities, with the relations of then.",
        ),
    ),
    errors=(410,),
)
PUT_ENTITY = Operation(
    id="putEntity",
    summary="Put an entity",
    takes=EntityBody,
    request=_BODY,
    gives=(
        Given(
            type=DeclaredEntityWire,
            example=msgspec.structs.replace(DECLARED, revision=2, change="changed"),
            description="It was there; `change` says whether it is another now.",
            headers=_TAGGED,
        ),
        Given(
            status=201,
            type=DeclaredEntityWire,
            example=DECLARED,
            description="It is new.",
            headers=_TAGGED,
        ),
    ),
    headers=(IF_MATCH, IF_NONE_MATCH),
    errors=(409, 412, 502),
)
REMOVE_ENTITY = Operation(
    id="removeEntity",
    summary="Remove an entity, and hear whether it returns",
    gives=(Given(type=RemovedEntityWire, example=_REMOVED, description="It is gone."),),
    headers=(IF_MATCH,),
    errors=(404, 409, 412),
)
APPLY_SET = Operation(
    id="applySet",
    summary="Apply a set of entities",
    takes=EntitySetBody,
    request=EntitySetBody(
        (msgspec.to_builtins(_BODY),),
        (DescriptorFileBody("apis.yaml", "apiVersion: backstage.io/v1alpha1\nkind: API\n..."),),
    ),
    gives=(
        Given(
            type=AppliedSetWire,
            example=_APPLIED,
            description="What was done, or would be.",
        ),
    ),
    errors=(409, 422, 502),
)
LIST_SETS = Operation(
    id="listSets",
    summary="List sets of entities",
    gives=(Given(type=Page[EntitySetWire], example=Page([_SET]), description="A page of sets."),),
)
GET_SET = Operation(
    id="getSet",
    summary="Get a set of entities",
    gives=(
        Given(
            type=EntitySetDetailWire,
            example=EntitySetDetailWire(_ID, 12, _SET.updated_at, [_REF], _REF),
            description="The set, with a page of what it holds.",
        ),
    ),
    errors=(404,),
)
REMOVE_SET = Operation(
    id="removeSet",
    summary="Remove a set of entities",
    gives=(
        Given(
            type=RemovedSetWire,
            example=RemovedSetWire(_ID, [_REF]),
            description="What was removed with it.",
        ),
    ),
    errors=(404, 409),
)
