"""Bodies of the API of provisioning."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from towpath_core.provisioning import Offering
from towpath_engine.provisioning.bindings import Binding
from towpath_engine.provisioning.service import Plan, Resource
from towpath_gateway.runs.wire import FailureWire
from towpath_gateway.wire import StrictBody, Wire

__all__ = (
    "AcceptedBinding",
    "AcceptedResource",
    "ApplyBody",
    "BindBody",
    "BindingWire",
    "ChangeWire",
    "CredentialsWire",
    "OfferingWire",
    "OutputWire",
    "PlanBody",
    "PlanWire",
    "ResourceWire",
    "SizeWire",
)


Phase = Literal["provisioning", "active", "failed", "deleting", "deleted"]
BindingState = Literal["pending", "active", "failed", "revoking", "revoked"]
PlanState = Literal["open", "applied"]
ChangeAction = Literal["create", "update", "delete", "none"]


class PlanBody(StrictBody, frozen=True):
    """What a plan is asked for."""

    offering: str
    name: str
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)
    size: str | None = None
    owner: str | None = None


class ApplyBody(StrictBody, frozen=True):
    """The hash of the plan that is to be applied."""

    hash: str


class BindBody(StrictBody, frozen=True):
    """A name to tell the binding by."""

    name: str = "default"


class SizeWire(Wire, frozen=True):
    """A preset of an offering."""

    name: str
    description: str
    parameters: dict[str, Any]


class OutputWire(Wire, frozen=True):
    """A value that is handed over."""

    name: str
    description: str
    secret: bool


class OfferingWire(Wire, frozen=True):
    """Something that can be asked for."""

    name: str
    title: str
    description: str
    resource_type: str
    provisioner: str
    parameters: dict[str, Any]
    sizes: list[SizeWire]
    outputs: list[OutputWire]
    credentials: list[OutputWire]

    @classmethod
    def of(cls, offering: Offering) -> OfferingWire:
        """Show an offering."""
        return cls(
            offering.name,
            offering.title,
            offering.description,
            offering.resource_type,
            offering.provisioner,
            offering.parameters,
            [SizeWire(size.name, size.description, size.parameters) for size in offering.sizes],
            [OutputWire(o.name, o.description, o.secret) for o in offering.outputs],
            [OutputWire(o.name, o.description, o.secret) for o in offering.credentials],
        )


class ChangeWire(Wire, frozen=True):
    """One thing that would be done."""

    action: ChangeAction
    target: str
    detail: dict[str, Any]


class PlanWire(Wire, frozen=True):
    """What would change, bound by its hash."""

    id: UUID
    hash: str
    offering: str
    name: str
    owner: str
    parameters: dict[str, Any]
    changes: list[ChangeWire]
    resource_id: UUID
    state: PlanState
    created_at: datetime
    expires_at: datetime
    size: str | None = None

    @classmethod
    def of(cls, plan: Plan) -> PlanWire:
        """Show a plan."""
        values = {name: getattr(plan, name) for name in cls.__struct_fields__}
        changes = [ChangeWire(c.action, c.target, c.detail) for c in plan.changes]
        return cls(**(values | {"changes": changes}))


class ResourceWire(Wire, frozen=True):
    """A thing that was asked for."""

    id: UUID
    name: str
    offering: str
    phase: Phase
    owner: str
    entity_ref: str
    outputs: dict[str, Any]
    parameters: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    run_id: UUID | None = None
    error: FailureWire | None = None

    @classmethod
    def of(cls, resource: Resource) -> ResourceWire:
        """Show a resource."""
        values = {name: getattr(resource, name) for name in cls.__struct_fields__}
        return cls(**(values | {"error": FailureWire.of(resource.error)}))


class BindingWire(Wire, frozen=True):
    """Credentials, without the credentials."""

    id: UUID
    resource_id: UUID
    name: str
    state: BindingState
    shown: bool
    created_at: datetime
    run_id: UUID | None = None

    @classmethod
    def of(cls, binding: Binding) -> BindingWire:
        """Show a binding."""
        return cls(**{name: getattr(binding, name) for name in cls.__struct_fields__})


class AcceptedResource(Wire, frozen=True):
    """Work on a resource that was taken on."""

    resource_id: UUID
    run_id: UUID


class AcceptedBinding(Wire, frozen=True):
    """Work on a binding that was taken on."""

    binding_id: UUID
    run_id: UUID


class CredentialsWire(Wire, frozen=True):
    """Credentials, shown this once."""

    values: dict[str, str]

    def __repr__(self) -> str:
        """Name the values without showing them."""
        return f"CredentialsWire({', '.join(sorted(self.values))})"
