"""JSON data out of a stream of YAML events, without recursion and within budgets.

A stack of open collections stands where PyYAML's composer and constructor recurse. The two loops
that read plain members are most of the work for a catalog, so they are kept tight.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from towpath_backstage.yaml.anchors import Anchors
from towpath_backstage.yaml.events import NextEvent
from towpath_backstage.yaml.limits import DuplicateKey, Usage, YamlFault, YamlLimits, over
from towpath_backstage.yaml.lines import COLUMN_BITS, Spot, line_of, spot_at
from towpath_backstage.yaml.scalars import (
    CORE_TAG,
    TYPED_STARTS,
    key_text,
    shown,
    tagged,
    typed,
    unknown_tag,
)

__all__ = ("Composed", "Composer")

_SCALAR: Any = ScalarEvent


class Composed(NamedTuple):
    """A document: its data, and the places of its nodes."""

    value: Any
    spot: Spot


class _Open:
    """A collection whose end has not been read yet."""

    __slots__ = ("anchor", "key", "node", "place", "places")

    def __init__(self, node: Any, places: Any, place: int, anchor: str | None) -> None:
        self.node = node
        self.places = places
        self.place = place
        self.anchor = anchor
        self.key: str | None = None


class Composer:
    """Reads one document after the other from a stream of events."""

    def __init__(self, events: NextEvent, limits: YamlLimits, usage: Usage) -> None:
        self._next = events
        self._limits = limits
        self._usage = usage

    def read(self) -> Composed | None:
        """The next document, None after the last.

        Raises:
            YamlFault: the document is outside the budgets or the rules.
            YAMLError: it is no YAML.
        """
        event = self._next()
        while not isinstance(event, DocumentStartEvent):
            if event is None or isinstance(event, StreamEndEvent):
                return None
            event = self._next()
        self._left = budget = min(self._limits.nodes, self._usage.nodes)
        self._anchors = Anchors(self._limits, self._usage)
        self._collection_keys = 0
        try:
            value, spot = self._root(self._next())
        finally:
            self._usage.nodes -= budget - self._left
        self._next()  # the end of the document
        return Composed(value, spot)

    def _root(self, event: Event | None) -> tuple[Any, Spot]:
        root = _Open([], [], 0, None)
        self._stack = [root]
        at = self._take(event, root)
        while at is not root:
            if at.key is not None:
                event = self._next()
            elif at.node.__class__ is dict:
                event = self._members(at)
            else:
                event = self._items(at)
            at = self._take(event, at)
        return root.node[0], root.places[0]

    def _members(self, at: _Open) -> Any:
        """Read scalar members until an event comes that is more than that; return it."""
        following, scalar, limits = self._next, _SCALAR, self._limits
        node, places, longest = at.node, at.places, self._limits.key_characters
        event: Any
        left = self._left
        try:
            for left in range(left - 2, -1, -2):  # noqa: B020
                event = following()
                if event.__class__ is not scalar or event.anchor or event.tag:
                    left += 2
                    return event
                key = event.value
                if not event.style and (not key or key[0] in TYPED_STARTS):
                    key = key_text(typed(key, event.start_mark, limits), event.start_mark, limits)
                mark = event.start_mark
                if key in places or len(key) > longest:
                    raise self._bad_key(key, places, mark)
                places[key] = mark.line << COLUMN_BITS | mark.column
                event = following()
                if event.__class__ is not scalar or event.anchor or event.tag:
                    at.key = key
                    left += 1
                    return event
                text = event.value
                if event.style or (text and text[0] not in TYPED_STARTS):
                    node[key] = text
                else:
                    node[key] = typed(text, event.start_mark, limits)
        finally:
            self._left = left
        return self._last(following())

    def _items(self, at: _Open) -> Any:
        """Read scalar items until an event comes that is more than that; return it."""
        following, scalar, limits = self._next, _SCALAR, self._limits
        node, places = at.node, at.places
        event: Any
        left = self._left
        try:
            for left in range(left - 1, -1, -1):  # noqa: B020
                event = following()
                if event.__class__ is not scalar or event.anchor or event.tag:
                    left += 1
                    return event
                places.append(spot_at(event.start_mark))
                text = event.value
                if event.style or (text and text[0] not in TYPED_STARTS):
                    node.append(text)
                else:
                    node.append(typed(text, event.start_mark, limits))
        finally:
            self._left = left
        return self._last(following())

    def _last(self, event: Any) -> Any:
        """An event when the budget is used up: only the end of a collection is left to come."""
        if event.__class__ is MappingEndEvent or event.__class__ is SequenceEndEvent:
            return event
        raise self._too_many(event)

    def _take(self, event: Any, at: _Open) -> _Open:
        """Do what an event asks for; return the collection that is open after it."""
        kind = event.__class__
        if kind is MappingEndEvent or kind is SequenceEndEvent:
            return self._close()
        self._left -= 1
        if self._left < 0:
            raise self._too_many(event)
        if kind is MappingStartEvent:
            return self._enter(event, {}, {}, f"{CORE_TAG}map")
        if kind is SequenceStartEvent:
            return self._enter(event, [], [], f"{CORE_TAG}seq")
        mark = event.start_mark
        if kind is AliasEvent:
            value, spot = self._anchors.copy(event.anchor, len(self._stack) - 1, mark)
            self._put(at, value, spot, mark)
            return at
        value = self._scalar(event)
        self._put(at, value, spot_at(mark), mark)
        if event.anchor:
            self._anchors.note(event.anchor, value, mark)
        return at

    def _enter(self, event: Any, node: Any, places: Any, tag: str) -> _Open:
        mark = event.start_mark
        if len(self._stack) > self._limits.depth:
            raise over(mark, "depth", self._limits.depth, "nest less deeply")
        if event.tag and event.tag not in ("!", tag):
            raise unknown_tag(event.tag, mark)
        new = _Open(node, places, spot_at(mark), event.anchor)
        if event.anchor:
            self._anchors.begin(event.anchor, mark)
        self._stack.append(new)
        return new

    def _close(self) -> _Open:
        done = self._stack.pop()
        at = self._stack[-1]
        spot = (done.place, done.places)
        if done.anchor:
            self._anchors.end(done.anchor, done.node, spot)
        self._put(at, done.node, spot, None)
        return at

    def _put(self, at: _Open, value: Any, spot: Spot, mark: Any) -> None:
        """Place a node in the collection around it, as item, key or value."""
        if at.node.__class__ is list:
            at.node.append(value)
            at.places.append(spot)
        elif at.key is not None:
            at.node[at.key] = value
            if isinstance(spot, tuple):
                at.places[at.key] = (at.places[at.key], spot[1])
            at.key = None
        else:
            mark = mark or _Mark.of(spot)
            if not isinstance(value, str):
                self._count_key(value, mark)
            key = key_text(value, mark, self._limits)
            if key in at.places or len(key) > self._limits.key_characters:
                raise self._bad_key(key, at.places, mark)
            at.places[key] = spot_at(mark)
            at.key = key

    def _count_key(self, value: Any, mark: Any) -> None:
        most = self._limits.collection_keys
        self._collection_keys += value.__class__ is dict or value.__class__ is list
        if self._collection_keys > most:
            raise over(mark, "collection_keys", most, "write keys as plain text")

    def _scalar(self, event: ScalarEvent) -> Any:
        if event.tag:
            return tagged(event.value, event.tag, event.start_mark, self._limits)
        if event.style:
            return event.value
        return typed(event.value, event.start_mark, self._limits)

    def _bad_key(self, key: str, places: dict[str, Spot], mark: Any) -> YamlFault:
        if key not in places:
            return over(mark, "key_characters", self._limits.key_characters, "shorten the key")
        return DuplicateKey(shown(key), line_of(places[key]), mark)

    def _too_many(self, event: Any) -> YamlFault:
        mark = _mark(event)
        if self._usage.nodes < self._limits.nodes:
            hint = "split the file"
            return over(mark, "file_nodes", self._limits.file_nodes, hint, last=True)
        return over(mark, "nodes", self._limits.nodes, "split the document")


class _Mark(NamedTuple):
    line: int
    column: int

    @classmethod
    def of(cls, spot: Spot) -> _Mark:
        at = spot[0] if isinstance(spot, tuple) else spot
        return cls(at >> COLUMN_BITS, at & ((1 << COLUMN_BITS) - 1))


def _mark(event: Event | None) -> Any:
    return event.start_mark if event else _Mark(0, 0)
