from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from engine_kit import ADA, ADMIN, BOB, FAST, SEALER, ended, silenced, until, working
from msgspec.structs import replace
from sqlalchemy import select, text, update

from towpath_core.errors import (
    Cancelled,
    Conflict,
    Invalid,
    NotFound,
    PluginError,
    Problem,
    StepFailed,
    Unavailable,
)
from towpath_core.runs import Suspended
from towpath_engine.runs import attempting as attempting_module
from towpath_engine.runs.attempting import MAX_CRASHES
from towpath_engine.runs.beginning import begin_attempt
from towpath_engine.runs.context import RunContext
from towpath_engine.runs.control import RunControl
from towpath_engine.runs.journal import (
    CHANNEL,
    Event,
    FenceLost,
    StepInfo,
    add_events,
    load_steps,
)
from towpath_engine.runs.service import RunService
from towpath_engine.runs.stopping import Stopping
from towpath_engine.runs.sweeping import Sweep
from towpath_engine.runs.tables import EVENTS, RUNS, STEPS
from towpath_engine.runs.terms import Terms
from towpath_engine.runs.tools import RunStepTools
from towpath_engine.runs.worker import RunWorker
from towpath_engine.secrets import Sealer
from towpath_engine.store.database import DatabaseUnavailable, Listener
from towpath_engine.store.tables import AUDIT

pytestmark = pytest.mark.anyio


class Doing:
    """An executor that does what a test says."""

    def __init__(self, do):
        self.do = do
        self.failures = []

    async def execute(self, run):
        return await self.do(run)

    async def failed(self, transaction, run, error):
        self.failures.append((run.fence.attempt, error.code))


class Room:
    """Runs on one database, with workers made as needed."""

    def __init__(self, database):
        self.database = database
        self.runs = RunService(database, SEALER)
        self.unbegun = {}
        stopping = Stopping(database, {}, self.unbegun)
        self.control = RunControl(database, self.runs, stopping, None)

    async def start(self, *, who=ADA, kind="test", secrets=None, key=None, input=None, **terms):
        async with self.database.begin() as transaction:
            return await self.runs.create(
                transaction,
                who,
                kind,
                "A test",
                input or {},
                secrets=secrets,
                terms=Terms(key=key, **terms),
            )

    def worker(self, do, *, times=FAST, sealer=SEALER, **options):
        executor = do if isinstance(do, Doing) else Doing(do)
        return RunWorker(self.database, sealer, {"test": executor}, times=times, **options)

    async def done(self, run_id, *, who=ADA):
        return await ended(self, who, run_id)

    @asynccontextmanager
    async def attempt(self, run_id):
        """One attempt of a run without a worker."""
        async with self.database.begin() as transaction:
            row = await begin_attempt(transaction, run_id, 1)
            steps = await load_steps(transaction, run_id)
        yield RunContext(self.database, row, steps, {}, retry_seconds=0.001)

    async def rows(self, table):
        async with self.database.begin() as transaction:
            query = select(table).order_by(*table.primary_key)
            return (await transaction.execute(query)).mappings().all()

    async def jobs(self):
        async with self.database.begin() as transaction:
            query = text("SELECT args ->> 'run_id', status::text FROM procrastinate_jobs")
            return [tuple(row) for row in await transaction.execute(query)]

    async def execute(self, statement):
        async with self.database.begin() as transaction:
            await transaction.execute(statement)


@pytest.fixture
async def room(database):
    found = Room(database)
    listener = Listener(database.url, {CHANNEL: found.runs.on_notify})
    await listener.start()
    yield found
    await listener.stop()


def tools_of(run):
    """The tools of a step `a` of a run."""
    return RunStepTools(run, StepInfo(1, "a", "A", "running", 1, None, None), seconds=10)


def returning(value):
    async def work(tools):
        return value

    return work


