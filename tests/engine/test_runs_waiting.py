"""Runs that wait: for time, signals, people, other runs; replayed from the top, done once."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from engine_kit import ADA, FAST, SEALER, Kind, Plugin, ended, load_host, until, working
from sqlalchemy import select, text, update

from towpath_core.errors import StepFailed, Unavailable
from towpath_core.runs import Observed, Rejected, Retry, Suspended, TimedOut, Undo
from towpath_engine.runs.journal import CHANNEL
from towpath_engine.runs.kinds import run_kind_executors
from towpath_engine.runs.service import RunService
from towpath_engine.runs.tables import RUNS, STEPS, UNDOS
from towpath_engine.runs.terms import Terms
from towpath_engine.runs.waits import lock_run, settle, wait_of
from towpath_engine.runs.worker import RunWorker
from towpath_engine.store.database import Listener

pytestmark = pytest.mark.anyio


class Room:
    """Runs of kinds that are functions, with a worker."""

    def __init__(self, database):
        self.database = database
        self.runs = RunService(database, SEALER)
        self.starting = Children(self)

    async def start(self, kind="acme", *, input=None, secrets=None, **terms):
        async with self.database.begin() as transaction:
            return await self.runs.create(
                transaction, ADA, kind, "A test", input or {}, secrets=secrets, terms=Terms(**terms)
            )

    @asynccontextmanager
    async def doing(self, *kinds, workers=1, **options):
        host = load_host(Plugin(run_kinds=kinds))
        executors = run_kind_executors(host)
        options = {"times": FAST, "starting": self.starting, **options}
        made = [RunWorker(self.database, SEALER, executors, **options) for _ in range(workers)]
        try:
            async with working(*made):
                yield made
        finally:
            host.close()

    async def done(self, run_id):
        return await ended(self, ADA, run_id)

    async def state(self, run_id):
        return (await self.runs.get(ADA, run_id)).state

    async def waits(self, run_id, key=None):
        """Wait until the run waits, at a step where one is named."""

        async def there():
            async with self.database.begin() as transaction:
                step = await wait_of(transaction, run_id)
            is_there = step is not None and key in (None, step["key"])
            return step if is_there and await self.state(run_id) == "waiting" else None

        return await until(there)

    async def settle(self, run_id, outcome):
        async with self.database.begin() as transaction:
            row = await lock_run(transaction, run_id)
            step = await wait_of(transaction, run_id)
            await settle(transaction, row, step, outcome)

    async def rows(self, table):
        async with self.database.begin() as transaction:
            query = select(table).order_by(*table.primary_key)
            return (await transaction.execute(query)).mappings().all()

    async def execute(self, statement):
        async with self.database.begin() as transaction:
            await transaction.execute(statement)


class Children:
    def __init__(self, room):
        self.room = room

    async def start_child(self, parent, step, kind, input, secrets):
        import uuid

        child = uuid.uuid5(parent.id, step)
        await self.room.start(kind, input=input, id=child, parent=(parent.id, step))
        return child


@pytest.fixture
async def room(database):
    found = Room(database)
    listener = Listener(database.url, {CHANNEL: found.runs.on_notify})
    await listener.start()
    yield found
    await listener.stop()


class Calls:
    """Counts calls by name, and keeps their idempotency keys."""

    def __init__(self):
        self.keys = {}

    def __call__(self, name, value=None):
        def work(tools):
            self.keys.setdefault(name, []).append(tools.key)
            return value

        return work


async def test_steps_of_a_plugin_are_journalled_and_done_once_over_a_wait(room):
    calls = Calls()

    def do(input, tools):
        one = tools.step("make", calls("make", {"n": 1}))
        body = tools.wait_for("go")
        two = tools.step("make", calls("again", {"n": 2}))
        return {"sum": one["n"] + two["n"], "body": body}

    async with room.doing(Kind(do)):
        run_id = await room.start()
        step = await room.waits(run_id)
        assert step["wait"] == {"type": "signal", "event": "go"}
        await room.settle(run_id, {"outcome": "came", "body": [7], "by": "towpath/ada"})
        info = await room.done(run_id)
    assert (info.state, info.output) == ("succeeded", {"sum": 3, "body": [7]})
    assert calls.keys == {"make": [f"{run_id}:1"], "again": [f"{run_id}:3"]}
    steps = await room.runs.steps(ADA, run_id)
    assert [(s.key, s.state, s.attempts) for s in steps] == [
        ("make", "succeeded", 1),
        ("wait:go", "succeeded", 1),
        ("make#2", "succeeded", 1),
    ]
    events = await room.runs.events(ADA, run_id)
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    states = [e.body["state"] for e in events if e.type == "state"]
    assert states == ["queued", "running", "waiting", "queued", "running", "succeeded"]
    assert [e.body.get("outcome") for e in events if e.type == "wait"] == [None, "came"]
    assert info.attempt == 2


async def test_a_run_that_waits_has_no_job_and_holds_no_worker(room):
    def do(input, tools):
        return tools.wait_for("never") if input.get("wait") else 1

    async with room.doing(Kind(do), concurrency=1):
        waiting = [await room.start(input={"wait": True}) for _ in range(5)]
        for run_id in waiting:
            await room.waits(run_id)
        async with room.database.begin() as transaction:
            jobs = await transaction.execute(text("SELECT count(*) FROM procrastinate_jobs"))
            await until(lambda: True)
            assert jobs.scalar_one() == 0
        info = await room.done(await room.start())
    assert info.state == "succeeded"


async def test_a_pause_ends_by_itself_and_counts_from_its_first_time(room):
    def do(input, tools):
        tools.sleep(0.2)
        tools.sleep_until(datetime.now(UTC) - timedelta(days=1))
        return "over"

    async with room.doing(Kind(do)):
        info = await room.done(await room.start())
    assert (info.state, info.output) == ("succeeded", {"found": "over"})


async def test_a_signal_that_does_not_come_in_time_times_out(room):
    def do(input, tools):
        try:
            tools.wait_for("go", seconds=0.1)
        except TimedOut as error:
            return error.code

    async with room.doing(Kind(do)):
        info = await room.done(await room.start())
    assert info.output == {"found": "timed-out"}


async def test_an_approval_is_a_yes_with_a_name_or_raises(room):
    def do(input, tools):
        yes = tools.approval("size", "So large?", approvers=["group:default/Ops"], subject={"n": 1})
        try:
            tools.approval("price", "So dear?")
        except Rejected as error:
            return {"by": yes.by, "why": error.why, "reason": yes.reason}

    async with room.doing(Kind(do)):
        run_id = await room.start()
        step = await room.waits(run_id, "approval:size")
        assert step["wait"]["approvers"] == ["group:default/ops"]
        assert step["wait"]["subject"] == {"n": 1}
        at = "2026-11-27T20:00:00Z"
        yes = {"outcome": "approved", "by": "user:default/bob", "at": at, "reason": "fine"}
        await room.settle(run_id, yes)
        await room.waits(run_id, "approval:price")
        await room.settle(run_id, {"outcome": "rejected", "by": "user:default/bob", "reason": "no"})
        info = await room.done(run_id)
    assert info.output == {"by": "user:default/bob", "why": "no", "reason": "fine"}


async def test_a_child_is_waited_for_and_its_failure_is_the_parents(room):
    def parent(input, tools):
        good = tools.child("good", "child", {"n": 2})
        try:
            tools.child("bad", "child", {"n": -1})
        except StepFailed as error:
            return {"good": good, "why": error.why}

    def child(input, tools):
        if input["n"] < 0:
            raise StepFailed("It is negative.")
        return {"twice": input["n"] * 2}

    async with room.doing(Kind(parent), Kind(child, name="child"), concurrency=1):
        run_id = await room.start()
        info = await room.done(run_id)
    assert info.output == {"good": {"twice": 4}, "why": "It is negative."}
    parents = [row["parent_step"] for row in await room.rows(RUNS) if row["parent_id"] == run_id]
    assert sorted(parents) == ["bad", "good"]


async def test_a_plugin_that_swallows_a_wait_waits_all_the_same(room):
    def do(input, tools):
        try:
            return tools.wait_for("go")
        except BaseException:
            try:
                tools.step("forbidden", lambda tools: 1)
            except Suspended:
                return "went on"

    async with room.doing(Kind(do)):
        run_id = await room.start()
        await room.waits(run_id)
        await room.settle(run_id, {"outcome": "came", "body": 5, "by": "x"})
        info = await room.done(run_id)
    assert info.output == {"found": 5}
    assert [s.key for s in await room.runs.steps(ADA, run_id)] == ["wait:go"]


async def test_a_wait_that_a_plugin_makes_up_is_a_fault_of_the_plugin(room):
    def do(input, tools):
        raise Suspended

    async with room.doing(Kind(do)):
        info = await room.done(await room.start())
    assert (info.state, info.error.code) == ("failed", "plugin-error")


async def test_a_part_inside_a_part_may_wait(room):
    calls = Calls()

    def outer(tools):
        tools.step("first", calls("first"))
        tools.sleep(0.05)
        return tools.step("second", calls("second", "x"))

    async with room.doing(Kind(lambda input, tools: tools.step("outer", outer))):
        run_id = await room.start()
        info = await room.done(run_id)
    assert info.output == {"found": "x"}
    steps = await room.runs.steps(ADA, run_id)
    assert [(s.seq, s.key, s.state, s.attempts) for s in steps] == [
        (1, "outer", "succeeded", 1),
        (2, "outer/first", "succeeded", 1),
        (3, "outer/sleep", "succeeded", 1),
        (4, "outer/second", "succeeded", 1),
    ]
    assert {name: len(keys) for name, keys in calls.keys.items()} == {"first": 1, "second": 1}


async def test_what_does_not_answer_is_tried_again_under_the_same_key(room):
    keys = []

    def work(tools):
        keys.append(tools.key)
        if len(keys) < 3:
            raise Unavailable("It does not answer.")
        return len(keys)

    retry = Retry(attempts=3, first_seconds=0.01)
    async with room.doing(Kind(lambda i, tools: tools.step("ask", work, retry=retry))):
        run_id = await room.start()
        info = await room.done(run_id)
    assert info.output == {"found": 3}
    assert keys == [f"{run_id}:1"] * 3


@pytest.mark.parametrize(
    ("options", "state", "called"),
    [
        ({}, "succeeded", 2),
        ({"repeatable": False}, "unknown", 1),
        ({"repeatable": False, "observe": lambda tools: Observed(True, 1)}, "succeeded", 1),
        ({"repeatable": False, "observe": lambda tools: Observed(False)}, "succeeded", 2),
        ({"repeatable": False, "observe": lambda tools: None}, "unknown", 1),
    ],
)
async def test_who_gave_no_answer_may_have_done_it(room, options, state, called):
    keys = []

    def work(tools):
        keys.append(tools.key)
        if len(keys) == 1:
            raise Unavailable("Its answer was lost.")
        return 1

    retry = Retry(first_seconds=0.01)
    async with room.doing(Kind(lambda i, tools: tools.step("make", work, retry=retry, **options))):
        run_id = await room.start()
        info = await room.done(run_id)
    assert (info.state, keys) == (state, [f"{run_id}:1"] * called)


class TestUnrecorded:
    """A worker that died in a step: what happened in the world is not in the journal."""

    async def died_in(self, room, run_id):
        """Leave a run as a worker leaves it that is killed in its first step."""
        await room.waits(run_id)
        await room.execute(
            update(STEPS).where(STEPS.c.key == "make").values(state="running", output=None)
        )

    def kind(self, calls, **options):
        def do(input, tools):
            if not input.get("died"):
                tools.step("make", calls("make", 1), **options)
                tools.wait_for("go")
            return tools.step("make", calls("make", 1), **options)

        return Kind(do)

    async def go_on(self, room, kind, run_id):
        async with room.doing(kind):
            await self.died_in(room, run_id)
            await room.settle(run_id, {"outcome": "came", "body": None, "by": "x"})
            return await room.done(run_id)

    async def test_a_step_that_may_be_repeated_is(self, room):
        calls = Calls()
        run_id = await room.start()
        info = await self.go_on(room, self.kind(calls), run_id)
        assert info.state == "succeeded"
        assert calls.keys["make"][:2] == [f"{run_id}:1"] * 2

    async def test_one_that_may_not_be_ends_the_run_as_unknown(self, room):
        calls = Calls()
        run_id = await room.start()
        info = await self.go_on(room, self.kind(calls, repeatable=False), run_id)
        assert (info.state, info.error.code) == ("unknown", "outcome-unknown")
        assert len(calls.keys["make"]) == 1
        assert (await room.runs.steps(ADA, run_id))[0].state == "unknown"

    @pytest.mark.parametrize(
        ("seen", "state", "called"),
        [
            (Observed(True, 1), "succeeded", 1),
            (Observed(False), "succeeded", 2),
            (None, "unknown", 1),
        ],
    )
    async def test_one_that_can_be_looked_at_is(self, room, seen, state, called):
        calls = Calls()
        run_id = await room.start()
        options = {"repeatable": False, "observe": lambda tools: seen}
        info = await self.go_on(room, self.kind(calls, **options), run_id)
        assert info.state == state
        assert len([k for k in calls.keys["make"] if k == f"{run_id}:1"]) == called


async def test_how_to_undo_is_kept_before_the_effect_and_once(room):
    def make(tools):
        tools.undo("unlist", {"id": 1})
        tools.undo("unlist", {"id": 1})
        return 1

    def do(input, tools):
        tools.step("make", make, undo=Undo("remove", {"key": "k"}))
        tools.undo("forget", {})
        return 1

    async with room.doing(Kind(do)):
        run_id = await room.start()
        await room.done(run_id)
    rows = await room.rows(UNDOS)
    assert [
        (r["seq"], r["step_seq"], r["step_key"], r["owner"], r["name"], r["data"]) for r in rows
    ] == [
        (1, 1, "make", "kind:acme", "remove", '{"key":"k"}'),
        (2, 1, "make", "kind:acme", "unlist", '{"id":1}'),
        (3, 0, "", "kind:acme", "forget", "{}"),
    ]


class TestHolding:
    async def test_the_key_stays_with_a_run_that_waits(self, room):
        order = []

        def do(input, tools):
            order.append(input["n"])
            return tools.wait_for("go") if input["n"] == 0 else None

        async with room.doing(Kind(do), concurrency=4):
            first = await room.start(input={"n": 0}, key="k")
            await room.waits(first)
            second = await room.start(input={"n": 1}, key="k")
            await until(lambda: self.held(room, second, "key"))
            other = await room.start(input={"n": 2}, key="other")
            await room.done(other)
            assert order == [0, 2]
            await room.settle(first, {"outcome": "came", "body": 0, "by": "x"})
            await room.done(second)
        assert order[-1] == 1

    async def held(self, room, run_id, why):
        rows = {row["id"]: row for row in await room.rows(RUNS)}
        return rows[run_id]["held"] == why

    async def test_a_queue_has_no_more_under_way_than_its_limit(self, room):
        under_way, most, gate = set(), [], asyncio.Event()
        loop = asyncio.get_running_loop()

        def do(input, tools):
            under_way.add(tools.run_id)
            most.append(len(under_way))
            asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
            under_way.discard(tools.run_id)

        async with room.doing(Kind(do), workers=2, limits={"narrow": 2}):
            ids = [await room.start(queue="narrow") for _ in range(6)]
            await until(lambda: len(under_way) == 2)
            await until(lambda: self.held(room, ids[-1], "queue"))
            gate.set()
            for run_id in ids:
                assert (await room.done(run_id)).state == "succeeded"
        assert max(most) == 2

    async def test_a_worker_takes_only_from_its_queues_and_urgent_ones_first(self, room):
        order = []
        ids = [await room.start(input={"n": n}, priority=n) for n in (0, 5, -5)]
        far = await room.start(queue="far")
        kind = Kind(lambda input, tools: order.append(input["n"]))
        async with room.doing(kind, concurrency=1, queues=("default",)):
            for run_id in ids:
                await room.done(run_id)
        assert order == [5, 0, -5]
        assert await room.state(far) == "queued"


async def test_a_run_past_its_deadline_fails_wherever_it_is(room):
    def do(input, tools):
        if input["wait"]:
            return tools.wait_for("go")
        while True:
            tools.check()

    soon = datetime.now(UTC) + timedelta(seconds=1)
    async with room.doing(Kind(do)):
        ids = [await room.start(input={"wait": w}, deadline=soon) for w in (True, False)]
        infos = [await room.done(run_id) for run_id in ids]
    assert [(i.state, i.error.code) for i in infos] == [("failed", "timed-out")] * 2
