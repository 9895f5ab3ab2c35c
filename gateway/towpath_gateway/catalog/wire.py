"""Bodies of the catalog's API."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from towpath_engine.catalog.drafts import Held
from towpath_engine.catalog.findings import FoundProblem
from towpath_engine.catalog.service import Location, LocationReport, StoredProblem
from towpath_gateway.wire import StrictBody, Wire

__all__ = (
    "ByQueryBody",
    "ByRefsBody",
    "CatalogProblemWire",
    "EntitiesWire",
    "EntityPage",
    "EntityWire",
    "FacetValueWire",
    "FacetsBody",
    "FacetsWire",
    "FullText",
    "HeldWire",
    "LocationAnswer",
    "LocationBody",
    "LocationInput",
    "LocationMade",
    "LocationWire",
    "OrderBody",
    "PageInfo",
    "RefreshBody",
    "RegisterBody",
    "RelationWire",
    "location_type",
)


class RelationWire(Wire, frozen=True):
    """A relation of an entity, both ways: `ownedBy` here is `ownerOf` there."""

    type: str
    target_ref: str


class EntityWire(Wire, frozen=True):
    """An entity, as Backstage has it; `metadata` has `name`, `namespace`, `uid` and `etag`."""

    api_version: str
    kind: str
    metadata: dict[str, Any]
    spec: dict[str, Any] | None = None
    relations: list[RelationWire] = msgspec.field(default_factory=list)


class PageInfo(Wire, frozen=True):
    """Cursors to the pages around a page."""

    next_cursor: str | None = None
    prev_cursor: str | None = None


class EntityPage(Wire, frozen=True, omit_defaults=False):
    """A page of entities; with `fields`, they have only these."""

    items: list[EntityWire]
    total_items: int
    page_info: PageInfo


class EntitiesWire(Wire, frozen=True, omit_defaults=False):
    """Entities in the order asked for; null where there is none."""

    items: list[EntityWire | None]


class FacetValueWire(Wire, frozen=True):
    """A value, and how many entities have it."""

    value: str
    count: int


class FacetsWire(Wire, frozen=True):
    """The values of each facet, by the name as it was asked for."""

    facets: dict[str, list[FacetValueWire]]


class OrderBody(StrictBody, frozen=True):
    """A field to order by."""

    field: str
    order: Literal["asc", "desc"] = "asc"


class FullText(StrictBody, frozen=True):
    """A term, and the fields to look for it in."""

    term: str = ""
    fields: tuple[str, ...] = ()


class ByQueryBody(StrictBody, frozen=True):
    """Body of `POST /entities/by-query`."""

    cursor: str | None = None
    limit: int | None = None
    offset: int | None = None
    fields: tuple[str, ...] = ()
    total_items: Literal["include", "exclude"] = "include"
    query: dict[str, Any] | None = None
    order_by: tuple[OrderBody, ...] = ()
    full_text_filter: FullText | None = None


class ByRefsBody(StrictBody, frozen=True):
    """Body of `POST /entities/by-refs`."""

    entity_refs: tuple[str, ...]
    fields: tuple[str, ...] = ()
    query: dict[str, Any] | None = None


class FacetsBody(StrictBody, frozen=True):
    """Body of `POST /entity-facets`."""

    facets: tuple[str, ...]
    query: dict[str, Any] | None = None


class RefreshBody(StrictBody, frozen=True):
    """Body of `POST /refresh`."""

    entity_ref: str
    authorization_token: str | None = None


class LocationInput(StrictBody, frozen=True):
    """Body of Backstage's `POST /locations`; `optional` silences that nothing is there yet."""

    type: str
    target: str
    presence: Literal["required", "optional"] = "required"


class LocationWire(Wire, frozen=True):
    """A location as Backstage shows it, with the entity that stands for it."""

    id: str
    type: str
    target: str
    entity_ref: str

    @classmethod
    def of(cls, location: Location) -> LocationWire:
        """Show a location."""
        return cls(str(location.id), location.type, location.target, location.entity_ref)


class LocationBody(Wire, frozen=True):
    """A location in the wrapper that Backstage's list has."""

    data: LocationWire


class LocationMade(Wire, frozen=True, omit_defaults=False):
    """What Backstage's `POST /locations` answers; `exists` and entities only for a dry run."""

    location: LocationWire
    entities: list[Any]
    exists: bool | msgspec.UnsetType = msgspec.UNSET


class RegisterBody(StrictBody, frozen=True):
    """Body of `POST /api/v1/catalog/locations`; `type` is guessed from the target."""

    target: str
    type: str | None = None


class HeldWire(Wire, frozen=True, omit_defaults=False):
    """What vanished from a location and stays until somebody confirms, by its digest."""

    digest: str
    count: int
    entity_refs: list[str]

    @classmethod
    def of(cls, held: Held) -> HeldWire:
        """Show it."""
        return cls(held.digest, len(held.refs), list(held.refs))


class CatalogProblemWire(Wire, frozen=True):
    """What is wrong with a descriptor, and where.

    A `warning` is about what was taken in all the same; `target` is a reference that leads
    nowhere, where that is the problem.
    """

    code: str
    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    pointer: str | None = None
    entity_ref: str | None = None
    location_id: UUID | None = None
    at: datetime | None = None
    level: Literal["error", "warning"] = "error"
    target: str | None = None

    @classmethod
    def found(cls, found: FoundProblem) -> CatalogProblemWire:
        """Show a problem of a reading."""
        problem, place = found.problem, found.problem.place
        return cls(
            problem.code,
            problem.message,
            place.file,
            place.line,
            place.column,
            place.pointer,
            found.entity_ref,
            level=found.level,
            target=found.target,
        )

    @classmethod
    def stored(cls, problem: StoredProblem) -> CatalogProblemWire:
        """Show a problem that is kept."""
        names = cls.__struct_fields__
        return cls(**{name: getattr(problem, name) for name in names})


class LocationAnswer(Wire, frozen=True):
    """What reading a location did; `warnings` are about what was taken in all the same."""

    id: UUID
    type: str
    target: str
    created: bool
    entity_refs: list[str]
    problems: list[CatalogProblemWire]
    warnings: list[CatalogProblemWire] = msgspec.field(default_factory=list)
    held: HeldWire | None = None

    @classmethod
    def of(cls, report: LocationReport) -> LocationAnswer:
        """Show a report."""
        location = report.location
        return cls(
            location.id,
            location.type,
            location.target,
            report.created,
            sorted(report.entity_refs),
            [CatalogProblemWire.found(found) for found in report.problems],
            [CatalogProblemWire.found(found) for found in report.warnings],
            HeldWire.of(report.held) if report.held is not None else None,
        )


def location_type(target: str) -> str:
    """The type of a location that only its target is known of."""
    return "url" if "://" in target.removeprefix("file://") else "file"
