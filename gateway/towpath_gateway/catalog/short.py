"""The short way: reads of the catalog that are asked all day, answered before the router.

It knows the plain form of three reads, and answers only when all is well. Whatever it is not sure
of (another path, an odd parameter, credentials that are not good, an entity that is not there) goes
the long way, which knows everything and says what is wrong. So there is one place for errors, and
the answers of both ways are the same bytes.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import parse_qsl

import msgspec
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send
from pyroaring import BitMap

from towpath_core.errors import TowpathError
from towpath_core.identity import Principal
from towpath_core.refs import EntityRef
from towpath_engine.catalog.query import facets, parse_filters, select
from towpath_gateway.answer import Answer, json_bytes
from towpath_gateway.ask import Served
from towpath_gateway.auth.chain import bearer_of
from towpath_gateway.catalog.answers import Question, ask, read_fields, read_order

__all__ = ("ShortWay",)

_ENTITIES = "/api/catalog/entities/"
_BY_NAME = f"{_ENTITIES}by-name/"
_BY_QUERY = f"{_ENTITIES}by-query"
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
        if scope["type"] == ScopeType.HTTP and scope["method"] == "GET":
            path = scope["path"]
            if path.startswith(_ENTITIES) or path == _FACETS:
                answer = await self._answer(scope, path)
                if answer is not None:
                    await answer(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, path: str) -> Answer | None:
        query = scope["query_string"]
        asked: Question | _Counting | EntityRef | None = None
        if path.startswith(_BY_NAME):
            asked = _named(path) if not query else None
        elif path == _BY_QUERY and len(query) <= _MOST_REMEMBERED:
            asked = _question(query)
        elif path == _FACETS and len(query) <= _MOST_REMEMBERED:
            asked = _counting(query)
        if asked is None:
            return None
        try:
            principal = await self._served.chain.principal(bearer_of(scope))
            if principal is None or not principal.has("catalog:read"):
                return None
            visible = await self._served.platform.sight.of(principal)
            return self._found(asked, principal, visible)
        except TowpathError:
            return None  # what is wrong is told at the end of the long way

    def _found(
        self, asked: Question | _Counting | EntityRef, principal: Principal, visible: BitMap | None
    ) -> Answer | None:
        index = self._served.platform.index
        if isinstance(asked, EntityRef):
            entry = index.by_ref(str(asked))
            if entry is None or (visible is not None and entry.number not in visible):
                return None
            return json_bytes(entry.final)
        if isinstance(asked, Question):
            return json_bytes(ask(index, asked, principal, self._served.cursors, visible))
        among = select(index, parse_filters(asked.filters))
        among = among if visible is None else among & visible
        return json_bytes(msgspec.json.encode({"facets": facets(index, among, asked.names)}))


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
    if found is None or not 0 < len(found[0]["facet"]) <= _MOST_FACETS:
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
