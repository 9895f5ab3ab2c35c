"""Conditional writes (RFC 9110, section 13): the tag of an entity, and what a writer demands of it.

A tag has two parts, `<content>-<whole>`. The first changes with what the entity's holder wrote,
the second with anything in it, such as a relation that another entity states. Readers compare
both, writers the first: nobody's write fails because of what a neighbour said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from towpath_core.errors import TowpathError

__all__ = ("Condition", "PreconditionFailed", "content_tag", "entity_tag", "whole_tag")

_GIVEN = frozenset({"relations", "status"})
_GIVEN_METADATA = frozenset({"uid", "etag"})
_LENGTH = 16


class PreconditionFailed(TowpathError):
    """The entity is not in the state that the writer has seen; nothing was changed."""

    code = "precondition-failed"


class Condition(msgspec.Struct, frozen=True):
    """What must be true of an entity for a write to happen.

    Attributes:
        match: tags of which it must have one, `*` for any; None where nothing is demanded.
        none_match: tags of which it must have none, `*` for any: then it must not be there.
    """

    match: tuple[str, ...] | None = None
    none_match: tuple[str, ...] | None = None

    def check(self, ref: str, document: Mapping[str, Any] | None) -> None:
        """Hold it against an entity as it is stored; None where there is none.

        Raises:
            PreconditionFailed: it does not hold.
        """
        tag = content_tag(document) if document is not None else None
        if self.match is not None and not _has(self.match, tag):
            raise PreconditionFailed(
                f"{ref} is not what it was." if tag else f"There is no {ref}.",
                why="If-Match names another state of it.",
                next="Read it, look at what changed, and write with the ETag of now.",
            )
        if self.none_match is not None and _has(self.none_match, tag):
            raise PreconditionFailed(
                f"{ref} is there already.",
                why="If-None-Match says that it must not be.",
                next="Leave If-None-Match, or --new, out to change it.",
            )


def content_tag(document: Mapping[str, Any]) -> str:
    """The part of a tag that tells what the holder of an entity wrote, however it was read.

    Args:
        document: the entity, with or without what the catalog adds to it.
    """
    plain = {key: value for key, value in document.items() if key not in _GIVEN}
    metadata = plain["metadata"].items()
    plain["metadata"] = {key: value for key, value in metadata if key not in _GIVEN_METADATA}
    if not plain.get("spec"):
        plain.pop("spec", None)
    encoded = msgspec.json.encode(plain, order="deterministic")
    return hashlib.sha256(encoded).hexdigest()[:_LENGTH]


def whole_tag(content: str, etag: str) -> str:
    """The tag of an entity: that of its content, and its `metadata.etag`."""
    return f"{content}-{etag[:_LENGTH]}"


def entity_tag(final: bytes, etag: str) -> str:
    """The tag of an entity as readers get it.

    Args:
        final: the entity as JSON.
        etag: its `metadata.etag`.
    """
    return whole_tag(content_tag(msgspec.json.decode(final)), etag)


def _has(tags: tuple[str, ...], content: str | None) -> bool:
    if content is None:
        return False
    return "*" in tags or content in {tag.partition("-")[0] for tag in tags}
