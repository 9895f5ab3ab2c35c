"""Entities of `/api/catalog`: reads from memory. Contract: Backstage's catalog."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

import msgspec
from litestar import Controller
from litestar.params import PathParameter, QueryParameter
from pyroaring import BitMap

from towpath_core.errors import Invalid, NotFound
from towpath_core.identity import Scope
from towpath_core.refs import EntityRef
from towpath_engine.catalog.index import CatalogIndex
from towpath_engine.catalog.query import Order, facets, parse_filters, predicate, select
from towpath_gateway.answer import Answer, Listed, json_bytes, nothing
from towpath_gateway.ask import Ask
from towpath_gateway.catalog import operations as op
from towpath_gateway.catalog.answers import (
    MAX_FIELDS,
    MAX_ORDERS,
    Question,
    ask,
    items_between,
    limited,
    listing,
    looked_up,
    read_fields,
    read_order,
)
from towpath_gateway.catalog.wire import (
    ByQueryBody,
    ByRefsBody,
    FacetsBody,
    OrderBody,
    RefreshBody,
)
from towpath_gateway.parameters import Kind, Name, Namespace
from towpath_gateway.routing import delete, get, post

__all__ = ("EntityController",)

READ: Scope = "catalog:read"
WRITE: Scope = "catalog:write"

Filters = Annotated[
    list[str] | None,
    QueryParameter(
        name="filter", description="`a=b,c`: a is b and c exists; several are alternatives."
    ),
]
Fields = Annotated[
    list[str] | None, QueryParameter(description="Only these dotted paths; a comma list.")
]
PageLimit = Annotated[int, QueryParameter(ge=0, description="How many at the most; 0 only counts.")]
Offset = Annotated[int, QueryParameter(ge=0, description="How many to pass over.")]
OrderField = Annotated[
    list[str] | None,
    QueryParameter(name="orderField", description="`field,asc` or `field,desc`."),
]
Place = Annotated[
    str | None,
    QueryParameter(
        name="cursor", description="Out of `pageInfo`; then only fields and limit count."
    ),
]
Counting = Annotated[
    Literal["include", "exclude"],
    QueryParameter(name="totalItems", description="Whether to count all that match."),
]
Term = Annotated[
    str,
    QueryParameter(name="fullTextFilterTerm", description="Part of a value, without case."),
]
TermFields = Annotated[
    list[str] | None,
    QueryParameter(
        name="fullTextFilterFields",
        description="Where to look for the term; default the field of the order.",
    ),
]
Uid = Annotated[str, PathParameter(description="`metadata.uid` of an entity.")]


class EntityController(Controller):
    """Entities and facets."""

    path = "/api/catalog"
    tags = ("Catalog",)

    @get("/entities", READ, op.LIST_ENTITIES)
    async def entities(
        self,
        request: Ask,
        filters: Filters = None,
        fields: Fields = None,
        order: Annotated[
            list[str] | None,
            QueryParameter(description="`asc:field` or `desc:field`; the first counts most."),
        ] = None,
        limit: Annotated[
            int | None, QueryParameter(ge=1, description="How many at the most; default all.")
        ] = None,
        offset: Annotated[
            int | None, QueryParameter(ge=0, description="How many to pass over.")
        ] = None,
        after: Annotated[
            str | None, QueryParameter(description="Out of the `Link` of the page before this one.")
        ] = None,
    ) -> Answer:
        """All that match, or a page of them with a `Link` to the next."""
        wanted = limited(order or (), MAX_ORDERS, "orders")
        orders = [read_order(text, ":", field_first=False) for text in wanted]
        shown = read_fields(fields)
        index = request.platform.index
        found, mark = listing(
            index,
            filters or (),
            orders,
            shown,
            limit=limit,
            offset=offset,
            after=after,
            visible=await request.visible(),
        )
        if mark is None:
            return Listed(found)
        asked = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        link = urlencode([*(pair for pair in asked if pair[0] not in _PAGING), ("after", mark)])
        # Relative to the mount, as Backstage has it: never from the Host header.
        return Listed(found, headers=[(b"link", f'</entities?{link}>; rel="next"'.encode())])

    @get("/entities/by-query", READ, op.QUERY_ENTITIES)
    async def by_query(
        self,
        request: Ask,
        filters: Filters = None,
        fields: Fields = None,
        limit: PageLimit = 200,
        offset: Offset = 0,
        order_field: OrderField = None,
        cursor: Place = None,
        total_items: Counting = "include",
        term: Term = "",
        term_fields: TermFields = None,
    ) -> Answer:
        """A page of entities, with cursors both ways. The cursor is good for its asker only."""
        orders = [read_order(text, ",", field_first=True) for text in order_field or ()]
        question = Question(
            filters=tuple(filters or ()),
            order=orders[0] if orders else None,
            term=term,
            fields=read_fields(term_fields),
            limit=limit,
            offset=offset,
            count=total_items == "include",
            shown=read_fields(fields),
            cursor=cursor,
        )
        return await _asked(request, question)

    @post("/entities/by-query", READ, op.QUERY_ENTITIES_BY_PREDICATE)
    async def by_predicate(self, request: Ask) -> Answer:
        """A page of entities that a predicate holds for."""
        data = await request.read_query(ByQueryBody, ByQueryBody())
        text = data.full_text_filter
        question = Question(
            predicate=data.query,
            order=_order(data.order_by[0]) if data.order_by else None,
            term=text.term if text else "",
            fields=read_fields(text.fields) if text else (),
            limit=200 if data.limit is None else data.limit,
            offset=data.offset or 0,
            count=data.total_items == "include",
            shown=read_fields(data.fields),
            cursor=data.cursor,
        )
        return await _asked(request, question)

    @get("/entities/by-uid/{uid:str}", READ, op.GET_ENTITY_BY_UID)
    async def by_uid(self, request: Ask, uid: Uid) -> Answer:
        """One entity."""
        entry = request.platform.index.by_uid(uid)
        if entry is None or not await request.sees(entry.number):
            raise NotFound(f"No entity with uid {uid[:80]}")
        return json_bytes(entry.final)

    @delete("/entities/by-uid/{uid:str}", WRITE, op.DELETE_ENTITY)
    async def remove(self, request: Ask, uid: Uid) -> Answer:
        """Remove it; it comes back when its location still holds it. Repeating it is harmless."""
        try:
            known = UUID(uid)
        except ValueError:
            return nothing()
        await request.platform.catalog.delete_entity(request.principal, known)
        return nothing()

    @get("/entities/by-name/{kind:str}/{namespace:str}/{name:str}", READ, op.GET_ENTITY_BY_NAME)
    async def by_name(self, request: Ask, kind: Kind, namespace: Namespace, name: Name) -> Answer:
        """One entity; the parts compare without case."""
        entry = request.platform.index.by_ref(str(EntityRef(kind, namespace, name)))
        if entry is None or not await request.sees(entry.number):
            raise NotFound(
                f"No entity named '{name[:80]}' found, "
                f"with kind '{kind[:80]}' in namespace '{namespace[:80]}'"
            )
        return json_bytes(entry.final)

    @post("/entities/by-refs", READ, op.GET_ENTITIES_BY_REFS)
    async def by_refs(self, request: Ask, filters: Filters = None, fields: Fields = None) -> Answer:
        """Entities in the order asked for; null where there is none."""
        data = await request.read_query(ByRefsBody)
        index = request.platform.index
        among = await request.visible()
        if filters or data.query is not None:
            chosen = _chosen(index, filters or (), data.query)
            among = chosen if among is None else among & chosen
        shown = read_fields([*data.fields, *(fields or ())])
        items = looked_up(index, data.entity_refs, among, shown)
        return json_bytes(items_between(b'{"items":[', items, b"]}"))

    @get("/entity-facets", READ, op.GET_FACETS)
    async def facets(
        self,
        request: Ask,
        facet: Annotated[
            list[str] | None,
            QueryParameter(description="A dotted path to count the values of; at least one."),
        ] = None,
        filters: Filters = None,
    ) -> Answer:
        """For each facet its values, with how many entities have them."""
        return await _counted(request, _chosen(request.platform.index, filters or ()), facet or ())

    @post("/entity-facets", READ, op.GET_FACETS_BY_PREDICATE)
    async def facets_by_predicate(self, request: Ask) -> Answer:
        """For each facet its values, among entities that a predicate holds for."""
        data = await request.read_query(FacetsBody)
        return await _counted(request, _chosen(request.platform.index, (), data.query), data.facets)

    @post("/refresh", WRITE, op.REFRESH_ENTITY)
    async def refresh(self, request: Ask) -> Answer:
        """Read the location that an entity came from; it is current when this answers."""
        data = await request.read(RefreshBody)
        await request.platform.catalog.refresh_entity(request.principal, data.entity_ref)
        return Answer(b"", media_type=b"text/plain; charset=utf-8")


async def _asked(request: Ask, question: Question) -> Answer:
    served = request.served
    visible = await request.visible()
    index = served.platform.index
    return json_bytes(ask(index, question, request.principal, served.cursors, visible))


def _chosen(index: CatalogIndex, filters: Sequence[str], query: Any = None) -> BitMap:
    among = select(index, parse_filters(filters))
    return among if query is None else among & predicate(index, query)


def _order(body: OrderBody) -> Order:
    if not body.field.strip():
        raise Invalid("Invalid order; /orderBy/0/field is empty.")
    return Order(body.field.strip(), body.order == "desc")


async def _counted(request: Ask, among: BitMap, asked: Sequence[str]) -> Answer:
    names = [name for name in asked if name]
    if not names:
        raise Invalid("Missing facet parameter: name a field, for example facet=kind.")
    visible = await request.visible()
    among = among if visible is None else among & visible
    counts = facets(request.platform.index, among, limited(names, MAX_FIELDS, "facets"))
    return json_bytes(msgspec.json.encode({"facets": counts}))


_PAGING = frozenset({"offset", "after"})
