"""What metrics say is true of the whole platform, and counters never fall."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta

import pytest
from engine_kit import ADA, SEALER
from sqlalchemy import delete, func, select, text, update

from towpath_core.errors import Unavailable
from towpath_engine.runs.measure_tables import COUNTS, STEP_TIMES, WORKERS
from towpath_engine.runs.measuring import BOUNDS, StepTimes, fold_counts, register_worker
from towpath_engine.runs.metrics import RunMetrics
from towpath_engine.runs.service import RunService
from towpath_engine.runs.tables import EVENTS, RUNS
from towpath_engine.runs.terms import Terms

pytestmark = pytest.mark.anyio


class Gauge:
    """Runs, workers and what is read of them."""

    def __init__(self, database):
        self.database = database
        self.runs = RunService(database, SEALER)
        self.metrics = RunMetrics(database)

    async def put(self, kind="test", **terms):
        async with self.database.begin() as transaction:
            return await self.runs.create(transaction, ADA, kind, "t", {}, terms=Terms(**terms))

    async def set(self, id, **values):
        async with self.database.begin() as transaction:
            await transaction.execute(update(RUNS).where(RUNS.c.id == id).values(**values))

    async def sql(self, statement, **values):
        async with self.database.begin() as transaction:
            return await transaction.execute(text(statement), values)

    async def worker(self, queues=None, *, seconds_ago=0.0):
        made = await self.sql(
            "INSERT INTO procrastinate_workers (last_heartbeat)"
            " VALUES (now() - make_interval(secs => :ago)) RETURNING id",
            ago=seconds_ago,
        )
        id = made.scalar_one()
        await register_worker(self.database, id, queues, 4)
        return id

    async def ended(self):
        totals = await self.metrics.totals()
        return {(one.kind, one.label): one.amount for one in totals["ended"]}


@pytest.fixture
def gauge(database):
    return Gauge(database)


async def test_present_states_are_counted_by_kind(gauge):
    assert await gauge.metrics.present() == []
    for state in ("queued", "running", "running", "waiting", "unknown", "succeeded", "failed"):
        await gauge.set(await gauge.put("a"), state=state)
    await gauge.put("b")
    found = {(one.kind, one.label): one.amount for one in await gauge.metrics.present()}
    assert found == {
        ("a", "queued"): 1,
        ("a", "running"): 2,
        ("a", "waiting"): 1,
        ("a", "unknown"): 1,
        ("b", "queued"): 1,
    }


class TestTotals:
    async def test_ends_are_counted_whoever_writes_them(self, gauge):
        one, two = await gauge.put(), await gauge.put()
        await gauge.set(one, state="running")
        assert await gauge.ended() == {}
        await gauge.set(one, state="failed", error={"code": "x", "message": "m"})
        await gauge.set(two, state="succeeded")
        assert await gauge.ended() == {("test", "failed"): 1, ("test", "succeeded"): 1}

    async def test_an_end_that_is_rolled_back_is_none(self, gauge):
        run = await gauge.put()
        with pytest.raises(RuntimeError):
            async with gauge.database.begin() as transaction:
                await transaction.execute(update(RUNS).values(state="succeeded"))
                raise RuntimeError
        assert await gauge.ended() == {}
        # Its events count nothing.
        await gauge.set(run, last_event=7)
        assert await gauge.ended() == {}

    async def test_a_retried_run_ends_again_and_pruning_takes_nothing(self, gauge):
        run = await gauge.put()
        await gauge.set(run, state="failed")
        await gauge.set(run, state="queued")
        assert await gauge.ended() == {("test", "failed"): 1}
        await gauge.set(run, state="failed")
        await gauge.set(run, state="queued")
        await gauge.set(run, state="succeeded")
        async with gauge.database.begin() as transaction:
            await transaction.execute(delete(RUNS))
        assert await gauge.ended() == {("test", "failed"): 2, ("test", "succeeded"): 1}

    async def test_takeovers_and_poison_are_counted(self, gauge):
        run = await gauge.put("a")
        await gauge.set(run, takeovers=1)
        await gauge.set(run, takeovers=3)
        await gauge.set(run, state="failed", error={"code": "poisoned", "message": "m"})
        totals = await gauge.metrics.totals()
        assert [(one.kind, one.amount) for one in totals["takeovers"]] == [("a", 3)]
        assert [(one.kind, one.amount) for one in totals["parked"]] == [("a", 1)]

    async def test_folding_keeps_the_sums_while_runs_end(self, gauge):
        """A scrape at any time sees no less than one before, and in the end all."""
        ids = [await gauge.put() for _ in range(120)]
        over = asyncio.Event()

        async def end(some):
            for id in some:
                await gauge.set(id, state="succeeded")

        async def fold():
            while not over.is_set():
                async with gauge.database.begin() as transaction:
                    await fold_counts(transaction)

        async def scrape():
            last = 0
            while not over.is_set():
                total = sum((await gauge.ended()).values())
                assert total >= last
                last = total

        beside = [asyncio.create_task(work()) for work in (fold, fold, scrape, scrape)]
        await asyncio.gather(*(end(ids[start::3]) for start in range(3)))
        over.set()
        await asyncio.gather(*beside)
        assert await gauge.ended() == {("test", "succeeded"): 120}
        async with gauge.database.begin() as transaction:
            await fold_counts(transaction)
            rows = await transaction.execute(select(func.count()).select_from(COUNTS))
            assert rows.scalar_one() == 1

    async def test_many_single_counts_are_folded_by_a_scrape(self, gauge):
        await gauge.sql(
            "INSERT INTO run_counts (name, kind, label, amount)"
            " SELECT 'ended', 'a', 'failed', 1 FROM generate_series(1, 600)"
        )
        assert await gauge.ended() == {("a", "failed"): 600}
        rows = await gauge.sql("SELECT amount FROM run_counts")
        assert rows.scalars().all() == [600]


class TestQueues:
    async def test_an_empty_platform_has_none(self, gauge):
        state = await gauge.metrics.state()
        assert (state.queues, state.workers, state.deserted) == ([], [], [])
        assert state.oldest_seconds == 0

    async def test_the_oldest_due_run_tells_the_age(self, gauge):
        old = await gauge.put(queue="slow")
        await gauge.put(queue="slow")
        await gauge.put(queue="fast")
        async with gauge.database.begin() as transaction:
            hour = EVENTS.c.at - timedelta(hours=1)
            await transaction.execute(update(EVENTS).where(EVENTS.c.run_id == old).values(at=hour))
        queues = {queue.name: queue for queue in (await gauge.metrics.state()).queues}
        assert 3600 <= queues["slow"].oldest_seconds < 3700
        assert 0 <= queues["fast"].oldest_seconds < 100
        assert [queues[name].due for name in ("slow", "fast")] == [2, 1]

    async def test_a_run_that_was_queued_again_has_the_age_of_that(self, gauge):
        run = await gauge.put()
        await gauge.sql("UPDATE run_events SET at = at - interval '3 days'")
        await gauge.sql(
            "INSERT INTO run_events SELECT run_id, 2, type, body, clock_timestamp()"
            " FROM run_events WHERE run_id = :id",
            id=run,
        )
        (queue,) = (await gauge.metrics.state()).queues
        assert queue.oldest_seconds < 100

    async def test_sleepers_are_not_due_until_they_are_late(self, gauge):
        await gauge.put()
        await gauge.sql("UPDATE procrastinate_jobs SET scheduled_at = now() + interval '1 h'")
        assert (await gauge.metrics.state()).queues == []
        await gauge.sql("UPDATE procrastinate_jobs SET scheduled_at = now() - interval '1 min'")
        (queue,) = (await gauge.metrics.state()).queues
        assert queue.due == 1
        assert 60 <= queue.oldest_seconds < 120

    async def test_held_runs_are_counted_and_have_no_age(self, gauge):
        run = await gauge.put(queue="q", key="k")
        await gauge.set(run, held="key")
        await gauge.sql("DELETE FROM procrastinate_jobs")
        (queue,) = (await gauge.metrics.state()).queues
        assert (queue.name, queue.due, queue.held, queue.oldest_seconds) == ("q", 0, 1, 0)
        assert (await gauge.metrics.state()).deserted == []

    async def test_runs_being_done_wait_no_more(self, gauge):
        await gauge.put()
        await gauge.sql("UPDATE procrastinate_jobs SET status = 'doing'")
        assert (await gauge.metrics.state()).queues == []


class TestWorkers:
    async def test_queues_without_a_live_worker_are_deserted(self, gauge):
        for queue in ("a", "b", "c"):
            await gauge.put(queue=queue)
        assert (await gauge.metrics.state()).deserted == ["a", "b", "c"]
        await gauge.worker(["a"])
        await gauge.worker(["b"], seconds_ago=60)
        state = await gauge.metrics.state()
        assert [worker.queues for worker in state.workers] == [("a",)]
        assert [worker.concurrency for worker in state.workers] == [4]
        assert state.deserted == ["b", "c"]
        await gauge.worker(None)
        state = await gauge.metrics.state()
        assert state.deserted == []
        assert {queue.name: queue.workers for queue in state.queues} == {"a": 2, "b": 1, "c": 1}

    async def test_one_that_was_not_noted_counts_for_all_queues(self, gauge):
        await gauge.put(queue="a")
        await gauge.sql("INSERT INTO procrastinate_workers DEFAULT VALUES")
        state = await gauge.metrics.state()
        assert (len(state.workers), state.deserted) == (1, [])

    async def test_how_long_a_silent_one_counts_is_said(self, gauge):
        await gauge.worker(["a"], seconds_ago=20)
        assert (await gauge.metrics.state()).workers == []
        patient = RunMetrics(gauge.database, 60.0)
        assert len((await patient.state()).workers) == 1

    async def test_the_gone_are_forgotten_when_one_comes(self, gauge):
        first = await gauge.worker(["a"])
        await gauge.sql("DELETE FROM procrastinate_workers")
        second = await gauge.worker(["b"])
        async with gauge.database.begin() as transaction:
            rows = await transaction.execute(select(WORKERS.c.worker_id))
            assert rows.scalars().all() == [second]
        assert first != second


class TestStepTimes:
    async def test_times_of_all_workers_add_up(self, gauge):
        one, two = StepTimes(), StepTimes()
        for seconds in (0.004, 0.01, 0.3, 7200):
            one.add("scaffold", "fetch:template", "succeeded", seconds)
        two.add("scaffold", "fetch:template", "succeeded", 0.02)
        two.add("scaffold", "fetch:template", "failed", 2)
        await asyncio.gather(one.write(gauge.database), two.write(gauge.database))
        await one.write(gauge.database)
        failed, succeeded = await gauge.metrics.steps()
        assert (succeeded.kind, succeeded.action) == ("scaffold", "fetch:template")
        by_bound = dict(zip(BOUNDS, succeeded.buckets, strict=True))
        assert (by_bound[0.01], by_bound[0.05], by_bound[0.5], by_bound[900.0]) == (2, 3, 4, 4)
        assert by_bound[math.inf] == 5
        assert succeeded.seconds == pytest.approx(7200.334)
        assert (failed.state, failed.buckets[-1], failed.seconds) == ("failed", 1, 2)
        one.add("scaffold", "fetch:template", "failed", 1)
        await one.write(gauge.database)
        assert (await gauge.metrics.steps())[0].buckets[-1] == 2

    async def test_what_could_not_be_written_is_written_later(self, gauge, monkeypatch):
        times = StepTimes()
        times.add("a", "b", "succeeded", 1)
        monkeypatch.setattr(gauge.database, "begin", _broken)
        with pytest.raises(Unavailable):
            await times.write(gauge.database)
        monkeypatch.undo()
        times.add("a", "b", "succeeded", 1)
        await times.write(gauge.database)
        (found,) = await gauge.metrics.steps()
        assert (found.buckets[-1], found.seconds) == (2, 2)

    async def test_actions_without_end_count_as_one(self, gauge):
        times = StepTimes()
        for number in range(1100):
            times.add("a", f"step {number}", "succeeded", 0.001)
        await times.write(gauge.database)
        found = {one.action: one.buckets[-1] for one in await gauge.metrics.steps()}
        assert len(found) == 1001
        assert found["other"] == 100

    async def test_a_clock_that_goes_back_makes_no_negative_time(self, gauge):
        times = StepTimes()
        times.add("a", "b", "succeeded", -5)
        await times.write(gauge.database)
        (found,) = await gauge.metrics.steps()
        assert (found.buckets[0], found.seconds) == (1, 0)
        async with gauge.database.begin() as transaction:
            rows = await transaction.execute(select(func.count()).select_from(STEP_TIMES))
            assert rows.scalar_one() == 1


def _broken():
    raise Unavailable("The database does not answer.")
