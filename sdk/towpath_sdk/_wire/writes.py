"""Shapes of the catalog's writes and of its past, and the calls that ask for them.

Fields that a shape does not know are ignored, so that a newer platform stays readable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from towpath_sdk._wire.calls import Call, Params, route, written
from towpath_sdk._wire.entities import Entity
from towpath_sdk._wire.errors import BadArgument
from towpath_sdk._wire.refs import EntityRef, parse_ref

__all__ = (
    "AppliedSet",
    "DeclaredEntity",
    "EntityHolder",
    "EntityReturn",
    "EntityRevision",
    "EntitySet",
    "FieldDifference",
    "RemovedEntity",
    "SetConflict",
    "TaggedEntity",
    "entity_path",
    "matching",
    "past_params",
    "put_entity",
    "put_set",
    "remove_entity",
    "restore_call",
    "set_path",
    "time_text",
)

_ENTITIES = "/api/v1/catalog/entities"
_SETS = "/api/v1/catalog/sets"


class _Shape(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Root of these shapes."""


class TaggedEntity(_Shape, frozen=True):
    """An entity with the tag of its state, to be sent as `if_match`."""

    entity: Entity
    etag: str


class DeclaredEntity(_Shape, frozen=True):
    """What became of an entity that was put or restored.

    Attributes:
        entity_ref: the canonical reference.
        uid: the id that the catalog gave.
        revision: counts the changes of this entity.
        change: `added`, `changed` or `unchanged`.
        etag: the tag of its state, to be sent as `if_match`.
        entity: as it is read now.
    """

    entity_ref: str
    uid: str
    revision: int
    change: str
    etag: str
    entity: Entity | None = None


class EntityHolder(_Shape, frozen=True):
    """Who declares an entity, and where.

    `type` is `location`, `set`, `api`, `platform`, or `restored` where nobody does any more.
    """

    type: str
    origin: str
    location_id: str | None = None
    file: str | None = None
    line: int | None = None


class EntityReturn(_Shape, frozen=True):
    """Who would bring a removed entity back, when, and what to do about it."""

    holder: EntityHolder
    when: str
    next: str


class RemovedEntity(_Shape, frozen=True):
    """An entity that was removed; `returns` is empty where it stays away."""

    entity_ref: str
    uid: str = ""
    returns: tuple[EntityReturn, ...] = ()


class SetConflict(_Shape, frozen=True):
    """An entity of a set that somebody else holds."""

    entity_ref: str
    holder: EntityHolder
    next: str


class AppliedSet(_Shape, frozen=True):
    """What applying a set did, or would do.

    Attributes:
        id: of the set.
        dry_run: whether it was only planned.
        added: references of what was not there.
        changed: of what was there with another content.
        unchanged: of what was there already.
        deleted: of what is not listed any more.
        handed: of what is not listed, and went to another who states it, too.
        conflicts: what others hold; only of a plan.
        guarded: whether so much would go that `prune_digest` must be given as `prune`.
        prune_digest: stands for just what would go.
    """

    id: str
    dry_run: bool
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    handed: tuple[str, ...] = ()
    conflicts: tuple[SetConflict, ...] = ()
    guarded: bool = False
    prune_digest: str | None = None


class EntitySet(_Shape, frozen=True):
    """A set: how many entities it holds, and when one of them last changed."""

    id: str
    entities: int
    updated_at: datetime


class FieldDifference(_Shape, frozen=True):
    """A field that is different.

    Attributes:
        op: `add`, `remove` or `replace`.
        pointer: where (RFC 6901).
        old: what was there.
        new: what is there now.
        cut: whether a value is the beginning of its JSON text, because it is long.
    """

    op: str
    pointer: str
    old: Any = None
    new: Any = None
    cut: bool = False


