"""What entities were: revisions with their differences, whole, and brought back."""

from __future__ import annotations

from typing import Annotated

from litestar import Controller
from litestar.params import PathParameter, QueryParameter

from towpath_core.refs import EntityRef
from towpath_engine.catalog.preconditions import whole_tag
from towpath_gateway.answer import Answer, reply
from towpath_gateway.ask import Ask
from towpath_gateway.catalog import operations_history as op
from towpath_gateway.catalog.conditions import condition_of, tag_header
from towpath_gateway.catalog.wire_history import EntityRevisionDetailWire, EntityRevisionWire
from towpath_gateway.catalog.wire_writes import DeclaredEntityWire
from towpath_gateway.parameters import LAST, Cursor, Kind, Name, Namespace
from towpath_gateway.routing import get, post
from towpath_gateway.wire import Page, read_number

__all__ = ("HistoryController",)

Seq = Annotated[
    str, PathParameter(description="`seq` of a revision of this entity.", format="int64")
]
FewerLimit = Annotated[int, QueryParameter(ge=1, le=100, description="How many at the most.")]


class HistoryController(Controller):
    """Revisions of entities, of those that are gone too."""

    path = "/api/v1/catalog/history/{kind:str}/{namespace:str}/{name:str}"
    tags = ("Catalog",)

    @get("", "catalog:read", op.LIST_REVISIONS)
    async def revisions(
        self,
        request: Ask,
        kind: Kind,
        namespace: Namespace,
        name: Name,
        limit: FewerLimit = 50,
        cursor: Cursor = None,
    ) -> Answer:
        """Every change that is kept, newest first: who, when, whence, and what is different."""
        ref = EntityRef(kind, namespace, name)
        before = read_number(cursor) if cursor is not None else None
        found, more = await request.platform.history.revisions(ref, before=before, limit=limit)
        shown = [EntityRevisionWire.of(one) for one in found]
        return reply(Page(shown, str(more) if more is not None else None))

    @get("/{seq:str}", "catalog:read", op.GET_REVISION)
    async def revision(
        self, request: Ask, kind: Kind, namespace: Namespace, name: Name, seq: Seq
    ) -> Answer:
        """One change, with the whole entity as its holder wrote it."""
        ref = EntityRef(kind, namespace, name)
        found = await request.platform.history.revision(ref, _number(seq))
        return reply(EntityRevisionDetailWire.of(found))

    @post("/{seq:str}/restore", "catalog:write", op.RESTORE_REVISION)
    async def restore(
        self, request: Ask, kind: Kind, namespace: Namespace, name: Name, seq: Seq
    ) -> Answer:
        """Make the entity what it was then, as a new revision that passes the checks of today.

        Refused where a location or a set holds it, which would overwrite it. An entity that is
        gone comes back, held by the API; with its uid as long as its tombstone is kept.
        """
        ref = EntityRef(kind, namespace, name)
        platform = request.platform
        condition = condition_of(request)
        declared = await platform.restoring.restore(request.principal, ref, _number(seq), condition)
        entry = platform.index.by_ref(declared.ref)
        tag = whole_tag(declared.content, entry.etag if entry is not None else "")
        wire = DeclaredEntityWire.of(declared, tag, entry.final if entry is not None else None)
        answer = reply(wire, 201 if declared.change == "added" else 200)
        answer.headers += tag_header(tag)[:1]
        return answer


def _number(text: str) -> int:
    return min(read_number(text), LAST)
