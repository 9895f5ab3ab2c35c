"""Entities under `/api/v1`: read with a tag or as of a time, put, and removed."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Controller
from litestar.params import QueryParameter

from towpath_core.errors import NotFound
from towpath_core.refs import EntityRef
from towpath_engine.catalog.preconditions import entity_tag, whole_tag
from towpath_engine.clock import now
from towpath_gateway.answer import Answer, reply
from towpath_gateway.ask import Ask
from towpath_gateway.catalog import operations_writes as op
from towpath_gateway.catalog.conditions import condition_of, has_seen, not_modified, tag_header
from towpath_gateway.catalog.wire import EntityWire
from towpath_gateway.catalog.wire_history import PastEntitiesWire
from towpath_gateway.catalog.wire_writes import DeclaredEntityWire, RemovedEntityWire
from towpath_gateway.parameters import Cursor, Kind, Limit, Name, Namespace
from towpath_gateway.routing import delete, get, put
from towpath_gateway.wire import read_time

__all__ = ("DeclaredController",)

AsOf = Annotated[
    str | None,
    QueryParameter(
        name="as_of",
        format="date-time",
        description="As it was at this time (RFC 3339); default now.",
    ),
]


class DeclaredController(Controller):
    """Entities that are written one by one, and what they were."""

    path = "/api/v1/catalog/entities"
    tags = ("Catalog",)

    @get("/{kind:str}/{namespace:str}/{name:str}", "catalog:read", op.READ_ENTITY)
    async def read(
        self, request: Ask, kind: Kind, namespace: Namespace, name: Name, as_of: AsOf = None
    ) -> Answer:
        """One entity with its `ETag`, now or as it was; 304 for one who has it already."""
        ref = EntityRef(kind, namespace, name)
        if as_of is not None:
            past = await request.platform.past.entity(ref, read_time(as_of))
            final, tag = past.final, past.tag
        else:
            entry = request.platform.index.by_ref(str(ref))
            if entry is None:
                raise NotFound(f"There is no entity {str(ref)[:200]}.")
            final, tag = entry.final, entity_tag(entry.final, entry.etag)
        if has_seen(request, tag):
            return not_modified(tag)
        return Answer(final, headers=tag_header(tag))

    @get("", "catalog:read", op.LIST_PAST_ENTITIES)
    async def past(
        self,
        request: Ask,
        as_of: AsOf = None,
        kind: Annotated[str | None, QueryParameter(description="Only of this kind.")] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Answer:
        """Entities as they were at a time, with the relations of then, ordered by reference."""
        at = read_time(as_of) if as_of is not None else now()
        found = await request.platform.past.list(at, kind=kind, after=cursor or "", limit=limit + 1)
        sees = await request.sight_of_refs()
        shown = [
            msgspec.json.decode(one.final, type=EntityWire)
            for one in found[:limit]
            if sees(one.ref)
        ]
        return reply(PastEntitiesWire(shown, found[limit - 1].ref if len(found) > limit else None))

    @put("/{kind:str}/{namespace:str}/{name:str}", "catalog:write", op.PUT_ENTITY)
    async def put(self, request: Ask, kind: Kind, namespace: Namespace, name: Name) -> Answer:
        """Make the catalog hold this entity, as a whole; it is readable when this answers.

        The same content again changes nothing. Without `If-Match` the last writer wins; what was
        there before is in the history.
        """
        condition = condition_of(request)
        value = await request.read(object)
        platform = request.platform
        ref = EntityRef(kind, namespace, name)
        declared = await platform.declarations.put(request.principal, ref, value, condition)
        entry = platform.index.by_ref(declared.ref)
        tag = whole_tag(declared.content, entry.etag if entry is not None else "")
        final = entry.final if entry is not None else None
        answer = reply(
            DeclaredEntityWire.of(declared, tag, final), 201 if declared.change == "added" else 200
        )
        answer.headers += tag_header(tag)[:1]
        return answer

    @delete("/{kind:str}/{namespace:str}/{name:str}", "catalog:write", op.REMOVE_ENTITY)
    async def remove(self, request: Ask, kind: Kind, namespace: Namespace, name: Name) -> Answer:
        """Remove it, and say who would bring it back: a location or set that declares it still."""
        ref = EntityRef(kind, namespace, name)
        declarations = request.platform.declarations
        removed = await declarations.remove(request.principal, ref, condition_of(request))
        return reply(RemovedEntityWire.of(removed))
