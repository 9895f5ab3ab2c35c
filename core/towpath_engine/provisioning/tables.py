"""Tables of provisioning: plans, resources and bindings."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Column, Index
from sqlmodel import Field, SQLModel

from towpath_engine.store.columns import data, identifier, json, table_of, text, time

__all__ = ("BINDINGS", "PLANS", "RESOURCES", "BindingRow", "PlanRow", "ResourceRow")


class PlanRow(SQLModel, table=True):
    """What would change: immutable but for `state`. `hash` is over everything that matters."""

    __tablename__ = "plans"

    id: UUID = Field(sa_column=identifier(primary=True))
    hash: str = Field(sa_column=text())
    offering: str = Field(sa_column=text())
    name: str = Field(sa_column=text())
    size: str | None = Field(sa_column=text(null=True))
    owner: str = Field(sa_column=text())
    parameters: Any = Field(sa_column=json())
    changes: Any = Field(sa_column=json())
    resource_id: UUID = Field(sa_column=identifier())
    state: str = Field(sa_column=text())
    created_by: str = Field(sa_column=text())
    created_at: datetime = Field(sa_column=time())
    expires_at: datetime = Field(sa_column=time())


class ResourceRow(SQLModel, table=True):
    """One thing that was asked for. Its id is made before the backend hears of it."""

    __tablename__ = "resources"
    __table_args__ = (
        Index("resources_owner", "owner"),
        # One living resource a name: two people asking at once must not share a catalog entity.
        Index(
            "resources_living_name",
            "entity_ref",
            unique=True,
            postgresql_where="phase <> 'deleted'",
        ),
    )

    id: UUID = Field(sa_column=identifier(primary=True))
    offering: str = Field(sa_column=text())
    provisioner: str = Field(sa_column=text())
    name: str = Field(sa_column=text())
    owner: str = Field(sa_column=text())
    entity_ref: str = Field(sa_column=text())
    parameters: Any = Field(sa_column=json())
    phase: str = Field(sa_column=text())
    outputs: Any = Field(sa_column=json())
    state: bytes | None = Field(default=None, sa_column=data(null=True))
    error: Any = Field(default=None, sa_column=json(null=True))
    plan_id: UUID = Field(sa_column=identifier(to="plans.id"))
    run_id: UUID | None = Field(default=None, sa_column=identifier(null=True))
    created_by: str = Field(sa_column=text())
    created_at: datetime = Field(sa_column=time())
    updated_at: datetime = Field(sa_column=time())


class BindingRow(SQLModel, table=True):
    """Credentials to a resource. `sealed` is wiped when they were shown or taken back."""

    __tablename__ = "bindings"
    __table_args__ = (Index("bindings_resource", "resource_id"),)

    id: UUID = Field(sa_column=identifier(primary=True))
    resource_id: UUID = Field(sa_column=identifier(to="resources.id"))
    name: str = Field(sa_column=text())
    state: str = Field(sa_column=text())
    sealed: bytes | None = Field(default=None, sa_column=data(null=True))
    unbind_state: bytes | None = Field(default=None, sa_column=data(null=True))
    shown: bool = Field(sa_column=Column(Boolean, nullable=False))
    run_id: UUID | None = Field(default=None, sa_column=identifier(null=True))
    created_by: str = Field(sa_column=text())
    created_at: datetime = Field(sa_column=time())


PLANS = table_of(PlanRow)
RESOURCES = table_of(ResourceRow)
BINDINGS = table_of(BindingRow)
