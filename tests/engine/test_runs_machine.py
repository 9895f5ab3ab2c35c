"""Any order of what can happen to runs: no state but by the table, no gap, no zombie that writes.

Several attempts of one run are alive at once, as when workers are paused and wake up: only the
last one's writes count. Everything goes through the functions that workers and services call,
against the real database.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from itertools import pairwise

import pytest
from engine_kit import ADA, ADMIN, BOB, Plugin, load_host, platform_of
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, func, select, text, update

from towpath_core.errors import Cancelled, Conflict, LimitExceeded, StepFailed
from towpath_core.runs import RUN_ENDED, OutcomeUnknown
from towpath_engine.runs.beginning import begin_attempt
from towpath_engine.runs.context import RunContext
from towpath_engine.runs.ending import hand_back
from towpath_engine.runs.journal import ErrorInfo, FenceLost, load_steps
from towpath_engine.runs.outcomes import Wait
from towpath_engine.runs.parking import park
from towpath_engine.runs.sweeping import Sweep
from towpath_engine.runs.tables import EVENTS, RUNS, STEPS
from towpath_engine.runs.terms import Terms
from towpath_engine.runs.transitions import TRANSITIONS, may_become

KINDS = ("time", "signal", "approval")
NAMES = st.sampled_from(["a", "b", "c"])
KEYS = st.sampled_from([None, None, "crane"])
REFUSALS = (Conflict, LimitExceeded)
EXAMPLES = 25


class Seen:
    """Which transitions were gone by, over all examples."""

    def __init__(self):
        self.arrows = set()


class Machine(RuleBasedStateMachine):
    """Runs, their attempts, and everything that may be done to them."""

    platform = None
    loop = None
    seen = Seen()

    runs = Bundle("runs")
    attempts = Bundle("attempts")

    def __init__(self):
        super().__init__()
        self.states = defaultdict(list)
        self.rows = {}
        self.do(self.platform.database_emptied())

    def do(self, work):
        return self.loop.run_until_complete(work)

    def refused(self, work):
        """Do something that may be refused by the state of things."""
        try:
            return self.do(work)
        except REFUSALS:
            return None

    @rule(target=runs, key=KEYS)
    def accept(self, key):
        async def work():
            async with self.platform.database.begin() as transaction:
                return await self.platform.runs.create(
                    transaction, ADA, "test", "A test", {}, terms=Terms(key=key)
                )

        return self.do(work())

    @rule(target=attempts, run_id=runs, late=st.booleans())
    def begin(self, run_id, late):
        """A job is delivered: the latest, or one of an earlier turn that does nothing."""

        async def work():
            async with self.platform.database.begin() as transaction:
                row = await row_of(transaction, run_id)
                turn = row["turn"] - late
                begun = await begin_attempt(transaction, run_id, turn)
                assert not (late and begun)
                steps = await load_steps(transaction, run_id)
            return RunContext(self.platform.database, begun, steps, {}) if begun else None

        found = self.do(work())
        return multiple(found) if found is not None else multiple()

    def write(self, run, work):
        """Have an attempt write; a zombie is refused and leaves everything as it was."""
        row = self.rows[run.id]
        alive = row["attempt"] == run.fence.attempt and row["state"] == "running"
        before = None if alive else self.do(self.all_rows())
        refused = False
        try:
            self.do(work)
        except FenceLost:
            refused = True
        except (Cancelled, StepFailed):
            pass
        assert not (alive and refused), "the holder of the fence was taken for a zombie"
        if not alive:
            assert self.do(self.all_rows()) == before

    @rule(run=attempts, name=NAMES, how=st.sampled_from(["done", "failed", "unknown", "open"]))
    def step(self, run, name, how):
        async def work():
            step = await run.open_step(name, name)
            if step.state != "running" or how == "open":
                return
            if how == "done":
                await run.close_step(step, 1)
            else:
                error = StepFailed("No.") if how == "failed" else OutcomeUnknown.of(name)
                await run.fail_step(step, error)

        self.write(run, work())

    @rule(run=attempts, kind=st.sampled_from(KINDS), name=NAMES, past=st.booleans())
    def wait(self, run, kind, name, past):
        what = {"type": kind, "event": name, "question": "Sure?", "approvers": ["user:default/bob"]}
        wait = Wait(f"wait:{name}", name, what, seconds=0.0 if past else 3600.0)

        async def work():
            known = run.known(wait.key)
            if known is None or known.state != "succeeded":
                await park(run, wait)
            else:
                await run.flush()
                run.log("It came before.")
                await run.flush()

        self.write(run, work())

    @rule(run=attempts, name=NAMES)
    def log(self, run, name):
        run.log(name)
        self.write(run, run.flush())

    @rule(run=attempts, state=st.sampled_from(["succeeded", "failed", "cancelled", "unknown"]))
    def end(self, run, state):
        error = ErrorInfo("x", "No.") if state in ("failed", "unknown") else None
        self.write(run, run.end(state, error=error))

    @rule(run=attempts)
    def give_back(self, run):
        async def work():
            async with self.platform.database.begin() as transaction:
                await hand_back(transaction, run.fence)

        self.write(run, work())

    @rule(run_id=runs)
    def die(self, run_id):
        """Whatever worker has it is gone, with its job; it is found and gets another."""

        async def work():
            async with self.platform.database.begin() as transaction:
                await transaction.execute(NO_JOBS)
            await Sweep(self.platform.database, {}, stalled_seconds=1000.0).tick()

        self.do(work())

    @rule(run_id=runs, name=NAMES)
    def signal(self, run_id, name):
        self.refused(self.platform.control.signal(ADA, run_id, name, {"n": 1}))

    @rule(run_id=runs, yes=st.booleans())
    def answer(self, run_id, yes):
        async def work():
            step = await self.asks(run_id)
            if step is None:
                return
            approvals = self.platform.approvals
            if yes:
                await approvals.approve(BOB, run_id, step=step)
            else:
                await approvals.reject(BOB, run_id, step=step, reason="No.")

        self.refused(work())

    @rule(run_id=runs)
    def time_passes(self, run_id):
        """The run's wait is over by the clock."""

        async def work():
            past = func.now() - func.make_interval(0, 0, 0, 0, 1)
            async with self.platform.database.begin() as transaction:
                change = update(RUNS).where(RUNS.c.id == run_id, RUNS.c.state == "waiting")
                await transaction.execute(change.values(wake_at=past))

        self.do(work())

    @rule(run_id=runs, force=st.booleans(), grace=st.sampled_from([None, 0.0, 3600.0]))
    def cancel(self, run_id, force, grace):
        self.refused(self.platform.control.cancel(ADA, run_id, force=force, grace_seconds=grace))

    @rule()
    def sweep(self):
        """Ends by force what was asked to stop and has used up its grace."""
        self.do(Sweep(self.platform.database, {}, stalled_seconds=1000.0).tick())

    @rule(run_id=runs)
    def retry(self, run_id):
        self.refused(self.platform.control.retry(ADMIN, run_id))

    @rule(run_id=runs, happened=st.booleans())
    def resolve(self, run_id, happened):
        work = self.platform.control.resolve(ADA, run_id, happened=happened, reason="I saw it.")
        self.refused(work)

    @invariant()
    def the_journal_is_as_it_should_be(self):
        self.rows, events, steps = self.do(self.journal())
        for run_id, row in self.rows.items():
            self.check_events(row, events[run_id])
            self.check_row(row, steps[run_id])
        holders = [row["concurrency_key"] for row in self.rows.values() if row["holds_key"]]
        assert len(holders) == len(set(holders))

    def check_events(self, row, events):
        """Numbers without a gap, states by the table, and nothing said before is unsaid."""
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert row["last_event"] == len(events)
        states = [event["body"]["state"] for event in events if event["type"] == "state"]
        assert states[0] == "queued"
        for before, after in pairwise(states):
            assert may_become(before, after), states
            self.seen.arrows.add((before, after))
        assert states[-1] == row["state"]
        was = self.states[row["id"]]
        assert states[: len(was)] == was
        self.states[row["id"]] = states

    def check_row(self, row, steps):
        """What a row says fits its state, and the steps of what has ended have ended."""
        ended = row["state"] in RUN_ENDED
        assert (row["finished_at"] is not None) == ended
        if ended:
            assert (row["holds_key"], row["held"], row["cancel_by"]) == (False, None, None)
            assert not {"running", "waiting"} & {step["state"] for step in steps}
        elif row["state"] == "running" and row["concurrency_key"]:
            assert row["holds_key"]
        assert [step["seq"] for step in steps] == list(range(1, len(steps) + 1))

    async def asks(self, run_id):
        c = STEPS.c
        query = select(c.key).where(c.run_id == run_id, c.wait.op("->>")("type") == "approval")
        async with self.platform.database.begin() as transaction:
            return (await transaction.execute(query.order_by(c.seq.desc()))).scalars().first()

    async def all_rows(self):
        async with self.platform.database.begin() as transaction:
            found = []
            for table in (RUNS, STEPS, EVENTS):
                query = select(table).order_by(*table.primary_key)
                found.append([dict(r) for r in (await transaction.execute(query)).mappings()])
            return found

    async def journal(self):
        async with self.platform.database.begin() as transaction:
            rows = (await transaction.execute(select(RUNS))).mappings().all()
            found = [defaultdict(list), defaultdict(list)]
            for table, by_run in zip((EVENTS, STEPS), found, strict=True):
                query = select(table).order_by(*table.primary_key)
                for one in (await transaction.execute(query)).mappings():
                    by_run[one["run_id"]].append(one)
        return {row["id"]: row for row in rows}, *found


