"""Provisioning types: offerings that can be asked for, and the provisioners behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from towpath_core.runs import StepTools

__all__ = (
    "Applied",
    "Bindable",
    "Change",
    "Credentials",
    "Offering",
    "Output",
    "PlanRequest",
    "Provisioner",
    "ResourceHandle",
    "Size",
)


class Size(msgspec.Struct, frozen=True):
    """A named preset of an offering: parameters it sets, which the asker cannot change."""

    name: str
    description: str
    parameters: dict[str, Any] = msgspec.field(default_factory=dict)


class Output(msgspec.Struct, frozen=True):
    """A value a resource or a binding hands over; a secret one is sealed and shown once."""

    name: str
    description: str
    secret: bool = False


class Offering(msgspec.Struct, frozen=True):
    """Something that can be asked for.

    Attributes:
        name: lower-case kebab-case, unique among all plugins: `postgres-database`.
        resource_type: `spec.type` of the catalog entity it becomes: `database`.
        provisioner: name of the provisioner behind it.
        parameters: JSON Schema of what the asker may say; unknown parameters are refused.
        sizes: presets; the first is the default. Empty where there is one size only.
        outputs: what a finished resource shows. None of them may be secret.
        credentials: what a binding hands over.
    """

    name: str
    title: str
    description: str
    resource_type: str
    provisioner: str
    parameters: dict[str, Any]
    sizes: tuple[Size, ...] = ()
    outputs: tuple[Output, ...] = ()
    credentials: tuple[Output, ...] = ()


class PlanRequest(msgspec.Struct, frozen=True):
    """What a plan is asked for. `parameters` are checked and hold the size's presets already."""

    resource_id: str
    name: str
    offering: str
    parameters: dict[str, Any]
    owner_ref: str


class Change(msgspec.Struct, frozen=True):
    """One thing that would be done.

    Attributes:
        action: what is done to it.
        target: what it is done to, in the backend's words: `database shop_3f9a`.
        detail: attributes that matter to who approves it. Never a secret.
    """

    action: Literal["create", "update", "delete", "none"]
    target: str
    detail: dict[str, Any] = msgspec.field(default_factory=dict)


class Applied(msgspec.Struct, frozen=True):
    """What an apply made.

    Attributes:
        outputs: values for people and the catalog; a declared name each, never a secret.
        state: what the provisioner needs to find the thing again; sealed at rest, JSON.
    """

    outputs: dict[str, Any] = msgspec.field(default_factory=dict)
    state: dict[str, Any] = msgspec.field(default_factory=dict)


class ResourceHandle(msgspec.Struct, frozen=True):
    """A resource as a provisioner sees it: its never-reused id, its request, its last state."""

    resource_id: str
    name: str
    offering: str
    parameters: dict[str, Any]
    owner_ref: str
    state: dict[str, Any] = msgspec.field(default_factory=dict)


class Credentials(msgspec.Struct, frozen=True):
    """What a binding hands over: values of the offering's declared credentials.

    `state` is what `unbind` needs; sealed at rest as the values are.
    """

    values: dict[str, str]
    state: dict[str, Any] = msgspec.field(default_factory=dict)

    def __repr__(self) -> str:
        """Name the values without showing them."""
        return f"Credentials({', '.join(sorted(self.values))})"


@runtime_checkable
class Provisioner(Protocol):
    """A backend that makes, reads and removes resources.

    Methods are called in threads, each with a deadline. `apply` and `delete` must be idempotent
    for one `resource_id`: the platform repeats them after a crash. It is told before the first
    call and never used for another resource, so a provisioner derives names from it.

    Every method may raise:
        Invalid: the request cannot be met as it is; nothing was changed.
        Unavailable: the backend does not answer; the platform tries again.
        StepFailed: it cannot be done.
        Cancelled: the run was asked to stop; raised by `tools.check()`.

    Attributes:
        name: lower-case kebab-case, unique among all plugins.
    """

    name: str

    def plan(self, request: PlanRequest) -> Sequence[Change]:
        """Say what `apply` would do, without doing it. Equal state gives equal changes."""
        ...

    def apply(self, request: PlanRequest, tools: StepTools) -> Applied:
        """Make the resource so, or finish what an earlier attempt began."""
        ...

    def read(self, resource: ResourceHandle) -> Applied | None:
        """What is there now, or None where nothing is. Changes nothing."""
        ...

    def delete(self, resource: ResourceHandle, tools: StepTools) -> None:
        """Remove the resource and all its bindings; a missing one is success."""
        ...


@runtime_checkable
class Bindable(Protocol):
    """The power to hand out credentials, beside `Provisioner`."""

    def bind(self, resource: ResourceHandle, binding_id: str, tools: StepTools) -> Credentials:
        """Make credentials of their own for one binding.

        Idempotent for one `binding_id` in effect; a repeat may make new secret values that
        replace the old ones.
        """
        ...

    def unbind(
        self, resource: ResourceHandle, binding_id: str, state: dict[str, Any], tools: StepTools
    ) -> None:
        """Take the credentials back; missing ones are success."""
        ...
