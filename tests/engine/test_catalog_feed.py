from __future__ import annotations

import asyncio
import json
import random
from itertools import pairwise

import pytest
from engine_kit import until
from sqlalchemy import select, text

from towpath_core.entities import Entity, Relation
from towpath_engine.catalog.feed import CHANNEL, CatalogFeed
from towpath_engine.catalog.index import CatalogIndex
from towpath_engine.catalog.tables import ENTITIES, REVISIONS
from towpath_engine.catalog.writer import Draft, delete_entities, put_entities
from towpath_engine.store.database import Database, Listener

pytestmark = pytest.mark.anyio


def draft(name, *, origin="mem:/a", spec=None, relations=(), lacking=False):
    metadata = {"name": name, "namespace": "default"}
    entity = Entity("v1", "Component", metadata, spec or {})
    body = json.dumps(
        {"apiVersion": "v1", "kind": "Component", "metadata": metadata, "spec": spec or {}}
    ).encode()
    return Draft(entity, body, tuple(relations), origin, lacking=lacking)


async def put(database, *drafts):
    async with database.begin() as transaction:
        return await put_entities(transaction, drafts, actor="a", source="s")


async def remove(database, *refs):
    async with database.begin() as transaction:
        query = select(ENTITIES.c.uid).where(ENTITIES.c.ref.in_(refs))
        uids = [row.uid for row in await transaction.execute(query)]
        return await delete_entities(transaction, uids, actor="a", source="s")


@pytest.fixture
def follow(database):
    async def build():
        index = CatalogIndex()
        feed = CatalogFeed(database, index)
        await feed.load()
        return feed, index

    return build


def content(index):
    return {ref: json.loads(entry.final) for ref, entry in index._by_ref.items()}


async def test_an_index_is_built_from_what_is_stored(database, follow):
    owns = Relation("component:default/a", "ownedBy", "component:default/b")
    owned = Relation("component:default/b", "ownerOf", "component:default/a")
    await put(database, draft("a", relations=[owns, owned]), draft("b"))
    _, index = await follow()
    assert sorted(content(index)) == ["component:default/a", "component:default/b"]
    assert content(index)["component:default/b"]["relations"] == [
        {"type": "ownerOf", "targetRef": "component:default/a"}
    ]


async def test_a_write_is_there_when_its_number_was_caught_up(database, follow):
    feed, index = await follow()
    outcome = await put(database, draft("a"))
    assert len(index) == 0
    await feed.catch_up(outcome.seq)
    assert index.seq == outcome.seq
    assert index.by_ref("component:default/a") is not None


async def test_two_feeds_on_one_database_come_to_the_same(database, engine_url, follow):
    first, one = await follow()
    other = Database(engine_url)
    two = CatalogIndex()
    second = CatalogFeed(other, two)
    await second.load()
    listener = Listener(other.url, {CHANNEL: second.on_notify})
    await listener.start()
    await put(database, draft("a"), draft("b"))
    await put(database, draft("a", spec={"type": "x"}))
    outcome = await remove(database, "component:default/b")
    await first.catch_up(outcome.seq)
    await until(lambda: two.seq == outcome.seq)
    assert content(one) == content(two)
    assert list(content(two)) == ["component:default/a"]
    await listener.stop()
    await other.close()


async def test_a_notification_that_was_lost_is_made_up_for_by_the_next(database, follow):
    feed, index = await follow()
    lost = await put(database, draft("a"))
    await put(database, draft("b"))
    heard = await remove(database, "component:default/a")
    assert lost.seq < heard.seq
    await feed.on_notify(str(heard.seq))
    assert list(content(index)) == ["component:default/b"]


async def test_a_connection_that_stands_again_looks_up_what_it_missed(database, follow):
    feed, index = await follow()
    await put(database, draft("a"))
    await feed.on_notify("")
    assert list(content(index)) == ["component:default/a"]


async def test_an_old_notification_costs_nothing(database, follow, monkeypatch):
    feed, _ = await follow()
    outcome = await put(database, draft("a"))
    await feed.catch_up(outcome.seq)

    async def never():
        raise AssertionError("it looked")

    monkeypatch.setattr(feed, "_step", never)
    await feed.on_notify(str(outcome.seq))
    await feed.on_notify("1")


async def test_a_database_that_is_away_is_waited_for(tmp_path, capsys):
    database = Database(f"postgresql:///nothing?host={tmp_path}")
    await CatalogFeed(database, CatalogIndex()).on_notify("5")
    await database.close()


async def test_more_changes_than_a_batch_are_taken_in_at_once(database, follow, monkeypatch):
    monkeypatch.setattr("towpath_engine.catalog.feed._BATCH", 3)
    feed, index = await follow()
    await put(database, *(draft(f"a{n}") for n in range(7)))
    await put(database, *(draft(f"a{n}", spec={"n": n}) for n in range(0, 7, 2)))
    outcome = await remove(database, "component:default/a0", "component:default/a1")
    await feed.catch_up(outcome.seq)
    assert sorted(content(index)) == [f"component:default/a{n}" for n in range(2, 7)]
    assert content(index)["component:default/a4"]["spec"] == {"n": 4}
    fresh = CatalogIndex()
    await CatalogFeed(database, fresh).load()
    assert content(fresh) == content(index)
    assert fresh.seq == index.seq