async def row_of(transaction, run_id):
    query = select(RUNS).where(RUNS.c.id == run_id)
    return dict((await transaction.execute(query)).mappings().one())


NO_JOBS = text("DELETE FROM procrastinate_jobs")


class Ground:
    """A platform whose database is emptied for each example."""

    def __init__(self, platform):
        self.platform = platform
        self.database = platform.database
        self.runs = platform.runs
        self.control = platform.control
        self.approvals = platform.approvals

    async def database_emptied(self):
        async with self.database.begin() as transaction:
            await transaction.execute(delete(RUNS))
            await transaction.execute(NO_JOBS)


@pytest.fixture
def ground(engine_url, tmp_path):
    """A platform on a loop of its own: hypothesis calls rules from plain functions."""
    loop = asyncio.new_event_loop()
    opened = platform_of(load_host(Plugin()), engine_url, tmp_path)
    platform = loop.run_until_complete(opened.__aenter__())
    yield loop, Ground(platform)
    loop.run_until_complete(opened.__aexit__(None, None, None))
    loop.close()


@pytest.fixture
def machine(ground):
    """The machine on that ground, which notes the transitions that it has seen."""
    loop, found = ground
    return type("OnGround", (Machine,), {"platform": found, "loop": loop, "seen": Seen()})


