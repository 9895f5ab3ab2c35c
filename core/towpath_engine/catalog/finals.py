"""The form in which readers get an entity: as its holder wrote it, with id, etag and relations.

One formula for the present, which the index keeps, and for the past. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from secrets import token_hex
from typing import Any

import msgspec

__all__ = ("ETAG_LENGTH", "Head", "final_form", "head_of", "with_relations")

_ETAG = token_hex(20)
"""Stands in an entity's bytes for its etag, which is as long, until that is known. Nobody can have
written it."""

ETAG_LENGTH = len(_ETAG)

Edges = Sequence[tuple[str, str]]
"""Relations as (type, target), in order."""


class Head(msgspec.Struct, frozen=True):
    """An entity but for its relations and its etag.

    Attributes:
        text: JSON in UTF-8; what stands from `etag_at` on in place of the etag means nothing.
        digest: of all that its holder wrote, and of its id.
        etag_at: where the etag belongs.
        end: where the relations belong.
    """

    text: bytes
    digest: bytes
    etag_at: int
    end: int


def head_of(body: str, uid: str) -> tuple[Head, dict[str, Any]]:
    """The head of an entity, and the entity as data.

    Args:
        body: the envelope as JSON text, without id, etag and relations.
        uid: its id.
    """
    entity: dict[str, Any] = msgspec.json.decode(body)
    metadata = entity["metadata"]
    metadata["uid"] = uid
    metadata["etag"] = _ETAG
    text = msgspec.json.encode(entity)
    digest = hashlib.sha1(f"{uid}\n{body}".encode(), usedforsecurity=False).digest()
    return Head(text, digest, text.index(_ETAG.encode()), len(text) - 1), entity


def with_relations(head: Head, edges: Edges) -> tuple[bytes, str]:
    """The whole entity, and its etag, which changes when anything of it does.

    A head may be what this gave before: then other relations take the place of the old ones.
    """
    tail = msgspec.json.encode([{"type": type, "targetRef": target} for type, target in edges])
    etag = hashlib.sha1(head.digest + tail, usedforsecurity=False).hexdigest()
    at, after, text = head.etag_at, head.etag_at + ETAG_LENGTH, head.text
    parts = (text[:at], etag.encode(), text[after : head.end], b',"relations":', tail, b"}")
    return b"".join(parts), etag


def final_form(body: str, uid: str, edges: Edges) -> tuple[bytes, str]:
    """An entity as readers get it, and its `metadata.etag`."""
    head, _ = head_of(body, uid)
    return with_relations(head, edges)
