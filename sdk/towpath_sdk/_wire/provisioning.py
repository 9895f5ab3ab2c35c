"""Shapes of self-service: offerings, plans, resources, bindings and credentials. Times are UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from towpath_sdk._wire.runs import RunError

__all__ = (
    "Binding",
    "BindingRun",
    "Change",
    "Credentials",
    "Offering",
    "Output",
    "Plan",
    "Resource",
    "ResourceRun",
    "Size",
    "UnbindRun",
)


class Size(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A named preset of an offering: the parameters it sets."""

    name: str
    description: str
    parameters: dict[str, Any]


class Output(msgspec.Struct, frozen=True, rename="camel"):
    """A value that a resource shows or a binding hands over."""

    name: str
    description: str
    secret: bool


class Offering(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Something that can be asked for.

    Attributes:
        resource_type: `spec.type` of the catalog entity it becomes.
        provisioner: name of the provisioner behind it.
        parameters: JSON Schema of what may be asked.
        sizes: presets; the first is the default.
        outputs: what a finished resource shows.
        credentials: what a binding hands over.
    """

    name: str
    title: str
    description: str
    resource_type: str
    provisioner: str
    parameters: dict[str, Any]
    sizes: tuple[Size, ...]
    outputs: tuple[Output, ...]
    credentials: tuple[Output, ...]


class Change(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One thing a plan would do; `action` is `create`, `update`, `delete` or `none`."""

    action: str
    target: str
    detail: dict[str, Any]


class Plan(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What would change. `plans.apply` takes the id and the hash of the plan that was looked at.

    Attributes:
        hash: stands for exactly these changes; a plan that went stale is refused.
        resource_id: the id that the resource will have; made now and never reused.
        expires_at: from then on it cannot be applied.
    """

    id: str
    hash: str
    offering: str
    name: str
    owner: str
    parameters: dict[str, Any]
    changes: tuple[Change, ...]
    resource_id: str
    state: str
    created_at: datetime
    expires_at: datetime
    size: str | None = None


class Resource(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One thing that was provisioned.

    Attributes:
        phase: `provisioning`, `active`, `failed`, `deleting` or `deleted`.
        entity_ref: the catalog entity that stands for it.
        outputs: what it shows; never a secret.
        run_id: the run that works or worked on it last.
    """

    id: str
    name: str
    offering: str
    phase: str
    owner: str
    entity_ref: str
    outputs: dict[str, Any]
    parameters: dict[str, Any]
    created_at: datetime
    updated_at: datetime | None = None
    run_id: str | None = None
    error: RunError | None = None


class Binding(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Credentials to a resource, without the credentials; `shown` once they were handed over."""

    id: str
    resource_id: str
    name: str
    state: str
    shown: bool
    created_at: datetime
    run_id: str | None = None


class Credentials(msgspec.Struct, frozen=True):
    """What a binding hands over, once. Its repr names the values and does not show them."""

    values: dict[str, str]

    def __repr__(self) -> str:
        """Name the values without showing them."""
        return f"Credentials({', '.join(sorted(self.values))})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Name the values to pretty printers, which would show them otherwise."""
        return [(name, "***") for name in sorted(self.values)]


class ResourceRun(msgspec.Struct, frozen=True, rename="camel"):
    """A resource that a run has begun to work on."""

    resource_id: str
    run_id: str


class BindingRun(msgspec.Struct, frozen=True, rename="camel"):
    """A binding that a run has begun to make."""

    binding_id: str
    run_id: str


class UnbindRun(msgspec.Struct, frozen=True, rename="camel"):
    """The run that takes a binding's credentials back."""

    run_id: str
