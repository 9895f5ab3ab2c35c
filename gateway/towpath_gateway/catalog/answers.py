"""Answers of the catalog's reads: from the index straight to bytes."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

import msgspec
from pyroaring import BitMap

from towpath_core.errors import Invalid, LimitExceeded
from towpath_core.identity import Principal
from towpath_engine.catalog.index import REF, UID, CatalogIndex
from towpath_engine.catalog.query import (
    Order,
    Page,
    parse_filters,
    pick,
    predicate,
    search,
    select,
    walk,
)
from towpath_gateway.catalog.cursors import Cursor, Cursors

__all__ = (
    "MAX_FIELDS",
    "MAX_ORDERS",
    "Question",
    "ask",
    "bodies",
    "items_between",
    "limited",
    "listing",
    "looked_up",
    "read_fields",
    "read_order",
)

DEFAULT_LIMIT = 200
MAX_LIMIT = 10_000
MAX_REFS = 10_000
MAX_FIELDS = 100
MAX_ORDERS = 10
MAX_ANSWER_BYTES = 64 * 1024 * 1024


class Question(msgspec.Struct, frozen=True):
    """A `by-query` request, from either method."""

    filters: tuple[str, ...] = ()
    predicate: Any = None
    order: Order | None = None
    term: str = ""
    fields: tuple[str, ...] = ()
    limit: int = DEFAULT_LIMIT
    offset: int = 0
    count: bool = True
    shown: tuple[str, ...] = ()
    cursor: str | None = None


def ask(
    index: CatalogIndex,
    question: Question,
    principal: Principal,
    cursors: Cursors,
    visible: BitMap | None,
) -> bytes:
    """The body that answers a question: items, total and cursors.

    Args:
        index: the index.
        question: what is asked.
        principal: whom the cursors are for.
        cursors: writes and reads them.
        visible: what the principal may see; None for everything.

    Raises:
        Invalid: filter, predicate, cursor or limit is malformed.
    """
    if question.limit < 0 or question.offset < 0:
        raise Invalid("limit and offset must not be negative.")
    limit = min(question.limit, MAX_LIMIT)
    if question.cursor is not None:
        cursor = cursors.read(question.cursor, principal)
    else:
        cursor = _beginning(question)
    order = Order(cursor.order, cursor.descending)
    among = _among(index, cursor, visible)
    if question.cursor is not None:
        total = cursor.total
        page = walk(index, among, order, limit=limit, start=cursor.start, backwards=cursor.back)
    else:
        total = len(among) if question.count else 0
        page = walk(index, among, order, limit=limit, offset=question.offset)
    cursor = msgspec.structs.replace(cursor, total=total)
    info = _page_info(index, page, cursor, principal, cursors) if limit else b"{}"
    tail = b'],"totalItems":%d,"pageInfo":%b}' % (total, info)
    return items_between(b'{"items":[', bodies(index, page.numbers, question.shown), tail)


def _beginning(question: Question) -> Cursor:
    """The cursor of a walk that has not begun."""
    order = question.order or Order(UID)
    return Cursor(
        order=order.field,
        descending=order.descending,
        start=("", ""),
        total=0,
        filters=question.filters,
        predicate=question.predicate,
        term=question.term,
        fields=question.fields,
    )


def _among(index: CatalogIndex, cursor: Cursor, visible: BitMap | None) -> BitMap:
    among = select(index, parse_filters(cursor.filters))
    if visible is not None:
        among = among & visible
    if cursor.predicate is not None:
        among = among & predicate(index, cursor.predicate)
    if cursor.order != UID:
        # Entities without the field are left out of the items and of the count alike.
        among = among & index.postings(cursor.order.lower()).having()
    return search(index, among, cursor.term, cursor.fields or (cursor.order,))


def _page_info(
    index: CatalogIndex, page: Page, cursor: Cursor, principal: Principal, cursors: Cursors
) -> bytes:
    if not page.numbers:
        return b"{}"
    info = {}
    if page.after:
        at = _row(index, cursor.order, page.numbers[-1])
        following = msgspec.structs.replace(cursor, start=at, back=False)
        info["nextCursor"] = cursors.write(following, principal)
    if page.before:
        at = _row(index, cursor.order, page.numbers[0])
        earlier = msgspec.structs.replace(cursor, start=at, back=True)
        info["prevCursor"] = cursors.write(earlier, principal)
    return msgspec.json.encode(info)


def _row(index: CatalogIndex, field: str, number: int) -> tuple[str, str]:
    if field == UID:  # the usual order needs no look into it
        uid = index.by_number(number).uid
        return uid, uid
    row = index.view(field.lower()).get(number)
    assert row is not None, "a page is made of rows"  # noqa: S101
    return row[:2]


def bodies(index: CatalogIndex, numbers: Iterable[int], shown: Sequence[str]) -> list[bytes]:
    """Entities as bytes, with only the shown fields where any are named."""
    finals = [index.by_number(number).final for number in numbers]
    if not shown:
        return finals
    encode = msgspec.json.encode
    return [encode(pick(msgspec.json.decode(final), shown)) for final in finals]


def items_between(head: bytes, items: list[bytes], tail: bytes) -> bytes:
    """Encoded items as one text with what stands around them, put together once."""
    if not items:
        return head + tail
    if len(items) == 1:
        return head + items[0] + tail
    return b",".join([head + items[0], *items[1:-1], items[-1] + tail])


def looked_up(
    index: CatalogIndex, refs: Sequence[str], among: BitMap | None, shown: Sequence[str]
) -> list[bytes]:
    """Entities in the order of their refs as bytes; `null` for one that is not `among`.

    Raises:
        Invalid: more than 10,000 refs.
        LimitExceeded: they would have more than 64 MiB, which a few refs repeated often can.
    """
    limited(refs, MAX_REFS, "entityRefs")
    entries = [
        entry if entry is not None and (among is None or entry.number in among) else None
        for entry in map(index.by_ref, refs)
    ]
    if shown:
        # Each is cut once, however often it is asked for.
        numbers = list(dict.fromkeys(entry.number for entry in entries if entry is not None))
        cut = dict(zip(numbers, bodies(index, numbers, shown), strict=True))
        items = [b"null" if entry is None else cut[entry.number] for entry in entries]
    else:
        items = [b"null" if entry is None else entry.final for entry in entries]
    if sum(map(len, items)) > MAX_ANSWER_BYTES:
        raise LimitExceeded(
            f"The answer would have more than {MAX_ANSWER_BYTES} bytes.", next="Ask for fewer refs."
        )
    return items


def limited(values: Sequence[str], most: int, what: str) -> Sequence[str]:
    """The values, where they are not too many: each costs a walk through the index.

    Raises:
        Invalid: there are more than `most`.
    """
    if len(values) > most:
        raise Invalid(f"More than {most} {what} are not taken at once.")
    return values


def listing(
    index: CatalogIndex,
    filters: Sequence[str],
    orders: Sequence[Order],
    shown: Sequence[str],
    *,
    limit: int | None,
    offset: int | None,
    after: str | None,
    visible: BitMap | None,
) -> tuple[list[bytes], str | None]:
    """The entities that answer `GET /entities`, and the mark of the next page where there is one.

    Raises:
        Invalid: a parameter is malformed.
    """
    if after is not None:
        limit, offset = _read_after(after)
    if limit is not None and limit <= 0:
        raise Invalid("limit must be greater than 0.")
    if offset is not None and offset < 0:
        raise Invalid("offset must not be negative.")
    among = select(index, parse_filters(filters))
    if visible is not None:
        among = among & visible
    begin = offset or 0
    wanted = begin + limit + 1 if limit is not None else len(among)
    if orders:
        rows = _ranked(index, among, orders)
    else:
        found = index.view(REF).beyond(among, None, rising=True, wanted=wanted)
        rows = [row[2] for row in islice(found, wanted)]
    page = rows[begin : begin + limit] if limit is not None else rows[begin:]
    mark = None
    if limit is not None and begin + limit < len(rows):
        plain = msgspec.json.encode({"limit": limit, "offset": begin + limit})
        mark = base64.b64encode(plain).decode()
    return bodies(index, page, shown), mark


def _ranked(index: CatalogIndex, among: BitMap, orders: Sequence[Order]) -> list[int]:
    """Numbers by several orders, then by reference; those that lack a field come last."""
    view = index.view(REF)
    rows = [row[2] for row in view.beyond(among, None, rising=True, wanted=len(among))]
    for order in reversed(orders):
        view = index.view(order.field.lower())
        placed = [(row[0], number) for number in rows if (row := view.get(number)) is not None]
        placed.sort(key=itemgetter(0), reverse=order.descending)
        rows = [number for _, number in placed] + [n for n in rows if view.get(n) is None]
    return rows


def _read_after(after: str) -> tuple[int, int]:
    try:
        read = msgspec.json.decode(base64.b64decode(after, validate=True), type=dict[str, int])
        return read["limit"], read["offset"]
    except (ValueError, KeyError, msgspec.MsgspecError) as error:
        raise Invalid("Malformed cursor, could not be parsed.") from error


def read_fields(texts: Sequence[str] | None) -> tuple[str, ...]:
    """Fields from comma lists.

    Raises:
        Invalid: a field selects out of a list, which Backstage does not either, or over 100.
    """
    fields = [part.strip() for text in texts or () for part in text.split(",")]
    if wrong := next((field for field in fields if "[" in field or "]" in field), None):
        raise Invalid(f"Invalid field {wrong[:80]!r}; brackets are not known here.")
    return tuple(limited([field for field in fields if field], MAX_FIELDS, "fields"))


def read_order(text: str, mark: str, *, field_first: bool) -> Order:
    """An order, as `field,asc` or `asc:field`.

    Raises:
        Invalid: it has no field, or another way than asc and desc.
    """
    first, _, second = text.partition(mark)
    field, way = (first, second or "asc") if field_first else (second, first)
    if not field.strip() or way not in ("asc", "desc"):
        right = "metadata.name,asc" if field_first else "asc:metadata.name"
        raise Invalid(f"Invalid order {text[:80]!r}; write asc or desc and a field, as {right}.")
    return Order(field.strip(), way == "desc")
