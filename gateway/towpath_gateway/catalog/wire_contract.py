"""Bodies of the operations of Backstage's catalog beyond plain reads and registration."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from towpath_core.errors import Problem
from towpath_engine.catalog.analysis import Analysis, ExistingEntity
from towpath_engine.catalog.suggestion import Suggestion
from towpath_gateway.catalog.wire import EntityWire, LocationWire
from towpath_gateway.problems import shortened
from towpath_gateway.wire import StrictBody, Wire

__all__ = (
    "AnalysisWire",
    "AnalyzeBody",
    "AncestorWire",
    "AncestryWire",
    "EntityFault",
    "EntityFaults",
    "ExistingEntityWire",
    "LocationPageWire",
    "LocationQueryBody",
    "LocationSpec",
    "NextPage",
    "SuggestedFieldWire",
    "SuggestionWire",
    "ValidateBody",
)


class LocationSpec(StrictBody, frozen=True):
    """A location by its type and target."""

    type: str
    target: str


class LocationQueryBody(StrictBody, frozen=True):
    """Body of `POST /locations/by-query`; beside a cursor nothing else counts."""

    cursor: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1)] = 1000
    query: dict[str, Any] | None = None


class NextPage(Wire, frozen=True):
    """The cursor to the page after a page."""

    next_cursor: str | None = None


class LocationPageWire(Wire, frozen=True, omit_defaults=False):
    """A page of locations, ordered by id."""

    items: list[LocationWire]
    total_items: int
    page_info: NextPage


class AncestorWire(Wire, frozen=True, omit_defaults=False):
    """An entity, and the entities that brought it in."""

    entity: EntityWire
    parent_entity_refs: list[str]


class AncestryWire(Wire, frozen=True, omit_defaults=False):
    """The entity that was asked for and all its ancestors, itself first."""

    root_entity_ref: str
    items: list[AncestorWire]


class ValidateBody(StrictBody, frozen=True):
    """Body of `POST /validate-entity`."""

    entity: dict[str, Any]
    location: str


class EntityFault(Wire, frozen=True):
    """One thing that is wrong with an entity, and where: a JSON pointer into it."""

    name: str
    message: str
    code: str | None = None
    pointer: str | None = None

    @classmethod
    def of(cls, problem: Problem) -> EntityFault:
        """Show a problem."""
        pointer = shortened(problem.place.pointer or "") or None
        text = f"{pointer}: {problem.message}" if pointer else problem.message
        return cls("InputError", shortened(text), problem.code, pointer)


class EntityFaults(Wire, frozen=True):
    """Why an entity would not be taken."""

    errors: list[EntityFault]


class AnalyzeBody(StrictBody, frozen=True):
    """Body of `POST /analyze-location`; the name of descriptors is known by two spellings."""

    location: LocationSpec
    catalog_filename: str | None = None
    catalog_file_name: str | None = None


class ExistingEntityWire(Wire, frozen=True, omit_defaults=False):
    """An entity that stands in a file already."""

    location: LocationSpec
    is_registered: bool
    entity: Any

    @classmethod
    def of(cls, found: ExistingEntity) -> ExistingEntityWire:
        """Show one."""
        return cls(LocationSpec("url", found.target), found.registered, found.entity)


class SuggestedFieldWire(Wire, frozen=True, omit_defaults=False):
    """A field of a suggested entity, and where its value comes from."""

    field: str
    state: Literal["analysisSuggestedValue", "analysisSuggestedNoValue", "needsUserInput"]
    value: str | None
    description: str


class SuggestionWire(Wire, frozen=True, omit_defaults=False):
    """An entity that is not whole yet, and what is known of its fields."""

    entity: dict[str, Any]
    fields: list[SuggestedFieldWire]

    @classmethod
    def of(cls, made: Suggestion) -> SuggestionWire:
        """Show one."""
        fields = [SuggestedFieldWire(f.field, f.state, f.value, f.description) for f in made.fields]
        return cls(made.entity, fields)


class AnalysisWire(Wire, frozen=True, omit_defaults=False):
    """What an address holds, or where that is nothing, what it could hold."""

    existing_entity_files: list[ExistingEntityWire]
    generate_entities: list[SuggestionWire]

    @classmethod
    def of(cls, analysis: Analysis) -> AnalysisWire:
        """Show an analysis."""
        return cls(
            [ExistingEntityWire.of(found) for found in analysis.existing],
            [SuggestionWire.of(made) for made in analysis.suggestions],
        )
