"""The short way: reads of the catalog that are asked all day, answered before the router.

It knows the plain form of four reads, and answers only when all is well. Whatever it is not sure
of (another path, an odd parameter, credentials that are not good, an entity that is not there) goes
the long way, which knows everything and says what is wrong. So there is one place for errors, and
the answers of both ways are the same bytes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import parse_qsl

import msgspec
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, ReceiveMessage, Scope, Send
from pyroaring import BitMap

from towpath_core.errors import TowpathError
from towpath_core.identity import Principal
from towpath_core.refs import EntityRef
from towpath_engine.catalog.query import facets, parse_filters, select
from towpath_gateway.answer import Answer, json_bytes
from towpath_gateway.ask import Served
from towpath_gateway.auth.chain import bearer_of
from towpath_gateway.body import BODY_SECONDS, too_slow
from towpath_gateway.catalog.answers import (
    Question,
    ask,
    items_between,
    looked_up,
    read_fields,
    read_order,
)
from towpath_gateway.catalog.wire import ByRefsBody
from towpath_gateway.problems import answer_fault

__all__ = ("ShortWay",)

_ENTITIES = "/api/catalog/entities/"
_BY_NAME = f"{_ENTITIES}by-name/"
_BY_QUERY = f"{_ENTITIES}by-query"
_BY_REFS = f"{_ENTITIES}by-refs"
_ENCODED = frozenset({b"content-encoding", b"transfer-encoding"})
_MOST_BODY = 100_000
_FACETS = "/api/catalog/entity-facets"
_MOST_REMEMBERED = 1024
_MOST_NUMBER = 6
_MOST_FACETS = 10


class _Counting(msgspec.Struct, frozen=True):
    """A question for facets."""

    filters: tuple[str, ...]
    names: tuple[str, ...]


class ShortWay:
    """Answers plain reads by itself, and hands all else on."""

    def __init__(self, app: ASGIApp, served: Served) -> None:
        self._app = app
        self._served = served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application do it (ASGI)."""
        answer: ASGIApp | None = None
        if scope["type"] == ScopeType.HTTP:
            if scope["method"] == "GET":
                answer = await self._get(scope)
            elif scope["method"] == "POST" and scope["path"] == _BY_REFS:
                answer, receive = await self._post(scope, receive)
        await (answer or self._app)(scope, receive, send)

    async def _get(self, scope: HTTPScope) -> Answer | None:
        asked = _read(scope["path"], scope["query_string"])
        if asked is None or (who := await self._who(scope)) is None:
            return None
        return self._answer(asked, who)

    async def _post(self, scope: HTTPScope, receive: Receive) -> tuple[ASGIApp | None, Receive]:
        """The answer to a body, and where whoever reads on gets it from."""
        length = _plain_length(scope)
        if length is None or (who := await self._who(scope)) is None:
            return None, receive  # a stranger's body is not waited for
        try:
            async with asyncio.timeout(BODY_SECONDS):
                events = await _taken(receive, length)
        except TimeoutError:
            return answer_fault(scope["method"], scope["path"], too_slow()), receive
        asked = _refs(events, length)
        return self._answer(asked, who) if asked is not None else None, _again(events, receive)

    async def _who(self, scope: HTTPScope) -> _Who | None:
        try:
            principal = await self._served.chain.principal(bearer_of(scope))
            if principal is None or not principal.has("catalog:read"):
                return None
            return principal, await self._served.platform.sight.of(principal)
        except TowpathError:
            return None

    def _answer(self, asked: _Asked, who: _Who) -> Answer | None:
        try:
            return self._found(asked, *who)
        except TowpathError:
            return None  # what is wrong is told at the end of the long way

    def _found(self, asked: _Asked, principal: Principal, visible: BitMap | None) -> Answer | None:
        index = self._served.platform.index
        if isinstance(asked, EntityRef):
            entry = index.by_ref(str(asked))
            if entry is None or (visible is not None and entry.number not in visible):
                return None
            return json_bytes(entry.final)
        if isinstance(asked, Question):
            return json_bytes(ask(index, asked, principal, self._served.cursors, visible))
        if isinstance(asked, ByRefsBody):
            items = looked_up(index, asked.entity_refs, visible, ())
            return json_bytes(items_between(b'{"items":[', items, b"]}"))
        among = select(index, parse_filters(asked.filters))
        among = among if visible is None else among & visible
        return json_bytes(msgspec.json.encode({"facets": facets(index, among, asked.names)}))