async def test_one_that_was_deleted_and_made_again_is_the_new_one(database, follow):
    feed, index = await follow()
    await put(database, draft("a"))
    await feed.catch_up()
    before = index.by_ref("component:default/a").uid
    await remove(database, "component:default/a")
    outcome = await put(database, draft("a", origin="mem:/b", spec={"another": "one"}))
    await feed.catch_up(outcome.seq)
    after = index.by_ref("component:default/a").uid
    assert before != after
    assert index.by_uid(before) is None


async def test_numbers_are_in_the_order_of_commit_under_concurrent_writers(database, follow):
    """A reader that goes on from the last number it saw must have seen all below it."""
    feed, index = await follow()
    seen, over = [0], asyncio.Event()

    async def read():
        while not over.is_set():
            async with database.begin() as transaction:
                query = select(REVISIONS.c.seq).order_by(REVISIONS.c.seq)
                seen.append([row.seq for row in await transaction.execute(query)])
            await asyncio.sleep(0)

    async def write(worker):
        for number in range(10):
            async with database.begin() as transaction:
                await put_entities(
                    transaction,
                    [draft(f"w{worker}-{number}-{i}") for i in range(2)],
                    actor="a",
                    source="s",
                )
                await asyncio.sleep(random.random() / 200)

    reader = asyncio.create_task(read())
    await asyncio.gather(*(write(worker) for worker in range(4)))
    over.set()
    await reader
    for earlier, later in pairwise(seen[1:]):
        assert later[: len(earlier)] == earlier
    await feed.catch_up()
    assert len(index) == 80


class TestWriter:
    async def test_what_is_there_word_for_word_is_left_alone(self, database):
        first = await put(database, draft("a"), draft("b"))
        assert sorted(first.added) == ["component:default/a", "component:default/b"]
        again = await put(database, draft("a"), draft("b"))
        assert again.unchanged == ["component:default/a", "component:default/b"]
        assert again.seq == 0
        async with database.begin() as transaction:
            assert len((await transaction.execute(select(REVISIONS))).all()) == 2

    async def test_a_change_counts_a_revision_on_and_replaces_the_relations(self, database):
        one = Relation("component:default/a", "ownedBy", "group:default/one")
        two = Relation("component:default/a", "ownedBy", "group:default/two")
        await put(database, draft("a", relations=[one]))
        changed = await put(database, draft("a", relations=[two, two]))
        assert changed.changed == ["component:default/a"]
        async with database.begin() as transaction:
            (row,) = (await transaction.execute(select(ENTITIES))).all()
        edge = ["component:default/a", "ownedBy", "group:default/two"]
        assert json.loads(row.edges) == [edge]
        assert row.revision == 2

    async def test_a_reference_stays_with_its_first_holder(self, database):
        await put(database, draft("a"))
        outcome = await put(database, draft("a", origin="mem:/b", spec={"x": 1}), draft("b"))
        assert outcome.conflicts == {"component:default/a": "mem:/a"}
        assert outcome.added == ["component:default/b"]

    async def test_one_that_lacks_something_is_only_written_where_nothing_is(self, database):
        assert (await put(database, draft("a", lacking=True))).added
        assert (await put(database, draft("a", spec={"x": 1}))).changed
        outcome = await put(database, draft("a", spec={"y": 1}, lacking=True))
        assert outcome.unchanged == ["component:default/a"]

    async def test_a_rollback_leaves_nothing(self, database):
        with pytest.raises(RuntimeError):
            async with database.begin() as transaction:
                await put_entities(transaction, [draft("a")], actor="a", source="s")
                raise RuntimeError
        async with database.begin() as transaction:
            for table in (ENTITIES, REVISIONS):
                assert (await transaction.execute(select(table))).all() == []

    async def test_deleting_leaves_the_past(self, database):
        await put(database, draft("a"))
        await remove(database, "component:default/a", "component:default/none")
        async with database.begin() as transaction:
            query = text("SELECT action, revision, body IS NULL FROM entity_revisions ORDER BY seq")
            rows = [tuple(row) for row in await transaction.execute(query)]
        assert rows == [("put", 1, False), ("delete", 2, True)]


@pytest.mark.parametrize("turns", range(1, 16))
async def test_who_is_cancelled_while_catching_up_leaves_nothing_half_done(
    database, follow, monkeypatch, turns
):
    def owned_by(name):
        ref, owner = "component:default/a", f"component:default/{name}"
        return [Relation(ref, "ownedBy", owner), Relation(owner, "ownerOf", ref)]

    feed, index = await follow()
    outcome = await put(database, draft("a", relations=owned_by("b")), draft("b"), draft("c"))
    await feed.catch_up(outcome.seq)
    outcome = await put(database, draft("a", relations=owned_by("c")), draft("d"))
    # Stopped between two entities, or between these and their neighbours.
    left = turns
    sleep = asyncio.sleep

    async def stopping(seconds):
        nonlocal left
        left -= 1
        if not left:
            raise asyncio.CancelledError
        await sleep(seconds)

    monkeypatch.setattr("towpath_engine.catalog.feed._SLICE", 1)
    monkeypatch.setattr("towpath_engine.catalog.feed.asyncio.sleep", stopping)
    try:
        await feed.catch_up(outcome.seq)
    except asyncio.CancelledError:
        await feed.catch_up(outcome.seq)
    monkeypatch.undo()
    _, fresh = await follow()
    assert content(index) == content(fresh)
