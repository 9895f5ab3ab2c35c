from __future__ import annotations

import asyncio
import stat

import psycopg
import pytest
from engine_kit import ADA, ADMIN, FAST, until, working

from towpath_core.errors import SettingsError, Unavailable
from towpath_core.plugins import PluginConfig
from towpath_engine.platform import open_platform
from towpath_engine.servers import Servers
from towpath_engine.settings import EngineSettings

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings_of(tmp_path):
    def build(url, **changed):
        roots = {"backstage": {"roots": [str(tmp_path)]}}
        plugins = PluginConfig(only=("backstage",), settings=roots)
        return EngineSettings(home=tmp_path / "home", database_url=url, plugins=plugins, **changed)

    return build


GROUP = (
    "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {name: %s}\n"
    "spec: {type: team, children: []}\n"
)


async def test_an_empty_database_is_made_ready(database_url, settings_of, tmp_path):
    async with open_platform(settings_of(database_url)) as platform:
        readiness = await platform.readiness()
        assert (readiness.database, readiness.feed) == ("ok", "ok")
        # A missing worker delays runs, but no answers.
        assert "towpath worker" in readiness.workers
        assert readiness.ready
        async with working(platform.worker(times=FAST)):
            await until(lambda: _working(platform))
        first = platform.sealer.derive("x")
    assert stat.S_IMODE((tmp_path / "home" / "secret.key").stat().st_mode) == 0o600
    async with open_platform(settings_of(database_url)) as platform:
        assert platform.sealer.derive("x") == first


async def _working(platform):
    return (await platform.readiness()).workers == "ok"


async def test_two_processes_see_each_other_s_writes(engine_url, settings_of, tmp_path):
    settings = settings_of(engine_url)
    (tmp_path / "a.yaml").write_text(GROUP % "one")
    async with open_platform(settings) as first, open_platform(settings) as second:
        report = await first.catalog.register(ADA, "file", str(tmp_path / "a.yaml"))
        assert first.index.by_ref("group:default/one") is not None
        await until(lambda: second.index.by_ref("group:default/one"))
        (tmp_path / "a.yaml").write_text(GROUP % "two")
        await second.catalog.refresh(ADA, report.location.id)
        await until(lambda: first.index.by_ref("group:default/two"))
        assert first.index.by_ref("group:default/one") is None
        assert {e.final for e in first.index._by_ref.values()} == {
            e.final for e in second.index._by_ref.values()
        }


async def test_a_process_that_starts_later_has_all_of_it(engine_url, settings_of, tmp_path):
    settings = settings_of(engine_url)
    (tmp_path / "a.yaml").write_text(GROUP % "one")
    async with open_platform(settings) as first:
        await first.catalog.register(ADA, "file", str(tmp_path / "a.yaml"))
    async with open_platform(settings) as second:
        assert second.index.by_ref("group:default/one") is not None
    async with open_platform(settings, index=False) as worker:
        assert len(worker.index) == 0
        assert worker.listener is None


async def test_a_database_that_goes_away_is_said_and_does_not_raise(
    engine_url, settings_of, pg_server
):
    name = psycopg.conninfo.conninfo_to_dict(engine_url)["dbname"]
    async with open_platform(settings_of(engine_url)) as platform:
        with psycopg.connect(pg_server.url("postgres"), autocommit=True) as root:
            root.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            root.execute(query, [name])
            await until(lambda: not platform.listener.connected)
            readiness = await platform.readiness()
            assert not readiness.ready
            assert "lost" in readiness.feed
            assert readiness.database != "ok"
            root.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await until(lambda: platform.listener.connected)
        assert (await platform.readiness()).ready


async def test_a_start_that_fails_lets_go_of_everything(engine_url, settings_of, tmp_path):
    with pytest.raises(SettingsError, match="base64"):
        async with open_platform(settings_of(engine_url, secret_key="no key")):
            pass
    with pytest.raises(Unavailable):
        async with open_platform(settings_of(f"postgresql:///x?host={tmp_path}")):
            pass
    tasks = [task for task in asyncio.all_tasks() if task.get_name() == "database-listener"]
    assert tasks == []


async def test_with_a_database_of_one_s_own_no_server_is_started(engine_url, settings_of):
    servers = Servers()
    settings = settings_of(engine_url)
    assert await servers.start(settings) is settings
    await servers.stop()


async def test_tokens_of_one_process_are_good_in_another(engine_url, settings_of):
    settings = settings_of(engine_url)
    async with open_platform(settings) as first, open_platform(settings) as second:
        made = await first.tokens.create(ADMIN, "x", ["catalog:read"])
        found = await second.tokens.check(made.token)
        assert found.subject == ADMIN.subject
