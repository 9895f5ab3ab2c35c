"""Shapes of the catalog: entities, facets, and the locations they come from.

Fields that a shape does not know are ignored, so that a newer platform stays readable.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from towpath_sdk._wire.errors import Problem
from towpath_sdk._wire.refs import EntityRef

__all__ = (
    "CheckedDocument",
    "Entity",
    "EntityStatus",
    "Facet",
    "HeldEntities",
    "Location",
    "LocationProblem",
    "LocationReport",
    "Relation",
    "StatusItem",
    "ValidationReport",
)


class Relation(msgspec.Struct, frozen=True, rename="camel"):
    """An edge from the entity that has it to another one, named by its canonical reference."""

    type: str
    target_ref: str


class StatusItem(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Something the catalog says about an entity; `level` is `info`, `warning` or `error`."""

    type: str
    level: str
    message: str


class EntityStatus(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the catalog says about an entity; empty when there is nothing to say."""

    items: tuple[StatusItem, ...] = ()


class Entity(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One thing in the catalog, in the Backstage envelope.

    `metadata` and `spec` are free-form; their kind gives them meaning. In answers to calls that
    chose `fields`, what was not chosen is empty.
    """

    api_version: str = ""
    kind: str = ""
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    spec: dict[str, Any] = msgspec.field(default_factory=dict)
    relations: tuple[Relation, ...] = ()
    status: EntityStatus = EntityStatus()

    @property
    def name(self) -> str:
        """The name, in the case it was written in."""
        return str(self.metadata.get("name", ""))

    @property
    def namespace(self) -> str:
        """The namespace; `default` where none was written."""
        return str(self.metadata.get("namespace") or "default")

    @property
    def ref(self) -> EntityRef:
        """The reference to this entity."""
        return EntityRef(self.kind, self.namespace, self.name)

    @property
    def uid(self) -> str:
        """The id of this entity for as long as it exists; a re-created one has another."""
        return str(self.metadata.get("uid", ""))

    @property
    def title(self) -> str:
        """The title for people; the name where none was written."""
        return str(self.metadata.get("title") or self.name)

    def related(self, type: str) -> tuple[str, ...]:
        """Canonical references of what this entity has that relation to, such as `ownedBy`."""
        return tuple(edge.target_ref for edge in self.relations if edge.type == type)


class Facet(msgspec.Struct, frozen=True):
    """A value of a field and how many of the entities that were asked for have it."""

    value: str
    count: int


class Location(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A place that entities are read from, such as `url` and the address of a descriptor."""

    id: str
    type: str
    target: str
    entity_ref: str | None = None


class HeldEntities(msgspec.Struct, frozen=True, rename="camel"):
    """Entities that vanished from a location and stay until somebody confirms, by `digest`."""

    digest: str
    count: int
    entity_refs: tuple[str, ...]


class LocationReport(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What reading a location gave.

    Attributes:
        created: whether the location is new; else it was known and has been read again.
        entity_refs: the entities it holds, readable from now on.
        problems: what could not be taken in, with its place. The good rest was.
        warnings: what was taken in, but is not as it should be: references that lead nowhere.
        held: what vanished from it in numbers that somebody must confirm.
    """

    id: str
    type: str
    target: str
    created: bool
    entity_refs: tuple[str, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()
    held: HeldEntities | None = None


class LocationProblem(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Something in a location that the catalog cannot take in, since when (UTC).

    A `level` of `warning` is about what was taken in all the same; `target` is a reference that
    leads nowhere, where that is the problem. The other fields are those of `Problem`.
    """

    location_id: str
    code: str
    message: str
    at: datetime
    file: str | None = None
    line: int | None = None
    column: int | None = None
    pointer: str | None = None
    entity_ref: str | None = None
    level: str = "error"
    target: str | None = None

    @property
    def problem(self) -> Problem:
        """The problem alone, which formats as `file:line:column: message`."""
        return Problem(**{name: getattr(self, name) for name in Problem.__struct_fields__})


class CheckedDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the catalog says of one document.

    Attributes:
        line: where it begins, counted from 1; None for an entity that was sent as data.
        entity_ref: its reference, where its envelope is good.
        problems: what would keep it out.
        warnings: what would not, such as a reference to nothing that was sent with it.
    """

    file: str
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    line: int | None = None
    entity_ref: str | None = None


class ValidationReport(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What the catalog says of documents, in the order they were sent."""

    valid: bool
    documents: tuple[CheckedDocument, ...]


class LocationItem(msgspec.Struct, frozen=True):
    """The wrapper that the catalog's list of locations puts round each."""

    data: Location
