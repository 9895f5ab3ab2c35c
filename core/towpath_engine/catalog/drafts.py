"""An entity that is to be written, and what became of those that were. Knows no table."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import msgspec

from towpath_core.entities import Entity, Relation
from towpath_engine.catalog.judging import MANAGED_BY, MANAGED_BY_ORIGIN, SOURCE_LOCATION

__all__ = ("RESTORED", "Draft", "Held", "Outcome", "belongs", "same_content")

RESTORED = "api:restored:"
"""How the origin of an entity begins that was brought back though its source lacks it."""

_OURS = (MANAGED_BY, MANAGED_BY_ORIGIN, SOURCE_LOCATION)


class Draft:
    """An entity to be written. Keeps its text only: a large catalog has many.

    Args:
        entity: checked, with all its annotations.
        body: the same as JSON text.
        relations: what it states, both directions.
        origin: who holds the reference; another origin cannot take it over.
        file: the file it stands in.
        lacking: files that it names could not be read. It is written where nothing is there yet,
            and otherwise what is there stays.
        line: where it begins in the file.
    """

    __slots__ = ("body", "edges", "file", "hash", "kind", "lacking", "line", "origin", "ref")

    def __init__(
        self,
        entity: Entity,
        body: bytes,
        relations: Iterable[Relation],
        origin: str,
        file: str | None = None,
        lacking: bool = False,
        line: int | None = None,
    ) -> None:
        edges = msgspec.json.encode(sorted({(r.source, r.type, r.target) for r in relations}))
        self.ref = str(entity.ref)
        self.kind = entity.kind.lower()
        self.body = body
        self.edges = edges.decode()
        self.hash = hashlib.sha256(body + b"\n" + edges).hexdigest()
        self.origin = origin
        self.file = file
        self.lacking = lacking
        self.line = line

    @property
    def entity(self) -> Entity:
        """The entity, made anew from its text."""
        return msgspec.json.decode(self.body, type=Entity)

    def row(self, location_id: UUID | None) -> dict[str, Any]:
        """What the table keeps of it, but for what the entity gets when it is written."""
        return {
            "ref": self.ref,
            "kind": self.kind,
            "body": self.body.decode(),
            "edges": self.edges,
            "hash": self.hash,
            "origin": self.origin,
            "file": self.file,
            "line": self.line,
            "location_id": location_id,
        }


class Held(msgspec.Struct, frozen=True):
    """Entities that vanished from a location and stay until somebody confirms.

    Attributes:
        digest: names exactly these; a confirmation says by it which ones it means.
        refs: their references, ordered.
    """

    digest: str
    refs: tuple[str, ...]


class Outcome(msgspec.Struct):
    """What became of drafts: references by what was done, and who holds those that conflict.

    `handed` are references that passed to another origin, which had stated them all along.
    `held` is what vanished and stays until somebody confirms.
    """

    added: list[str] = []
    changed: list[str] = []
    unchanged: list[str] = []
    deleted: list[str] = []
    handed: list[str] = []
    conflicts: dict[str, str] = {}
    held: Held | None = None
    seq: int = 0

    def take(self, other: Outcome) -> None:
        """Add what became of others."""
        for name in ("added", "changed", "unchanged", "deleted", "handed"):
            getattr(self, name).extend(getattr(other, name))
        self.conflicts |= other.conflicts
        self.seq = max(self.seq, other.seq)


def belongs(holder: str, origin: str) -> bool:
    """Whether an origin may write what a holder has: its own, and what was restored of it."""
    return holder in (origin, f"{RESTORED}{origin}")


def same_content(one: str, other: str) -> bool:
    """Whether two bodies say the same, wherever they were read from."""
    return _bare(one) == _bare(other)


def _bare(body: str) -> Mapping[str, Any]:
    entity: dict[str, Any] = msgspec.json.decode(body)
    metadata = dict(entity["metadata"])
    annotations = metadata.get("annotations") or {}
    metadata["annotations"] = {k: v for k, v in annotations.items() if k not in _OURS}
    return {**entity, "metadata": metadata}
