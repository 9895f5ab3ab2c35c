"""The catalog's changes out of any number of connections that may break."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from towpath_sdk._wire.calls import Call, Params, decode, get
from towpath_sdk._wire.entities import Entity
from towpath_sdk._wire.query import Filter, filter_params
from towpath_sdk._wire.sse import FrameParser

__all__ = ("EntityEvent", "WatchFeed")

_PATH = "/api/v1/catalog/watch"
_TOLD = frozenset({"put", "delete", "bookmark"})


class EntityEvent(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a watch tells.

    Attributes:
        type: `put` is a new or changed entity, `delete` one that is gone or passes the filter no
            longer; `bookmark` says that all is told up to `seq`.
        seq: the number to go on after; None in the list to begin with.
        entity_ref: which entity.
        uid: the entity's id.
        entity: of a `put`, as it is read.
        actor: who changed it.
        source: where the content came from.
        at: when (UTC).
    """

    type: str = ""
    seq: int | None = None
    entity_ref: str | None = None
    uid: str | None = None
    entity: Entity | None = None
    actor: str | None = None
    source: str | None = None
    at: datetime | None = None


class WatchFeed:
    """What is known of the catalog's changes.

    Attributes:
        after: the number of the last change that came; None before the first.
        again: whether the platform asked to connect again at once.
    """

    def __init__(
        self, filter: Filter | None, kind: str | None, listed: bool, after: int | None
    ) -> None:
        self.after = after
        self.again = False
        params: list[tuple[str, str]] = [*filter_params(filter)]
        params += [("kind", kind)] if kind is not None else []
        self._params: Params = params + ([("list", "true")] if listed else [])
        self._parser = FrameParser()

    def connect(self) -> Call:
        """The call that gets what is not known yet. What an earlier one left half is dropped."""
        self._parser, self.again = FrameParser(), False
        call = get(_PATH, self._params)
        if self.after is None:
            return call
        headers = (("last-event-id", str(self.after)),)
        return Call(call.method, call.path, params=call.params, headers=headers)

    def take(self, chunk: bytes) -> list[EntityEvent]:
        """Take the next bytes of the connection and return the events in them.

        Raises:
            UnexpectedAnswer: they are not events of the catalog.
        """
        events: list[EntityEvent] = []
        for frame in self._parser.feed(chunk):
            data: Any = frame.data.encode()
            event = decode(get(_PATH), data, EntityEvent)
            if event.seq is not None:
                self.after = event.seq
            if frame.event == "resume":
                self.again = True
            elif frame.event in _TOLD:
                ref = event.entity_ref or (str(event.entity.ref) if event.entity else None)
                events.append(msgspec.structs.replace(event, type=frame.event, entity_ref=ref))
        return events
