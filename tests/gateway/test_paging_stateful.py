"""Paging while the catalog changes: no row that stays as it is comes twice, and none is left out.

A row is stable in a walk as long as it exists, matches, and has the same value of the order. What
changes meanwhile may be seen or not. First against the index, with many walks at a time; then
through HTTP, with a writer beside the reader.
"""

from __future__ import annotations

import json
import random
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, multiple, rule
from live import Live

from towpath_core.identity import Principal
from towpath_engine.catalog.index import CatalogIndex, StoredEntity
from towpath_engine.catalog.query import Order
from towpath_gateway.catalog.answers import Question, ask
from towpath_gateway.catalog.cursors import Cursors

SOMEBODY = Principal(issuer="towpath", subject="ada", kind="user", entity_ref="user:default/ada")
CURSORS = Cursors(b"k" * 32)

KINDS = ("Component", "System")
TITLES = (None, "", "a", "A", "b", "Ba", "bb", "ß", "z")
TIERS = ("gold", "Gold", "tin")
ORDERS = (None, "metadata.name", "metadata.title", "spec.tier", "kind")
FILTERS = ((), ("kind=component",), ("spec.tier=gold",), ("relations.haspart",))


class Known:
    """What the test knows of the catalog: the stored entities, by uid."""

    def __init__(self):
        self.entities: dict[str, dict] = {}

    def ref(self, uid):
        entity = self.entities[uid]
        return f"{entity['kind']}:default/{entity['name']}".lower()

    def uid_of(self, kind, name):
        for uid, entity in self.entities.items():
            if (entity["kind"], entity["name"]) == (kind, name):
                return uid
        return None

    def stored(self, uid):
        entity = self.entities[uid]
        metadata = {"name": entity["name"], "namespace": "default"}
        if entity["title"] is not None:
            metadata["title"] = entity["title"]
        body = {"apiVersion": "v1", "kind": entity["kind"], "metadata": metadata}
        body["spec"] = {"tier": entity["tier"]}
        relations = ()
        if (whole := entity["part_of"]) is not None:
            here = self.ref(uid)
            relations = ((here, "partOf", whole), (whole, "hasPart", here))
        return StoredEntity(uid, self.ref(uid), json.dumps(body), relations)

    def matches(self, uid, filters):
        entity = self.entities[uid]
        if filters == ("kind=component",):
            return entity["kind"] == "Component"
        if filters == ("spec.tier=gold",):
            return entity["tier"].lower() == "gold"
        if filters == ("relations.haspart",):
            return any(other["part_of"] == self.ref(uid) for other in self.entities.values())
        return True

    def place(self, uid, order):
        """Where a row stands in an order; None when it does not."""
        entity = self.entities[uid]
        values = {
            None: uid,
            "metadata.name": entity["name"],
            "metadata.title": entity["title"],
            "spec.tier": entity["tier"],
            "kind": entity["kind"],
        }
        value = values[order]
        return None if value is None else (value.lower(), uid)

    def rows(self, filters, order):
        """The place of each row that a question finds now, by uid."""
        return {
            uid: place
            for uid in self.entities
            if self.matches(uid, filters) and (place := self.place(uid, order)) is not None
        }


