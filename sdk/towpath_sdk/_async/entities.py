"""Entities: everything the catalog knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from towpath_sdk._async.connection import AsyncConnection
from towpath_sdk._async.pages import AsyncPages
from towpath_sdk._wire.calls import ask, delete, get, post, route
from towpath_sdk._wire.entities import Entity, Facet, ValidationReport
from towpath_sdk._wire.errors import NotFound
from towpath_sdk._wire.pages import entity_page, next_call
from towpath_sdk._wire.query import Filter, entity_query, facet_query
from towpath_sdk._wire.refs import EntityRef, parse_ref

__all__ = ("AsyncEntities",)

_BASE = "/api/catalog/entities"
_REFS_AT_ONCE = 500


class _Found(msgspec.Struct, frozen=True):
    items: tuple[Entity | None, ...]


class _Facets(msgspec.Struct, frozen=True):
    facets: dict[str, tuple[Facet, ...]]


class AsyncEntities:
    """Read, count and remove entities."""

    def __init__(self, link: AsyncConnection) -> None:
        self._link = link

    def list(
        self,
        *,
        filter: Filter | None = None,
        query: Mapping[str, Any] | None = None,
        order: str | None = None,
        fields: Sequence[str] = (),
        search: str | None = None,
        page_size: int = 200,
        cursor: str | None = None,
    ) -> AsyncPages[Entity]:
        """Walk the entities that the asker may see.

        Args:
            filter: what they must be: `"kind=component,spec.type=service"`, a mapping, or a list
                of these of which any may hold. Without one, all entities.
            query: a predicate of the catalog's query language instead, which can say more.
            order: the field to sort by, such as `metadata.name`; with `-` in front, descending.
                Entities that lack the field are left out.
            fields: what to fill in, such as `("metadata.name", "spec.type")`; all without.
            search: text that the sort field must contain.
            page_size: entities in one answer, 1 or more.
            cursor: go on from here, as a page of the same list told.

        Raises:
            BadArgument: at once, when this cannot be asked.
            Invalid: while walking, when the platform cannot make sense of it.
        """
        call = entity_query(
            filter=filter, query=query, order=order, fields=fields, search=search, limit=page_size
        )
        call = call if cursor is None else next_call(call, cursor)
        return AsyncPages(self._link, call, entity_page)

    async def get(self, ref: str | EntityRef) -> Entity:
        """Read one entity, such as `component:default/shop`.

        Raises:
            NotFound: there is none, or the asker may not see it.
        """
        found = parse_ref(ref)
        path = route(f"{_BASE}/by-name", found.kind, found.namespace, found.name)
        return await self._link.read(get(path), Entity)

    async def by_refs(
        self, refs: Iterable[str | EntityRef], *, fields: Sequence[str] = ()
    ) -> tuple[Entity | None, ...]:
        """Read many entities: one answer for each reference, in order, None for those not seen."""
        wanted = [str(parse_ref(ref)) for ref in refs]
        found: list[Entity | None] = []
        for start in range(0, len(wanted), _REFS_AT_ONCE):
            body: dict[str, Any] = {"entityRefs": wanted[start : start + _REFS_AT_ONCE]}
            if fields:
                body["fields"] = tuple(fields)
            answer = await self._link.read(ask(f"{_BASE}/by-refs", body), _Found)
            found.extend(answer.items)
        return tuple(found)

    async def facets(
        self, *facets: str, filter: Filter | None = None
    ) -> dict[str, tuple[Facet, ...]]:
        """Count the values of fields, such as `kind` and `spec.type`, over the asker's entities.

        Returns:
            For each facet that was named its values, sorted.
        """
        return (await self._link.read(facet_query(facets, filter), _Facets)).facets

    async def validate(
        self,
        files: Mapping[str, str] | None = None,
        *,
        entities: Sequence[Mapping[str, Any]] = (),
        origin: str = "",
    ) -> ValidationReport:
        """Ask what the catalog would say of descriptors; nothing is taken in.

        Args:
            files: texts by their file names, which say by their ends what they are.
            entities: entities as data, beside files or instead of them.
            origin: the location they are meant for, as `type:target`, where rules look at it.

        Returns:
            What was found of each document: problems, and warnings about all of them together.

        Raises:
            Invalid: there is nothing to validate, or too much at once.
        """
        named = [{"name": name, "content": text} for name, text in (files or {}).items()]
        body = {"files": named, "entities": list(entities), "origin": origin}
        return await self._link.read(ask("/api/v1/catalog/validate", body), ValidationReport)

    async def refresh(self, ref: str | EntityRef) -> None:
        """Ask the catalog to read an entity's source again; it does so soon, not at once.

        Raises:
            NotFound: there is no such entity.
        """
        body = {"entityRef": str(parse_ref(ref))}
        await self._link.send(post("/api/catalog/refresh", body))

    async def delete(self, ref: str | EntityRef) -> None:
        """Remove an entity. One that its source still declares comes back when that is read again.

        Raises:
            NotFound: there is none, or the asker may not see it.
        """
        entity = await self.get(ref)
        if not entity.uid:
            raise NotFound(f"{entity.ref} has no uid to remove it by.", status=404, code="no-uid")
        await self._link.send(delete(route(f"{_BASE}/by-uid", entity.uid)))
