"""Plans and resources as they are kept and shown. Times are UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from towpath_core.provisioning import Change, PlanRequest
from towpath_engine.runs.journal import ErrorInfo

__all__ = (
    "Accepted",
    "Plan",
    "Resource",
    "entity_ref_of",
    "facts_of",
    "origin_of",
    "plan_of",
    "resource_of",
)


class Plan(msgspec.Struct, frozen=True):
    """What would change, bound by its hash."""

    id: UUID
    hash: str
    offering: str
    name: str
    size: str | None
    owner: str
    parameters: dict[str, Any]
    changes: tuple[Change, ...]
    resource_id: UUID
    state: str
    created_at: datetime
    expires_at: datetime

    @property
    def request(self) -> PlanRequest:
        """What it was drawn for."""
        return PlanRequest(
            str(self.resource_id), self.name, self.offering, self.parameters, self.owner
        )

    @property
    def facts(self) -> dict[str, Any]:
        """What policies judge it by."""
        return {
            "name": self.name,
            "parameters": self.parameters,
            "size": self.size,
            "owner": self.owner,
        }


class Resource(msgspec.Struct, frozen=True):
    """A thing that was asked for, and how it stands with it."""

    id: UUID
    name: str
    offering: str
    provisioner: str
    phase: str
    owner: str
    entity_ref: str
    outputs: dict[str, Any]
    parameters: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    run_id: UUID | None
    error: ErrorInfo | None


class Accepted(msgspec.Struct, frozen=True):
    """Work that was taken on: what it is about, and the run that does it."""

    id: UUID
    run_id: UUID


def entity_ref_of(name: str) -> str:
    """The catalog entity that a resource of that name is."""
    return f"resource:default/{name}"


def origin_of(resource_id: UUID) -> str:
    """Who holds the catalog entity of a resource."""
    return f"towpath:resources/{resource_id}"


def plan_of(row: Mapping[Any, Any]) -> Plan:
    """A row of the plans."""
    values = {name: row[name] for name in Plan.__struct_fields__}
    return Plan(**(values | {"changes": msgspec.convert(row["changes"], tuple[Change, ...])}))


def resource_of(row: Mapping[Any, Any]) -> Resource:
    """A row of the resources."""
    values = {name: row[name] for name in Resource.__struct_fields__}
    values["error"] = msgspec.convert(row["error"], ErrorInfo) if row["error"] else None
    return Resource(**values)


def facts_of(row: Mapping[Any, Any]) -> dict[str, Any]:
    """What policies judge a resource by, from its row."""
    return {
        "name": row["name"],
        "parameters": row["parameters"],
        "owner": row["owner"],
        "resource": str(row["id"]),
    }
