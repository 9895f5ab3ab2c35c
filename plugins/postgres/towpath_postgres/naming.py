"""Names and marks of what is made on the server.

A name is for people and says what a thing is for; its last eight characters come from the id, so
that two things never share one. Whose a thing is, is told by its mark (a comment) alone: only an
administrator of roles can write it, the owner of a database cannot.
"""

from __future__ import annotations

import hashlib
import re

__all__ = ("NAME_BYTES", "binding_mark", "binding_marks", "name_for", "resource_mark")

NAME_BYTES = 63
"""What PostgreSQL keeps of a name; it cuts off the rest without a word."""

_OTHER = re.compile(r"[^a-z0-9]+")


def name_for(name: str, id: str, prefix: str = "") -> str:
    """Make `<prefix><slug>_<8 hex digits>`: ASCII lower case, at most 63 bytes, never empty.

    Args:
        name: what a person called it; any text.
        id: the never-reused id that the digits come from.
        prefix: what all names begin with, a good name by itself.
    """
    digits = hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    slug = _OTHER.sub("_", name.lower()).strip("_")
    if not slug or slug[0].isdigit():
        slug = f"db_{slug}".rstrip("_")
    room = NAME_BYTES - len(digits) - 1
    return f"{f'{prefix}{slug}'[:room].rstrip('_')}_{digits}"


def resource_mark(resource_id: str) -> str:
    """The comment on a database and on the role that owns it."""
    return f"towpath:resource={resource_id}"


def binding_mark(resource_id: str, binding_id: str) -> str:
    """The comment on a login role."""
    start, end = binding_marks(resource_id)
    return f"{start}{binding_id}{end}"


def binding_marks(resource_id: str) -> tuple[str, str]:
    """How the marks of all bindings of a resource begin and end."""
    return "towpath:binding=", f";resource={resource_id}"
