"""What the catalog's past and watching it take and give, with examples."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from towpath_gateway.catalog.operations_writes import DECLARED, STORED
from towpath_gateway.catalog.wire_history import (
    EntityRevisionDetailWire,
    EntityRevisionWire,
    FieldDifferenceWire,
)
from towpath_gateway.catalog.wire_writes import DeclaredEntityWire
from towpath_gateway.openapi.operation import IF_MATCH, LAST_EVENT_ID, Given, Operation
from towpath_gateway.sse import EVENT_STREAM
from towpath_gateway.wire import Page

__all__ = ("GET_REVISION", "LIST_REVISIONS", "RESTORE_REVISION", "WATCH_ENTITIES")

_REVISION = EntityRevisionWire(
    seq=4711,
    entity_ref="component:default/payments",
    uid=UUID("019aaf3c-5f0b-7c55-b1c5-0f6ad1d8a3f7"),
    revision=2,
    change="changed",
    actor="towpath/ada",
    source="api:entities",
    at=datetime(2026, 11, 23, 9, 30, tzinfo=UTC),
    differences=[FieldDifferenceWire("replace", "/spec/lifecycle", "experimental", "production")],
)

LIST_REVISIONS = Operation(
    id="listRevisions",
    summary="List the revisions of an entity",
    gives=(
        Given(
            type=Page[EntityRevisionWire],
            example=Page([_REVISION], "4711"),
            description="A page of changes, newest first.",
        ),
    ),
    errors=(404,),
)
GET_REVISION = Operation(
    id="getRevision",
    summary="Get a revision of an entity",
    gives=(
        Given(
            type=EntityRevisionDetailWire,
            example=EntityRevisionDetailWire(
                **msgspec.structs.asdict(_REVISION),
                entity=msgspec.structs.replace(STORED, relations=[]),
            ),
            description="The change, with the whole entity.",
        ),
    ),
    errors=(404,),
)
RESTORE_REVISION = Operation(
    id="restoreRevision",
    summary="Restore a revision of an entity",
    gives=(
        Given(
            type=DeclaredEntityWire,
            example=msgspec.structs.replace(DECLARED, revision=3, change="changed"),
            description="It is what it was then.",
            headers={"ETag": "Tells this state from others."},
        ),
        Given(
            status=201,
            type=DeclaredEntityWire,
            example=DECLARED,
            description="It was gone, and is back.",
            headers={"ETag": "Tells this state from others."},
        ),
    ),
    headers=(IF_MATCH,),
    errors=(404, 409, 412, 502),
)
WATCH_ENTITIES = Operation(
    id="watchEntities",
    summary="Watch the catalog",
    gives=(
        Given(
            type=str,
            example='id: 4711\nevent: put\ndata: {"seq":4711,"entityRef":"component:default/pay",'
            '"uid":"019aaf3c-5f0b-7c55-b1c5-0f6ad1d8a3f7","actor":"towpath/ada","source":'
            '"api:entities","at":"2026-11-23T09:30:00Z","entity":{"kind":"Component"}}\n\n'
            'id: 4712\nevent: bookmark\ndata: {"seq":4712}\n\n',
            description="Server-sent events. `put` has an entity that is new or another, `delete` "
            "one that is gone or passes the filter no longer, `bookmark` the number up to which "
            "all is told, `resume` comes last to one who reads too slowly. The id is the number "
            "to go on after; entities of the list to begin with have none.",
            media_type=EVENT_STREAM,
        ),
    ),
    headers=(LAST_EVENT_ID,),
    errors=(410,),
)
