"""Sets of entities: applied as a whole, listed, removed."""

from __future__ import annotations

from typing import Annotated

from litestar import Controller
from litestar.params import PathParameter, QueryParameter

from towpath_engine.catalog.applying import SetFile
from towpath_gateway.answer import Answer, reply
from towpath_gateway.ask import Ask
from towpath_gateway.catalog import operations_writes as op
from towpath_gateway.catalog.wire_writes import (
    AppliedSetWire,
    EntitySetBody,
    EntitySetDetailWire,
    EntitySetWire,
    RemovedSetWire,
)
from towpath_gateway.parameters import Cursor, Limit
from towpath_gateway.routing import delete, get, put
from towpath_gateway.wire import Page

__all__ = ("SetController",)

SetId = Annotated[
    str,
    PathParameter(
        description="Id of a set: lower-case letters and digits, with -._ inside, at most 63."
    ),
]


class SetController(Controller):
    """Entities that belong together under an owner id."""

    path = "/api/v1/catalog/sets"
    tags = ("Catalog",)

    @put("/{set_id:str}", "catalog:write", op.APPLY_SET)
    async def apply(
        self,
        request: Ask,
        set_id: SetId,
        dry_run: Annotated[
            bool, QueryParameter(name="dryRun", description="Only say what would change.")
        ] = False,
        prune: Annotated[
            str | None,
            QueryParameter(description="`pruneDigest` of a dry run: just this may vanish."),
        ] = None,
    ) -> Answer:
        """Make the set hold just these entities, all or nothing; readable when this answers.

        What it held and is not listed goes. More than 10 % of it and at least 5, or all of it, go
        only with `prune`.
        """
        data = await request.read(EntitySetBody)
        applied = await request.platform.sets.apply(
            request.principal,
            set_id,
            data.entities,
            [SetFile(file.name, file.text) for file in data.files],
            consent=prune,
            dry=dry_run,
        )
        return reply(AppliedSetWire.of(applied))

    @get("", "catalog:read", op.LIST_SETS)
    async def sets(self, request: Ask, limit: Limit = 100, cursor: Cursor = None) -> Answer:
        """All sets that hold entities, by id."""
        found = await request.platform.sets.list(after=cursor or "", limit=limit + 1)
        more = found[limit - 1].id if len(found) > limit else None
        return reply(Page([EntitySetWire.of(one) for one in found[:limit]], more))

    @get("/{set_id:str}", "catalog:read", op.GET_SET)
    async def one(
        self, request: Ask, set_id: SetId, limit: Limit = 100, cursor: Cursor = None
    ) -> Answer:
        """One set, with a page of the references that it holds."""
        sets = request.platform.sets
        found = await sets.get(set_id)
        refs = await sets.refs(set_id, after=cursor or "", limit=limit + 1)
        more = refs[limit - 1] if len(refs) > limit else None
        sees = await request.sight_of_refs()
        seen = [ref for ref in refs[:limit] if sees(ref)]
        shown = EntitySetDetailWire(found.id, found.entities, found.updated_at, seen, more)
        return reply(shown)

    @delete("/{set_id:str}", "catalog:write", op.REMOVE_SET)
    async def remove(self, request: Ask, set_id: SetId) -> Answer:
        """Remove a set with all that it holds, and say what that was."""
        refs = await request.platform.sets.remove(request.principal, set_id)
        return reply(RemovedSetWire(set_id, list(refs)))