async def test_steps_are_done_in_order_and_journalled(room):
    async def do(run):
        run.log("begun")
        one = await run.step("a", "First", returning({"n": 1}))
        await run.skip("b", "Second")
        two = await run.step("c", "Third", returning({"n": one["n"] + 1}))
        return {"sum": two["n"]}

    async with working(room.worker(do)):
        run_id = await room.start(input={"x": [1, {"y": None}]})
        info = await room.done(run_id)
    assert (info.state, info.output, info.error, info.attempt) == ("succeeded", {"sum": 2}, None, 1)
    assert info.input == {"x": [1, {"y": None}]}
    assert info.created_by == "towpath/ada"
    assert info.created_at <= info.started_at <= info.finished_at
    steps = await room.runs.steps(ADA, run_id)
    assert [(s.seq, s.key, s.name, s.state, s.attempts, s.output) for s in steps] == [
        (1, "a", "First", "succeeded", 1, {"n": 1}),
        (2, "b", "Second", "skipped", 0, None),
        (3, "c", "Third", "succeeded", 1, {"n": 2}),
    ]
    events = await room.runs.events(ADA, run_id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [(e.type, e.body.get("state"), e.body.get("key")) for e in events] == [
        ("state", "queued", None),
        ("state", "running", None),
        ("log", None, None),
        ("step", "running", "a"),
        ("step", "succeeded", "a"),
        ("step", "skipped", "b"),
        ("step", "running", "c"),
        ("step", "succeeded", "c"),
        ("state", "succeeded", None),
    ]
    assert await room.jobs() == []


async def test_a_run_and_its_job_are_accepted_with_what_they_are_about_or_not_at_all(room):
    with pytest.raises(RuntimeError):
        async with room.database.begin() as transaction:
            await room.runs.create(transaction, ADA, "test", "t", {})
            raise RuntimeError
    assert await room.rows(RUNS) == []
    assert await room.rows(EVENTS) == []
    assert await room.jobs() == []


async def test_a_step_that_was_done_is_not_done_again(room):
    done = []
    stuck = asyncio.Event()

    async def do(run):
        async def first(tools):
            done.append(("first", tools.key))
            return {"n": 7}

        async def second(tools):
            done.append(("second", tools.key))
            if len(done) == 2:
                stuck.set()
                await asyncio.sleep(60)
            return {}

        output = await run.step("a", "First", first)
        await run.step("b", "Second", second)
        return output

    hasty = replace(FAST, grace=0.05)
    async with working(room.worker(do, times=hasty)):
        run_id = await room.start()
        await stuck.wait()
    assert (await room.runs.get(ADA, run_id)).state == "queued"
    # Handed back at once, not when somebody looks for lost runs.
    assert await room.jobs() == [(str(run_id), "todo")]
    async with working(room.worker(do)):
        info = await room.done(run_id)
    assert (info.state, info.output, info.attempt) == ("succeeded", {"n": 7}, 2)
    key = f"{run_id}:"
    assert done == [("first", key + "1"), ("second", key + "2"), ("second", key + "2")]
    assert [s.attempts for s in await room.runs.steps(ADA, run_id)] == [1, 2]


async def test_a_step_that_failed_fails_again_without_being_done(room):
    run_id = await room.start()
    tried = []

    async def bad(tools):
        tried.append(1)
        raise StepFailed("No luck.", why="It rains.", next="Wait.")

    async with room.attempt(run_id) as run:
        with pytest.raises(StepFailed):
            await run.step("a", "A", bad)
    async with room.attempt(run_id) as run:
        with pytest.raises(StepFailed) as caught:
            await run.step("a", "A", bad)
    assert (caught.value.what, caught.value.why) == ("No luck.", "It rains.")
    assert tried == [1]


async def test_an_old_attempt_writes_nothing(room):
    run_id = await room.start()
    async with room.attempt(run_id) as old, room.attempt(run_id) as new:
        before = (await room.rows(STEPS), await room.rows(EVENTS), await room.rows(RUNS))
        done = []

        async def work(tools):
            done.append(tools.key)

        old.log("too late")
        for act in (
            lambda: old.step("a", "A", work),
            lambda: old.skip("b", "B"),
            old.flush,
            lambda: old.end("succeeded", output={}),
            lambda: old.end("failed"),
        ):
            with pytest.raises(FenceLost):
                await act()
        assert done == []
        assert (await room.rows(STEPS), await room.rows(EVENTS), await room.rows(RUNS)) == before
        assert await new.step("a", "A", returning(1)) == 1
        await new.end("succeeded")
        with pytest.raises(FenceLost):
            await new.end("failed")


async def test_a_fence_that_is_lost_during_a_step_keeps_its_result_out(room):
    run_id = await room.start()
    written = []

    async def commit(transaction, output):
        written.append(output)

    async with room.attempt(run_id) as old:

        async def work(tools):
            async with room.database.begin() as transaction:
                await begin_attempt(transaction, run_id, 1)
            return {"late": True}

        with pytest.raises(FenceLost):
            await old.step("a", "A", work, commit=commit)
    (step,) = await room.rows(STEPS)
    assert (step["state"], step["output"]) == ("running", None)
    assert written == []


async def test_what_a_step_commits_is_there_with_its_result_or_not_at_all(room):
    async def commit(transaction, output):
        await transaction.execute(
            AUDIT.insert().values(
                at=worker_now(), actor="a", action="b", subject="c", detail=output
            )
        )
        if output["bad"]:
            raise Conflict("The name is taken.")

    run_id = await room.start()
    async with room.attempt(run_id) as run:
        await run.step("a", "A", returning({"bad": False}), commit=commit)
        with pytest.raises(Conflict):
            await run.step("b", "B", returning({"bad": True}), commit=commit)
    assert [row["detail"] for row in await room.rows(AUDIT)] == [{"bad": False}]
    good, bad = await room.runs.steps(ADA, run_id)
    assert good.state == "succeeded"
    assert (bad.state, bad.error.code, bad.output) == ("failed", "conflict", None)


def worker_now():
    from towpath_engine.clock import now

    return now()


class TestFailures:
    async def fail(self, room, error, *, secrets=None):
        async def work(tools):
            raise error

        executor = Doing(lambda run: run.step("a", "A", work))
        async with working(room.worker(executor)):
            run_id = await room.start(secrets=secrets)
            info = await room.done(run_id)
        assert info.state == "failed"
        assert executor.failures == [(1, info.error.code)]
        everything = json.dumps(
            [[dict(row) for row in await room.rows(table)] for table in (RUNS, STEPS, EVENTS)],
            default=str,
        )
        return info, everything

    async def test_an_error_of_ours_is_stored_whole(self, room):
        problem = Problem("x", "It is wrong here.")
        error = StepFailed("No.", why="Because.", next="Do.", problems=[problem])
        info, _ = await self.fail(room, error)
        assert (info.error.code, info.error.message) == ("step-failed", "No.")
        assert (info.error.why, info.error.next) == ("Because.", "Do.")
        assert info.error.problems == (problem,)

    async def test_of_a_foreign_exception_nothing_is_stored_but_that_it_was(self, room, capsys):
        info, everything = await self.fail(room, ValueError("canary /etc/passwd"))
        assert info.error.code == "internal"
        assert "canary" not in everything

    async def test_of_a_plugin_s_exception_class_and_place_are_stored(self, room):
        why = "ValueError: canary: of a password (at acme.plugin:12)"
        info, everything = await self.fail(room, PluginError("The plugin failed.", why=why))
        assert info.error.why == "ValueError (at acme.plugin:12)"
        assert "canary" not in everything

    async def test_of_a_plugin_s_wrong_answer_nothing_foreign_is_stored(self, room):
        info, everything = await self.fail(
            room, PluginError("The plugin failed.", why="returned 'canary'")
        )
        assert info.error.why is None
        assert "canary" not in everything

    async def test_secrets_in_errors_are_masked(self, room):
        problem = Problem("x", "bad canary-1")
        error = StepFailed(
            "with canary-1", why="of canary-1", next="no canary-1", problems=[problem]
        )
        info, everything = await self.fail(room, error, secrets={"token": "canary-1"})
        assert info.error.message == "with ***"
        assert "canary-1" not in everything

    async def test_a_step_that_takes_too_long_is_given_up(self, room):
        run_id = await room.start()
        async with room.attempt(run_id) as run:
            with pytest.raises(Exception, match="used up its time"):
                await run.step("a", "A", lambda tools: asyncio.sleep(30), seconds=0.05)
        (step,) = await room.runs.steps(ADA, run_id)
        assert step.error.code == "limit-exceeded"

    async def test_an_output_that_is_not_json_fails_the_step(self, room):
        run_id = await room.start()
        deep = []
        for _ in range(5000):
            deep = [deep]
        async with room.attempt(run_id) as run:
            for number, value in enumerate(
                [object(), {(1, 2): 3}, deep, "\ud800", "x" * 5_000_000]
            ):
                with pytest.raises(Exception, match="plugin gave the run"):
                    await run.step(f"s{number}", "S", returning(value))
        assert {s.state for s in await room.runs.steps(ADA, run_id)} == {"failed"}

    async def test_an_unknown_kind_ends_the_run(self, room):
        async with working(room.worker(returning(None))):
            run_id = await room.start(kind="unheard-of")
            info = await room.done(run_id)
        assert info.state == "failed"
        assert "unheard-of" in info.error.message

    async def test_secrets_sealed_with_a_lost_key_end_the_run(self, room):
        executor = Doing(returning(None))
        async with working(room.worker(executor, sealer=Sealer(bytes(32)))):
            run_id = await room.start(secrets={"a": "b"})
            info = await room.done(run_id)
        assert info.state == "failed"
        assert "does not open" in info.error.message
        assert info.attempt == 1
        assert len(executor.failures) == 1

    async def test_a_run_that_kills_its_workers_is_given_up(self, room):
        executor = Doing(returning("never"))
        run_id = await room.start()
        await room.execute(update(RUNS).values(state="running", crashes=MAX_CRASHES - 1))
        async with working(room.worker(executor)):
            info = await room.done(run_id)
        assert (info.state, info.error.code) == ("failed", "poisoned")

    @pytest.mark.parametrize(("crashes", "together"), [(0, 3), (MAX_CRASHES // 2, 1)])
    async def test_suspects_are_begun_one_at_a_time(self, room, crashes, together):
        """What dies with a worker may only have been beside the run that killed it."""
        under_way, most, full = set(), [0], asyncio.Event()

        async def do(run):
            under_way.add(run.id)
            most[0] = max(most[0], len(under_way))
            if len(under_way) == together:
                full.set()
            await asyncio.wait_for(full.wait(), 60)
            await asyncio.sleep(0.1)
            under_way.discard(run.id)
            return run.id.hex

        run_ids = [await room.start() for _ in range(3)]
        await room.execute(update(RUNS).values(state="running", crashes=crashes))
        async with working(room.worker(Doing(do), concurrency=5)):
            found = [await room.done(run_id) for run_id in run_ids]
        assert [info.state for info in found] == ["succeeded"] * 3
        assert most == [together]

    async def test_a_suspect_holds_up_no_other_run(self, room):
        began, free = asyncio.Event(), asyncio.Event()
        suspects = [await room.start(), await room.start()]

        async def do(run):
            if run.id in suspects:
                began.set()
                await asyncio.wait_for(free.wait(), 60)

        await room.execute(update(RUNS).values(state="running", crashes=MAX_CRASHES // 2))
        async with working(room.worker(Doing(do), concurrency=5)):
            await asyncio.wait_for(began.wait(), 60)
            other = await room.start()
            assert (await room.done(other)).state == "succeeded"
            free.set()
            found = [await room.done(run_id) for run_id in suspects]
        assert [info.state for info in found] == ["succeeded"] * 2


class TestRetries:
    async def test_a_backend_that_does_not_answer_is_asked_again(self, room):
        run_id = await room.start()
        keys = []

        async def work(tools):
            keys.append(tools.key)
            if len(keys) < 3:
                raise Unavailable("It sleeps.")
            return "awake"

        async with room.attempt(run_id) as run:
            assert await run.step("a", "A", work) == "awake"
            await run.flush()
        assert len(set(keys)) == 1
        logs = [e.body for e in await room.runs.events(ADA, run_id) if e.type == "log"]
        assert [(log["level"], log["step"]) for log in logs] == [("warning", "a")] * 2
        assert "It sleeps." in logs[0]["message"]

    async def test_four_times_at_the_most(self, room):
        run_id = await room.start()
        tried = []

        async def work(tools):
            tried.append(1)
            raise Unavailable("It sleeps.")

        async with room.attempt(run_id) as run:
            with pytest.raises(Unavailable):
                await run.step("a", "A", work)
        assert len(tried) == 4
        (step,) = await room.runs.steps(ADA, run_id)
        assert (step.state, step.error.code) == ("failed", "unavailable")

    async def test_a_run_that_is_stopped_is_not_tried_again(self, room):
        run_id = await room.start()
        tried = []

        async with room.attempt(run_id) as run:

            async def work(tools):
                tried.append(1)
                run.cancelled.set()
                raise Unavailable("It sleeps.")

            with pytest.raises(Cancelled):
                await run.step("a", "A", work)
        assert tried == [1]

    async def test_when_our_own_database_is_away_the_run_is_left_open_and_goes_on(self, room):
        seen = []

        async def do(run):
            seen.append(run.fence.attempt)
            if len(seen) == 1:
                raise DatabaseUnavailable("The database does not answer.")
            return "fine"

        executor = Doing(do)
        async with working(room.worker(executor)):
            run_id = await room.start()
            info = await room.done(run_id)
        assert (info.state, info.output) == ("succeeded", "fine")
        assert seen == [1, 2]
        assert executor.failures == []


class TestCancelling:
    async def test_one_that_waits_ends_at_once(self, room):
        told = []

        async def stopped(transaction, input):
            told.append(input)

        room.unbegun["test"] = stopped
        run_id = await room.start(secrets={"a": "canary"}, input={"n": 1})
        info = await room.control.cancel(ADA, run_id)
        assert (info.state, info.cancel_requested) == ("cancelled", True)
        assert info.finished_at is not None
        assert told == [{"n": 1}]
        (row,) = await room.rows(RUNS)
        assert row["secrets"] is None
        began = []

        async def do(run):
            began.append(run.id)

        async with working(room.worker(do)):
            await until(lambda: _empty(room))
        assert began == []
        events = await room.runs.events(ADA, run_id)
        assert [(e.seq, e.type, e.body.get("state")) for e in events] == [
            (1, "state", "queued"),
            (2, "decision", None),
            (3, "state", "cancelled"),
        ]
        assert await room.control.cancel(ADA, run_id) == info

    async def test_what_a_stop_means_is_written_with_it_or_neither(self, room):
        async def broken(transaction, input):
            raise RuntimeError

        room.unbegun["test"] = broken
        run_id = await room.start()
        with pytest.raises(RuntimeError):
            await room.control.cancel(ADA, run_id)
        assert (await room.runs.get(ADA, run_id)).state == "queued"

    async def test_one_that_runs_stops_at_its_next_check(self, room):
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()

        def work(tools):
            loop.call_soon_threadsafe(begun.set)
            while True:
                tools.check()
                time.sleep(0.005)

        executor = Doing(lambda run: run.step("a", "A", lambda t: asyncio.to_thread(work, t)))
        async with working(room.worker(executor)):
            run_id = await room.start(secrets={"a": "canary"})
            await begun.wait()
            info = await room.control.cancel(ADA, run_id)
            assert (info.state, info.cancel_requested) == ("running", True)
            assert (await room.control.cancel(ADA, run_id)).cancel_requested
            info = await room.done(run_id)
        assert (info.state, info.error) == ("cancelled", None)
        assert executor.failures == [(1, "cancelled")]
        assert [s.state for s in await room.runs.steps(ADA, run_id)] == ["cancelled"]
        (row,) = await room.rows(RUNS)
        assert row["secrets"] is None
        assert len([r for r in await room.rows(AUDIT) if r["action"] == "runs:cancel"]) == 1

    async def test_a_request_at_the_moment_of_beginning_is_not_lost(self, room, monkeypatch):
        begin, cancelling = attempting_module.journal_sql.begin, []

        async def begin_and_cancel(store, run_id, *rest):
            found = await begin(store, run_id, *rest)
            cancelling.append(asyncio.create_task(room.control.cancel(ADA, run_id)))
            await asyncio.sleep(0.01)
            return found

        monkeypatch.setattr(attempting_module.journal_sql, "begin", begin_and_cancel)

        async def work(tools):
            while True:
                tools.check()
                await asyncio.sleep(0.005)

        async with working(room.worker(lambda run: run.step("a", "A", work))):
            for run_id in [await room.start() for _ in range(5)]:
                assert (await room.done(run_id)).state == "cancelled"
        await asyncio.gather(*cancelling)

    async def test_it_is_remembered_where_the_worker_died_meanwhile(self, room):
        run_id = await room.start()
        async with room.attempt(run_id):
            await room.control.cancel(ADA, run_id)
        async with room.attempt(run_id) as run:
            with pytest.raises(Cancelled):
                await run.step("a", "A", returning(1))

    async def test_one_that_has_ended_cannot_be_stopped(self, room):
        async with working(room.worker(returning(None))):
            run_id = await room.start()
            await room.done(run_id)
        with pytest.raises(Conflict, match="succeeded"):
            await room.control.cancel(ADA, run_id)

    async def test_nobody_stops_the_run_of_another(self, room):
        run_id = await room.start()
        for act in (room.control.cancel, room.runs.get, room.runs.steps, room.runs.events):
            with pytest.raises(NotFound):
                await act(BOB, run_id)
            with pytest.raises(NotFound):
                await act(ADA, uuid4())
        assert (await room.control.cancel(ADMIN, run_id)).state == "cancelled"


async def _empty(room):
    return not await room.jobs()


class TestSecrets:
    async def test_they_are_sealed_masked_and_wiped(self, room):
        """Raw rows are searched, while it runs and after."""
        waiting, go = asyncio.Event(), asyncio.Event()
        canary = 'canary-"quoted"\nand more'

        async def do(run):
            assert run.secrets == {"token": canary}

            async def work(tools):
                tools.log(f"with {canary}")
                tools.log("x" * 9_995 + canary)
                tools.emit("acme:done", {"a": ("t", canary), canary: [{"b": canary}]})
                tools.progress(1, 2, canary)
                waiting.set()
                await go.wait()
                return {"url": f"https://x:{canary}@host", canary: 1}

            run.log(f"of {canary}")
            return await run.step("a", "A", work)

        async with working(room.worker(do)):
            run_id = await room.start(secrets={"token": canary})
            await waiting.wait()
            await until(lambda: self._progressed(room, run_id))
            during = await self._dump(room)
            go.set()
            info = await room.done(run_id)
        assert info.state == "succeeded"
        assert info.output == {"url": "https://x:***@host", "***": 1}
        after = await self._dump(room)
        for dump in (during, after):
            assert "canary" not in dump
            assert "quoted" not in dump
        (row,) = await room.rows(RUNS)
        assert row["secrets"] is None

    async def _progressed(self, room, run_id):
        return any(e.type == "progress" for e in await room.runs.events(ADA, run_id))

    async def _dump(self, room):
        found = []
        async with room.database.begin() as transaction:
            tables = ("runs", "run_steps", "run_events", "procrastinate_jobs", "audit")
            for table in tables:
                query = text(
                    f"SELECT t::text, encode(convert_to(t::text, 'UTF8'), 'escape') FROM {table} t"
                )
                found += [str(tuple(row)) for row in await transaction.execute(query)]
            query = text("SELECT encode(secrets, 'escape') FROM runs")
            found += [str(tuple(row)) for row in await transaction.execute(query)]
        return "\n".join(found)


class TestEvents:
    async def test_lines_of_many_threads_are_all_there_each_in_its_order(self, room):
        def talk(tools, thread):
            for number in range(200):
                tools.log(f"{thread} {number}")

        async def work(tools):
            await asyncio.gather(*(asyncio.to_thread(talk, tools, n) for n in range(8)))

        async with working(room.worker(lambda run: run.step("a", "A", work))):
            run_id = await room.start()
            await room.done(run_id)
        events = await room.runs.events(ADA, run_id, limit=5000)
        assert [e.seq for e in events] == list(range(1, len(events) + 1))
        lines = [tuple(map(int, e.body["message"].split())) for e in events if e.type == "log"]
        assert len(lines) == 1600
        for thread in range(8):
            assert [n for t, n in lines if t == thread] == list(range(200))

    async def test_lines_and_steps_keep_their_order_whoever_writes_them(self, room, monkeypatch):
        """The flush in the background and a step's own write must not overtake each other."""
        monkeypatch.setattr("towpath_engine.runs.writing._GATHER_SECONDS", 0.0)
        one = room.database.one

        async def slowly(query, values):
            await asyncio.sleep(0.002)
            return await one(query, values)

        monkeypatch.setattr(room.database, "one", slowly)

        async def do(run):
            for number in range(15):
                run.log(f"{number}")
                await asyncio.sleep(0)
                await run.step(f"{number}", "S", returning(None))
            run.log("last")

        async with working(room.worker(do)):
            run_id = await room.start()
            await room.done(run_id)
        events = await room.runs.events(ADA, run_id)
        said = [
            e.body["message"] if e.type == "log" else e.body["key"]
            for e in events
            if e.type == "log" or (e.type == "step" and e.body["state"] == "running")
        ]
        assert said == [str(n) for number in range(15) for n in (number, number)] + ["last"]
        assert [e.seq for e in events] == list(range(1, len(events) + 1))

    async def test_a_write_that_is_slow_is_not_overtaken(self, room, monkeypatch):
        run_id = await room.start()
        async with room.attempt(run_id) as run:
            one, go, waits = room.database.one, asyncio.Event(), iter([True])

            async def first_one_slow(query, values):
                if next(waits, False):
                    await go.wait()
                return await one(query, values)

            monkeypatch.setattr(room.database, "one", first_one_slow)
            run.log("one")
            slow = asyncio.create_task(run.flush())
            await asyncio.sleep(0)
            run.log("two")
            fast = asyncio.create_task(run.step("a", "A", returning(None)))
            await asyncio.sleep(0.1)
            go.set()
            await asyncio.gather(slow, fast)
        events = (await room.runs.events(ADA, run_id))[2:]
        assert [e.body.get("message", e.type) for e in events] == ["one", "two", "step", "step"]

    async def test_what_could_not_be_written_is_written_later(self, room, monkeypatch):
        run_id = await room.start()
        async with room.attempt(run_id) as run:
            one = room.database.one
            run.log("one")

            async def away(query, values):
                raise DatabaseUnavailable("The database does not answer.")

            monkeypatch.setattr(room.database, "one", away)
            with pytest.raises(DatabaseUnavailable):
                await run.flush()
            monkeypatch.setattr(room.database, "one", one)
            run.log("two")
            await run.flush()
        logs = [e.body["message"] for e in await room.runs.events(ADA, run_id) if e.type == "log"]
        assert logs == ["one", "two"]

    async def test_a_plugin_cannot_forge_what_the_platform_says(self, room):
        run_id = await room.start()
        async with room.attempt(run_id) as run:
            tools = tools_of(run)
            for type in (
                "state",
                "step",
                "log",
                "progress",
                "done",
                "",
                "x" * 101,
                "nul\0",
                "a\nb",
            ):
                with pytest.raises(Invalid):
                    tools.emit(type, {"state": "succeeded"})
            for body in ({"a": object()}, {"a": "\ud800"}, {(1, 2): 3}):
                with pytest.raises(Invalid):
                    tools.emit("acme:x", body)
            tools.emit("acme:x", {"a": 1, "step": "other"})
            await run.flush()
        last = (await room.runs.events(ADA, run_id))[-1]
        assert (last.type, last.body) == ("acme:x", {"a": 1, "step": "a"})

    async def test_a_long_line_is_cut(self, room):
        run_id = await room.start()
        async with room.attempt(run_id) as run:
            tools_of(run).log("x" * 20_000)
            await run.flush()
        (log,) = [e.body for e in await room.runs.events(ADA, run_id) if e.type == "log"]
        assert len(log["message"]) < 10_100

    async def test_numbers_have_no_gaps_under_concurrent_writers(self, room):
        run_id = await room.start()
        async with room.attempt(run_id) as run:

            async def add(number):
                async with room.database.begin() as transaction:
                    await add_events(transaction, run.fence, [Event("x", {"n": number})] * 3)

            await asyncio.gather(*(add(number) for number in range(8)))
        events = await room.runs.events(ADA, run_id)
        assert [e.seq for e in events] == list(range(1, 27))
        numbers = [e.body["n"] for e in events[2:]]
        assert [len(set(numbers[i : i + 3])) for i in range(0, 24, 3)] == [1] * 8


class TestFollowing:
    async def follow(self, room, run_id, **options):
        async with asyncio.timeout(60):
            return [event async for event in room.runs.follow(ADA, run_id, **options)]

    async def test_events_come_as_they_happen_until_the_end(self, room):
        go = asyncio.Event()

        async def do(run):
            run.log("one")
            await go.wait()

        async with working(room.worker(do)):
            run_id = await room.start()
            seen = []
            async for event in room.runs.follow(ADA, run_id):
                seen.append(event)
                if event.type == "log":
                    go.set()
        assert [e.seq for e in seen] == list(range(1, len(seen) + 1))
        assert seen[-1].body == {"state": "succeeded"}
        assert len(room.runs.following) == 0

    async def test_more_than_a_page_comes_without_waiting(self, room):
        run_id = await room.start()
        async with room.attempt(run_id) as run:
            for number in range(2500):
                run.log(str(number))
            await run.end("succeeded")
        events = await self.follow(room, run_id, beat_seconds=3600)
        assert [e.seq for e in events] == list(range(1, 2504))

    async def test_one_that_has_ended_and_was_seen_to_the_end_ends(self, room):
        run_id = await room.start()
        await room.control.cancel(ADA, run_id)
        assert await self.follow(room, run_id, after=3) == []
        assert [e.seq for e in await self.follow(room, run_id, after=2)] == [3]

    async def test_while_nothing_happens_there_is_a_beat(self, room):
        run_id = await room.start()
        seen = []
        async for event in room.runs.follow(ADA, run_id, beat_seconds=0.01):
            seen.append(event)
            if len(seen) == 4:
                await room.control.cancel(ADA, run_id)
        assert seen[1:4] == [None] * 3
        assert seen[-1].body["state"] == "cancelled"

    async def test_nobody_follows_the_run_of_another(self, room):
        run_id = await room.start()
        with pytest.raises(NotFound):
            async for _ in room.runs.follow(BOB, run_id):
                pass


class TestDispatch:
    async def test_runs_of_one_thing_never_overlap_and_others_do(self, room):
        under_way, most, order = {}, {}, []
        two = asyncio.Event()

        async def do(run):
            name = run.input["of"]
            under_way[name] = under_way.get(name, 0) + 1
            most[name] = max(most.get(name, 0), under_way[name])
            order.append((name, run.input["n"]))
            if name == "free":
                # Waits for its like instead of hoping to meet it, however busy the machine is.
                if most[name] > 1:
                    two.set()
                await asyncio.wait_for(two.wait(), 60)
            else:
                await asyncio.sleep(0.03)
            under_way[name] -= 1

        async with working(*(room.worker(do, concurrency=4) for _ in range(2))):
            ids = []
            for number in range(6):
                ids.append(await room.start(key="resource:1", input={"of": "one", "n": number}))
                ids.append(await room.start(input={"of": "free", "n": number}))
            for run_id in ids:
                assert (await room.done(run_id)).state == "succeeded"
        assert most["one"] == 1
        assert most["free"] > 1
        assert [n for name, n in order if name == "one"] == list(range(6))

    async def test_a_run_without_a_job_gets_one(self, room):
        run_id = await room.start()
        await room.execute(text("DELETE FROM procrastinate_jobs"))
        async with working(room.worker(returning("found"))):
            assert (await room.done(run_id)).output == "found"

    async def test_many_who_look_for_lost_runs_give_each_one_job(self, room):
        ids = {await room.start() for _ in range(5)}
        await room.execute(text("DELETE FROM procrastinate_jobs"))

        sweep = Sweep(room.database, {}, stalled_seconds=1.0)
        await asyncio.gather(*(sweep.tick() for _ in range(8)))
        await sweep.tick()
        assert sorted(run_id for run_id, _ in await room.jobs()) == sorted(map(str, ids))

    async def test_a_worker_that_was_only_paused_takes_nothing_from_its_successor(self, room):
        """It wakes up after another took over: it writes nothing, and ends only its own job."""
        began, wake, go = [], asyncio.Event(), asyncio.Event()

        async def do(run):
            began.append(run.fence.attempt)
            await (wake if run.fence.attempt == 1 else go).wait()
            return await run.step("a", "A", returning(run.fence.attempt))

        paused = replace(FAST, heartbeat=1000.0, sweep=1000.0)
        async with working(room.worker(do, times=paused, concurrency=1)):
            run_id = await room.start(key="resource:1")
            await until(lambda: began == [1])
            await silenced(room.database)
            async with working(room.worker(do)):
                await until(lambda: began == [1, 2])
                wake.set()
                await asyncio.sleep(0.5)
                assert began == [1, 2]
                assert await room.jobs() == [(str(run_id), "doing")]
                go.set()
                info = await room.done(run_id)
        assert (info.state, info.output, info.attempt) == ("succeeded", 2, 2)

    async def test_a_worker_that_is_stopped_before_it_has_begun_stops(self, room):
        worker = room.worker(returning(None))
        worker.stop()
        async with asyncio.timeout(60):
            await worker.run()
        late = room.worker(returning(None))
        task = asyncio.create_task(late.run())
        await asyncio.sleep(0)
        late.stop()
        async with asyncio.timeout(60):
            await task

    async def test_a_worker_that_loses_its_queue_goes_on_when_it_is_back(self, room):
        worker = room.worker(returning("done"))
        async with working(worker):
            await until(lambda: worker._worker is not None and worker._worker.worker_id)
            first = worker._worker
            first.stop()
            await until(lambda: worker._worker not in (None, first))
            run_id = await room.start()
            assert (await room.done(run_id)).output == "done"

    async def test_threads_of_a_run_that_is_over_are_told(self, room):
        """A thread cannot be stopped; at its next check it learns that another goes on."""
        ended_by, begun = [], threading.Event()
        over = threading.Event()

        def work(tools):
            begun.set()
            try:
                while True:
                    tools.check()
                    time.sleep(0.005)
            except Suspended as error:
                ended_by.append(error)
                over.set()

        hasty = replace(FAST, grace=0.05)
        async with working(
            room.worker(
                lambda run: run.step("a", "A", lambda t: asyncio.to_thread(work, t)), times=hasty
            )
        ):
            await room.start()
            await until(begun.is_set)
        assert await asyncio.to_thread(over.wait, 60)
        assert len(ended_by) == 1
