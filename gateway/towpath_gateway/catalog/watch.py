"""Watching the catalog over server-sent events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from litestar import Controller
from litestar.params import QueryParameter

from towpath_core.policy import Criteria
from towpath_engine.catalog.passing import found_by
from towpath_engine.catalog.query import Filter, parse_filters
from towpath_engine.catalog.visibility import meets
from towpath_engine.catalog.watching import Watch, WatchEvent
from towpath_gateway.ask import Ask
from towpath_gateway.catalog import operations_history as op
from towpath_gateway.catalog.answers import limited
from towpath_gateway.catalog.entities import Filters
from towpath_gateway.catalog.wire_history import EntityChangeWire
from towpath_gateway.parameters import Resume
from towpath_gateway.routing import get
from towpath_gateway.sse import KEEP_ALIVE, EventStream, closing, frame, last_event_id

__all__ = ("WatchController",)

BEAT_SECONDS = 15.0
"""How often a silent watcher gets a bookmark or a sign of life."""

_MOST_FILTERS = 100
_NO_KIND = ""


class WatchController(Controller):
    """The catalog as it changes."""

    path = "/api/v1/catalog"
    tags = ("Catalog",)

    @get("/watch", "catalog:read", op.WATCH_ENTITIES)
    async def watch(
        self,
        request: Ask,
        filters: Filters = None,
        kind: Annotated[str | None, QueryParameter(description="Only of this kind.")] = None,
        listed: Annotated[
            bool,
            QueryParameter(
                name="list", description="Begin with all that there are, up to a `bookmark`."
            ),
        ] = False,
        after: Resume = None,
    ) -> EventStream:
        """Server-sent events `put`, `delete`, `bookmark` and `resume`; goes on for ever.

        Resumes by `Last-Event-ID`; 410 where that is older than what is kept. Without it and
        without `list`, begins with what comes from now on.
        """
        resumed = after is not None or "last-event-id" in request.headers
        watch = await request.platform.hub.watch(
            _filter(filters, kind),
            after=last_event_id(request, after) if resumed else None,
            listed=listed,
            beat_seconds=BEAT_SECONDS,
        )
        return EventStream(_frames(watch, request))


def _filter(filters: list[str] | None, kind: str | None) -> Filter:
    groups = parse_filters(limited(filters or (), _MOST_FILTERS, "filters"))
    if kind is None:
        return groups
    return [_of_kind(group, kind.lower()) for group in groups or [{}]]


def _of_kind(group: Mapping[str, Sequence[str | None]], kind: str) -> dict[str, Any]:
    """A group of conditions, and a kind on top; nothing passes where they contradict each other."""
    asked = group.get("kind", (None,))
    agrees = None in asked or kind in asked
    return {**group, "kind": [kind if agrees else _NO_KIND]}


async def _frames(watch: Watch, request: Ask) -> AsyncGenerator[bytes, None]:
    # Something at once: a client must see that the stream stands before the first change.
    yield KEEP_ALIVE
    async with closing(watch.events()) as events:
        async for event in events:
            # Asked anew for each, because a stream may outlast what its watcher may see.
            criteria = await request.platform.sight.criteria(request.principal)
            if (seen := event if criteria is None else _seen(event, criteria)) is not None:
                yield _shown(seen)


def _seen(event: WatchEvent, criteria: Criteria) -> WatchEvent | None:
    """The event as one may know of it who sees some entities only.

    What may not be seen any more is deleted for that watcher; what never could be is not told of.
    """
    change = event.change
    if change is None:
        if event.final is None or meets(criteria, found_by(msgspec.json.decode(event.final))):
            return event
        return None
    if event.type == "put" and meets(criteria, change.found_now):
        return event
    if change.before is None or not meets(criteria, change.found_before):
        return None
    return msgspec.structs.replace(event, type="delete")


def _shown(event: WatchEvent) -> bytes:
    change = event.change
    match event.type:
        case "put" if change is not None:
            if change.shown is None:
                change.shown = frame("put", EntityChangeWire.put(change), id=change.seq)
            return change.shown
        case "put":
            return frame("put", EntityChangeWire.listed(event.final or b"null"))
        case "delete" if change is not None:
            return frame("delete", EntityChangeWire.delete(change), id=change.seq)
        case "bookmark" | "resume":
            return frame(event.type, EntityChangeWire(seq=event.seq), id=event.seq)
    return KEEP_ALIVE
