"""The index between two runs of a gateway: what was written is taken up, and never believed."""

from __future__ import annotations

import json
import stat

import pytest
from sqlalchemy import delete, select, update

from towpath_core.entities import Entity, Relation
from towpath_engine.catalog import resuming as module
from towpath_engine.catalog import snapshot
from towpath_engine.catalog.feed import CatalogFeed
from towpath_engine.catalog.index import CatalogIndex
from towpath_engine.catalog.query import search
from towpath_engine.catalog.resuming import Resuming
from towpath_engine.catalog.snapshot import read_snapshot
from towpath_engine.catalog.tables import ENTITIES, REVISIONS
from towpath_engine.catalog.writer import Draft, delete_entities, put_entities

pytestmark = pytest.mark.anyio


def draft(number, *, type="service", owner="one"):
    name, ref = f"thing-{number}", f"component:default/thing-{number}"
    metadata = {"name": name, "namespace": "default"}
    spec = {"type": type}
    entity = Entity("v1", "Component", metadata, spec)
    body = {"apiVersion": "v1", "kind": "Component", "metadata": metadata, "spec": spec}
    owned = Relation(ref, "ownedBy", f"group:default/{owner}")
    owns = Relation(f"group:default/{owner}", "ownerOf", ref)
    return Draft(entity, json.dumps(body).encode(), (owned, owns), "mem:/a")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "catalog.index"


@pytest.fixture
async def stored(database, monkeypatch):
    monkeypatch.setattr(module, "LEAST", 1)
    async with database.begin() as transaction:
        await put_entities(transaction, [draft(n) for n in range(20)], actor="a", source="s")
    return database


async def started(database, path):
    """What a gateway has when it starts, and how many entities it read from the store."""
    resuming = Resuming(path)
    index, known = await resuming.read()
    feed = CatalogFeed(database, index)
    taken = []
    take = index.take

    def counted(puts, deletes):
        taken.extend(puts)
        return take(puts, deletes)

    index.take = counted
    await feed.load(known)
    return resuming, index, feed, len(taken)


async def built(database):
    index = CatalogIndex()
    await CatalogFeed(database, index).load()
    return index


def content(index):
    finals = {entry.ref: entry.final for entry in index.entries()}
    keys = sorted({*index._keys, *index._flags})
    return finals, {key: index.postings(key).counts() for key in keys}, index.seq


async def test_what_was_written_is_not_built_again(stored, path):
    resuming, index, feed, taken = await started(stored, path)
    assert taken == 20
    await resuming.write(index, feed)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    resuming, again, feed, taken = await started(stored, path)
    assert taken == 0
    assert content(again) == content(index)
    found = search(again, again.everything, "ng-1", ["metadata.name"])
    assert len(found) == 11
    before = path.stat().st_mtime_ns
    await resuming.write(again, feed)  # nothing has changed
    assert path.stat().st_mtime_ns == before


async def test_what_changed_meanwhile_is_read_and_nothing_else(stored, path):
    resuming, index, feed, _ = await started(stored, path)
    await resuming.write(index, feed)
    async with stored.begin() as transaction:
        drafts = [draft(1, type="changed"), draft(2, owner="two"), draft(40)]
        await put_entities(transaction, drafts, actor="a", source="s")
        query = select(ENTITIES.c.uid).where(ENTITIES.c.ref == "component:default/thing-3")
        gone = [row.uid for row in await transaction.execute(query)]
        await delete_entities(transaction, gone, actor="a", source="s")
    _, again, _, taken = await started(stored, path)
    assert taken == 3
    assert content(again) == content(await built(stored))


async def test_a_store_that_was_put_back_to_another_time_is_believed(stored, path):
    resuming, index, feed, _ = await started(stored, path)
    await resuming.write(index, feed)
    async with stored.begin() as transaction:  # as a backup does it: no revision tells of it
        some = ENTITIES.c.ref.in_([f"component:default/thing-{n}" for n in range(5)])
        await transaction.execute(delete(ENTITIES).where(some))
        body = json.dumps({"kind": "Component", "metadata": {"name": "thing-9"}})
        other = update(ENTITIES).where(ENTITIES.c.ref == "component:default/thing-9")
        await transaction.execute(other.values(body=body, edges="[]", hash="another"))
        await transaction.execute(delete(REVISIONS).where(REVISIONS.c.seq == index.seq))
    _, again, _, taken = await started(stored, path)
    assert taken == 1
    assert again.seq < index.seq
    assert content(again) == content(await built(stored))


async def test_an_index_that_lags_behind_is_not_written(stored, path):
    resuming, index, feed, _ = await started(stored, path)
    async with stored.begin() as transaction:
        await put_entities(transaction, [draft(99)], actor="a", source="s")
    await resuming.write(index, feed)
    assert not path.exists()


async def test_small_ones_are_not_written_and_sparse_ones_not_kept(stored, path, monkeypatch):
    resuming, index, feed, _ = await started(stored, path)
    monkeypatch.setattr(module, "LEAST", 21)
    await resuming.write(index, feed)
    assert not path.exists()
    monkeypatch.setattr(module, "LEAST", 1)
    await resuming.write(index, feed)
    assert path.exists()
    index.apply((), [entry.uid for entry in list(index.entries())[:10]])
    await resuming.write(index, feed)
    assert not path.exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "longer", "empty", "other code", "no file"])
async def test_a_file_that_is_wrong_is_as_good_as_none(stored, path, damage, monkeypatch):
    resuming, index, feed, _ = await started(stored, path)
    await resuming.write(index, feed)
    content_of = path.read_bytes()
    middle = len(content_of) // 2
    flipped = bytes([content_of[middle] ^ 4])
    if damage == "other code":
        monkeypatch.setattr(snapshot, "_fingerprint", lambda: b"x" * 32)
    elif damage == "no file":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes(
            {
                "cut": content_of[:-9],
                "flipped": content_of[:middle] + flipped + content_of[middle + 1 :],
                "longer": content_of[:-12] + content_of[-60:-12] + content_of[-12:],
                "empty": b"",
            }[damage]
        )
    assert read_snapshot(path) is None
    resuming, again, feed, taken = await started(stored, path)
    assert taken == 20
    await resuming.write(again, feed)  # a folder in its place does no harm either
