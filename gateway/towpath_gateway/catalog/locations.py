"""Locations of `/api/catalog`. Contract: Backstage's catalog."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from litestar import Controller
from litestar.params import PathParameter, QueryParameter

from towpath_core.errors import Invalid, NotFound
from towpath_core.identity import Scope
from towpath_core.refs import EntityRef
from towpath_engine.catalog.locations import Location
from towpath_gateway.answer import Answer, nothing, reply
from towpath_gateway.ask import Ask
from towpath_gateway.catalog import operations as op
from towpath_gateway.catalog import operations_contract as contract
from towpath_gateway.catalog.location_marks import MAX_LOCATIONS, LocationMark, LocationMarks
from towpath_gateway.catalog.wire import (
    LocationBody,
    LocationInput,
    LocationMade,
    LocationWire,
)
from towpath_gateway.catalog.wire_contract import (
    LocationPageWire,
    LocationQueryBody,
    LocationSpec,
    NextPage,
)
from towpath_gateway.parameters import Kind, Name, Namespace
from towpath_gateway.routing import delete, get, post, put

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
        found = await request.platform.catalog.registrations.all()
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
        _check_type(data.type)
        if dry_run:
            return await self._look(request, data)
        report = await request.platform.catalog.register(
            request.principal, data.type, data.target, again=on_conflict == "refresh"
        )
        return reply(LocationMade(LocationWire.of(report.location), []), 201)

    async def _look(self, request: Ask, data: LocationInput) -> Answer:
        catalog = request.platform.catalog
        reading = await catalog.look(request.principal, data.type, data.target)
        problems = [found.problem for found in reading.problems]
        if data.presence == "optional" and not reading.files:
            problems = [problem for problem in problems if problem.code != "not-found"]
        if problems:
            raise Invalid("; ".join(str(problem) for problem in problems), problems=problems)
        tried = Location(UUID(int=0), data.type, data.target)
        known = await catalog.registrations.find(data.type, data.target)
        location = LocationWire(tried.origin, data.type, data.target, (known or tried).entity_ref)
        entities = [tried.draft, *reading.drafts.values()]
        return reply(LocationMade(location, [d.entity for d in entities], known is not None), 201)

    @post("/by-query", READ, contract.QUERY_LOCATIONS)
    async def by_query(self, request: Ask) -> Answer:
        """Locations that a predicate over id, type, target and entityRef holds for, by id."""
        data = await request.read_query(LocationQueryBody, LocationQueryBody())
        marks = LocationMarks(request.platform.sealer.derive("catalog.locations"))
        mark = LocationMark(min(data.limit, MAX_LOCATIONS), data.query)
        if data.cursor is not None:
            mark = marks.read(data.cursor, request.principal)
        page = await request.platform.catalog.registrations.page(
            mark.query, limit=mark.limit, after=mark.after_id
        )
        cursor = None
        if page.more:
            following = LocationMark(mark.limit, mark.query, page.items[-1].id)
            cursor = marks.write(following, request.principal)
        items = [LocationWire.of(location) for location in page.items]
        return reply(LocationPageWire(items, page.total, NextPage(cursor)))

    @get("/{location_id:str}", READ, op.GET_LOCATION)
    async def location(self, request: Ask, location_id: LocationId) -> Answer:
        """One location."""
        found = await request.platform.catalog.registrations.location(_id(location_id))
        return reply(LocationWire.of(found))

    @put("/{location_id:str}", WRITE, contract.CHANGE_LOCATION)
    async def change(self, request: Ask, location_id: LocationId) -> Answer:
        """Read it from somewhere else; what is there is readable when this answers."""
        known = _id(location_id)
        data = await request.read(LocationSpec)
        _check_type(data.type)
        report = await request.platform.catalog.registrations.change(
            request.principal, known, data.type, data.target
        )
        return reply(LocationWire.of(report.location))

    @delete("/{location_id:str}", WRITE, op.DELETE_LOCATION)
    async def remove(self, request: Ask, location_id: LocationId) -> Answer:
        """Remove it, with the entities read from it."""
        await request.platform.catalog.unregister(request.principal, _id(location_id))
        return nothing()

    @get("/by-entity/{kind:str}/{namespace:str}/{name:str}", READ, op.GET_LOCATION_BY_ENTITY)
    async def by_entity(self, request: Ask, kind: Kind, namespace: Namespace, name: Name) -> Answer:
        """The registered location that an entity was read from."""
        ref = str(EntityRef(kind, namespace, name))
        found = await request.platform.catalog.registrations.of_entity(ref)
        return reply(LocationWire.of(found))


def _check_type(type: str) -> None:
    if type != "url":
        raise Invalid(f"Unsupported location type '{type[:80]}', allowed are 'url'")


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound(f"Found no location with ID {text[:80]}") from error
