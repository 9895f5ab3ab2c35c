"""Runs that ended long ago are forgotten: which, how, and that nobody is held up by it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from engine_kit import ADA, ADMIN, SEALER, until
from schedule_kit import Room
from sqlalchemy import func, insert, select, text, update

from towpath_core.errors import NotFound
from towpath_engine.runs import retention
from towpath_engine.runs.journal import CLOCK, Event, insert_events
from towpath_engine.runs.retention import Retention
from towpath_engine.runs.schedule_tables import LEFTOVERS
from towpath_engine.runs.tables import EVENTS, RUNS, SIGNALS, STEPS, UNDOS
from towpath_engine.runs.terms import Terms
from towpath_engine.store.database import Database
from towpath_engine.store.tables import AUDIT

pytestmark = pytest.mark.anyio

OLD = timedelta(days=91)
SCRIPT = Path(__file__).with_name("crash_retention.py")


class Keeping(Room):
    """Runs that ended, with what hangs on them."""

    async def run(self, state="succeeded", *, ago=OLD, events=0, **terms):
        async with self.database.begin() as transaction:
            run_id = await self.runs.create(transaction, ADA, "test", "t", {}, terms=Terms(**terms))
        if state != "queued":
            await self.end(run_id, state, ago=ago)
        if events:
            await self.execute(
                text(
                    "INSERT INTO run_events (run_id, seq, type, body, at) SELECT :id, n, 'log',"
                    ' \'{"message": "a line", "level": "info"}\', now()'
                    " FROM generate_series(2, :n) n"
                ).bindparams(id=run_id, n=events)
            )
        return run_id

    async def hang(self, run_id) -> None:
        step = {"key": "a", "name": "A", "state": "succeeded", "attempts": 1, "effect": "pure"}
        await self.execute(insert(STEPS).values(run_id=run_id, seq=1, **step))
        signal = {"name": "go", "body": {}, "by": "towpath/ada", "at": CLOCK}
        await self.execute(insert(SIGNALS).values(run_id=run_id, **signal))
        undo = {"step_seq": 1, "step_key": "a", "owner": "o", "name": "u", "data": "{}"}
        ready = {"state": "ready", "at": CLOCK}
        await self.execute(insert(UNDOS).values(run_id=run_id, seq=1, **undo, **ready))

    async def kept(self):
        return {row["id"] for row in await self.rows(RUNS)}

    async def counts(self):
        async with self.database.begin() as transaction:
            return [
                (await transaction.execute(select(func.count()).select_from(table))).scalar_one()
                for table in (EVENTS, STEPS, SIGNALS, UNDOS, LEFTOVERS)
            ]

    def retention(self, days=90):
        return Retention(self.database, days, pause=0)


@pytest.fixture
async def room(database):
    found = Keeping(database)
    yield found
    found.close()


async def test_an_old_run_goes_with_all_that_hangs_on_it_and_the_audit_stays(room):
    old = await room.run(events=5)
    await room.hang(old)
    made = await room.make()
    fired = await room.schedules.run_now(ADA, "nightly")
    await room.end(fired, ago=OLD)
    await room.execute(text("UPDATE schedules SET last_run = :id").bindparams(id=fired))
    young = await room.run(ago=timedelta(days=89))
    await room.hang(young)
    before = await room.rows(AUDIT)
    assert await room.retention().prune() == 2
    assert await room.kept() == {young}
    assert await room.counts() == [1, 1, 1, 1, 0]
    assert await room.rows(AUDIT) == before
    assert fired in {row["run_id"] for row in before}
    shown = await room.schedules.get(ADA, str(made.id))
    assert shown.last_run is None
    for who in (ADA, ADMIN):
        with pytest.raises(NotFound) as caught:
            await room.runs.get(who, old)
        assert "keep_days" in caught.value.why
        with pytest.raises(NotFound):
            await room.runs.events(who, old)
    assert await room.retention().prune() == 0


async def test_what_has_not_ended_or_is_not_known_stays(room):
    kept = {
        await room.run("queued"),
        await room.run("unknown"),
        await room.run("failed", ago=timedelta(days=1)),
    }
    for state in ("running", "waiting"):
        run_id = await room.run("queued")
        long_ago = datetime.now(UTC) - OLD
        # As one that failed long ago and was taken up again.
        change = update(RUNS).where(RUNS.c.id == run_id)
        await room.execute(change.values(state=state, finished_at=long_ago, created_at=long_ago))
        kept.add(run_id)
    gone = [await room.run(state) for state in ("succeeded", "failed", "cancelled")]
    assert await room.retention().prune() == len(gone)
    assert await room.kept() == kept


async def test_a_child_goes_after_its_parent_and_a_parent_after_none_that_is_open(room):
    kept_parent = await room.run(ago=timedelta(days=1))
    kept_child = await room.run(parent=(kept_parent, "a"))
    waited_for = await room.run("failed")
    open_child = await room.run("queued", parent=(waited_for, "a"))
    parent = await room.run()
    child = await room.run(parent=(parent, "a"))
    grandchild = await room.run(parent=(child, "a"))
    assert await room.retention().prune() == 3
    kept = await room.kept()
    assert kept == {kept_parent, kept_child, waited_for, open_child}
    assert not kept & {parent, child, grandchild}


async def test_a_run_goes_after_the_run_that_took_it_back(room):
    taken_back = await room.run()
    undo = await room.run("queued", undoes=taken_back)
    assert await room.retention().prune() == 0
    await room.end(undo, ago=timedelta(days=2))
    assert await room.retention().prune() == 0
    await room.end(undo, ago=timedelta(days=90, minutes=1))
    assert await room.retention().prune() == 2
    assert await room.kept() == set()


async def test_one_that_somebody_takes_up_again_stays(room):
    run_id = await room.run("failed")
    async with room.database.begin() as transaction:
        change = update(RUNS).where(RUNS.c.id == run_id)
        await transaction.execute(change.values(state="queued"))
        # Nobody waits for it, and it is not yet seen that it is open.
        assert await room.retention().prune() == 0
    assert await room.retention().prune() == 0
    assert await room.kept() == {run_id}


async def test_one_process_at_a_time(room):
    for _ in range(3):
        await room.run(events=50)
    async with room.database.begin() as transaction:
        lock = text("SELECT pg_advisory_xact_lock(:key)")
        await transaction.execute(lock, {"key": retention._LOCK})
        assert await room.retention().prune() == 0
    counts = await asyncio.gather(*(room.retention().prune() for _ in range(4)))
    assert sum(counts) == 3
    assert await room.counts() == [0, 0, 0, 0, 0]


async def test_days_are_the_settings(room):
    await room.run(ago=timedelta(days=8))
    assert await room.retention(9).prune() == 0
    assert await room.retention(7).prune() == 1


async def test_the_old_ones_are_found_without_looking_at_all(room):
    await room.execute(
        text(
            "INSERT INTO runs (id, kind, title, state, attempt, turn, queue, priority, holds_key,"
            " input, principal, created_by, secret_names, cancel_requested, crashes, takeovers,"
            " last_event, created_at, finished_at) SELECT gen_random_uuid(), 'test', 't',"
            " 'succeeded', 1, 1, 'default', 0, false, '{}', '{}', 'towpath/ada', '[]', false, 0,"
            " 0, 1, now(), now() - n * interval '1 minute' FROM generate_series(1, 20000) n"
        )
    )
    await room.execute(text("ANALYZE runs"))
    seen = []

    class Told:
        """A transaction that tells how its queries are carried out."""

        def __init__(self, transaction):
            self.transaction = transaction

        async def execute(self, query):
            compiled = query.compile(
                dialect=room.database._engine.dialect,
                compile_kwargs={"render_postcompile": True},
            )
            told = await self.transaction.exec_driver_sql(f"EXPLAIN {compiled}", compiled.params)
            seen.extend(row[0] for row in told)
            return await self.transaction.execute(query)

    async with room.database.begin() as transaction:
        limit = datetime.now(UTC) - timedelta(days=90)
        assert await retention._old(Told(transaction), limit) == []
    plan = "\n".join(seen)
    assert "runs_finished" in plan
    assert "Seq Scan on runs run" not in plan


@pytest.mark.parametrize("known", [False, True])
async def test_what_is_left_over_is_found_without_looking_at_all(room, known):
    """Whether the database has counted its rows or not, and also of a run that has most of them."""
    await room.execute(
        text(
            "INSERT INTO run_events (run_id, seq, type, body, at) SELECT"
            " CAST(md5(CAST(n / 30000 AS text)) AS uuid), n, 'log', '{}', now()"
            " FROM generate_series(1, 60000) n"
        )
    )
    if known:
        await room.execute(text("ANALYZE run_events"))
    async with room.database.begin() as transaction:
        query = text("SELECT CAST(md5('0') AS uuid)")
        run_id = (await transaction.execute(query)).scalar_one()
        await transaction.execute(retention._BY_INDEX)
        for statement in retention._SWEEPING:
            query = text(f"EXPLAIN {statement.text}")
            told = await transaction.execute(query, {"run_id": run_id, "room": 1000})
            plan = "\n".join(row[0] for row in told)
            assert "Index Scan using run_" in plan
            assert "Tid Scan" in plan
            assert "Seq Scan" not in plan
            assert "Sort" not in plan


async def test_a_hundred_thousand_events_go_while_others_read_and_write(room):
    """In batches; nobody waits for a lock for longer than a tenth of a second."""
    big = await room.run(events=100_000)
    for _ in range(120):
        await room.run(events=20)
    busy = await room.run("queued")
    young = await room.run(ago=timedelta(days=1), events=500)
    others = Database(f"{room.database.url}&options=-c%20lock_timeout%3D2s", pool_size=4)
    over = asyncio.Event()
    done = {"written": 0, "read": 0}

    async def write():
        seq = 2
        while not over.is_set():
            async with others.begin() as transaction:
                change = update(RUNS).where(RUNS.c.id == busy).values(last_event=seq)
                await transaction.execute(change)
                await insert_events(transaction, busy, seq, [Event("log", {"message": "x"})])
            seq += 1
            done["written"] += 1

    async def read():
        runs = type(room.runs)(others, SEALER)
        while not over.is_set():
            assert (await runs.get(ADA, busy)).state == "queued"
            assert await runs.list(ADA, limit=100)
            assert len(await runs.events(ADA, young)) == 500
            with contextlib.suppress(NotFound):
                assert await runs.events(ADA, big)
            done["read"] += 1

    async def accept():
        while not over.is_set():
            async with others.begin() as transaction:
                await room.runs.create(transaction, ADA, "test", "t", {})
            await asyncio.sleep(0.02)

    tasks = [asyncio.create_task(work()) for work in (write, read, accept)]
    most = await _largest_batch(room)
    over.set()
    # One that waited for a lock for too long has raised.
    await asyncio.gather(*tasks)
    await others.close()
    assert most <= 1000
    assert done["written"] > 20 and done["read"] > 5
    assert big not in await room.kept()
    assert await room.counts() == [
        await _events_of(room, await room.kept()), 0, 0, 0, 0,
    ]  # fmt: skip


async def _largest_batch(room) -> int:
    """Prune, and tell how many rows went at once at the most."""
    keeping, most = room.retention(), 0
    while True:
        before = (await room.counts())[0]
        if await keeping._batch() is None:
            return most
        most = max(most, before - (await room.counts())[0])


async def _events_of(room, run_ids) -> int:
    return sum(1 for row in await room.rows(EVENTS) if row["run_id"] in run_ids)


async def test_one_that_is_killed_between_batches_is_gone_on_with(room):
    """Killed with -9 in the middle: nothing half is seen, and the next goes on."""
    big = await room.run(events=30_000)
    await room.hang(big)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TOWPATH")}
    process = subprocess.Popen([sys.executable, str(SCRIPT), room.database.url], env=environment)
    try:

        async def in_the_middle():
            events, *_, leftovers = await room.counts()
            return leftovers == 1 and events < 29_000

        await until(in_the_middle, seconds=60)
        process.send_signal(signal.SIGKILL)
        process.wait()
    finally:
        process.kill()
        process.wait()
    assert await room.kept() == set()
    with pytest.raises(NotFound):
        await room.runs.events(ADA, big)

    async def gone_on():
        await room.retention().prune()
        return await room.counts() == [0, 0, 0, 0, 0]

    await until(gone_on)
