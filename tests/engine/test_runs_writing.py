"""The journal's quick way: what one statement writes, and that it is what the other way writes."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager

import psycopg
import pytest
from engine_kit import ADA, FAST, SEALER, Kind, Plugin, ended, load_host, until, working
from sqlalchemy import select, text, update

from towpath_engine.runs import journal_sql
from towpath_engine.runs.beginning import begin_attempt
from towpath_engine.runs.context import RunContext
from towpath_engine.runs.ending import end_run
from towpath_engine.runs.journal import Event, Fence, FenceLost, StepInfo, step_event, write_step
from towpath_engine.runs.kinds import run_kind_executors
from towpath_engine.runs.service import RunService
from towpath_engine.runs.tables import EVENTS, RUNS, STEPS
from towpath_engine.runs.terms import Terms
from towpath_engine.runs.worker import RunWorker
from towpath_engine.store.database import DatabaseUnavailable
from towpath_engine.store.tables import AUDIT

pytestmark = pytest.mark.anyio

STEP = StepInfo(1, "a", "A step", "running", 1, None, None)
DONE = StepInfo(1, "a", "A step", "succeeded", 1, {"z": 1, "a": [None, "ü"]}, None)
LAST = Event("state", {"state": "succeeded"})


class Room:
    def __init__(self, database):
        self.database = database
        self.runs = RunService(database, SEALER)

    async def start(self, *, secrets=None, **terms):
        async with self.database.begin() as transaction:
            return await self.runs.create(
                transaction, ADA, "test", "A test", {}, secrets=secrets, terms=Terms(**terms)
            )

    async def begun(self, **terms):
        run_id = await self.start(**terms)
        row, steps = await journal_sql.begin(self.database, run_id, 1, [])
        assert not steps
        return Fence(run_id, row["attempt"])

    @asynccontextmanager
    async def attempt(self):
        """An attempt whose events are written as they come."""
        run_id = await self.start()
        row, _ = await journal_sql.begin(self.database, run_id, 1, [])
        run = RunContext(self.database, row, {}, {}, retry_seconds=0.001)
        async with run.flushing():
            yield run

    async def rows(self, table):
        """All rows of a table without times and ids."""
        leave = {"id", "run_id", "at", "created_at", "started_at", "finished_at", "subject"}
        async with self.database.begin() as transaction:
            query = select(table).order_by(*table.primary_key)
            rows = (await transaction.execute(query)).mappings().all()
        return [{k: v for k, v in row.items() if k not in leave} for row in rows]

    async def everything(self):
        return {table.name: await self.rows(table) for table in (RUNS, STEPS, EVENTS, AUDIT)}

    async def jobs(self):
        async with self.database.begin() as transaction:
            query = text("SELECT id FROM procrastinate_jobs ORDER BY id")
            return list((await transaction.execute(query)).scalars())

    async def empty(self):
        async with self.database.begin() as transaction:
            for table in ("audit", "run_events", "run_steps", "runs", "procrastinate_jobs"):
                await transaction.execute(text(f"DELETE FROM {table}"))


@pytest.fixture
def room(database):
    return Room(database)


def returning(value):
    async def work(tools):
        return value

    return work


class TestBothWays:
    async def test_a_run_begins_alike(self, room):
        run_id = await room.start(secrets={"s": "canary"})
        async with room.database.begin() as transaction:
            slow = await begin_attempt(transaction, run_id, 1)
        there = await room.everything()
        await room.empty()
        run_id = await room.start(secrets={"s": "canary"})
        quick, steps = await journal_sql.begin(room.database, run_id, 1, [])
        found = await room.everything()
        for rows in (there, found):
            del rows["runs"][0]["secrets"]
        assert found == there
        assert not steps
        same = {"kind", "input", "principal", "attempt", "deadline", "parent_id", "late", "queue"}
        assert {name: quick[name] for name in same} == {name: slow[name] for name in same}
        assert SEALER.open(quick["secrets"], f"runs.secrets:{run_id}") == {"s": "canary"}

    async def test_a_step_is_written_and_a_run_ended_alike(self, room):
        fence = await room.begun(secrets={"s": "canary"})
        async with room.database.begin() as transaction:
            await write_step(transaction, fence, STEP)
            await write_step(transaction, fence, DONE)
            await end_run(transaction, fence, "succeeded", output={"b": 1, "a": 2})
        there = await room.everything()
        await room.empty()
        fence = await room.begun(secrets={"s": "canary"})
        await journal_sql.write(room.database, fence, [step_event(STEP)], [STEP])
        await journal_sql.end(
            room.database,
            fence,
            [step_event(DONE), LAST],
            [DONE],
            output={"b": 1, "a": 2},
            job_id=None,
        )
        assert await room.everything() == there
        assert list(there["run_steps"][0]["output"]) == ["z", "a"]

    async def test_a_step_that_got_on_is_life_of_the_run(self, room):
        fence = await room.begun()
        async with room.database.begin() as transaction:
            await transaction.execute(update(RUNS).values(crashes=3))
        await journal_sql.write(room.database, fence, [step_event(STEP)], [STEP])
        assert (await room.rows(RUNS))[0]["crashes"] == 3
        await journal_sql.write(room.database, fence, [step_event(DONE)], [DONE])
        assert (await room.rows(RUNS))[0]["crashes"] == 0


class TestFence:
    async def test_who_has_lost_it_writes_nothing(self, room):
        fence = await room.begun()
        jobs, old = await room.jobs(), Fence(fence.run_id, fence.attempt - 1)
        before = await room.everything()
        with pytest.raises(FenceLost):
            await journal_sql.write(room.database, old, [step_event(STEP)], [STEP])
        with pytest.raises(FenceLost):
            await journal_sql.end(room.database, old, [LAST], [], output=1, job_id=jobs[0])
        assert await room.everything() == before
        assert await room.jobs() == jobs

    async def test_the_job_goes_with_the_end(self, room):
        fence = await room.begun()
        other = await room.start()
        first, second = await room.jobs()
        await journal_sql.end(room.database, fence, [LAST], [], output=1, job_id=first)
        assert await room.jobs() == [second]
        assert (await room.runs.get(ADA, other)).state == "queued"
        with pytest.raises(FenceLost):
            await journal_sql.end(room.database, fence, [LAST], [], output=2, job_id=second)

    async def test_what_can_be_held_up_is_not_begun_quickly(self, room):
        run_ids = [await room.start(), await room.start(queue="slow"), await room.start(key="k")]
        before = await room.everything()
        begin = journal_sql.begin
        assert await begin(room.database, run_ids[0], 2, []) is None
        assert await begin(room.database, run_ids[1], 1, ["slow"]) is None
        assert await begin(room.database, run_ids[2], 1, []) is None
        assert await room.everything() == before
        assert await begin(room.database, run_ids[0], 1, ["slow"]) is not None
        # It is begun already: its worker may have died, which has to be counted.
        assert await begin(room.database, run_ids[0], 1, []) is None

    async def test_a_run_held_by_the_limit_of_the_queue_is_told(self, room):
        fence, _ = await room.begun(queue="slow"), await room.start(queue="slow")
        async with room.database.begin() as transaction:
            held = update(RUNS).where(RUNS.c.state == "queued").values(held="queue")
            await transaction.execute(held)
        end = journal_sql.end
        assert await end(room.database, fence, [LAST], [], output=None, job_id=None)
        fence = await room.begun()
        assert not await end(room.database, fence, [LAST], [], output=None, job_id=None)


class TestEndsOfSteps:
    async def test_it_is_written_soon_though_nothing_comes_after_it(self, room):
        async with room.attempt() as run:
            await run.step("a", "A", returning(7))

            async def written():
                steps = await room.rows(STEPS)
                return [(s["state"], s["output"]) for s in steps] == [("succeeded", 7)]

            await until(written)
        assert [e["body"].get("state") for e in await room.rows(EVENTS)] == [
            "queued",
            "running",
            "running",
            "succeeded",
        ]

    async def test_it_is_written_before_the_next_step_does_anything(self, room):
        seen = []

        async def look(tools):
            seen.extend((s["key"], s["state"]) for s in await room.rows(STEPS))

        async with room.attempt() as run:
            await run.step("a", "A", returning(None))
            await run.step("b", "B", look)
        assert seen == [("a", "succeeded"), ("b", "running")]

    async def test_it_is_written_when_the_attempt_is_over(self, room):
        with pytest.raises(RuntimeError):
            async with room.attempt() as run:
                await run.step("a", "A", returning(None))
                raise RuntimeError
        assert [s["state"] for s in await room.rows(STEPS)] == ["succeeded"]

    async def test_what_may_not_be_repeated_is_written_at_once(self, room, engine_url):
        seen = {}

        def states():
            with psycopg.connect(engine_url) as other:
                return other.execute("SELECT state FROM run_steps ORDER BY seq").fetchall()

        def do(input, tools):
            tools.step("once", lambda _: None, repeatable=False)
            seen["once"] = states()
            return {}

        host = load_host(Plugin(run_kinds=[Kind(do, name="test")]))
        worker = RunWorker(room.database, SEALER, run_kind_executors(host), times=FAST)
        async with working(worker):
            run_id = await room.start()
            assert (await ended(room, ADA, run_id)).state == "succeeded"
        host.close()
        assert seen == {"once": [("succeeded",)]}


class TestEvents:
    async def test_they_are_written_as_they_come(self, room):
        async with room.attempt() as run:

            async def logged():
                return [e["body"]["message"] for e in await room.rows(EVENTS) if e["type"] == "log"]

            for number in range(3):
                run.log(f"{number}")
                await until(lambda n=number: _is(logged, [str(m) for m in range(n + 1)]))

    async def test_many_that_come_while_one_is_written_are_written_together(self, room):
        one, written = room.database.one, []

        async def count(query, values):
            written.append(values.get("count"))
            return await one(query, values)

        async with room.attempt() as run:
            room.database.one = count
            threads = [
                threading.Thread(target=lambda: [run.log("x") for _ in range(50)]) for _ in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                await asyncio.to_thread(thread.join)
        assert sum(written) == 200
        assert len(written) < 100
        numbers = [e["seq"] for e in await room.rows(EVENTS)]
        assert numbers == list(range(1, 203))

    async def test_what_the_database_did_not_take_is_written_later_once_and_in_order(
        self, room, monkeypatch
    ):
        monkeypatch.setattr("towpath_engine.runs.writing._AGAIN_SECONDS", 0.01)
        one, refused = room.database.one, []

        async def away(query, values):
            refused.append(values)
            if len(refused) < 3:
                raise DatabaseUnavailable("The database does not answer.")
            return await one(query, values)

        async with room.attempt() as run:
            await run.step("a", "A", returning(None))
            monkeypatch.setattr(room.database, "one", away)
            run.log("one")
            await until(lambda: len(refused) == 1)
            run.log("two")
            await until(lambda: len(refused) > 2)
        events = [e["body"] for e in await room.rows(EVENTS)]
        assert [e.get("message", e.get("state")) for e in events] == [
            "queued",
            "running",
            "running",
            "succeeded",
            "one",
            "two",
        ]
        assert [s["state"] for s in await room.rows(STEPS)] == ["succeeded"]

    async def test_long_work_notices_that_its_fence_is_lost(self, room):
        async with room.attempt() as run:
            async with room.database.begin() as transaction:
                await transaction.execute(update(RUNS).values(attempt=RUNS.c.attempt + 1))
            run.log("one")
            await until(run.cancelled.is_set)
        assert "log" not in [e["type"] for e in await room.rows(EVENTS)]


async def _is(found, expected):
    return await found() == expected
