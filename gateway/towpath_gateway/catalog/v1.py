"""The catalog's part of `/api/v1`: registering with a report, and what is wrong where."""

from __future__ import annotations

from typing import Annotated

from litestar import Controller
from litestar.params import PathParameter, QueryParameter

from towpath_gateway.answer import Answer, reply
from towpath_gateway.ask import Ask
from towpath_gateway.catalog import operations as op
from towpath_gateway.catalog.wire import CatalogProblemWire, LocationAnswer, RegisterBody
from towpath_gateway.parameters import Cursor, Limit
from towpath_gateway.routing import get, post
from towpath_gateway.wire import Page, read_number, read_uuid

__all__ = ("CatalogV1Controller",)


class CatalogV1Controller(Controller):
    """Locations with what reading them found."""

    path = "/api/v1/catalog"
    tags = ("Catalog",)

    @post("/locations", "catalog:write", op.REGISTER_LOCATION)
    async def register(self, request: Ask) -> Answer:
        """Take in a location; one that is known is read again. Its entities are readable then."""
        data = await request.read(RegisterBody)
        type = data.type or ("url" if "://" in data.target.removeprefix("file://") else "file")
        report = await request.platform.catalog.register(
            request.principal, type, data.target, again=True
        )
        return reply(LocationAnswer.of(report), 201 if report.created else 200)

    @post("/locations/{location_id:str}/refresh", "catalog:write", op.REFRESH_LOCATION)
    async def refresh(
        self,
        request: Ask,
        location_id: Annotated[
            str, PathParameter(description="Id of a registered location.", format="uuid")
        ],
    ) -> Answer:
        """Take in what changed."""
        id = read_uuid(location_id, "location")
        report = await request.platform.catalog.refresh(request.principal, id)
        return reply(LocationAnswer.of(report))

    @get("/problems", "catalog:read", op.LIST_PROBLEMS)
    async def problems(
        self,
        request: Ask,
        location: Annotated[
            str | None, QueryParameter(description="Id of a location; default all.", format="uuid")
        ] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Answer:
        """Problems of the last reading of each location, each with its place."""
        found = await request.platform.catalog.problems(
            location_id=read_uuid(location, "location") if location is not None else None,
            after=read_number(cursor),
            limit=limit + 1,
        )
        more = str(found[limit - 1].id) if len(found) > limit else None
        return reply(Page([CatalogProblemWire.stored(one) for one in found[:limit]], more))
