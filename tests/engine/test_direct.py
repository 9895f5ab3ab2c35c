"""Single statements outside of `begin()`: what they see, and what becomes of their connections."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from towpath_core.errors import Invalid
from towpath_engine.store.database import Database, DatabaseUnavailable

pytestmark = pytest.mark.anyio

PID = "SELECT pg_backend_pid()"


async def test_a_statement_is_committed_when_it_returns(database, engine_url):
    made = "INSERT INTO audit (at, actor, action, subject, detail)"
    made += " VALUES (now(), 'a', 'b', %(subject)s, '{\"z\": 1, \"a\": 2}') RETURNING detail"
    assert await database.one(made, {"subject": "c"}) == ({"z": 1, "a": 2},)
    with psycopg.connect(engine_url) as other:
        assert other.execute("SELECT subject FROM audit").fetchall() == [("c",)]
    assert await database.one("SELECT 1 WHERE %(no)s", {"no": False}) is None


async def test_connections_are_used_again_and_no_more_than_wanted(engine_url):
    async with Database(engine_url, pool_size=2) as database:
        one = await database.one(PID, {})
        assert await database.one(PID, {}) == one
        slow = "SELECT pg_backend_pid(), pg_sleep(0.01)"
        found = await asyncio.gather(*(database.one(slow, {}) for _ in range(6)))
        assert len({row[0] for row in found}) == 2


async def test_a_connection_that_the_server_closed_is_not_used(database, engine_url):
    (pid,) = await database.one(PID, {})
    with psycopg.connect(engine_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    assert await database.one(PID, {}) != (pid,)


async def test_a_connection_that_is_cut_on_the_way_is_unavailable_and_the_next_one_works(
    database, engine_url
):
    (pid,) = await database.one(PID, {})
    asking = asyncio.create_task(database.one("SELECT pg_sleep(60)", {}))
    with psycopg.connect(engine_url, autocommit=True) as other:
        busy = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND state = 'active'"
        while other.execute(busy, [pid]).fetchone() != (1,):
            await asyncio.sleep(0.005)
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    with pytest.raises(DatabaseUnavailable):
        await asking
    assert await database.one("SELECT 1", {}) == (1,)


async def test_one_who_no_longer_waits_leaves_no_connection_behind_that_works_on(database):
    asking = asyncio.create_task(database.one("SELECT pg_sleep(60)", {}))
    await asyncio.sleep(0.05)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    async with asyncio.timeout(50):
        assert await database.one("SELECT 1", {}) == (1,)


@pytest.mark.parametrize("value", ["nul\0", "half \ud800"])
async def test_a_text_that_cannot_be_stored_is_invalid_and_not_shown(database, value):
    with pytest.raises(Invalid) as caught:
        await database.one("SELECT %(value)s::text", {"value": value})
    assert value not in str(caught.value)
    assert await database.one("SELECT 1", {}) == (1,)


async def test_a_mistake_of_ours_is_not_called_unavailable_and_keeps_the_connection(database):
    pid = await database.one(PID, {})
    with pytest.raises(psycopg.errors.SyntaxError):
        await database.one("SELEKT 1", {})
    assert await database.one(PID, {}) == pid


async def test_a_server_that_is_not_there_is_unavailable(tmp_path):
    async with Database(f"postgresql://u:canary-password@/nothing?host={tmp_path}") as database:
        with pytest.raises(DatabaseUnavailable) as caught:
            await database.one("SELECT 1", {})
    assert "canary-password" not in f"{caught.value}{caught.value.why}"
