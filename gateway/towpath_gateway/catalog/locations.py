"""Locations of `/api/catalog`. Contract: Backstage's catalog."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from litestar import Controller
from litestar.params import PathParameter, QueryParameter

from towpath_core.errors import Invalid, NotFound
from towpath_core.identity import Scope
from towpath_core.refs import EntityRef
from towpath_gateway.answer import Answer, nothing, reply
from towpath_gateway.ask import Ask
from towpath_gateway.catalog import operations as op
from towpath_gateway.catalog.wire import (
    LocationBody,
    LocationInput,
    LocationMade,
    LocationWire,
)
from towpath_gateway.parameters import Kind, Name, Namespace
from towpath_gateway.routing import delete, get, post

__all__ = ("LocationController",)

READ: Scope = "catalog:read"
WRITE: Scope = "catalog:write"

LocationId = Annotated[str, PathParameter(description="Id of a registered location.")]


class LocationController(Controller):
    """Registered locations."""

    path = "/api/catalog/locations"
    tags = ("Catalog",)

    @get("/", READ, op.LIST_LOCATIONS)
    async def locations(self, request: Ask) -> Answer:
        """All registered locations, ordered by id."""
        found = await request.platform.catalog.locations()
        return reply([LocationBody(LocationWire.of(location)) for location in found])

    @post("/", WRITE, op.ADD_LOCATION)
    async def register(
        self,
        request: Ask,
        dry_run: Annotated[
            bool, QueryParameter(name="dryRun", description="Read it, and register nothing.")
        ] = False,
        on_conflict: Annotated[
            Literal["refresh", "reject"],
            QueryParameter(name="onConflict", description="What to do with a known location."),
        ] = "reject",
    ) -> Answer:
        """Register and read a location; its entities are readable when this answers."""
        data = await request.read(LocationInput)
        if data.type != "url":
            raise Invalid(f"Unsupported location type '{data.type[:80]}', allowed are 'url'")
        if dry_run:
            return await self._look(request, data)
        report = await request.platform.catalog.register(
            request.principal, data.type, data.target, again=on_conflict == "refresh"
        )
        return reply(LocationMade(LocationWire.of(report.location), []), 201)

    async def _look(self, request: Ask, data: LocationInput) -> Answer:
        catalog = request.platform.catalog
        reading = await catalog.look(request.principal, data.type, data.target)
        if reading.problems:
            problems = [found.problem for found in reading.problems]
            raise Invalid("; ".join(str(problem) for problem in problems), problems=problems)
        reference = f"{data.type}:{data.target}"
        known = any(one.origin == reference for one in await catalog.locations())
        location = LocationWire(reference, data.type, data.target)
        entities = [draft.entity for draft in reading.drafts.values()]
        return reply(LocationMade(location, entities, known), 201)

    @get("/{location_id:str}", READ, op.GET_LOCATION)
    async def location(self, request: Ask, location_id: LocationId) -> Answer:
        """One location."""
        found = await request.platform.catalog.location(_id(location_id))
        return reply(LocationWire.of(found))

    @delete("/{location_id:str}", WRITE, op.DELETE_LOCATION)
    async def remove(self, request: Ask, location_id: LocationId) -> Answer:
        """Remove it, with the entities read from it."""
        await request.platform.catalog.unregister(request.principal, _id(location_id))
        return nothing()

    @get("/by-entity/{kind:str}/{namespace:str}/{name:str}", READ, op.GET_LOCATION_BY_ENTITY)
    async def by_entity(self, request: Ask, kind: Kind, namespace: Namespace, name: Name) -> Answer:
        """The registered location that an entity was read from."""
        ref = str(EntityRef(kind, namespace, name))
        return reply(LocationWire.of(await request.platform.catalog.location_of(ref)))


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound(f"Found no location with ID {text[:80]}") from error
