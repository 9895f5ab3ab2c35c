"""What is wrong with descriptors, and where."""

from __future__ import annotations

from typing import Annotated, Literal

from litestar import Controller
from litestar.params import QueryParameter

from towpath_gateway.answer import Answer, reply
from towpath_gateway.ask import Ask
from towpath_gateway.catalog import operations as op
from towpath_gateway.catalog.wire import (
    CatalogProblemWire,
)
from towpath_gateway.parameters import Cursor, Limit
from towpath_gateway.routing import get
from towpath_gateway.wire import Page, read_number, read_uuid

__all__ = ("CatalogV1Controller",)


class CatalogV1Controller(Controller):
    """What reading locations found."""

    path = "/api/v1/catalog"
    tags = ("Catalog",)

    @get("/problems", "catalog:read", op.LIST_PROBLEMS)
    async def problems(
        self,
        request: Ask,
        location: Annotated[
            str | None, QueryParameter(description="Id of a location; default all.", format="uuid")
        ] = None,
        level: Annotated[
            Literal["error", "warning"] | None,
            QueryParameter(description="Only errors, or only warnings."),
        ] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Answer:
        """Problems of the last reading of each location, each with its place."""
        found = await request.platform.catalog.problems(
            location_id=read_uuid(location, "location") if location is not None else None,
            level=level,
            after=read_number(cursor),
            limit=limit + 1,
        )
        more = str(found[limit - 1].id) if len(found) > limit else None
        sees = await request.sight_of_refs()
        shown = [one for one in found[:limit] if one.entity_ref is None or sees(one.entity_ref)]
        return reply(Page([CatalogProblemWire.stored(one) for one in shown], more))
