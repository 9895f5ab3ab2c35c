"""Entity references as the catalog compares them: `[kind:][namespace/]name`, without case.

Knows only the text; whether there is such an entity is the catalog's to say.
"""

from __future__ import annotations

import re

import msgspec

from towpath_sdk._wire.errors import BadArgument

__all__ = ("EntityRef", "parse_ref")

_REF = re.compile(r"(?:(?P<kind>[^:/]*):)?(?:(?P<namespace>[^/]*)/)?(?P<name>.*)", re.DOTALL)


class EntityRef(msgspec.Struct, frozen=True):
    """A complete reference. `str()` gives the canonical form, all in lower case."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """Format as `kind:namespace/name` in lower case."""
        return f"{self.kind}:{self.namespace}/{self.name}".lower()


def parse_ref(text: str | EntityRef, *, kind: str | None = None) -> EntityRef:
    """Read a reference; a missing namespace is `default`.

    Args:
        text: the reference as written, or one that was read before.
        kind: the kind where the text names none.

    Raises:
        BadArgument: a part is empty, or no kind is to be had.
    """
    if isinstance(text, EntityRef):
        return text
    match = _REF.fullmatch(text)
    parts = match.groupdict() if match else {}
    found = EntityRef(
        kind=kind or "" if parts.get("kind") is None else parts["kind"],
        namespace="default" if parts.get("namespace") is None else parts["namespace"],
        name=parts.get("name") or "",
    )
    if found.kind and found.namespace and found.name:
        return found
    raise BadArgument(
        f"{text[:200]!r} is not an entity reference.",
        why=None if found.kind else "It names no kind.",
        next="Write kind:namespace/name or kind:name, for example component:default/shop.",
    )
