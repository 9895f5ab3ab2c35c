"""A database that answers and takes nothing: it is told, and runs go on when it takes again."""

from __future__ import annotations

import pytest
from engine_kit import ADA, FAST, SEALER, Kind, Plugin, ended, load_host, until, working
from sqlalchemy import text

from towpath_engine.runs.kinds import run_kind_executors
from towpath_engine.runs.service import RunService
from towpath_engine.runs.trouble import CHANNEL, Troubles, tell_trouble
from towpath_engine.runs.worker import RunWorker
from towpath_engine.store.database import DatabaseUnavailable, Listener

pytestmark = pytest.mark.anyio

FULL = """
    CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON run_events EXECUTE FUNCTION full_disk()
"""


@pytest.fixture
async def troubles(database):
    found = Troubles()
    listener = Listener(database.url, {CHANNEL: found.on_notify})
    await listener.start()
    yield found
    await listener.stop()


class Watched:
    def __init__(self, runs):
        self.runs = runs


async def test_a_full_disk_is_told_and_nothing_is_lost(database, troubles):
    runs = RunService(database, SEALER)
    async with database.begin() as transaction:
        run_id = await runs.create(transaction, ADA, "acme", "A test", {})
    async with database.begin() as transaction:
        connection = await transaction.get_raw_connection()
        await connection.driver_connection.execute(FULL)
    assert troubles.now() is None
    host = load_host(Plugin(run_kinds=[Kind(lambda i, tools: tools.step("s", lambda t: 1))]))
    worker = RunWorker(database, SEALER, run_kind_executors(host), times=FAST)
    async with working(worker):
        said = await until(troubles.now)
        assert (
            said == "runs cannot be written: the database's disk is full; they go on when they can"
        )
        assert (await runs.get(ADA, run_id)).state == "queued"
        async with database.begin() as transaction:
            await transaction.execute(text("DROP TRIGGER full_disk ON run_events"))
        assert (await ended(Watched(runs), ADA, run_id)).state == "succeeded"
    host.close()


async def test_a_connection_that_is_lost_is_no_trouble(database, troubles):
    with pytest.raises(DatabaseUnavailable) as lost:
        async with database.begin() as transaction:
            pid = (await transaction.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            async with database.begin() as other:
                await other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            await transaction.execute(text("SELECT 1"))
    await tell_trouble(database, lost.value)
    async with database.begin() as transaction:
        await transaction.execute(text("SELECT pg_notify(:c, 'Later')"), {"c": CHANNEL})
    assert "Later" in await until(troubles.now)
