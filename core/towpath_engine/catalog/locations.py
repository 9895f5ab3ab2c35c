"""Registered locations as values: what they are called, and the entity that stands for each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from towpath_core.entities import Entity
from towpath_engine.catalog.drafts import Draft, Held, Outcome
from towpath_engine.catalog.findings import FoundProblem, Level, Reading
from towpath_engine.catalog.judging import GENERATED, annotated

__all__ = ("Location", "LocationReport", "StoredProblem")

_LOCATION_VERSION = "backstage.io/v1alpha1"


class Location(msgspec.Struct, frozen=True):
    """A registered location.

    `name` is that of its entity, where it is another than its type and target give: it was
    pointed somewhere else and kept its name, or another had done that before.
    """

    id: UUID
    type: str
    target: str
    name: str | None = None

    @classmethod
    def of(cls, row: Any) -> Location:
        """Read a row of the table."""
        return cls(row.id, row.type, row.target, row.name)

    @property
    def origin(self) -> str:
        """The name under which it holds its entities: `type:target`."""
        return f"{self.type}:{self.target}"

    @property
    def entity_name(self) -> str:
        """The name of the entity that stands for it, as Backstage gives it."""
        return self.name or _generated(self.origin)

    @property
    def name_by_id(self) -> str:
        """A name for its entity that no other location has."""
        return _generated(f"{self.origin}#{self.id}")

    @property
    def entity_ref(self) -> str:
        """The entity that stands for it."""
        return f"location:default/{self.entity_name}"

    @property
    def draft(self) -> Draft:
        """The entity that stands for it, ready to be written."""
        entity = Entity(
            api_version=_LOCATION_VERSION,
            kind="Location",
            metadata={"name": self.entity_name, "namespace": "default"},
            spec={"type": self.type, "target": self.target},
        )
        entity = annotated(entity, self.origin, self.origin)
        return Draft(entity, msgspec.json.encode(entity), (), self.origin)


class LocationReport(msgspec.Struct, frozen=True):
    """What reading a location did: entities it holds now, and what was wrong.

    `warnings` are about what was taken in all the same, such as references that lead nowhere.
    """

    location: Location
    created: bool
    entity_refs: Sequence[str]
    problems: Sequence[FoundProblem]
    outcome: Outcome
    warnings: Sequence[FoundProblem] = ()

    @classmethod
    def of(
        cls, location: Location, created: bool, reading: Reading, outcome: Outcome
    ) -> LocationReport:
        """Report what became of a reading."""
        refs = [ref for ref in reading.drafts if ref not in outcome.conflicts]
        known = {*refs, location.entity_ref}
        refs += [ref for ref in outcome.unchanged if ref not in known]
        return cls(location, created, refs, tuple(reading.problems), outcome)

    @property
    def held(self) -> Held | None:
        """What vanished from it and stays until somebody confirms."""
        return self.outcome.held


class StoredProblem(msgspec.Struct, frozen=True):
    """A problem of the last reading of a location."""

    id: int
    location_id: UUID
    level: Level
    code: str
    message: str
    file: str | None
    line: int | None
    column: int | None
    pointer: str | None
    entity_ref: str | None
    target: str | None
    at: datetime


def _generated(text: str) -> str:
    digest = hashlib.sha1(text.encode(), usedforsecurity=False)
    return f"{GENERATED}{digest.hexdigest()}"
