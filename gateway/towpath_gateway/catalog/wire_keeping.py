"""Bodies of what the catalog keeps beside its entities: plans, tombstones, conflicts, reasons."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from towpath_engine.catalog.conflicts import Conflicting
from towpath_engine.catalog.drafts import Held
from towpath_engine.catalog.explaining import Explanation
from towpath_engine.catalog.planning import Planned, PlannedChange, PlannedConflict, RefreshPlan
from towpath_engine.catalog.stages import Stage
from towpath_engine.catalog.states import LocationState
from towpath_engine.catalog.tombstones import Buried
from towpath_gateway.catalog.wire import CatalogProblemWire, HeldWire
from towpath_gateway.catalog.wire_history import FieldDifferenceWire
from towpath_gateway.wire import StrictBody, Wire

__all__ = (
    "ConfirmBody",
    "ConfirmedWire",
    "ConflictWire",
    "ExplanationWire",
    "LocationPlanWire",
    "LocationStateWire",
    "PlanLocationBody",
    "PlannedChangeWire",
    "PlannedConflictWire",
    "PlannedEntityWire",
    "RestoredWire",
    "StageWire",
    "TombstoneWire",
)


class PlanLocationBody(StrictBody, frozen=True):
    """Body of `POST /api/v1/catalog/locations/plan`; `type` is guessed from the target."""

    target: str
    type: str | None = None
    full: bool = False


class ConfirmBody(StrictBody, frozen=True):
    """Body of a confirmation: the digest of what is held, as the location showed it."""

    digest: str


class ConfirmedWire(Wire, frozen=True, omit_defaults=False):
    """What a confirmation removed."""

    entity_refs: list[str]


class RestoredWire(Wire, frozen=True, omit_defaults=False):
    """What was brought back."""

    entity_ref: str
    uid: UUID


class LocationStateWire(Wire, frozen=True, omit_defaults=False):
    """A registered location as it stands; `held` vanished from it and waits for confirmation."""

    id: UUID
    type: str
    target: str
    created_by: str
    created_at: datetime
    read_at: datetime | None
    entities: int
    errors: int
    warnings: int
    conflicts: int
    held: HeldWire | None
    held_at: datetime | None

    @classmethod
    def of(cls, state: LocationState, refs: Iterable[str] | None) -> LocationStateWire:
        """Show a location, with those of the held references that the asker may see."""
        values = msgspec.structs.asdict(state)
        held = state.held
        values["held"] = None if held is None else HeldWire.of(Held(held.digest, tuple(refs or ())))
        return cls(**values)


class PlannedEntityWire(Wire, frozen=True):
    """An entity that would come, go or wait; `back` is true for one that was removed before."""

    ref: str
    file: str | None = None
    line: int | None = None
    back: bool = False

    @classmethod
    def of(cls, planned: Planned) -> PlannedEntityWire:
        """Show one."""
        return cls(planned.ref, planned.file, planned.line, planned.back)


class PlannedChangeWire(Wire, frozen=True):
    """An entity that would change, with its fields; `more` if there are more than are shown."""

    ref: str
    fields: list[FieldDifferenceWire]
    file: str | None = None
    line: int | None = None
    more: bool = False

    @classmethod
    def of(cls, change: PlannedChange) -> PlannedChangeWire:
        """Show one."""
        fields = [FieldDifferenceWire.of(one) for one in change.fields]
        return cls(change.ref, fields, change.file, change.line, change.more)


class PlannedConflictWire(Wire, frozen=True):
    """An entity that would be left out, and who holds its reference."""

    ref: str
    holder: str
    file: str | None = None
    line: int | None = None

    @classmethod
    def of(cls, conflict: PlannedConflict) -> PlannedConflictWire:
        """Show one."""
        return cls(conflict.ref, conflict.holder, conflict.file, conflict.line)


class LocationPlanWire(Wire, frozen=True, omit_defaults=False):
    """What would be done with a location. Nothing was written."""

    type: str
    target: str
    location_id: UUID | None
    adds: list[PlannedEntityWire]
    changes: list[PlannedChangeWire]
    deletes: list[PlannedEntityWire]
    held: list[PlannedEntityWire]
    handed: list[PlannedEntityWire]
    conflicts: list[PlannedConflictWire]
    unchanged: int
    problems: list[CatalogProblemWire]

    @classmethod
    def of(cls, plan: RefreshPlan) -> LocationPlanWire:
        """Show a plan."""
        one = PlannedEntityWire.of
        return cls(
            plan.type,
            plan.target,
            plan.location_id,
            [one(item) for item in plan.adds],
            [PlannedChangeWire.of(item) for item in plan.changes],
            [one(item) for item in plan.deletes],
            [one(item) for item in plan.held],
            [one(item) for item in plan.handed],
            [PlannedConflictWire.of(item) for item in plan.conflicts],
            plan.unchanged,
            [CatalogProblemWire.found(item) for item in plan.problems],
        )


class TombstoneWire(Wire, frozen=True):
    """An entity that was removed and can be brought back until `expiresAt`."""

    uid: UUID
    ref: str
    origin: str
    reason: str
    actor: str
    deleted_at: datetime
    expires_at: datetime
    location_id: UUID | None = None
    file: str | None = None
    line: int | None = None

    @classmethod
    def of(cls, buried: Buried) -> TombstoneWire:
        """Show one."""
        return cls(**msgspec.structs.asdict(buried))


class ConflictWire(Wire, frozen=True):
    """A reference that `holder` holds and `origin` states too, and where each stands."""

    ref: str
    origin: str
    since: datetime
    location_id: UUID | None = None
    file: str | None = None
    line: int | None = None
    holder: str | None = None
    holder_location_id: UUID | None = None
    holder_file: str | None = None
    holder_line: int | None = None

    @classmethod
    def of(cls, conflict: Conflicting) -> ConflictWire:
        """Show one."""
        return cls(**msgspec.structs.asdict(conflict))


class StageWire(Wire, frozen=True):
    """One stage that an entity went through."""

    name: Literal[
        "registered",
        "read",
        "parsed",
        "checked",
        "conflict",
        "written",
        "held",
        "removed",
        "index",
    ]
    outcome: Literal["ok", "failed", "waits", "left-out"]
    message: str
    at: datetime | None = None
    file: str | None = None
    line: int | None = None
    location_id: UUID | None = None

    @classmethod
    def of(cls, stage: Stage) -> StageWire:
        """Show one."""
        return cls(**msgspec.structs.asdict(stage))


class ExplanationWire(Wire, frozen=True, omit_defaults=False):
    """Why an entity is in the catalog as it is, or why it is not."""

    ref: str
    state: Literal["there", "held", "conflict", "refused", "removed", "unknown"]
    summary: str
    uid: UUID | None
    stages: list[StageWire]
    named_by: list[str]
    dangling: list[str]
    nearest: list[str]

    @classmethod
    def of(cls, found: Explanation) -> ExplanationWire:
        """Show an explanation."""
        return cls(
            found.ref,
            found.state,
            found.summary,
            found.uid,
            [StageWire.of(stage) for stage in found.stages],
            list(found.named_by),
            list(found.dangling),
            list(found.nearest),
        )