_Asked = Question | _Counting | ByRefsBody | EntityRef
_Who = tuple[Principal, BitMap | None]
"""Who asks, and what they may see."""


def _read(path: str, query: bytes) -> _Asked | None:
    if path.startswith(_BY_NAME):
        return _named(path) if not query else None
    if len(query) > _MOST_REMEMBERED:
        return None
    if path == _BY_QUERY:
        return _question(query)
    return _counting(query) if path == _FACETS else None


def _plain_length(scope: HTTPScope) -> int | None:
    """How long a body is; None where there is more to it than JSON of a length that is told."""
    if scope["query_string"]:
        return None
    headers = scope["headers"]
    types = [value for name, value in headers if name == b"content-type"]
    lengths = [value for name, value in headers if name == b"content-length"]
    if types != [b"application/json"] or any(name in _ENCODED for name, _ in headers):
        return None
    length = _number(lengths[0].decode("latin-1")) if len(lengths) == 1 else None
    return length if length is not None and length <= _MOST_BODY else None


async def _taken(receive: Receive, length: int) -> list[ReceiveMessage]:
    """The events of a body, up to its last byte; that nothing more comes need not be waited for."""
    events: list[ReceiveMessage] = []
    while length > 0:
        event = await receive()
        events.append(event)
        if event["type"] != "http.request" or not event["more_body"]:
            break
        length -= len(event["body"])
    return events


def _refs(events: Sequence[ReceiveMessage], length: int) -> ByRefsBody | None:
    """What a body asks for, where it came whole and names references only."""
    content = b"".join(event["body"] for event in events if event["type"] == "http.request")
    if len(content) != length:
        return None
    try:
        body = msgspec.json.decode(content, type=ByRefsBody)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return None
    return body if body.query is None and not body.fields else None


def _again(events: Sequence[ReceiveMessage], receive: Receive) -> Receive:
    """Gives events that were taken once more, and then what comes."""
    waiting = deque(events)

    async def give() -> ReceiveMessage:
        return waiting.popleft() if waiting else await receive()

    return give


def _named(path: str) -> EntityRef | None:
    parts = path[len(_BY_NAME) :].split("/")
    if len(parts) != 3 or not all(parts):
        return None
    return EntityRef(*parts)


@lru_cache(maxsize=2048)
def _question(query: bytes) -> Question | None:
    """What a query string asks for, where each part of it is in its plain form."""
    found = _plain(query, many=("filter", "fields", "fullTextFilterFields"), one=_ONE)
    if found is None:
        return None
    many, one = found
    limit, offset = _number(one.get("limit", "200")), _number(one.get("offset", "0"))
    count = one.get("totalItems", "include")
    if limit is None or offset is None or count not in ("include", "exclude"):
        return None
    try:
        order = one.get("orderField")
        return Question(
            filters=tuple(many["filter"]),
            order=read_order(order, ",", field_first=True) if order is not None else None,
            term=one.get("fullTextFilterTerm", ""),
            fields=read_fields(many["fullTextFilterFields"]),
            limit=limit,
            offset=offset,
            count=count == "include",
            shown=read_fields(many["fields"]),
            cursor=one.get("cursor"),
        )
    except TowpathError:
        return None


@lru_cache(maxsize=512)
def _counting(query: bytes) -> _Counting | None:
    found = _plain(query, many=("filter", "facet"), one=())
    if found is None or not 0 < len(found[0]["facet"]) <= _MOST_FACETS or "" in found[0]["facet"]:
        return None
    return _Counting(tuple(found[0]["filter"]), tuple(found[0]["facet"]))


_ONE = ("limit", "offset", "totalItems", "orderField", "cursor", "fullTextFilterTerm")


def _plain(
    query: bytes, *, many: tuple[str, ...], one: tuple[str, ...]
) -> tuple[dict[str, list[str]], dict[str, str]] | None:
    lists: dict[str, list[str]] = {name: [] for name in many}
    singles: dict[str, str] = {}
    if not query.isascii():
        return None
    for name, value in parse_qsl(query.decode("ascii"), keep_blank_values=True):
        if "\ufffd" in value:  # no UTF-8, which is for the long way to judge
            return None
        if name in lists:
            lists[name].append(value)
        elif name in one and name not in singles:
            singles[name] = value
        else:
            return None
    return lists, singles


def _number(text: str) -> int | None:
    plain = text.isascii() and text.isdigit() and len(text) <= _MOST_NUMBER
    return int(text) if plain and (text == "0" or text[0] != "0") else None
