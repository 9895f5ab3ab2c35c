"""Routes of provisioning."""

from __future__ import annotations

from typing import Annotated

from litestar import Controller
from litestar.params import PathParameter

from towpath_core.errors import Invalid
from towpath_core.identity import Scope
from towpath_gateway.answer import Answer, reply
from towpath_gateway.ask import Ask
from towpath_gateway.parameters import Cursor, Limit
from towpath_gateway.provisioning import operations as op
from towpath_gateway.provisioning.wire import (
    AcceptedBinding,
    AcceptedResource,
    ApplyBody,
    BindBody,
    BindingWire,
    CredentialsWire,
    OfferingWire,
    PlanBody,
    PlanWire,
    ResourceWire,
)
from towpath_gateway.routing import delete, get, post
from towpath_gateway.wire import Page, page_mark, page_of, read_mark, read_uuid

__all__ = ("BindingController", "OfferingController", "PlanController", "ResourceController")

READ: Scope = "provision:read"
WRITE: Scope = "provision:write"

PlanId = Annotated[str, PathParameter(description="Id of a plan.", format="uuid")]
ResourceId = Annotated[str, PathParameter(description="Id of a resource.", format="uuid")]
BindingId = Annotated[str, PathParameter(description="Id of a binding.", format="uuid")]


class OfferingController(Controller):
    """What can be asked for."""

    path = "/api/v1/offerings"
    tags = ("Provisioning",)

    @get("/", READ, op.LIST_OFFERINGS)
    async def offerings(self, request: Ask, limit: Limit = 1000, cursor: Cursor = None) -> Answer:
        """All offerings, ordered by name."""
        found = request.platform.provisioning.offerings()
        return reply(page_of([OfferingWire.of(one) for one in found], limit, cursor))

    @get("/{name:str}", READ, op.GET_OFFERING)
    async def offering(
        self,
        request: Ask,
        name: Annotated[str, PathParameter(description="Name of an offering.")],
    ) -> Answer:
        """One offering, with the schema of its parameters."""
        return reply(OfferingWire.of(request.platform.provisioning.offering(name)))


class PlanController(Controller):
    """What would change."""

    path = "/api/v1/plans"
    tags = ("Provisioning",)

    @post("/", WRITE, op.CREATE_PLAN)
    async def create(self, request: Ask) -> Answer:
        """What it would take, without doing it; good for an hour."""
        data = await request.read(PlanBody)
        plan = await request.platform.provisioning.plan(
            request.principal,
            data.offering,
            data.name,
            data.parameters,
            size=data.size,
            owner=data.owner,
            key=request.key,
        )
        return reply(PlanWire.of(plan), 201)

    @get("/{plan_id:str}", READ, op.GET_PLAN)
    async def plan(self, request: Ask, plan_id: PlanId) -> Answer:
        """One plan."""
        id = read_uuid(plan_id, "plan")
        found = await request.platform.provisioning.get_plan(request.principal, id)
        return reply(PlanWire.of(found))

    @post("/{plan_id:str}/apply", WRITE, op.APPLY_PLAN)
    async def apply(self, request: Ask, plan_id: PlanId) -> Answer:
        """Have exactly that plan done; 409 `plan-stale` when it would do something else by now."""
        id = read_uuid(plan_id, "plan")
        data = await request.read(ApplyBody)
        accepted = await request.platform.provisioning.apply(
            request.principal, id, data.hash, key=request.key
        )
        return reply(AcceptedResource(accepted.id, accepted.run_id), 202)


class ResourceController(Controller):
    """Things that were asked for."""

    path = "/api/v1/resources"
    tags = ("Provisioning",)

    @get("/", READ, op.LIST_RESOURCES)
    async def resources(self, request: Ask, limit: Limit = 50, cursor: Cursor = None) -> Answer:
        """Those of the asker and its groups that are not deleted, newest first."""
        found = await request.platform.provisioning.resources(
            request.principal, limit=limit + 1, before=read_mark(cursor)
        )
        last = found[limit - 1] if len(found) > limit else None
        more = page_mark(last.created_at, last.id) if last is not None else None
        return reply(Page([ResourceWire.of(one) for one in found[:limit]], more))

    @get("/{resource_id:str}", READ, op.GET_RESOURCE)
    async def resource(self, request: Ask, resource_id: ResourceId) -> Answer:
        """One resource, also a deleted one."""
        id = read_uuid(resource_id, "resource")
        found = await request.platform.provisioning.resource(request.principal, id)
        return reply(ResourceWire.of(found))

    @delete("/{resource_id:str}", WRITE, op.DELETE_RESOURCE)
    async def remove(self, request: Ask, resource_id: ResourceId) -> Answer:
        """Have it removed, with its bindings."""
        id = read_uuid(resource_id, "resource")
        accepted = await request.platform.provisioning.delete(
            request.principal, id, key=request.key
        )
        return reply(AcceptedResource(accepted.id, accepted.run_id), 202)

    @post("/{resource_id:str}/bindings", WRITE, op.CREATE_BINDING)
    async def bind(self, request: Ask, resource_id: ResourceId) -> Answer:
        """Have credentials of their own made."""
        id = read_uuid(resource_id, "resource")
        data = await request.read(BindBody)
        if not 0 < len(data.name.strip()) <= 100 or not data.name.isprintable():
            raise Invalid("A binding needs a name of 1 to 100 printable characters.")
        accepted = await request.platform.bindings.create(
            request.principal, id, data.name, key=request.key
        )
        return reply(AcceptedBinding(accepted.id, accepted.run_id), 202)

    @get("/{resource_id:str}/bindings", READ, op.LIST_BINDINGS)
    async def bindings(
        self, request: Ask, resource_id: ResourceId, limit: Limit = 1000, cursor: Cursor = None
    ) -> Answer:
        """Oldest first, without credentials."""
        id = read_uuid(resource_id, "resource")
        found = await request.platform.bindings.list(request.principal, id)
        return reply(page_of([BindingWire.of(one) for one in found], limit, cursor))


class BindingController(Controller):
    """Credentials."""

    path = "/api/v1/bindings"
    tags = ("Provisioning",)

    @post("/{binding_id:str}/credentials", WRITE, op.REVEAL_CREDENTIALS)
    async def reveal(self, request: Ask, binding_id: BindingId) -> Answer:
        """The credentials, this once; 410 afterwards. A lost answer is given again for its key."""
        id = read_uuid(binding_id, "binding")
        values = await request.platform.bindings.reveal(request.principal, id, key=request.key)
        return reply(CredentialsWire(values))

    @delete("/{binding_id:str}", WRITE, op.DELETE_BINDING)
    async def remove(self, request: Ask, binding_id: BindingId) -> Answer:
        """Have them revoked at the backend."""
        id = read_uuid(binding_id, "binding")
        accepted = await request.platform.bindings.delete(request.principal, id, key=request.key)
        return reply(AcceptedBinding(accepted.id, accepted.run_id), 202)