def test_no_order_of_acts_reaches_what_the_table_does_not_allow(machine):
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=25,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_every_transition_of_the_table_can_happen(machine):
    """By shortest ways through the same rules: an arrow that cannot happen would be missed here."""
    for way in WAYS:
        play(machine, way)
    table = {(before, after) for before, afters in TRANSITIONS.items() for after in afters}
    assert machine.seen.arrows == table


WAYS = [
    ["accept", "cancel"],
    ["accept", "begin", "begin", "end:succeeded"],
    ["accept", "begin", "end:failed", "retry", "begin", "end:cancelled", "retry"],
    ["accept", "begin", "open", "force", "resolve", "begin", "end:unknown", "retry"],
    ["accept", "begin", "give_back", "cancel"],
    ["accept", "begin", "open", "give_back", "cancel"],
    ["accept", "begin", "wait", "signal", "begin", "wait:b", "cancel"],
    ["accept", "begin", "wait", "time_passes", "begin", "end:succeeded"],
]


def play(machine, way):
    """Go one way with one run."""
    now = machine()
    run_id = run = None
    for act in way:
        name, _, more = act.partition(":")
        if name == "accept":
            run_id = now.accept(key=None)
        elif name == "begin":
            (run,) = now.begin(run_id=run_id, late=False).values
        elif name == "open":
            now.step(run=run, name="a", how="open")
        elif name == "end":
            now.end(run=run, state=more)
        elif name == "wait":
            now.wait(run=run, kind="signal", name=more or "a", past=False)
        elif name == "signal":
            now.signal(run_id=run_id, name="a")
        elif name in ("cancel", "force"):
            now.cancel(run_id=run_id, force=name == "force", grace=None)
        elif name == "resolve":
            now.resolve(run_id=run_id, happened=False)
        elif name == "give_back":
            now.give_back(run=run)
        else:
            getattr(now, name)(run_id=run_id)
        now.the_journal_is_as_it_should_be()
