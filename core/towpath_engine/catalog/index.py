"""The catalog in memory: final entities as bytes, and postings to find them by.

Pure data: fed by `feed`, asked by `query`. Lives on one event loop, takes no lock. An entity's
final form holds the relations that others state about it, so a change of one entity may change
the bytes of its neighbours.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from sys import intern

import msgspec
from pyroaring import BitMap

from towpath_engine.catalog.finals import ETAG_LENGTH, Head, head_of, with_relations
from towpath_engine.catalog.leaves import Leaf, relation_leaves, scan
from towpath_engine.catalog.numbers import (
    Numbers,
    added,
    bitmap_of,
    packed,
    removed,
    unpacked,
)
from towpath_engine.catalog.postings import PackedPostings, Postings
from towpath_engine.catalog.views import Row, View

__all__ = ("REF", "SEARCHED", "UID", "CatalogIndex", "Entry", "PackedKey", "StoredEntity")

REF = "ref"
"""The pseudo key that orders all entities by their reference."""
UID = "metadata.uid"

SEARCHED = frozenset({"metadata.name", "metadata.title", "spec.profile.displayname"})
"""The keys that people search in."""

_MOST_VIEWS = 16
_MANY = 0.05
"""Above this share of changed entities an order is made anew instead of mended."""


class StoredEntity(msgspec.Struct, frozen=True):
    """An entity as the store has it: body as JSON text, and the edges it states."""

    uid: str
    ref: str
    body: str
    relations: tuple[tuple[str, str, str], ...]


class Entry(msgspec.Struct):
    """An entity in the index. `final` is what readers get, JSON in UTF-8.

    `stated` are the edges that it states, as (source, type, target); `edges` the relations that
    stand in `final`, as (type, target), in order. `digest`, `etag_at` and `end` are those of its
    `Head`.
    """

    number: int
    uid: str
    ref: str
    stated: tuple[tuple[str, str, str], ...]
    final: bytes = b""
    edges: tuple[tuple[str, str], ...] | None = None
    digest: bytes = b""
    etag_at: int = 0
    end: int = 0

    @property
    def etag(self) -> str:
        """What changes when anything of `final` does."""
        return self.final[self.etag_at : self.etag_at + ETAG_LENGTH].decode()


class PackedKey(msgspec.Struct, frozen=True, array_like=True):
    """What entities are found by under one key, in a form that can be written to a file."""

    key: str
    postings: PackedPostings | None
    flags: int | bytes | None


class CatalogIndex:
    """All entities of a catalog, by reference, by uid, and by what they are found by."""

    def __init__(self) -> None:
        self.seq = 0
        self.version = 0
        self.everything = BitMap()
        self._by_ref: dict[str, Entry] = {}
        self._by_uid: dict[str, Entry] = {}
        self._by_number: list[Entry] = []
        self._keys: dict[str, Postings] = {}
        # `key.item` of strings in lists: who has it, always with the value `true`
        self._flags: dict[str, Numbers] = {}
        # source ref -> (type, target) -> how many entities state it
        self._edges: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
        self._views: OrderedDict[str, View] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_ref)

    @property
    def gaps(self) -> float:
        """The share of the numbers that no entity has any more."""
        return 1 - len(self) / max(len(self._by_number), 1)

    def by_ref(self, ref: str) -> Entry | None:
        """The entity with a canonical reference."""
        return self._by_ref.get(ref)

    def by_uid(self, uid: str) -> Entry | None:
        """The entity with a uid."""
        return self._by_uid.get(uid)

    def by_number(self, number: int) -> Entry:
        """The entity with a number out of a bitmap of this index."""
        return self._by_number[number]

    def refs(self) -> Iterator[str]:
        """The references of all entities, in no order."""
        return iter(self._by_ref)

    def apply(self, puts: Collection[StoredEntity], deletes: Iterable[str]) -> None:
        """Take in changes, by uid for deletes; neighbours that they touch are renewed too.

        Applying a change twice, or one that is older than what is known of its entity, is
        harmless as long as the newest comes last.
        """
        self.renew(self.take(puts, deletes))

    def take(self, puts: Collection[StoredEntity], deletes: Iterable[str]) -> set[str]:
        """Take in changes; give the references whose relations `renew` must look at.

        Until then neighbours show the relations that they had.
        """
        touched: set[str] = set()
        fresh: list[Entry] = []
        if len(puts) > 50 + len(self) * _MANY:
            self._views.clear()
        for uid in deletes:
            if (entry := self._by_uid.get(uid)) is not None:
                touched |= self._remove(entry)
        for stored in puts:
            number = None
            if (old := self._by_uid.get(stored.uid)) is not None:
                touched |= self._remove(old)
                number = old.number
            # A reference that was deleted and made again has a new uid.
            if (other := self._by_ref.get(stored.ref)) is not None:
                touched |= self._remove(other)
            fresh.append(self._add(stored, number))
        for entry in fresh:
            touched.update(source for source, _, _ in entry.stated)
            if entry is self._by_ref.get(entry.ref):  # no later one took its place
                self._relate(entry)
        self.version += 1
        return touched.difference(entry.ref for entry in fresh)

    def renew(self, refs: Iterable[str]) -> None:
        """Bring the relations of entities up to date with what is stated about them."""
        for ref in refs:
            if (entry := self._by_ref.get(ref)) is not None:
                self._relate(entry)
        self.version += 1

    def entries(self) -> Iterator[Entry]:
        """All entities, in the order of their numbers."""
        return (self._by_number[number] for number in self.everything)

    def pack(self) -> Iterator[PackedKey]:
        """What the entities are found by."""
        for key, postings in self._keys.items():
            yield PackedKey(key, postings.pack(), None)
        for key, numbers in self._flags.items():
            yield PackedKey(key, None, packed(numbers))

    def unpack(self, entries: Iterable[Entry], found: Iterable[PackedKey]) -> None:
        """Take in what `entries` and `pack` gave, in this order; the index must be empty."""
        for entry in entries:
            self._by_number += [_GONE] * (entry.number + 1 - len(self._by_number))
            self._know(entry)
        whole = list(range(len(self._by_number)))
        for each in found:
            if each.postings is not None:
                self._keys[each.key] = Postings.unpack(each.postings, whole)
            if each.flags is not None:
                self._flags[each.key] = unpacked(each.flags)
        self.renew(self._by_ref)

    def matching(self, key: str, value: str | None) -> BitMap:
        """Numbers of entities that have a key, with a value unless it is None; without case.

        Not to be changed.
        """
        postings, flagged = self._keys.get(key), None
        if value is None or value == "true":
            flagged = self._flags.get(key)
        if postings is None:
            return bitmap_of(flagged)
        found = postings.existing() if value is None else postings.matching(value)
        return found if flagged is None else found | bitmap_of(flagged)

    def postings(self, key: str) -> Postings:
        """What is found under a key; not to be changed."""
        flagged = self._flags.get(key)
        if flagged is None:
            return self._keys.get(key) or _NOTHING
        merged = Postings()
        for number in bitmap_of(flagged):
            merged.add(number, "true")
        if key in self._keys:
            for value, numbers in self._keys[key].written():
                for number in bitmap_of(numbers):
                    merged.add(number, value)
        return merged

    def view(self, key: str) -> View:
        """All entities that have a value of a key, ordered by the least of their values.

        `metadata.uid` and the pseudo key `ref` order by what everything has. Kept for the keys
        that were asked for lately, and kept current.
        """
        kept = self._views.get(key)
        if kept is not None:
            self._views.move_to_end(key)
            return kept
        view = View(self._rows(key))
        # Not kept where there is nothing: anybody can think up keys without end.
        if key == REF or key in self._keys:
            self._views[key] = view
            if len(self._views) > _MOST_VIEWS:
                self._views.popitem(last=False)
        return view

    def _rows(self, key: str) -> Iterable[Row]:
        if key == REF:
            return ((ref, entry.uid, entry.number) for ref, entry in self._by_ref.items())
        least: dict[int, str] = {}
        for low, numbers in self.postings(key).lows():
            for number in (numbers,) if isinstance(numbers, int) else numbers:
                if number not in least or low < least[number]:
                    least[number] = low
        return ((low, self.by_number(number).uid, number) for number, low in least.items())

    def _add(self, stored: StoredEntity, number: int | None) -> Entry:
        if number is None:
            number = len(self._by_number)
            self._by_number.append(_GONE)
        stated = tuple((intern(s), intern(t), intern(g)) for s, t, g in stored.relations)
        entry = Entry(number, stored.uid, intern(stored.ref), stated)
        head, entity = head_of(stored.body, stored.uid)
        entry.final, entry.digest = head.text, head.digest
        entry.etag_at, entry.end = head.etag_at, head.end
        found, flags = scan(entity)
        self._know(entry)
        self._post(number, found)
        for key in flags:
            self._flags[key] = added(self._flags.get(key), number)
        self._place(entry, found)
        return entry

    def _know(self, entry: Entry) -> None:
        self._by_ref[entry.ref] = self._by_uid[entry.uid] = self._by_number[entry.number] = entry
        self.everything.add(entry.number)
        for source, type, target in entry.stated:
            edges = self._edges[source]
            edge = (type, target)
            edges[edge] = edges.get(edge, 0) + 1

    def _remove(self, entry: Entry) -> set[str]:
        number = entry.number
        found, flags = scan(msgspec.json.decode(entry.final))
        self._unpost(number, found)
        self._unpost(number, relation_leaves(entry.edges or ()))
        for key in flags:
            left = removed(self._flags.get(key), number)
            if left is None:
                self._flags.pop(key, None)
            else:
                self._flags[key] = left
        for view in self._views.values():
            view.drop(number)
        del self._by_ref[entry.ref], self._by_uid[entry.uid]
        self._by_number[number] = _GONE
        self.everything.discard(number)
        for source, type, target in entry.stated:
            edges = self._edges[source]
            edges[type, target] -= 1
            if not edges[type, target]:
                del edges[type, target]
            if not edges:
                del self._edges[source]
        return {source for source, _, _ in entry.stated}

    def _relate(self, entry: Entry) -> None:
        edges = tuple(sorted(self._edges.get(entry.ref, ())))
        if edges == entry.edges:
            entry.edges = edges  # of texts that are there once
            return
        before, after = set(relation_leaves(entry.edges or ())), set(relation_leaves(edges))
        keys = {key for key, _ in after}
        for key, value in before - after:
            if (postings := self._keys.get(key)) is not None:
                postings.remove(entry.number, value, others=key in keys)
                if not postings:
                    del self._keys[key]
        self._post(entry.number, after - before)
        entry.edges = edges
        head = Head(entry.final, entry.digest, entry.etag_at, entry.end)
        entry.final, _ = with_relations(head, edges)
        for key in self._views.keys() & {key for key, _ in before ^ after}:
            lows = [value for found, value in after if found == key and value is not None]
            if lows:
                self._views[key].put((min(lows), entry.uid, entry.number))
            else:
                self._views[key].drop(entry.number)

    def _place(self, entry: Entry, found: Sequence[Leaf]) -> None:
        """Put an entity into the orders that are kept; its relations are not known yet."""
        for key, view in self._views.items():
            if key == REF:
                view.put((entry.ref, entry.uid, entry.number))
                continue
            lows = [value.lower() for k, value in found if k == key and value is not None]
            if key in self._flags and entry.number in bitmap_of(self._flags[key]):
                lows.append("true")
            if lows:
                view.put((min(lows), entry.uid, entry.number))

    def _post(self, number: int, found: Iterable[Leaf]) -> None:
        keys = self._keys
        for key, value in found:
            postings = keys.get(key)
            if postings is None:
                postings = keys[key] = Postings(searched=key in SEARCHED)
            postings.add(number, value)

    def _unpost(self, number: int, found: Iterable[Leaf]) -> None:
        for key, value in found:
            if (postings := self._keys.get(key)) is not None:
                postings.remove(number, value)
                if not postings:
                    del self._keys[key]


_NOTHING = Postings()
_GONE = Entry(-1, "", "", ())
"""Stands where an entity was: numbers are not used again."""
