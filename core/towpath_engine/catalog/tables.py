"""Tables of the catalog: locations, entities with what they state about others, and their past."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Identity, Index, Integer, UniqueConstraint
from sqlmodel import Field, SQLModel

from towpath_engine.store.columns import identifier, json, table_of, text, time

__all__ = (
    "CONFLICTS",
    "ENTITIES",
    "FILES",
    "LOCATIONS",
    "MARKS",
    "PROBLEMS",
    "REVISIONS",
    "TOMBSTONES",
    "CatalogConflict",
    "CatalogFile",
    "CatalogMark",
    "CatalogProblem",
    "EntityRevision",
    "EntityRow",
    "LocationRow",
    "Tombstone",
)


class LocationRow(SQLModel, table=True):
    """A place that was registered to be read.

    `name` is that of its entity, where it is another than its type and target give. `held` lists
    the uids that vanished from it in numbers too large to be believed; they stay until somebody
    confirms.
    """

    __tablename__ = "locations"
    __table_args__ = (UniqueConstraint("type", "target"),)

    id: UUID = Field(sa_column=identifier(primary=True))
    type: str = Field(sa_column=text())
    target: str = Field(sa_column=text())
    created_by: str = Field(sa_column=text())
    created_at: datetime = Field(sa_column=time())
    read_at: datetime | None = Field(sa_column=time(null=True))
    name: str | None = Field(default=None, sa_column=text(null=True, unique=True))
    held: Any = Field(default=None, sa_column=json(null=True))
    held_at: datetime | None = Field(default=None, sa_column=time(null=True))


class CatalogFile(SQLModel, table=True):
    """A file that a location led to, as it was when it was last taken in.

    `whole` is True where nothing in it was wrong and nothing else was pulled into it: then the
    same etag means the same entities. `stops` are the places its locations lead to.
    """

    __tablename__ = "catalog_files"

    location_id: UUID = Field(sa_column=identifier(primary=True, to="locations.id", cascade=True))
    file: str = Field(sa_column=text(primary=True))
    etag: str = Field(sa_column=text())
    whole: bool = Field(sa_column=Column(Boolean, nullable=False))
    stops: Any = Field(sa_column=json(null=True))


class EntityRow(SQLModel, table=True):
    """An entity as its author wrote it, without what others state about it.

    `body` is the envelope as JSON text, so that its key order is kept. `edges` are the relations it
    states, both directions, as JSON text `[[source, type, target], ...]` in order. `origin` says
    who holds the reference: the first holder keeps it.
    """

    __tablename__ = "entities"
    __table_args__ = (
        Index("entities_location", "location_id"),
        Index("entities_origin", "origin"),
    )

    uid: UUID = Field(sa_column=identifier(primary=True))
    ref: str = Field(sa_column=text(unique=True))
    kind: str = Field(sa_column=text())
    body: str = Field(sa_column=text())
    edges: str = Field(sa_column=text())
    hash: str = Field(sa_column=text())
    revision: int = Field(sa_column=Column(Integer, nullable=False))
    origin: str = Field(sa_column=text())
    file: str | None = Field(sa_column=text(null=True))
    line: int | None = Field(default=None, sa_column=Column(Integer, nullable=True))
    location_id: UUID | None = Field(sa_column=identifier(null=True, to="locations.id"))
    created_at: datetime = Field(sa_column=time())
    updated_at: datetime = Field(sa_column=time())


class EntityRevision(SQLModel, table=True):
    """One change of one entity; the sequence of all of them is the change feed.

    Catalog writes are serialised by an advisory lock, so `seq` is in order of commit and a reader
    that has seen a number has seen all below it. `action` is `put` or `delete`; `reason` says why
    in one word, such as `vanished`, `unregistered`, `restored`.
    """

    __tablename__ = "entity_revisions"
    __table_args__ = (
        Index("entity_revisions_ref", "ref", "seq"),
        Index("entity_revisions_at", "at"),
    )

    seq: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    uid: UUID = Field(sa_column=identifier())
    ref: str = Field(sa_column=text())
    revision: int = Field(sa_column=Column(Integer, nullable=False))
    action: str = Field(sa_column=text())
    body: str | None = Field(sa_column=text(null=True))
    edges: str | None = Field(default=None, sa_column=text(null=True))
    actor: str = Field(sa_column=text())
    source: str = Field(sa_column=text())
    reason: str | None = Field(default=None, sa_column=text(null=True))
    at: datetime = Field(sa_column=time())


class Tombstone(SQLModel, table=True):
    """An entity that was removed, kept whole until `expires_at` so that it can come back."""

    __tablename__ = "catalog_tombstones"
    __table_args__ = (
        Index("catalog_tombstones_ref", "ref"),
        Index("catalog_tombstones_expiry", "expires_at"),
    )

    uid: UUID = Field(sa_column=identifier(primary=True))
    ref: str = Field(sa_column=text())
    kind: str = Field(sa_column=text())
    body: str = Field(sa_column=text())
    edges: str = Field(sa_column=text())
    hash: str = Field(sa_column=text())
    revision: int = Field(sa_column=Column(Integer, nullable=False))
    origin: str = Field(sa_column=text())
    file: str | None = Field(sa_column=text(null=True))
    line: int | None = Field(sa_column=Column(Integer, nullable=True))
    location_id: UUID | None = Field(sa_column=identifier(null=True))
    created_at: datetime = Field(sa_column=time())
    deleted_at: datetime = Field(sa_column=time())
    expires_at: datetime = Field(sa_column=time())
    actor: str = Field(sa_column=text())
    reason: str = Field(sa_column=text())


class CatalogConflict(SQLModel, table=True):
    """A reference that an origin states and another holds; gone when either lets go of it.

    The entity is kept as it was stated, so that it takes the holder's place the moment that one
    lets go.
    """

    __tablename__ = "catalog_conflicts"
    __table_args__ = (Index("catalog_conflicts_location", "location_id"),)

    ref: str = Field(sa_column=text(primary=True))
    origin: str = Field(sa_column=text(primary=True))
    holder: str = Field(sa_column=text())
    location_id: UUID | None = Field(
        sa_column=identifier(null=True, to="locations.id", cascade=True)
    )
    kind: str = Field(sa_column=text())
    body: str = Field(sa_column=text())
    edges: str = Field(sa_column=text())
    hash: str = Field(sa_column=text())
    file: str | None = Field(sa_column=text(null=True))
    line: int | None = Field(sa_column=Column(Integer, nullable=True))
    at: datetime = Field(sa_column=time())


class CatalogMark(SQLModel, table=True):
    """A number that the catalog remembers, by name.

    `pruned` is the sequence number up to which revisions were pruned.
    """

    __tablename__ = "catalog_marks"

    name: str = Field(sa_column=text(primary=True))
    seq: int = Field(sa_column=Column(BigInteger, nullable=False))
    at: datetime = Field(sa_column=time())


class CatalogProblem(SQLModel, table=True):
    """What was wrong when a location was last read, each with its place.

    `level` is `error` for what could not be taken in, `warning` for what was all the same.
    `target` is the reference that leads nowhere, where that is the problem.
    """

    __tablename__ = "catalog_problems"
    __table_args__ = (Index("catalog_problems_location", "location_id"),)

    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    location_id: UUID = Field(sa_column=identifier(to="locations.id", cascade=True))
    level: str = Field(sa_column=text())
    code: str = Field(sa_column=text())
    message: str = Field(sa_column=text())
    file: str | None = Field(sa_column=text(null=True))
    line: int | None = Field(sa_column=Column(Integer, nullable=True))
    column: int | None = Field(sa_column=Column(Integer, nullable=True))
    pointer: str | None = Field(sa_column=text(null=True))
    entity_ref: str | None = Field(sa_column=text(null=True))
    target: str | None = Field(default=None, sa_column=text(null=True))
    at: datetime = Field(sa_column=time())


LOCATIONS = table_of(LocationRow)
ENTITIES = table_of(EntityRow)
FILES = table_of(CatalogFile)
REVISIONS = table_of(EntityRevision)
TOMBSTONES = table_of(Tombstone)
CONFLICTS = table_of(CatalogConflict)
MARKS = table_of(CatalogMark)
PROBLEMS = table_of(CatalogProblem)
