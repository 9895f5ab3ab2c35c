"""Entities: everything the catalog knows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from towpath_sdk._async.connection import AsyncConnection
from towpath_sdk._async.pages import AsyncPages
from towpath_sdk._async.watch import watch
from towpath_sdk._wire.calls import ask, decode, get, post, route
from towpath_sdk._wire.entities import Entity, Facet, ValidationReport
from towpath_sdk._wire.errors import UnexpectedAnswer
from towpath_sdk._wire.keeping import Explanation
from towpath_sdk._wire.pages import entity_page, next_call
from towpath_sdk._wire.query import Filter, entity_query, facet_query
from towpath_sdk._wire.refs import EntityRef, parse_ref
from towpath_sdk._wire.watching import EntityEvent, WatchFeed
from towpath_sdk._wire.writes import (
    DeclaredEntity,
    RemovedEntity,
    TaggedEntity,
    entity_path,
    put_entity,
    remove_entity,
)

__all__ = ("AsyncEntities",)

_BASE = "/api/catalog/entities"
_REFS_AT_ONCE = 500


class _Found(msgspec.Struct, frozen=True):
    items: tuple[Entity | None, ...]


class _Facets(msgspec.Struct, frozen=True):
    facets: dict[str, tuple[Facet, ...]]


class AsyncEntities:
    """Read, count, write, remove and watch entities."""

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

    async def explain(self, ref: str | EntityRef) -> Explanation:
        """Why an entity is in the catalog as it is, or why it is not: every stage, with its place.

        Answers for every reference, also for one that nobody ever stated.
        """
        found = parse_ref(ref)
        path = route("/api/v1/catalog/explain", found.kind, found.namespace, found.name)
        return await self._link.read(get(path), Explanation)

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

    async def tagged(self, ref: str | EntityRef) -> TaggedEntity:
        """Read one entity with its etag, to change it where it is still so.

        Raises:
            NotFound: there is none, or the asker may not see it.
        """
        call = get(entity_path(ref))
        response = await self._link.exchange(call)
        if response is None or "etag" not in response.headers:
            raise UnexpectedAnswer(f"{call} was answered without an ETag.")
        entity = decode(call, response.content, Entity)
        return TaggedEntity(entity, response.headers["etag"])

    async def put(
        self,
        entity: Entity | Mapping[str, Any],
        *,
        if_match: str | None = None,
        new: bool = False,
    ) -> DeclaredEntity:
        """Make the catalog hold an entity, as a whole; readable when this returns.

        The same content again changes nothing. Without a condition the last writer wins; what was
        there before is in the history.

        Args:
            entity: what it is to be. What was read can be sent back.
            if_match: only where the entity has this etag now. When an answer was lost and the
                call was repeated, this is refused although it was done.
            new: only where there is none yet; as `if_match` when an answer was lost.

        Raises:
            Invalid: the entity is wrong; `problems` have JSON pointers.
            Conflict: a location, a set or the platform holds it; or, with the code
                `precondition-failed`, it is not what `if_match` or `new` say.
            Forbidden: a policy denies it, by the old owner or by the new one.
        """
        return await self._link.read(put_entity(entity, if_match, new), DeclaredEntity)

    async def delete(self, ref: str | EntityRef, *, if_match: str | None = None) -> RemovedEntity:
        """Remove an entity, and hear who would bring it back: a location or set that declares it.

        Args:
            ref: which entity.
            if_match: only where the entity has this etag now.

        Raises:
            NotFound: there is none, or the asker may not see it.
            Conflict: it stands for a resource; or, with the code `precondition-failed`, it is not
                what `if_match` says.
        """
        call = remove_entity(ref, if_match)
        content = await self._link.send(call)
        gone = RemovedEntity(str(parse_ref(ref)))
        return decode(call, content, RemovedEntity) if content else gone

    def watch(
        self,
        *,
        filter: Filter | None = None,
        kind: str | None = None,
        listed: bool = False,
        after: int | None = None,
        silence: float = 60.0,
    ) -> AsyncGenerator[EntityEvent, None]:
        """Walk the changes of the catalog as they happen, for ever; each once and in order.

        A lost connection is taken up where it broke. A list that breaks before its bookmark is
        told anew.

        Args:
            filter: which entities; one that passes no longer is told as a `delete`.
            kind: only of this kind.
            listed: begin with all that there are, up to a `bookmark`.
            after: go on after the `seq` of an event; without, with what comes from now on.
            silence: seconds after which a silent connection is made anew.

        Raises:
            Gone: what comes after `after` is not kept any more; begin with a list.
        """
        return watch(self._link, WatchFeed(filter, kind, listed, after), silence=silence)
