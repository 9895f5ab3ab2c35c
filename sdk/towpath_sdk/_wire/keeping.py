"""Shapes of what the catalog keeps beside its entities: plans, tombstones, conflicts, reasons."""

from __future__ import annotations

from datetime import datetime

import msgspec

from towpath_sdk._wire.entities import HeldEntities
from towpath_sdk._wire.errors import Problem
from towpath_sdk._wire.writes import FieldDifference

__all__ = (
    "Explanation",
    "LocationPlan",
    "LocationState",
    "PlannedChange",
    "PlannedConflict",
    "PlannedEntity",
    "RefConflict",
    "Restored",
    "Stage",
    "Tombstone",
)


class LocationState(msgspec.Struct, frozen=True, rename="camel"):
    """A registered location as it stands.

    Attributes:
        read_at: when it was last read to be taken in; None for never.
        entities: how many it holds.
        errors: how many things in it could not be taken in.
        warnings: how many are taken in, but not as they should be.
        conflicts: how many references it states that others hold.
        held: what vanished from it and waits for confirmation, since `held_at`.
    """

    id: str
    type: str
    target: str
    created_by: str
    created_at: datetime
    entities: int
    errors: int
    warnings: int
    conflicts: int
    read_at: datetime | None = None
    held: HeldEntities | None = None
    held_at: datetime | None = None


class PlannedEntity(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An entity that would come, go or wait; `back` is True for one that was removed before."""

    ref: str
    file: str | None = None
    line: int | None = None
    back: bool = False


class PlannedChange(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An entity that would change, with its fields; `more` if there are more than are shown."""

    ref: str
    fields: tuple[FieldDifference, ...]
    file: str | None = None
    line: int | None = None
    more: bool = False


class PlannedConflict(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An entity that would be left out, because `holder` holds its reference."""

    ref: str
    holder: str
    file: str | None = None
    line: int | None = None


class LocationPlan(msgspec.Struct, frozen=True, rename="camel"):
    """What would be done with a location. Nothing was written.

    Attributes:
        adds: what would come.
        changes: what would change, field by field.
        deletes: what would go at once.
        held: what would wait for confirmation, because so much vanishes at once.
        handed: what would pass to another location, which states it too.
        conflicts: what would be left out.
        unchanged: how many would stay as they are.
        problems: what is wrong with what was read.
    """

    type: str
    target: str
    adds: tuple[PlannedEntity, ...]
    changes: tuple[PlannedChange, ...]
    deletes: tuple[PlannedEntity, ...]
    held: tuple[PlannedEntity, ...]
    handed: tuple[PlannedEntity, ...]
    conflicts: tuple[PlannedConflict, ...]
    unchanged: int
    problems: tuple[Problem, ...]
    location_id: str | None = None


class Tombstone(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An entity that was removed, by whom and why, and can be restored until `expires_at`."""

    uid: str
    ref: str
    origin: str
    reason: str
    actor: str
    deleted_at: datetime
    expires_at: datetime
    location_id: str | None = None
    file: str | None = None
    line: int | None = None


class Restored(msgspec.Struct, frozen=True, rename="camel"):
    """An entity that was brought back."""

    entity_ref: str
    uid: str


class RefConflict(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A reference that `holder` holds and `origin` states too, and where each stands."""

    ref: str
    origin: str
    since: datetime
    location_id: str | None = None
    file: str | None = None
    line: int | None = None
    holder: str | None = None
    holder_location_id: str | None = None
    holder_file: str | None = None
    holder_line: int | None = None


class Stage(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One stage an entity went through, such as `read`, `parsed`, `checked` or `written`.

    `outcome` is `ok`, `failed`, `waits` for somebody, or `left-out` where another came first.
    """

    name: str
    outcome: str
    message: str
    at: datetime | None = None
    file: str | None = None
    line: int | None = None
    location_id: str | None = None


class Explanation(msgspec.Struct, frozen=True, rename="camel"):
    """Why an entity is in the catalog as it is, or why it is not.

    Attributes:
        state: `there`, `held`, `conflict`, `refused`, `removed` or `unknown`.
        summary: the answer in one sentence.
        stages: what happened to it, in order.
        named_by: entities that name it although it is not there.
        dangling: references that it names itself and that are not there.
        nearest: what is there under similar names, when it is not.
    """

    ref: str
    state: str
    summary: str
    stages: tuple[Stage, ...]
    named_by: tuple[str, ...] = ()
    dangling: tuple[str, ...] = ()
    nearest: tuple[str, ...] = ()
    uid: str | None = None
