"""The catalog in memory: final entities as bytes, and postings to find them by.

Pure data: fed by `feed`, asked by `query`. Lives on one event loop, takes no lock. An entity's
final form holds the relations that others state about it, so a change of one entity may change
the bytes of its neighbours.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from pyroaring import BitMap

from towpath_engine.catalog.leaves import leaves, relation_leaves

__all__ = ("CatalogIndex", "Entry", "StoredEntity")


class StoredEntity(msgspec.Struct, frozen=True):
    """An entity as the store has it: body as JSON text, and the edges it states."""

    uid: str
    ref: str
    body: str
    relations: tuple[tuple[str, str, str], ...]


class Entry(msgspec.Struct):
    """An entity in the index. `final` is what readers get, JSON in UTF-8; empty until posted.

    `edges` are the relations that stand in `final`, as (type, target), in order.
    """

    number: int
    stored: StoredEntity
    final: bytes = b""
    etag: str = ""
    edges: tuple[tuple[str, str], ...] = ()


class CatalogIndex:
    """All entities of a catalog, by reference, by uid, and by what they are found by."""

    def __init__(self) -> None:
        self.seq = 0
        self.version = 0
        self.everything = BitMap()
        self._by_ref: dict[str, Entry] = {}
        self._by_uid: dict[str, Entry] = {}
        self._by_number: dict[int, Entry] = {}
        self._next = 0
        # key -> value as written -> numbers; key -> value in lower case -> values as written
        self._postings: dict[str, dict[str, BitMap]] = {}
        self._folded: dict[str, dict[str, set[str]]] = {}
        self._exists: dict[str, BitMap] = {}
        # source ref -> (type, target) -> how many entities state it
        self._edges: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
        self._sorted: dict[str, list[tuple[str, str, int]]] = {}

    def __len__(self) -> int:
        return len(self._by_ref)

    def by_ref(self, ref: str) -> Entry | None:
        """The entity with a canonical reference."""
        return self._by_ref.get(ref)

    def by_uid(self, uid: str) -> Entry | None:
        """The entity with a uid."""
        return self._by_uid.get(uid)

    def by_number(self, number: int) -> Entry:
        """The entity with a number out of a bitmap of this index."""
        return self._by_number[number]

    def apply(self, puts: Iterable[StoredEntity], deletes: Iterable[str]) -> None:
        """Take in changes, by uid for deletes; neighbours that they touch are renewed too.

        Applying a change twice, or one that is older than what is known of its entity, is
        harmless as long as the newest comes last.
        """
        touched: set[str] = set()
        for uid in deletes:
            if (entry := self._by_uid.get(uid)) is not None:
                touched |= self._remove(entry)
        for stored in puts:
            if (old := self._by_uid.get(stored.uid)) is not None:
                touched |= self._remove(old)
            # A reference that was deleted and made again has a new uid.
            if (other := self._by_ref.get(stored.ref)) is not None:
                touched |= self._remove(other)
            touched |= self._add(stored)
        for ref in touched:
            if (entry := self._by_ref.get(ref)) is not None:
                self._renew(entry)
        self._sorted.clear()
        self.version += 1

    def matching(self, key: str, value: str | None) -> BitMap:
        """Numbers of entities that have a key, with a value unless it is None; without case."""
        if value is None:
            found = self._exists.get(key)
            return found if found is not None else BitMap()
        postings = self._postings.get(key, {})
        written = self._folded.get(key, {}).get(value, ())
        sets = [postings[text] for text in written]
        return sets[0] if len(sets) == 1 else BitMap.union(*sets) if sets else BitMap()

    def values(self, key: str) -> Mapping[str, BitMap]:
        """The values a key has, as written, with the numbers that have them."""
        return self._postings.get(key, {})

    def value_of(self, key: str, number: int) -> str:
        """The value in lower case by which `ordered` places an entity that has the key."""
        if key == "ref":
            return self._by_number[number].stored.ref
        entity = msgspec.json.decode(self._by_number[number].final)
        return min(v.lower() for k, v in leaves(entity) if k == key and v is not None)

    def ordered(self, key: str) -> Sequence[tuple[str, str, int]]:
        """All entities that have a key, as (value in lower case, uid, number), in that order.

        `metadata.uid` and the pseudo key `ref` order by what everything has. Kept until the next
        change.
        """
        if (kept := self._sorted.get(key)) is not None:
            return kept
        if key == "ref":
            rows = [(ref, e.stored.uid, e.number) for ref, e in self._by_ref.items()]
        elif key in self._postings:
            least: dict[int, str] = {}
            for value, numbers in self._postings[key].items():
                low = value.lower()
                for number in numbers:
                    if number not in least or low < least[number]:
                        least[number] = low
            rows = [(low, self._by_number[n].stored.uid, n) for n, low in least.items()]
        else:
            return ()  # not kept: anybody can think up keys without end
        rows.sort()
        self._sorted[key] = rows
        return rows

    def _add(self, stored: StoredEntity) -> set[str]:
        entry = Entry(self._next, stored)
        self._next += 1
        self._by_ref[stored.ref] = self._by_uid[stored.uid] = entry
        self._by_number[entry.number] = entry
        self.everything.add(entry.number)
        for source, type, target in stored.relations:
            edges = self._edges[source]
            edges[type, target] = edges.get((type, target), 0) + 1
        return {stored.ref, *(source for source, _, _ in stored.relations)}

    def _remove(self, entry: Entry) -> set[str]:
        stored = entry.stored
        if entry.final:
            self._unpost(entry.number, leaves(msgspec.json.decode(entry.final)))
        del self._by_ref[stored.ref], self._by_uid[stored.uid], self._by_number[entry.number]
        self.everything.discard(entry.number)
        for source, type, target in stored.relations:
            edges = self._edges[source]
            edges[type, target] -= 1
            if not edges[type, target]:
                del edges[type, target]
            if not edges:
                del self._edges[source]
        return {source for source, _, _ in stored.relations}

    def _renew(self, entry: Entry) -> None:
        edges = tuple(sorted(self._edges.get(entry.stored.ref, ())))
        if entry.final and edges == entry.edges:
            return
        entity: dict[str, Any] = msgspec.json.decode(entry.stored.body)
        entity["relations"] = [{"type": type, "targetRef": target} for type, target in edges]
        metadata = entity["metadata"]
        metadata["uid"] = entry.stored.uid
        plain = msgspec.json.encode(entity, order="deterministic")
        if entry.final:
            # Only what others state has changed: the rest stays posted as it is.
            self._unpost(entry.number, relation_leaves(entry.edges))
            self._post(entry.number, relation_leaves(edges))
        else:
            self._post(entry.number, leaves(entity))
        entry.edges = edges
        entry.etag = metadata["etag"] = hashlib.sha1(plain, usedforsecurity=False).hexdigest()
        entry.final = msgspec.json.encode(entity)

    def _post(self, number: int, found: Iterable[tuple[str, str | None]]) -> None:
        exists, all_postings, all_folded = self._exists, self._postings, self._folded
        for key, value in found:
            numbers = exists.get(key)
            if numbers is None:
                numbers = exists[key] = BitMap()
                all_postings[key], all_folded[key] = {}, {}
            numbers.add(number)
            if value is None:
                continue
            postings = all_postings[key]
            numbers = postings.get(value)
            if numbers is None:
                numbers = postings[value] = BitMap()
                all_folded[key].setdefault(value.lower(), set()).add(value)
            numbers.add(number)

    def _unpost(self, number: int, found: Iterable[tuple[str, str | None]]) -> None:
        for key, value in found:
            if value is not None and (postings := self._postings.get(key)) is not None:
                numbers = postings.get(value)
                if numbers is not None:
                    numbers.discard(number)
                    if not numbers:
                        del postings[value]
                        self._unfold(key, value)
            if (numbers := self._exists.get(key)) is not None:
                numbers.discard(number)
                if not numbers:
                    del self._exists[key], self._postings[key], self._folded[key]

    def _unfold(self, key: str, value: str) -> None:
        folded = self._folded[key]
        written = folded[value.lower()]
        written.discard(value)
        if not written:
            del folded[value.lower()]