class Walk:
    """One reader on the way through the pages, one way at a time."""

    def __init__(self, known, filters, order, descending, limit):
        self.known = known
        self.filters = filters
        self.order = order
        self.descending = descending
        self.limit = limit
        self.page = None
        self.forwards = True
        self.stable: dict[str, tuple] = {}
        self.seen: list[str] = []
        self.places: list[tuple] = []

    def ask(self, index, cursor=None):
        question = Question(
            filters=self.filters,
            order=Order(self.order, self.descending) if self.order else None,
            limit=self.limit,
            cursor=cursor,
        )
        return json.loads(ask(index, question, SOMEBODY, CURSORS, None))

    def begin(self, index):
        self.stable = self.known.rows(self.filters, self.order)
        self._take(self.ask(index))

    def go(self, index, *, forwards):
        """Turn a page; one that is not there ends the walk that way."""
        name = "nextCursor" if forwards else "prevCursor"
        if forwards != self.forwards:
            self._turn(forwards)
        if name in self.page["pageInfo"]:
            self._take(self.ask(index, self.page["pageInfo"][name]))

    def _turn(self, forwards):
        """From here on, rows on the other side of the page are what must come."""
        self.forwards = forwards
        self.seen = []
        rows = self.known.rows(self.filters, self.order)
        if not self.page["items"]:
            self.stable = {}
            return
        edge = self.places[-1 if forwards else 0]
        rising = forwards != self.descending
        self.stable = {
            uid: place for uid, place in rows.items() if (place > edge if rising else place < edge)
        }

    def _take(self, page):
        self.page = page
        uids = [item["metadata"]["uid"] for item in page["items"]]
        rows = self.known.rows(self.filters, self.order)
        assert set(uids) <= rows.keys(), "a row came that does not match"
        self.places = [rows[uid] for uid in uids]
        assert self.places == sorted(self.places, reverse=self.descending)
        assert len(uids) <= self.limit
        self.seen += uids
        for uid in self.stable:
            assert self.seen.count(uid) <= 1, f"{uid} came twice"
        more = "nextCursor" if self.forwards else "prevCursor"
        if more not in page["pageInfo"]:
            lost = self.stable.keys() - set(self.seen)
            assert not lost, f"{lost} were left out"
            self.stable = {}

    def changed(self):
        """After a write: only rows that are as they were when the walk turned this way stay."""
        rows = self.known.rows(self.filters, self.order)
        self.stable = {uid: place for uid, place in self.stable.items() if rows.get(uid) == place}


names = st.sampled_from([f"n{i}" for i in range(8)] + [f"N{i}x" for i in range(8)])


class Paging(RuleBasedStateMachine):
    """Walks of all kinds, between writes of all kinds."""

    walks = Bundle("walks")

    def __init__(self):
        super().__init__()
        self.index = CatalogIndex()
        self.known = Known()
        self.open: list[Walk] = []
        self.made = 0

    @initialize(rows=st.lists(st.tuples(st.sampled_from(KINDS), names), min_size=6, max_size=24))
    def fill(self, rows):
        for kind, name in rows:
            self.put(kind, name, "a", "gold", None)

    @rule(
        kind=st.sampled_from(KINDS),
        name=names,
        title=st.sampled_from(TITLES),
        tier=st.sampled_from(TIERS),
        part_of=st.sampled_from([None, "system:default/n0", "system:default/n1"]),
    )
    def put(self, kind, name, title, tier, part_of):
        """Add an entity, or change the one that is there."""
        uid = self.known.uid_of(kind, name)
        if uid is None:
            self.made += 1
            # The order of uids has nothing to do with the order they are made in.
            uid = str(uuid.UUID(int=random.Random(self.made).getrandbits(128)))
        entity = {"kind": kind, "name": name, "title": title, "tier": tier, "part_of": part_of}
        self.known.entities[uid] = entity
        self.index.apply([self.known.stored(uid)], [])
        self.told()

    @rule(data=st.data())
    def delete(self, data):
        """Remove an entity; made again, it has another uid."""
        if self.known.entities:
            uid = data.draw(st.sampled_from(sorted(self.known.entities)))
            del self.known.entities[uid]
            self.index.apply([], [uid])
            self.told()

    def told(self):
        for walk in self.open:
            walk.changed()

    @rule(
        target=walks,
        filters=st.sampled_from(FILTERS),
        order=st.sampled_from(ORDERS),
        descending=st.booleans(),
        limit=st.integers(1, 5),
    )
    def begin(self, filters, order, descending, limit):
        """Ask for a first page."""
        descending = descending and order is not None
        walk = Walk(self.known, filters, order, descending, limit)
        walk.begin(self.index)
        if len(walk.page["pageInfo"]) == 0:
            return multiple()
        self.open.append(walk)
        return walk

    @rule(walk=walks)
    def following(self, walk):
        """Turn to the next page."""
        walk.go(self.index, forwards=True)

    @rule(walk=walks)
    def preceding(self, walk):
        """Turn to the page before."""
        walk.go(self.index, forwards=False)

    @rule(walk=walks, forwards=st.booleans())
    def to_the_end(self, walk, forwards):
        """Turn all the pages that are left one way."""
        name = "nextCursor" if forwards else "prevCursor"
        for _ in range(100):
            walk.go(self.index, forwards=forwards)
            if name not in walk.page["pageInfo"]:
                return
        raise AssertionError("the walk does not end")