class EntityRevision(_Shape, frozen=True):
    """One change of an entity.

    Attributes:
        seq: names the revision.
        entity_ref: which entity.
        uid: the entity's id then.
        revision: counts the changes since the entity was made.
        change: `added`, `changed` or `deleted`.
        actor: who did it.
        source: where the content came from.
        at: when (UTC).
        reason: why, in a word, where it is known.
        differences: to the revision before; None where that is not kept, or there is none.
        more_differences: whether there are more than are told.
        entity: as it was written; only where one revision is asked for.
    """

    seq: int
    entity_ref: str
    uid: str
    revision: int
    change: str
    actor: str
    source: str
    at: datetime
    reason: str | None = None
    differences: tuple[FieldDifference, ...] | None = None
    more_differences: bool = False
    entity: Entity | None = None


def entity_path(ref: str | EntityRef, base: str = _ENTITIES, *more: str) -> str:
    """The address of an entity below `/api/v1`."""
    found = parse_ref(ref)
    return route(base, found.kind, found.namespace, found.name, *more)


def set_path(id: str) -> str:
    """The address of a set."""
    return route(_SETS, id)


def put_entity(entity: Entity | Mapping[str, Any], if_match: str | None, new: bool) -> Call:
    """The call that puts an entity.

    Raises:
        BadArgument: it has no kind or no name, or both conditions are given.
    """
    value = msgspec.to_builtins(entity)
    metadata = value.get("metadata") if isinstance(value, dict) else None
    if not isinstance(metadata, dict) or not metadata.get("name") or not value.get("kind"):
        raise BadArgument("An entity has a kind and metadata.name.")
    ref = EntityRef(
        str(value["kind"]), str(metadata.get("namespace") or "default"), str(metadata["name"])
    )
    if new and if_match is not None:
        raise BadArgument("An entity that is to be new has no state: give new or if_match.")
    headers = [("if-none-match", "*")] if new else matching(if_match)
    return Call("PUT", entity_path(ref), body=written(value), headers=tuple(headers))


def remove_entity(ref: str | EntityRef, if_match: str | None) -> Call:
    """The call that removes an entity."""
    return Call("DELETE", entity_path(ref), headers=tuple(matching(if_match)), removes=True)


def restore_call(path: str, key: tuple[tuple[str, str], ...], if_match: str | None) -> Call:
    """The call that restores a revision."""
    return Call("POST", path, body=b"{}", headers=(*key, *matching(if_match)))


def put_set(
    id: str,
    entities: Iterable[Entity | Mapping[str, Any]],
    files: Mapping[str, str],
    prune: str | None,
    dry_run: bool,
) -> Call:
    """The call that applies a set, or plans to."""
    body = {
        "entities": [msgspec.to_builtins(one) for one in entities],
        "files": [{"name": name, "text": text} for name, text in files.items()],
    }
    params: list[tuple[str, str]] = [("dryRun", "true")] if dry_run else []
    params += [("prune", prune)] if prune is not None else []
    return Call("PUT", set_path(id), params=tuple(params), body=written(body))


def time_text(moment: datetime | str) -> str:
    """A time as it is sent.

    Raises:
        BadArgument: it has no zone.
    """
    if isinstance(moment, str):
        return moment
    if moment.tzinfo is None:
        raise BadArgument("A time needs its zone, such as datetime.now(UTC).")
    return moment.isoformat()


def past_params(moment: datetime | str, kind: str | None) -> Params:
    """The query for entities as they were."""
    params: Sequence[tuple[str, str]] = [("as_of", time_text(moment))]
    return [*params, ("kind", kind)] if kind is not None else params


def matching(if_match: str | None) -> list[tuple[str, str]]:
    """The header that demands a state.

    Raises:
        BadArgument: it is no tag.
    """
    if if_match is None:
        return []
    if not all(" " <= mark <= "~" for mark in if_match) or not if_match:
        raise BadArgument("if_match is an etag as the platform gave it, or *.")
    return [("if-match", if_match)]
