"""Bodies of the catalog's writes: entities that are put, and sets that are applied."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from towpath_engine.catalog.applying import Applied, EntitySet
from towpath_engine.catalog.declaring import Declared, Removed, Returns
from towpath_engine.catalog.standing import Holder
from towpath_gateway.catalog.wire import EntityWire
from towpath_gateway.wire import StrictBody, Wire

__all__ = (
    "AppliedSetWire",
    "DeclaredEntityWire",
    "DescriptorFileBody",
    "EntityBody",
    "EntityHolderWire",
    "EntityReturnsWire",
    "EntitySetBody",
    "EntitySetDetailWire",
    "EntitySetWire",
    "HeldElsewhereWire",
    "RemovedEntityWire",
    "RemovedSetWire",
)


class EntityBody(StrictBody, frozen=True):
    """An entity as its author writes it; other fields of `metadata` and `spec` are free.

    What a read answered can be sent back: `relations`, `status` and `metadata.etag` are passed
    over. `metadata.uid` and the `backstage.io/managed-by-*` annotations are given by the catalog:
    another value than the present one is refused.
    """

    api_version: str
    kind: str
    metadata: dict[str, Any]
    spec: dict[str, Any] | None = None
    relations: list[Any] | None = None
    status: dict[str, Any] | None = None


class DeclaredEntityWire(Wire, frozen=True):
    """What became of an entity that was put."""

    entity_ref: str
    uid: UUID
    revision: int
    change: Literal["added", "changed", "unchanged"]
    etag: str
    entity: EntityWire | None = None

    @classmethod
    def of(cls, declared: Declared, tag: str, final: bytes | None) -> DeclaredEntityWire:
        """Show it, with the entity as readers get it."""
        entity = msgspec.json.decode(final, type=EntityWire) if final is not None else None
        return cls(
            declared.ref, declared.uid, declared.revision, declared.change, f'"{tag}"', entity
        )


class EntityHolderWire(Wire, frozen=True):
    """Who declares an entity, and where."""

    type: str
    origin: str
    location_id: UUID | None = None
    file: str | None = None
    line: int | None = None

    @classmethod
    def of(cls, holder: Holder) -> EntityHolderWire:
        """Show a holder."""
        return cls(holder.type, holder.origin, holder.location_id, holder.file, holder.line)


class EntityReturnsWire(Wire, frozen=True):
    """Who would bring a removed entity back, when, and what to do about it."""

    holder: EntityHolderWire
    when: str
    next: str

    @classmethod
    def of(cls, returns: Returns) -> EntityReturnsWire:
        """Show it."""
        return cls(EntityHolderWire.of(returns.holder), returns.when, returns.next)


class RemovedEntityWire(Wire, frozen=True, omit_defaults=False):
    """An entity that was removed; `returns` is empty where it stays away."""

    entity_ref: str
    uid: UUID
    returns: list[EntityReturnsWire]

    @classmethod
    def of(cls, removed: Removed) -> RemovedEntityWire:
        """Show it."""
        return cls(removed.ref, removed.uid, [EntityReturnsWire.of(one) for one in removed.returns])


class DescriptorFileBody(StrictBody, frozen=True):
    """A descriptor file: its name is for messages, its ending tells the format."""

    name: str
    text: str


class EntitySetBody(StrictBody, frozen=True):
    """All that a set is to hold: entities, and files of them; both may be given."""

    entities: tuple[Any, ...] = ()
    files: tuple[DescriptorFileBody, ...] = ()


class HeldElsewhereWire(Wire, frozen=True):
    """An entity that somebody else holds."""

    entity_ref: str
    holder: EntityHolderWire
    next: str


class AppliedSetWire(Wire, frozen=True, omit_defaults=False):
    """What applying a set did, or would do for a dry run.

    `handed` went to another who states it, too. `pruneDigest` names what would go; sent as
    `prune` it says that just this may.
    """

    id: str
    dry_run: bool
    added: list[str]
    changed: list[str]
    unchanged: list[str]
    deleted: list[str]
    handed: list[str]
    conflicts: list[HeldElsewhereWire]
    guarded: bool
    prune_digest: str | None = None

    @classmethod
    def of(cls, applied: Applied) -> AppliedSetWire:
        """Show it."""
        plan = applied.plan
        return cls(
            applied.id,
            applied.dry,
            list(plan.added),
            list(plan.changed),
            list(plan.unchanged),
            list(plan.deleted),
            list(plan.handed),
            [
                HeldElsewhereWire(ref, EntityHolderWire.of(holder), holder.way(ref))
                for ref, holder in sorted(plan.conflicts.items())
            ],
            plan.guarded,
            plan.digest or None,
        )


class EntitySetWire(Wire, frozen=True):
    """A set."""

    id: str
    entities: int
    updated_at: datetime

    @classmethod
    def of(cls, one: EntitySet) -> EntitySetWire:
        """Show a set."""
        return cls(one.id, one.entities, one.updated_at)


class EntitySetDetailWire(Wire, frozen=True):
    """A set with a page of the references that it holds."""

    id: str
    entities: int
    updated_at: datetime
    entity_refs: list[str]
    next_cursor: str | None = None


class RemovedSetWire(Wire, frozen=True):
    """A set that was removed, with what it held."""

    id: str
    entity_refs: list[str]
