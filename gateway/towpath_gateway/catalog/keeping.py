"""Locations with reports: registered, read again, planned, confirmed, removed, looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from litestar import Controller
from litestar.params import PathParameter, QueryParameter

from towpath_engine.catalog.states import LocationState
from towpath_gateway.answer import Answer, reply
from towpath_gateway.ask import Ask
from towpath_gateway.catalog import operations_keeping as op
from towpath_gateway.catalog.operations import REFRESH_LOCATION, REGISTER_LOCATION
from towpath_gateway.catalog.wire import LocationAnswer, RegisterBody, location_type
from towpath_gateway.catalog.wire_keeping import (
    ConfirmBody,
    ConfirmedWire,
    LocationPlanWire,
    LocationStateWire,
    PlanLocationBody,
)
from towpath_gateway.parameters import Cursor, Limit
from towpath_gateway.routing import delete, get, post
from towpath_gateway.wire import Page, read_uuid

__all__ = ("LocationKeepingController",)

LocationId = Annotated[
    str, PathParameter(description="Id of a registered location.", format="uuid")
]


class LocationKeepingController(Controller):
    """Registered locations, with all that is to be decided about them."""

    path = "/api/v1/catalog/locations"
    tags = ("Catalog",)

    @post("/", "catalog:write", REGISTER_LOCATION)
    async def register(self, request: Ask) -> Answer:
        """Take in a location; one that is known is read again. Its entities are readable then."""
        data = await request.read(RegisterBody)
        type = data.type or location_type(data.target)
        report = await request.platform.catalog.register(
            request.principal, type, data.target, again=True
        )
        return reply(LocationAnswer.of(report), 201 if report.created else 200)

    @post("/{location_id:str}/refresh", "catalog:write", REFRESH_LOCATION)
    async def refresh(
        self,
        request: Ask,
        location_id: LocationId,
        full: Annotated[
            bool, QueryParameter(description="Parse files that have not changed, too.")
        ] = False,
    ) -> Answer:
        """Take in what changed."""
        id = read_uuid(location_id, "location")
        report = await request.platform.catalog.refresh(request.principal, id, full=full)
        return reply(LocationAnswer.of(report))

    @get("/", "catalog:read", op.LIST_LOCATION_STATES)
    async def states(self, request: Ask, limit: Limit = 100, cursor: Cursor = None) -> Answer:
        """Locations with what they hold, what is wrong, and what waits for confirmation."""
        after = read_uuid(cursor, "location") if cursor is not None else None
        found = await request.platform.catalog.states.page(after=after, limit=limit + 1)
        sees = await request.sight_of_refs()
        items = [_shown(state, sees) for state in found[:limit]]
        return reply(Page(items, str(found[limit - 1].id) if len(found) > limit else None))

    @get("/{location_id:str}", "catalog:read", op.GET_LOCATION_STATE)
    async def state(self, request: Ask, location_id: LocationId) -> Answer:
        """One location with what it holds, what is wrong, and what waits for confirmation."""
        id = read_uuid(location_id, "location")
        found = await request.platform.catalog.states.get(id)
        return reply(_shown(found, await request.sight_of_refs()))

    @post("/plan", "catalog:write", op.PLAN_LOCATION)
    async def plan(self, request: Ask) -> Answer:
        """Read a location and show what taking it in would do; nothing is written."""
        data = await request.read_query(PlanLocationBody)
        plan = await request.platform.catalog.planner.plan(
            request.principal,
            data.type or location_type(data.target),
            data.target,
            full=data.full,
        )
        return reply(LocationPlanWire.of(plan))

    @post("/{location_id:str}/confirm", "catalog:write", op.CONFIRM_LOCATION)
    async def confirm(self, request: Ask, location_id: LocationId) -> Answer:
        """Remove what vanished from a location and was held back; one says what one has seen."""
        id = read_uuid(location_id, "location")
        data = await request.read(ConfirmBody)
        refs = await request.platform.catalog.confirm(request.principal, id, data.digest)
        return reply(ConfirmedWire(list(refs)))

    @delete("/{location_id:str}", "catalog:write", op.REMOVE_LOCATION)
    async def remove(
        self,
        request: Ask,
        location_id: LocationId,
        dry_run: Annotated[
            bool, QueryParameter(name="dryRun", description="Show what would go; remove nothing.")
        ] = False,
    ) -> Answer:
        """Remove a location with its entities, which can be restored for some days."""
        catalog = request.platform.catalog
        location = await catalog.location(read_uuid(location_id, "location"))
        plan = await catalog.planner.plan_removal(request.principal, location)
        if not dry_run:
            await catalog.unregister(request.principal, location.id)
        return reply(LocationPlanWire.of(plan))


def _shown(state: LocationState, sees: Callable[[str], bool]) -> LocationStateWire:
    refs = state.held.refs if state.held is not None else ()
    return LocationStateWire.of(state, tuple(ref for ref in refs if sees(ref)))
