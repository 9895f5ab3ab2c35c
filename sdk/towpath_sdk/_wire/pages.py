"""Pages of lists, and how the call for the next page is made from the last one.

Cursors are opaque: they are handed back as they came.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from towpath_sdk._wire.calls import Call, Params, decode, get
from towpath_sdk._wire.entities import Entity
from towpath_sdk._wire.errors import BadArgument, UnexpectedAnswer
from towpath_sdk._wire.runs import Event

__all__ = ("Page", "Reader", "entity_page", "event_page", "list_call", "next_call", "page_of")

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True, rename="camel", omit_defaults=True):
    """One page of a list.

    Attributes:
        items: in the platform's order.
        next_cursor: where the list goes on; keep it to go on from here later. None at the end.
        total: how many there are in all pages, where the platform counts them.
    """

    items: tuple[T, ...]
    next_cursor: str | None = None
    total: int | None = None


Reader = Callable[[Call, bytes], Page[T]]
"""How the answer of a list becomes a page."""


class _PageInfo(msgspec.Struct, frozen=True, rename="camel"):
    next_cursor: str | None = None


class _EntityPage(msgspec.Struct, frozen=True, rename="camel"):
    items: tuple[Entity, ...]
    total_items: int | None = None
    page_info: _PageInfo = _PageInfo()


def page_of(page: type[Page[T]]) -> Reader[T]:
    """How lists below `/api/v1` are read: `{items, nextCursor?}`."""

    def read(call: Call, content: bytes) -> Page[T]:
        return decode(call, content, page)

    return read


def entity_page(call: Call, content: bytes) -> Page[Entity]:
    """How the catalog's own lists are read: `{items, totalItems, pageInfo}`."""
    found = decode(call, content, _EntityPage)
    return Page(found.items, found.page_info.next_cursor, found.total_items)


def event_page(call: Call, content: bytes) -> Page[Event]:
    """How a run's events are read: the last one's number is where the list goes on."""
    found = decode(call, content, Page[Event])
    return Page(found.items, str(found.items[-1].seq) if found.items else None)


def list_call(path: str, params: Params = (), *, limit: int, cursor: str | None = None) -> Call:
    """The call for the first page of a list, or for the one that a kept cursor names.

    Raises:
        BadArgument: the page size is not positive.
    """
    if limit < 1:
        raise BadArgument(f"A page has 1 item or more, not {limit}.")
    going_on = [("cursor", cursor)] if cursor is not None else []
    return get(path, [("limit", str(limit)), *params, *going_on])


def next_call(call: Call, cursor: str, name: str = "cursor") -> Call:
    """The call for the page after the one that `call` got.

    A list of entities that was begun by POST goes on by GET: the cursor holds the question.

    Raises:
        UnexpectedAnswer: the platform named the same page again; going on would never end.
    """
    if (name, cursor) in call.params:
        raise UnexpectedAnswer(f"{call} names the same page as the next one, again and again.")
    kept = [(key, value) for key, value in call.params if key != name]
    if call.body is not None:
        kept = _still_heard(call.body)
    return get(call.path, [*kept, (name, cursor)])


class _Asked(msgspec.Struct):
    limit: int
    fields: tuple[str, ...] = ()


def _still_heard(body: bytes) -> list[tuple[str, str]]:
    """What the platform heeds beside a cursor: the page size and the fields."""
    asked = msgspec.json.decode(body, type=_Asked)
    fields = [("fields", ",".join(asked.fields))] if asked.fields else []
    return [("limit", str(asked.limit)), *fields]
