"""Why the catalog is as it is: explanations, conflicts, and what was removed."""

from __future__ import annotations

import base64
from typing import Annotated

import msgspec
from litestar import Controller
from litestar.params import PathParameter, QueryParameter

from towpath_core.errors import Invalid
from towpath_core.refs import EntityRef, parse_ref
from towpath_engine.catalog.conflicts import Conflicting
from towpath_gateway.answer import Answer, reply
from towpath_gateway.ask import Ask
from towpath_gateway.catalog import operations_keeping as op
from towpath_gateway.catalog.wire_keeping import (
    ConflictWire,
    ExplanationWire,
    RestoredWire,
    TombstoneWire,
)
from towpath_gateway.parameters import Cursor, Kind, Limit, Name, Namespace
from towpath_gateway.routing import get, post
from towpath_gateway.wire import Page, page_mark, read_mark, read_uuid

__all__ = ("ReasonController",)

Ref = Annotated[
    str | None, QueryParameter(description="Reference of an entity; default all of them.")
]


class ReasonController(Controller):
    """What became of entities."""

    path = "/api/v1/catalog"
    tags = ("Catalog",)

    @get("/explain/{kind:str}/{namespace:str}/{name:str}", "catalog:read", op.EXPLAIN_ENTITY)
    async def explain(self, request: Ask, kind: Kind, namespace: Namespace, name: Name) -> Answer:
        """Every stage of an entity, and in one sentence why it is there or is not."""
        ref = str(EntityRef(kind, namespace, name))
        visible = await request.visible()
        found = await request.platform.catalog.explainer.explain(ref, visible)
        return reply(ExplanationWire.of(found))

    @get("/conflicts", "catalog:read", op.LIST_CONFLICTS)
    async def conflicts(
        self,
        request: Ask,
        location: Annotated[
            str | None,
            QueryParameter(description="Id of a location on either side.", format="uuid"),
        ] = None,
        ref: Ref = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Answer:
        """References that one source holds and another states too; the first holder keeps it."""
        found = await request.platform.catalog.conflicts.page(
            location_id=read_uuid(location, "location") if location is not None else None,
            ref=_canonical(ref),
            after=_read_pair(cursor),
            limit=limit + 1,
        )
        last = _pair(found[limit - 1]) if len(found) > limit else None
        sees = await request.sight_of_refs()
        shown = [ConflictWire.of(one) for one in found[:limit] if sees(one.ref)]
        return reply(Page(shown, last))

    @get("/tombstones", "catalog:write", op.LIST_TOMBSTONES)
    async def tombstones(
        self, request: Ask, ref: Ref = None, limit: Limit = 100, cursor: Cursor = None
    ) -> Answer:
        """What was removed and can still be restored, the last removed first."""
        found = await request.platform.catalog.tombstones.page(
            ref=_canonical(ref), before=read_mark(cursor), limit=limit + 1
        )
        last = found[limit - 1] if len(found) > limit else None
        mark = page_mark(last.deleted_at, last.uid) if last is not None else None
        sees = await request.sight_of_refs()
        return reply(Page([TombstoneWire.of(one) for one in found[:limit] if sees(one.ref)], mark))

    @post("/tombstones/{uid:str}/restore", "catalog:write", op.RESTORE_TOMBSTONE)
    async def restore(
        self,
        request: Ask,
        uid: Annotated[str, PathParameter(description="Uid of a removed entity.", format="uuid")],
    ) -> Answer:
        """Bring an entity back with its uid and its history; it is readable then."""
        id = read_uuid(uid, "removed entity")
        ref = await request.platform.catalog.tombstones.restore(request.principal, id)
        return reply(RestoredWire(ref, id))


def _canonical(ref: str | None) -> str | None:
    return None if ref is None else str(parse_ref(ref, default_kind="component"))


def _pair(conflict: Conflicting) -> str:
    plain = msgspec.json.encode([conflict.ref, conflict.origin])
    return base64.urlsafe_b64encode(plain).decode().rstrip("=")


def _read_pair(cursor: str | None) -> tuple[str, str]:
    if cursor is None:
        return "", ""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        plain = base64.b64decode(padded, altchars=b"-_", validate=True)
        ref, origin = msgspec.json.decode(plain, type=tuple[str, str])
    except (ValueError, msgspec.MsgspecError) as error:
        raise Invalid("Malformed cursor.", next="Start from the first page.") from error
    if "\0" in ref + origin:
        raise Invalid("Malformed cursor.", next="Start from the first page.")
    return ref, origin
