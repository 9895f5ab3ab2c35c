"""Locations are read again by themselves: at once where files change, else when they are due."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from engine_kit import ADA, DictSource, Plugin, load_host, platform_of
from sqlalchemy import select, text

from towpath_core.errors import Conflict, SettingsError
from towpath_engine.catalog.file_watching import PLATFORM, CatalogWatch
from towpath_engine.catalog.refreshing import Refreshes
from towpath_engine.catalog.tables import REVISIONS
from towpath_engine.catalog.watch_settings import WatchSettings, read_watch
from towpath_engine.clock import new_id
from towpath_engine.store.tables import AUDIT

pytestmark = pytest.mark.anyio

SECONDS = 60


def component(name: str, title: str = "x", more: str = "") -> str:
    return (
        "apiVersion: backstage.io/v1alpha1\nkind: Component\n"
        f"metadata:\n  name: {name}\n  title: {title}\n{more}"
        "spec:\n  type: service\n  lifecycle: production\n  owner: team-a\n"
    )


def location(*targets: str) -> str:
    lines = "".join(f"    - {target}\n" for target in targets)
    return (
        "apiVersion: backstage.io/v1alpha1\nkind: Location\n"
        f"metadata:\n  name: all\nspec:\n  targets:\n{lines}"
    )


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "catalog"
    root.mkdir()
    return root


@pytest.fixture
def source():
    return DictSource({})


@pytest.fixture
async def platform(engine_url, tmp_path, root, source):
    settings = {"backstage": {"roots": [str(root)]}}
    host = load_host(Plugin(sources=[source]), installed=["backstage"], settings=settings)
    async with platform_of(host, engine_url, tmp_path) as found:
        yield found


def watch_of(platform, *, watch=True, seconds=0.0) -> CatalogWatch:
    return CatalogWatch(
        platform.database,
        platform.host,
        platform.reader,
        WatchSettings(watch=watch, refresh_seconds=seconds),
        lambda id: platform.catalog.refresh(PLATFORM, id),
        lambda: platform.index.seq,
    )


@asynccontextmanager
async def running(watch: CatalogWatch, *locations) -> AsyncIterator[None]:
    """Run a watch; the block begins when it watches these locations."""
    task = asyncio.create_task(watch.run())
    try:
        await until(lambda: {one.location.id for one in locations} <= watch.watched)
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(holds, seconds: float = SECONDS) -> float:
    """Wait until something holds; gives how long that took."""
    begun = time.monotonic()
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.005)
    return time.monotonic() - begun


async def title(platform, name, field="title"):
    entity = await platform.catalog.stored(ADA, f"component:default/{name}")
    return entity and entity.metadata.get(field)


async def shows(platform, name, expected, field="title") -> float:
    """Wait until the catalog shows an entity so; gives how long that took."""
    begun = time.monotonic()
    async with asyncio.timeout(SECONDS):
        while await title(platform, name, field) != expected:
            await asyncio.sleep(0.01)
    return time.monotonic() - begun


async def settled(platform) -> None:
    """Wait until no refresh is under way: the number of revisions stays."""
    before = -1
    while before != platform.index.seq:
        before = platform.index.seq
        await asyncio.sleep(0.6)


async def test_a_changed_file_is_in_the_index_soon(platform, root):
    (root / "all.yaml").write_text(component("pay", "one"))
    report = await platform.catalog.register(ADA, "file", str(root / "all.yaml"))
    async with running(watch_of(platform), report):
        await settled(platform)
        took = []
        for title in ("two", "three", "four"):
            (root / "all.yaml").write_text(component("pay", title))
            took.append(await shows(platform, "pay", title))
        (root / "all.yaml").write_text(component("shop", "five"))
        await shows(platform, "shop", "five")
        await shows(platform, "pay", None)
    # Half a second on a machine of one's own, and one that stands still does not do so always.
    assert min(took) < 5


async def test_new_files_of_a_glob_and_files_that_are_named_elsewhere(platform, root):
    (root / "services" / "pay").mkdir(parents=True)
    (root / "all.yaml").write_text(location("./services/*/catalog-info.yaml"))
    (root / "services" / "pay" / "api.txt").write_text("one")
    more = "  description:\n    $text: ./api.txt\n"
    (root / "services" / "pay" / "catalog-info.yaml").write_text(component("pay", "t", more))
    report = await platform.catalog.register(ADA, "file", str(root / "all.yaml"))
    async with running(watch_of(platform), report):
        await settled(platform)
        (root / "services" / "shop").mkdir()
        (root / "services" / "shop" / "catalog-info.yml").write_text(component("shop", "new"))
        await shows(platform, "shop", "new")
        (root / "services" / "shop" / "catalog-info.yml").write_text(component("shop", "newer"))
        await shows(platform, "shop", "newer")
        (root / "services" / "pay" / "api.txt").write_text("two")
        await shows(platform, "pay", "two", "description")


async def test_a_location_that_is_registered_later_is_watched_too(platform, root):
    async with running(watch_of(platform)):
        (root / "a.yaml").write_text(component("a", "one"))
        await platform.catalog.register(ADA, "file", str(root / "a.yaml"))
        await asyncio.sleep(0.05)
        (root / "a.yaml").write_text(component("a", "two"))
        await shows(platform, "a", "two")


async def test_what_changed_while_nobody_looked_is_found_at_the_start(platform, root):
    (root / "a.yaml").write_text(component("a", "one"))
    report = await platform.catalog.register(ADA, "file", str(root / "a.yaml"))
    (root / "a.yaml").write_text(component("a", "two"))
    async with running(watch_of(platform), report):
        await shows(platform, "a", "two")
    async with platform.database.begin() as transaction:
        actors = {row.actor for row in await transaction.execute(select(REVISIONS.c.actor))}
        audited = {row.actor for row in await transaction.execute(select(AUDIT.c.actor))}
    assert any("platform" in actor for actor in actors)
    assert any("platform" in actor for actor in audited)


async def test_a_file_that_is_spoilt_keeps_what_was_good_until_it_is_mended(platform, root):
    (root / "a.yaml").write_text(component("a", "one"))
    report = await platform.catalog.register(ADA, "file", str(root / "a.yaml"))
    async with running(watch_of(platform), report):
        await settled(platform)
        (root / "a.yaml").write_text("a: [")
        async with asyncio.timeout(SECONDS):
            while not await platform.catalog.problems():
                await asyncio.sleep(0.01)
        assert await title(platform, "a") == "one"
        (root / "a.yaml").write_text(component("a", "two"))
        await shows(platform, "a", "two")


async def test_what_cannot_be_watched_is_read_when_it_is_due(platform, source):
    source.files["/a.yaml"] = component("a", "one").encode()
    await platform.catalog.register(ADA, "mem", "/a.yaml")
    async with running(watch_of(platform, seconds=0.2)):
        source.files["/a.yaml"] = component("a", "two").encode()
        await shows(platform, "a", "two")
        source.down = True
        await asyncio.sleep(0.3)
        source.down = False
        source.files["/a.yaml"] = component("a", "three").encode()
        await shows(platform, "a", "three")


async def test_what_is_not_due_is_left_alone(platform, source):
    source.files["/a.yaml"] = component("a", "one").encode()
    await platform.catalog.register(ADA, "mem", "/a.yaml")
    watch = watch_of(platform, seconds=3600)
    assert await watch._due() == set()
    back = text("UPDATE locations SET read_at = read_at - interval '2 hours'")
    async with platform.database.begin() as transaction:
        await transaction.execute(back)
    assert len(await watch._due()) == 1


async def test_files_are_read_when_they_are_due_where_watching_is_off(platform, root):
    (root / "a.yaml").write_text(component("a", "one"))
    await platform.catalog.register(ADA, "file", str(root / "a.yaml"))
    async with running(watch_of(platform, watch=False, seconds=0.2)):
        (root / "a.yaml").write_text(component("a", "two"))
        await shows(platform, "a", "two")


async def test_nothing_is_read_where_all_is_off(platform, root):
    (root / "a.yaml").write_text(component("a", "one"))
    await platform.catalog.register(ADA, "file", str(root / "a.yaml"))
    async with running(watch_of(platform, watch=False)):
        (root / "a.yaml").write_text(component("a", "two"))
        await asyncio.sleep(1)
        assert await title(platform, "a") == "one"


async def test_one_of_many_watches_and_another_takes_over(platform, root):
    (root / "a.yaml").write_text(component("a", "one"))
    report = await platform.catalog.register(ADA, "file", str(root / "a.yaml"))
    first, second = watch_of(platform), watch_of(platform)
    async with running(first, report), running(second):
        await asyncio.sleep(1.5)
        assert second.watched == frozenset()
    async with running(second, report):
        assert first.watched == frozenset()
        (root / "a.yaml").write_text(component("a", "two"))
        await shows(platform, "a", "two")


async def test_a_leader_whose_connection_dies_becomes_one_again(platform, root, monkeypatch):
    monkeypatch.setattr("towpath_engine.store.leadership._BEATS", 100)
    (root / "a.yaml").write_text(component("a", "one"))
    report = await platform.catalog.register(ADA, "file", str(root / "a.yaml"))
    watch = watch_of(platform)
    ending = text(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    async with running(watch, report):
        async with platform.database.begin() as transaction:
            assert (await transaction.execute(ending)).all()
        await until(lambda: not watch.watched)
        (root / "a.yaml").write_text(component("a", "two"))
        await until(lambda: report.location.id in watch.watched)
        await shows(platform, "a", "two")


async def test_a_refresh_that_fails_is_tried_again_and_stops_no_other(monkeypatch):
    monkeypatch.setattr("towpath_engine.catalog.refreshing._RETRY_SECONDS", 0.02)
    bad, good, tried = new_id(), new_id(), []

    async def refresh(location):
        tried.append(location)
        if location == bad and tried.count(bad) < 4:
            raise (Conflict("no") if tried.count(bad) == 1 else RuntimeError("odd"))

    refreshes = Refreshes(refresh)
    task = asyncio.create_task(refreshes.run())
    refreshes.add({bad, good})
    await until(lambda: tried.count(bad) == 4 and good in tried)
    refreshes.add({good})
    await until(lambda: tried.count(good) == 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert tried.count(bad) == 4


async def test_no_location_is_read_twice_at_once_and_none_is_forgotten():
    ids = [new_id() for _ in range(10)]
    running_now: list = []
    most, done = [0], []

    async def refresh(location):
        assert location not in running_now
        running_now.append(location)
        most[0] = max(most[0], len(running_now))
        await asyncio.sleep(0.01)
        running_now.remove(location)
        done.append(location)

    refreshes = Refreshes(refresh)
    task = asyncio.create_task(refreshes.run())
    for _ in range(3):
        refreshes.add(set(ids))
        await asyncio.sleep(0.015)
    await until(lambda: set(done) == set(ids) and not running_now and not refreshes._waiting)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert most[0] <= 4
    assert len(done) > len(ids)


@pytest.mark.parametrize(
    "table", [{"watch": "no"}, {"refresh_seconds": 1}, {"refresh_seconds": -5}, {"watch": 1}]
)
async def test_settings_that_are_wrong_are_refused(table):
    with pytest.raises(SettingsError, match="catalog"):
        read_watch(table)


async def test_settings_that_are_right():
    assert read_watch({}) == WatchSettings(watch=True, refresh_seconds=300.0)
    assert read_watch({"watch": False, "refresh_seconds": 0}) == WatchSettings(
        watch=False, refresh_seconds=0.0
    )