TestPaging = Paging.TestCase
TestPaging.settings = settings(
    max_examples=60,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


COMPONENT = """apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: {name}
  namespace: {namespace}
  title: "{title}"
spec: {{type: service, lifecycle: production, owner: pagers}}
---
"""
STABLE = 40
PASSING = 12
WRITES = 80


class Writer(threading.Thread):
    """Adds, changes and removes entities, each in a file and a location of its own."""

    def __init__(self, live: Live, files: Path, namespace: str) -> None:
        super().__init__()
        self._live = live
        self._files = files
        self._namespace = namespace
        self._locations: dict[int, str] = {}
        self.failure: BaseException | None = None

    def run(self) -> None:
        dice = random.Random(1)
        try:
            with self._live.client() as api:
                for _ in range(WRITES):
                    self._write(api, dice)
        except BaseException as failure:
            self.failure = failure

    def _write(self, api: httpx.Client, dice: random.Random) -> None:
        number = dice.randrange(PASSING)
        file = self._files / f"{self._namespace}-{number}.yaml"
        location = self._locations.get(number)
        if location is not None and dice.random() < 0.4:
            answer = api.delete(f"/api/catalog/locations/{location}")
            assert answer.status_code == 204, answer.text
            del self._locations[number]
            return
        name, title = f"{dice.choice('aamz')}-passes-{number}", dice.choice("aAmMzZ")
        if location is not None:  # a change of place in the orders
            name = file.read_text().partition("name: ")[2].partition("\n")[0]
        file.write_text(COMPONENT.format(name=name, namespace=self._namespace, title=title))
        answer = (
            api.post("/api/v1/catalog/locations", json={"target": str(file)})
            if location is None
            else api.post(f"/api/v1/catalog/locations/{location}/refresh")
        )
        assert answer.is_success, answer.text
        self._locations[number] = answer.json()["id"]


@pytest.fixture
def stays(live: Live, files: Path) -> Iterator[str]:
    """A namespace with entities that stay as they are."""
    namespace = f"n{uuid.uuid4().hex[:10]}"
    file = files / f"{namespace}.yaml"
    file.write_text(
        "".join(
            COMPONENT.format(name=f"{'azmk'[i % 4]}-{i}", namespace=namespace, title="aMzZ"[i % 4])
            for i in range(STABLE)
        )
    )
    with live.client() as api:
        made = api.post("/api/v1/catalog/locations", json={"target": str(file)}).json()
        assert len(made["entityRefs"]) == STABLE
        yield namespace


def sweep(api: httpx.Client, namespace: str, order: str | None, limit: int) -> list[list[str]]:
    """The names of all rows, from the first page to the last, and from there back."""
    url = "/api/catalog/entities/by-query"
    params = {"filter": f"metadata.namespace={namespace}", "limit": limit}
    page = api.get(url, params=params | ({"orderField": order} if order else {})).json()
    found = []
    for name in ("nextCursor", "prevCursor"):
        names = [[item["metadata"]["name"] for item in page["items"]]]
        while name in page["pageInfo"]:
            page = api.get(url, params={"cursor": page["pageInfo"][name], "limit": limit}).json()
            names.append([item["metadata"]["name"] for item in page["items"]])
        found.append(
            [one for some in (names if name == "nextCursor" else names[::-1]) for one in some]
        )
    return found


def test_pages_neither_repeat_nor_lose_what_stays_while_others_write(
    live: Live, files: Path, stays: str
) -> None:
    orders = (None, "metadata.name,asc", "metadata.name,desc", "metadata.title,asc")
    with live.client() as api:
        quiet = {order: sweep(api, stays, order, 7) for order in orders}
        assert all(len(there) == len(back) == STABLE for there, back in quiet.values())
        writer = Writer(live, files, stays)
        writer.start()
        seen_passing = 0
        while writer.is_alive():
            for order in orders:
                for found, before in zip(sweep(api, stays, order, 7), quiet[order], strict=True):
                    assert [name for name in found if "passes" not in name] == before, order
                    seen_passing += len(found) - STABLE
        writer.join()
    assert writer.failure is None
    assert seen_passing > 0
