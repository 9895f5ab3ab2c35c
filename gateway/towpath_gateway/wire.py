"""What all APIs share on the wire: camelCase structs, pages, cursors, ids."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from towpath_core.errors import Invalid

__all__ = (
    "Page",
    "StrictBody",
    "Wire",
    "page_mark",
    "page_of",
    "read_mark",
    "read_number",
    "read_time",
    "read_uuid",
)

T = TypeVar("T")


class Wire(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Root of all structs on the wire: camelCase, nothing that is None."""


class StrictBody(
    msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True
):
    """Root of all bodies that are read: unknown fields are refused, so that none has no effect."""


class Page(msgspec.Struct, Generic[T], frozen=True, rename="camel", omit_defaults=True):
    """A page of a list; `next_cursor` asks for the following one."""

    items: list[T]
    next_cursor: str | None = None


def page_of(items: Sequence[T], limit: int, cursor: str | None) -> Page[T]:
    """A page of a list that is at hand as a whole.

    Raises:
        Invalid: the cursor is not one of ours.
    """
    begin = read_number(cursor)
    end = begin + limit
    return Page(list(items[begin:end]), str(end) if end < len(items) else None)


def read_number(cursor: str | None) -> int:
    """Read a cursor that is a number; 0 for the start.

    Raises:
        Invalid: it is not one of ours.
    """
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise Invalid("Malformed cursor.", next="Start from the first page.")
    return int(cursor)


def page_mark(moment: datetime, id: UUID) -> str:
    """A cursor that continues a list ordered by time and id."""
    plain = msgspec.json.encode([moment, id])
    return base64.urlsafe_b64encode(plain).decode().rstrip("=")


def read_mark(cursor: str | None) -> tuple[datetime, UUID] | None:
    """Read what `page_mark` wrote.

    Raises:
        Invalid: it is not one of ours.
    """
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        plain = base64.b64decode(padded, altchars=b"-_", validate=True)
        return msgspec.json.decode(plain, type=tuple[datetime, UUID])
    except (ValueError, msgspec.MsgspecError) as error:
        raise Invalid("Malformed cursor.", next="Start from the first page.") from error


def read_uuid(text: str, what: str) -> UUID:
    """Read an id out of a path.

    Raises:
        Invalid: it is not a UUID.
    """
    try:
        return UUID(text)
    except ValueError as error:
        shown: Any = text[:80]
        raise Invalid(f"{shown!r} is not the id of a {what}.") from error


def read_time(text: str) -> datetime:
    """Read a time with its zone.

    Raises:
        Invalid: it is none.
    """
    try:
        # In an address that was not encoded well, the sign of the zone is a space.
        found = msgspec.convert(text.replace(" ", "+"), datetime)
    except msgspec.ValidationError:
        found = None
    if found is None or found.tzinfo is None:
        raise Invalid(
            f"{text[:80]!r} is not a time.", next="Write it as 2026-11-23T09:30:00Z (RFC 3339)."
        )
    return found
