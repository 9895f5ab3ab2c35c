"""Tables of the catalog: locations, entities, what they state about others, and their past."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, UniqueConstraint
from sqlmodel import Field, SQLModel

from towpath_engine.store.columns import identifier, table_of, text, time

__all__ = (
    "ENTITIES",
    "LOCATIONS",
    "PROBLEMS",
    "RELATIONS",
    "REVISIONS",
    "CatalogProblem",
    "EntityRevision",
    "EntityRow",
    "LocationRow",
    "RelationRow",
)


class LocationRow(SQLModel, table=True):
    """A place that was registered to be read."""

    __tablename__ = "locations"
    __table_args__ = (UniqueConstraint("type", "target"),)

    id: UUID = Field(sa_column=identifier(primary=True))
    type: str = Field(sa_column=text())
    target: str = Field(sa_column=text())
    created_by: str = Field(sa_column=text())
    created_at: datetime = Field(sa_column=time())
    read_at: datetime | None = Field(sa_column=time(null=True))


class EntityRow(SQLModel, table=True):
    """An entity as its author wrote it, without what others state about it.

    `body` is the envelope as JSON text, so that its key order is kept. `origin` says who holds the
    reference: the first holder keeps it.
    """

    __tablename__ = "entities"
    __table_args__ = (Index("entities_location", "location_id"), Index("entities_kind", "kind"))

    uid: UUID = Field(sa_column=identifier(primary=True))
    ref: str = Field(sa_column=text(unique=True))
    kind: str = Field(sa_column=text())
    body: str = Field(sa_column=text())
    hash: str = Field(sa_column=text())
    revision: int = Field(sa_column=Column(Integer, nullable=False))
    origin: str = Field(sa_column=text())
    file: str | None = Field(sa_column=text(null=True))
    location_id: UUID | None = Field(sa_column=identifier(null=True, to="locations.id"))
    created_at: datetime = Field(sa_column=time())
    updated_at: datetime = Field(sa_column=time())


class RelationRow(SQLModel, table=True):
    """An edge, kept with the entity that states it."""

    __tablename__ = "relations"

    origin_uid: UUID = Field(sa_column=identifier(primary=True, to="entities.uid", cascade=True))
    source: str = Field(sa_column=text(primary=True))
    type: str = Field(sa_column=text(primary=True))
    target: str = Field(sa_column=text(primary=True))


class EntityRevision(SQLModel, table=True):
    """One change of one entity; the sequence of all of them is the change feed.

    Catalog writes are serialised by an advisory lock, so `seq` is in order of commit and a reader
    that has seen a number has seen all below it.
    """

    __tablename__ = "entity_revisions"
    __table_args__ = (Index("entity_revisions_ref", "ref"),)

    seq: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    uid: UUID = Field(sa_column=identifier())
    ref: str = Field(sa_column=text())
    revision: int = Field(sa_column=Column(Integer, nullable=False))
    action: str = Field(sa_column=text())
    body: str | None = Field(sa_column=text(null=True))
    actor: str = Field(sa_column=text())
    source: str = Field(sa_column=text())
    at: datetime = Field(sa_column=time())


class CatalogProblem(SQLModel, table=True):
    """What was wrong when a location was last read, each with its place."""

    __tablename__ = "catalog_problems"
    __table_args__ = (Index("catalog_problems_location", "location_id"),)

    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    location_id: UUID = Field(sa_column=identifier(to="locations.id", cascade=True))
    code: str = Field(sa_column=text())
    message: str = Field(sa_column=text())
    file: str | None = Field(sa_column=text(null=True))
    line: int | None = Field(sa_column=Column(Integer, nullable=True))
    column: int | None = Field(sa_column=Column(Integer, nullable=True))
    pointer: str | None = Field(sa_column=text(null=True))
    entity_ref: str | None = Field(sa_column=text(null=True))
    at: datetime = Field(sa_column=time())


LOCATIONS = table_of(LocationRow)
ENTITIES = table_of(EntityRow)
RELATIONS = table_of(RelationRow)
REVISIONS = table_of(EntityRevision)
PROBLEMS = table_of(CatalogProblem)
