"""Bodies of the catalog's past and of watching it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from towpath_engine.catalog.changes import Change
from towpath_engine.catalog.differences import Difference
from towpath_engine.catalog.history import Revision
from towpath_gateway.catalog.wire import EntityWire
from towpath_gateway.wire import Wire

__all__ = (
    "EntityChangeWire",
    "EntityRevisionDetailWire",
    "EntityRevisionWire",
    "FieldDifferenceWire",
    "PastEntitiesWire",
)


class FieldDifferenceWire(Wire, frozen=True):
    """A field that is different; `cut` says that a value is the beginning of its JSON text."""

    op: Literal["add", "remove", "replace"]
    pointer: str
    old: Any = msgspec.UNSET
    new: Any = msgspec.UNSET
    cut: bool = False

    @classmethod
    def of(cls, one: Difference) -> FieldDifferenceWire:
        """Show a difference."""
        return cls(one.op, one.pointer, one.old, one.new, one.cut)


class EntityRevisionWire(Wire, frozen=True):
    """One change of an entity.

    `seq` names it, `revision` counts from the entity's making. `differences` are to the revision
    before; they are missing where that is not kept any more, or there is none.
    """

    seq: int
    entity_ref: str
    uid: UUID
    revision: int
    change: Literal["added", "changed", "deleted"]
    actor: str
    source: str
    at: datetime
    reason: str | None = None
    differences: list[FieldDifferenceWire] | None = None
    more_differences: bool = False

    @classmethod
    def of(cls, one: Revision) -> EntityRevisionWire:
        """Show a revision."""
        return cls(**_fields(one))


class EntityRevisionDetailWire(EntityRevisionWire, frozen=True):
    """One change, with the whole entity as its holder wrote it; none where it was removed."""

    entity: EntityWire | None = None

    @classmethod
    def of(cls, one: Revision) -> EntityRevisionDetailWire:
        """Show a revision."""
        entity = msgspec.json.decode(one.body, type=EntityWire) if one.body else None
        return cls(**_fields(one), entity=entity)


class EntityChangeWire(Wire, frozen=True):
    """A change that is watched; the list to begin with has entities only."""

    seq: int | None = None
    entity_ref: str | None = None
    uid: UUID | None = None
    actor: str | None = None
    source: str | None = None
    at: datetime | None = None
    entity: msgspec.Raw | None = None

    @classmethod
    def listed(cls, final: bytes) -> EntityChangeWire:
        """An entity of the list to begin with."""
        return cls(entity=msgspec.Raw(final))

    @classmethod
    def put(cls, change: Change) -> EntityChangeWire:
        """An entity that is new or another, as readers get it."""
        entity = msgspec.Raw(change.final) if change.final is not None else None
        return cls(**_change(change), entity=entity)

    @classmethod
    def delete(cls, change: Change) -> EntityChangeWire:
        """An entity that is gone, or passes the filter no longer."""
        return cls(**_change(change))


def _change(change: Change) -> dict[str, Any]:
    return {
        "seq": change.seq,
        "entity_ref": change.ref,
        "uid": change.uid,
        "actor": change.actor,
        "source": change.source,
        "at": change.at,
    }


def _fields(one: Revision) -> dict[str, Any]:
    differences = one.differences
    return {
        "seq": one.seq,
        "entity_ref": one.ref,
        "uid": one.uid,
        "revision": one.revision,
        "change": one.change,
        "actor": one.actor,
        "source": one.source,
        "at": one.at,
        "reason": one.reason,
        "differences": None
        if differences is None
        else [FieldDifferenceWire.of(each) for each in differences],
        "more_differences": one.more,
    }


class PastEntitiesWire(Wire, frozen=True):
    """A page of entities as they were; `nextCursor` asks for the following one."""

    items: list[EntityWire]
    next_cursor: str | None = None
