"""Runs under somebody's hand: stopped, taken up again where they ended, resolved, told things."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest
from engine_kit import ADA, ADMIN, BOB, FAST, Kind, principal, until
from msgspec.structs import replace
from run_kit import Calls, yard_of
from sqlalchemy import func, text, update

from towpath_core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    LimitExceeded,
    NotFound,
    StepFailed,
)
from towpath_core.runs import Observed, TimedOut
from towpath_engine.idempotency import IdempotencyMismatch
from towpath_engine.runs.tables import RUNS, SIGNALS, STEPS
from towpath_engine.runs.terms import Terms

pytestmark = pytest.mark.anyio

LOOKER = principal("ada", scopes=["runs:read"])


@pytest.fixture
async def yard_with(engine_url, tmp_path):
    """Opens a yard with kinds of run; closed at the end of the test."""
    from contextlib import AsyncExitStack

    async with AsyncExitStack() as stack:

        async def make(*kinds, **offered):
            yard = yard_of(engine_url, tmp_path / "home", *kinds, **offered)
            return await stack.enter_async_context(yard)

        yield make


class Stuck:
    """Work that does not look whether it is to stop, until a test lets it go."""

    def __init__(self):
        self.began = threading.Event()
        self.go = threading.Event()
        self.after = []

    def __call__(self, tools):
        self.began.set()
        self.go.wait(30)
        return 1


class TestCancel:
    async def test_one_that_waits_in_the_queue_ends_at_once(self, yard_with):
        yard = await yard_with(Kind(lambda input, tools: 1))
        run_id = await yard.start()
        info = await yard.control.cancel(ADA, run_id, reason="The wrong one.")
        assert (info.state, info.cancel_requested, info.error) == ("cancelled", True, None)
        assert await yard.states(run_id) == ["queued", "cancelled"]
        told = {"decision": "cancel", "by": "user:default/ada", "reason": "The wrong one."}
        assert await yard.events(run_id, "decision") == [told]
        (row,) = await yard.audit("runs:cancel")
        assert (row["actor"], row["detail"]) == ("towpath/ada", {"reason": "The wrong one."})
        assert await yard.control.cancel(ADA, run_id) == info
        assert len(await yard.audit("runs:cancel")) == 1

    async def test_one_that_looks_stops_by_itself(self, yard_with):
        began = threading.Event()

        def do(input, tools):
            began.set()
            while True:
                tools.check()

        yard = await yard_with(Kind(do))
        run_id = await yard.start()
        async with yard.working():
            await until(began.is_set)
            assert (await yard.control.cancel(ADA, run_id)).cancel_requested
            assert (await yard.done(run_id)).state == "cancelled"

    async def test_by_force_it_ends_now_and_its_worker_writes_nothing_more(self, yard_with):
        stuck = Stuck()

        def do(input, tools):
            try:
                return tools.step("make", stuck)
            finally:
                stuck.after.append(1)

        yard = await yard_with(Kind(do))
        run_id = await yard.start()
        async with yard.working():
            await until(stuck.began.is_set)
            info = await yard.control.cancel(ADA, run_id, force=True)
            assert (info.state, info.attempt) == ("unknown", 2)
            assert "did not stop" in info.error.message
            assert await yard.steps(run_id) == [("make", "unknown", 1)]
            before = await yard.runs.events(ADA, run_id)
            stuck.go.set()
            await until(lambda: stuck.after)
        assert await yard.runs.events(ADA, run_id) == before
        assert (await yard.control.cancel(ADA, run_id, force=True)).state == "unknown"

    async def test_by_force_it_is_cancelled_where_nothing_outside_was_under_way(self, yard_with):
        stuck = Stuck()
        yard = await yard_with(Kind(lambda input, tools: stuck(tools)))
        run_id = await yard.start()
        async with yard.working():
            await until(stuck.began.is_set)
            info = await yard.control.cancel(ADA, run_id, force=True)
            stuck.go.set()
        assert info.state == "cancelled"

    async def test_when_the_grace_is_over_it_is_ended_from_outside(self, yard_with):
        stuck = Stuck()
        yard = await yard_with(Kind(lambda input, tools: tools.step("make", stuck)))
        run_id = await yard.start()
        async with yard.working():
            await until(stuck.began.is_set)
            long = await yard.control.cancel(ADA, run_id, grace_seconds=3600)
            assert long.state == "running"
            by = (await yard.row(run_id))["cancel_by"]
            await yard.control.cancel(ADA, run_id, grace_seconds=7200)
            assert (await yard.row(run_id))["cancel_by"] == by
            await yard.control.cancel(ADA, run_id, grace_seconds=0)
            info = await yard.done(run_id)
            stuck.go.set()
        assert info.state == "unknown"
        with pytest.raises(Invalid):
            await yard.control.cancel(ADA, run_id, grace_seconds=-1)

    async def test_it_is_for_its_owner_and_administrators(self, yard_with):
        yard = await yard_with(Kind(lambda input, tools: 1))
        run_id = await yard.start()
        with pytest.raises(NotFound):
            await yard.control.cancel(BOB, run_id)
        with pytest.raises(Invalid):
            await yard.control.cancel(ADA, run_id, reason="x" * 3000)
        assert (await yard.control.cancel(ADMIN, run_id)).state == "cancelled"

    async def test_one_that_was_handed_back_in_a_step_is_not_thought_harmless(self, yard_with):
        stuck = Stuck()
        yard = await yard_with(Kind(lambda input, tools: tools.step("make", stuck)))
        run_id = await yard.start()
        async with yard.working(times=replace(FAST, grace=0.05)):
            await until(stuck.began.is_set)
        stuck.go.set()
        assert await yard.state(run_id) == "queued"
        info = await yard.control.cancel(ADA, run_id)
        assert info.state == "unknown"
        assert "make" in info.error.why


class TestFamily:
    """What is done to a run is done to those it started."""

    def kinds(self, calls, wait=True):
        def parent(input, tools):
            return tools.child("part", "child", {"n": input.get("n", 1)})

        def child(input, tools):
            tools.step("make", calls("make", 1))
            if wait:
                tools.wait_for("go")
            return tools.step("end", calls("end", input))

        return Kind(parent), Kind(child, name="child")

    async def child_of(self, yard, run_id):
        found = await yard.rows(RUNS, RUNS.c.parent_id == run_id)
        return found[0]["id"] if found else None

    async def test_children_are_stopped_with_their_parent(self, yard_with):
        yard = await yard_with(*self.kinds(Calls()))
        run_id = await yard.start()
        async with yard.working():
            child = await until(lambda: self.child_of(yard, run_id))
            await yard.waits(child)
            await yard.waits(run_id)
            await yard.control.cancel(ADA, run_id, reason="No.")
        assert (await yard.state(run_id), await yard.state(child)) == ("cancelled", "cancelled")
        # By who cancelled, or by the worker that found the child first.
        (told,) = await yard.events(child, "decision")
        assert told["decision"] == "cancel"

    async def test_a_child_that_was_not_told_is_found(self, yard_with):
        yard = await yard_with(*self.kinds(Calls()))
        run_id = await yard.start()
        async with yard.working():
            child = await until(lambda: self.child_of(yard, run_id))
            await yard.waits(child)
            await yard.waits(run_id)
        # As if who cancelled it had died before the children were told.
        await yard.execute(update(RUNS).where(RUNS.c.id == run_id).values(state="cancelled"))
        async with yard.working():
            await yard.becomes(child, "cancelled")
        (row,) = await yard.audit("runs:cancel")
        assert row["actor"] == "towpath/platform"

    async def test_a_child_that_failed_goes_on_with_its_parent(self, yard_with):
        calls = Calls()
        calls.fails["end"] = StepFailed("No luck.")
        yard = await yard_with(*self.kinds(calls, wait=False))
        run_id = await yard.start(input={"n": 5})
        async with yard.working():
            info = await yard.done(run_id)
            assert info.state == "failed"
            del calls.fails["end"]
            await yard.control.retry(ADA, run_id, input={"n": 6})
            info = await yard.done(run_id)
        child = await self.child_of(yard, run_id)
        assert (info.state, info.output) == ("succeeded", {"n": 6})
        assert calls.keys == {"make": [f"{child}:1"], "end": [f"{child}:2"] * 2}
        assert len(await yard.rows(RUNS)) == 2
        assert await yard.states(child) == [
            "queued", "running", "failed", "queued", "running", "succeeded"
        ]  # fmt: skip

    async def test_one_that_was_cancelled_goes_on_with_its_children(self, yard_with):
        calls = Calls()
        yard = await yard_with(*self.kinds(calls))
        run_id = await yard.start()
        async with yard.working():
            child = await until(lambda: self.child_of(yard, run_id))
            await yard.waits(child)
            await yard.waits(run_id)
            await yard.control.cancel(ADA, run_id)
            await yard.control.retry(ADA, run_id)
            await yard.waits(child)
            await yard.control.signal(ADA, child, "go")
            info = await yard.done(run_id)
        assert (info.state, calls.counts()) == ("succeeded", {"make": 1, "end": 1})


class TestRetry:
    def three(self, calls, **options):
        def do(input, tools):
            one = tools.step("one", calls("one", {"n": input.get("n", 1)}))
            two = tools.step("two", calls("two", 2), **options)
            return {"sum": one["n"] + two, "n": input.get("n", 1)}

        return Kind(do)

    async def fail(self, yard, run_id):
        async with yard.working():
            info = await yard.done(run_id)
        assert info.state == "failed"
        return info

    async def test_it_goes_on_with_the_step_that_failed(self, yard_with):
        calls = Calls()
        calls.fails["two"] = StepFailed("No luck.")
        yard = await yard_with(self.three(calls))
        run_id = await yard.start()
        await self.fail(yard, run_id)
        calls.fails.clear()
        info = await yard.control.retry(ADA, run_id, reason="The server is back.")
        assert (info.state, info.error, info.finished_at) == ("queued", None, None)
        assert await yard.steps(run_id) == [("one", "succeeded", 1), ("two", "waiting", 2)]
        async with yard.working():
            info = await yard.done(run_id)
        assert (info.state, info.output) == ("succeeded", {"sum": 3, "n": 1})
        assert calls.keys == {"one": [f"{run_id}:1"], "two": [f"{run_id}:2"] * 2}
        assert await yard.steps(run_id) == [("one", "succeeded", 1), ("two", "succeeded", 2)]
        assert await yard.states(run_id) == [
            "queued", "running", "failed", "queued", "running", "succeeded"
        ]  # fmt: skip
        told = {"decision": "retry", "by": "user:default/ada", "reason": "The server is back."}
        assert await yard.events(run_id, "decision") == [told]
        assert len(await yard.audit("runs:retry")) == 1

    async def test_it_may_go_on_with_another_input_that_is_judged_as_the_first(self, yard_with):
        calls = Calls()
        calls.fails["two"] = StepFailed("No luck.")
        kind = self.three(calls)
        kind.input_schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
        yard = await yard_with(kind)
        run_id = await yard.start(input={"n": 1})
        await self.fail(yard, run_id)
        calls.fails.clear()
        with pytest.raises(Invalid, match="does not fit"):
            await yard.control.retry(ADA, run_id, input={"n": "many"})
        assert await yard.state(run_id) == "failed"
        await yard.control.retry(ADA, run_id, input={"n": 7})
        async with yard.working():
            info = await yard.done(run_id)
        # What was done stays done, with what it was done with.
        assert (info.input, info.output) == ({"n": 7}, {"sum": 3, "n": 7})
        (told,) = await yard.events(run_id, "decision")
        assert told["previousInput"] == {"n": 1}

    async def test_another_input_gets_by_no_policy(self, yard_with):
        """One starts what is allowed, and takes it up again with what is not."""
        calls = Calls()
        calls.fails["two"] = StepFailed("No luck.")
        yard = await yard_with(self.three(calls))
        run_id = await yard.start(input={"n": 1})
        await self.fail(yard, run_id)
        yard.rules.refused = {"run:start"}
        yard.rules.asked.clear()
        with pytest.raises(Forbidden):
            await yard.control.retry(ADMIN, run_id, input={"n": 2})
        await yard.control.retry(ADMIN, run_id)
        asked = [(action, context["input"]) for action, _, context in yard.rules.asked]
        # Of who asks, and of the one with whose rights it acts.
        retries = [("run:retry", {"n": 1})] * 2
        assert asked == [("run:retry", {"n": 2}), ("run:start", {"n": 2}), *retries]

    async def test_its_secrets_must_be_given_again_and_are_named(self, yard_with):
        seen = []

        def do(input, tools):
            seen.append(tools.secret("TOKEN").reveal())
            if len(seen) == 1:
                raise StepFailed("No luck.")

        yard = await yard_with(Kind(do))
        run_id = await yard.start(secrets={"TOKEN": "canary-1", "OTHER": "canary-2"})
        await self.fail(yard, run_id)
        assert (await yard.row(run_id))["secrets"] is None
        with pytest.raises(Invalid, match="again: OTHER") as caught:
            await yard.control.retry(ADA, run_id, secrets={"TOKEN": "canary-3"})
        assert "canary" not in str(caught.value)
        given = {"TOKEN": "canary-3", "OTHER": "x", "MORE": "y"}
        await yard.control.retry(ADA, run_id, secrets=given, input={"hint": "of canary-3"})
        assert (await yard.row(run_id))["secret_names"] == ["MORE", "OTHER", "TOKEN"]
        async with yard.working():
            await yard.done(run_id)
        assert seen == ["canary-1", "canary-3"]

    async def test_a_part_that_was_done_inside_one_that_failed_stays_done(self, yard_with):
        calls = Calls()
        calls.fails["in-2"] = StepFailed("No luck.")

        def outer(tools):
            tools.step("in-1", calls("in-1"))
            tools.step("in-2", calls("in-2"))

        yard = await yard_with(Kind(lambda input, tools: tools.step("out", outer)))
        run_id = await yard.start()
        await self.fail(yard, run_id)
        calls.fails.clear()
        await yard.control.retry(ADA, run_id)
        async with yard.working():
            assert (await yard.done(run_id)).state == "succeeded"
        assert calls.counts() == {"in-1": 1, "in-2": 2}
        assert await yard.steps(run_id) == [
            ("out", "succeeded", 2),
            ("out/in-1", "succeeded", 1),
            ("out/in-2", "succeeded", 2),
        ]

    async def test_what_a_plugin_dealt_with_is_not_done_again(self, yard_with):
        calls = Calls()
        calls.fails |= {"first": StepFailed("Not here."), "last": StepFailed("No luck.")}

        def do(input, tools):
            try:
                tools.step("first", calls("first"))
            except StepFailed:
                tools.step("instead", calls("instead"))
            tools.step("last", calls("last"))

        yard = await yard_with(Kind(do))
        run_id = await yard.start()
        await self.fail(yard, run_id)
        calls.fails.clear()
        await yard.control.retry(ADA, run_id)
        async with yard.working():
            assert (await yard.done(run_id)).state == "succeeded"
        assert calls.counts() == {"first": 1, "instead": 1, "last": 2}

    async def test_of_an_error_that_is_no_step_s_the_first_bad_step_is_done_again(self, yard_with):
        calls = Calls()
        calls.fails["make"] = StepFailed("No luck.")

        def do(input, tools):
            try:
                tools.step("make", calls("make"))
            except StepFailed as error:
                tools.step("clean", calls("clean"))
                raise StepFailed("It could not be deployed.") from error

        yard = await yard_with(Kind(do))
        run_id = await yard.start()
        await self.fail(yard, run_id)
        calls.fails.clear()
        await yard.control.retry(ADA, run_id)
        async with yard.working():
            assert (await yard.done(run_id)).state == "succeeded"
        assert calls.counts() == {"make": 2, "clean": 1}
        # Not come by this time.
        assert await yard.steps(run_id) == [("make", "succeeded", 2), ("clean", "skipped", 2)]

    async def test_a_wait_that_was_in_vain_waits_anew(self, yard_with):
        def do(input, tools):
            return tools.wait_for("go", seconds=0.05 if input.get("short") else 60)

        yard = await yard_with(Kind(do))
        run_id = await yard.start(input={"short": True})
        assert (await self.fail(yard, run_id)).error.code == "timed-out"
        await yard.control.retry(ADA, run_id, input={})
        async with yard.working():
            await yard.waits(run_id)
            await yard.control.signal(ADA, run_id, "go", 7)
            assert (await yard.done(run_id)).output == {"found": 7}

    async def test_one_wait_in_vain_that_was_meant_to_be_stays_so(self, yard_with):
        calls = Calls()
        calls.fails["make"] = StepFailed("No luck.")

        def do(input, tools):
            try:
                tools.wait_for("nudge", seconds=0.05)
            except TimedOut:
                tools.step("make", calls("make"))

        yard = await yard_with(Kind(do))
        run_id = await yard.start()
        await self.fail(yard, run_id)
        calls.fails.clear()
        await yard.control.retry(ADA, run_id)
        async with yard.working():
            assert (await yard.done(run_id)).state == "succeeded"
        assert await yard.steps(run_id) == [
            ("wait:nudge", "succeeded", 1),
            ("make", "succeeded", 2),
        ]

    async def test_again_and_again(self, yard_with):
        calls = Calls()
        calls.fails["two"] = StepFailed("No luck.")
        yard = await yard_with(self.three(calls))
        run_id = await yard.start()
        await self.fail(yard, run_id)
        for _ in range(3):
            await yard.control.retry(ADA, run_id)
            await self.fail(yard, run_id)
        assert calls.counts() == {"one": 1, "two": 4}
        assert (await yard.steps(run_id))[1] == ("two", "failed", 4)

    async def test_one_that_workers_died_on_gets_all_its_chances_again(self, yard_with):
        yard = await yard_with(Kind(lambda input, tools: 1))
        run_id = await yard.start()
        await yard.execute(update(RUNS).values(crashes=5))
        assert (await self.fail(yard, run_id)).error.code == "poisoned"
        await yard.control.retry(ADA, run_id)
        async with yard.working():
            assert (await yard.done(run_id)).state == "succeeded"

    async def test_a_deadline_that_is_over_is_set_anew(self, yard_with):
        calls = Calls()
        calls.fails["two"] = StepFailed("No luck.")
        yard = await yard_with(self.three(calls))
        run_id = await yard.start()
        await self.fail(yard, run_id)
        calls.fails.clear()
        hour = timedelta(hours=1)
        await yard.execute(
            update(RUNS).values(created_at=func.now() - 3 * hour, deadline=func.now() - 2 * hour)
        )
        await yard.control.retry(ADA, run_id)
        async with yard.working():
            info = await yard.done(run_id)
        row = await yard.row(run_id)
        assert info.state == "succeeded"
        assert timedelta(0) < row["deadline"] - row["finished_at"] < hour

    async def test_what_is_open_or_has_succeeded_or_is_another_s_is_refused(self, yard_with):
        calls = Calls()
        calls.fails["two"] = StepFailed("No luck.")
        yard = await yard_with(self.three(calls))
        run_id = await yard.start()
        with pytest.raises(Conflict, match="is queued"):
            await yard.control.retry(ADA, run_id)
        await self.fail(yard, run_id)
        with pytest.raises(NotFound):
            await yard.control.retry(BOB, run_id)
        with pytest.raises(Forbidden, match="runs:write"):
            await yard.control.retry(LOOKER, run_id)
        yard.rules.refused.add("run:retry")
        with pytest.raises(Forbidden, match="not so"):
            await yard.control.retry(ADA, run_id)
        yard.rules.refused.clear()
        calls.fails.clear()
        await yard.control.retry(ADMIN, run_id)
        async with yard.working():
            info = await yard.done(run_id)
        # Whoever takes it up: it acts with the rights of the one who started it.
        assert (info.state, info.created_by) == ("succeeded", "towpath/ada")
        with pytest.raises(Conflict, match="has succeeded"):
            await yard.control.retry(ADA, run_id)

    async def test_of_two_who_take_it_up_at_once_one_does(self, yard_with):
        calls = Calls()
        calls.fails["two"] = StepFailed("No luck.")
        yard = await yard_with(self.three(calls))
        run_id = await yard.start()
        await self.fail(yard, run_id)
        retries = (yard.control.retry(ADA, run_id) for _ in range(4))
        found = await asyncio.gather(*retries, return_exceptions=True)
        assert sum(isinstance(one, Conflict) for one in found) == 3

    async def test_a_repeated_request_takes_it_up_once(self, yard_with):
        calls = Calls()
        calls.fails["two"] = StepFailed("No luck.")
        yard = await yard_with(self.three(calls))
        run_id = await yard.start()
        await self.fail(yard, run_id)
        await yard.control.retry(ADA, run_id, key="k")
        await self.fail(yard, run_id)
        assert (await yard.control.retry(ADA, run_id, key="k")).state == "failed"
        with pytest.raises(IdempotencyMismatch):
            await yard.control.retry(ADA, run_id, input={"n": 3}, key="k")
        assert calls.counts()["two"] == 2


class TestUnknown:
    async def unknown(self, yard, calls, run_id):
        async with yard.working():
            info = await yard.done(run_id)
        assert info.state == "unknown"
        return info

    def kind(self, calls, **options):
        """A run in whose second step a worker seems to have died."""

        def do(input, tools):
            tools.step("one", calls("one"))
            if not calls.keys.get("lost"):
                calls("lost")(tools)
                tools.wait_for("die")
            found = tools.step("make", calls("make", 1), **options)
            return tools.step("end", calls("end", found))

        return Kind(do)

    async def lost(self, yard, calls):
        run_id = await yard.start()
        async with yard.working():
            await yard.waits(run_id)
        # What a worker leaves that is killed in the step `make`.
        await yard.execute(
            update(STEPS).where(STEPS.c.seq == 2).values(key="make", name="make", wait=None)
        )
        await yard.execute(update(STEPS).where(STEPS.c.seq == 2).values(state="running"))
        change = update(RUNS).values(state="running", attempt=RUNS.c.attempt)
        await yard.execute(change)
        await self.unknown(yard, calls, run_id)
        return run_id

    async def test_what_happened_is_recorded_and_not_done_again(self, yard_with):
        calls = Calls()
        yard = await yard_with(self.kind(calls, repeatable=False))
        run_id = await self.lost(yard, calls)
        info = await yard.control.resolve(
            ADA, run_id, happened=True, output={"id": 7}, reason="I saw it."
        )
        assert info.state == "queued"
        async with yard.working():
            info = await yard.done(run_id)
        assert info.state == "succeeded"
        assert calls.counts() == {"one": 1, "lost": 1, "end": 1}
        (told,) = await yard.events(run_id, "decision")
        assert told == {
            "decision": "resolve",
            "by": "user:default/ada",
            "reason": "I saw it.",
            "step": "make",
            "happened": True,
        }
        (row,) = await yard.audit("runs:resolve")
        assert row["detail"]["step"] == "make"

    async def test_what_did_not_happen_is_done(self, yard_with):
        calls = Calls()
        asked = []

        def observe(tools):
            asked.append(tools.key)

        yard = await yard_with(self.kind(calls, repeatable=False, observe=observe))
        run_id = await self.lost(yard, calls)
        await yard.control.resolve(ADA, run_id, happened=False, reason="It is not there.")
        async with yard.working():
            assert (await yard.done(run_id)).state == "succeeded"
        assert calls.keys["make"] == [f"{run_id}:2"]
        assert len(asked) == 1

    async def test_to_take_it_up_again_repeats_nothing_blindly(self, yard_with):
        calls = Calls()
        yard = await yard_with(self.kind(calls, repeatable=False))
        run_id = await self.lost(yard, calls)
        await yard.control.retry(ADA, run_id)
        await self.unknown(yard, calls, run_id)
        assert "make" not in calls.keys

    async def test_to_take_it_up_again_looks_first(self, yard_with):
        calls = Calls()
        seen = [None, Observed(True, 5)]
        options = {"repeatable": False, "observe": lambda tools: seen.pop(0)}
        yard = await yard_with(self.kind(calls, **options))
        run_id = await self.lost(yard, calls)
        await yard.control.retry(ADA, run_id)
        async with yard.working():
            assert (await yard.done(run_id)).state == "succeeded"
        assert "make" not in calls.keys

    async def test_only_what_is_unknown_can_be_resolved_with_a_reason(self, yard_with):
        calls = Calls()
        yard = await yard_with(self.kind(calls, repeatable=False))
        run_id = await self.lost(yard, calls)
        with pytest.raises(Invalid):
            await yard.control.resolve(ADA, run_id, happened=True, reason=" ")
        with pytest.raises(NotFound):
            await yard.control.resolve(BOB, run_id, happened=True, reason="x")
        with pytest.raises(Forbidden):
            await yard.control.resolve(LOOKER, run_id, happened=True, reason="x")
        await yard.control.resolve(ADA, run_id, happened=True, reason="x")
        with pytest.raises(Conflict, match="is queued"):
            await yard.control.resolve(ADA, run_id, happened=True, reason="x")


class TestSignals:
    def twice(self):
        return Kind(lambda input, tools: [tools.wait_for("go"), tools.wait_for("go")])

    async def test_they_are_taken_in_order_each_once(self, yard_with):
        yard = await yard_with(self.twice())
        run_id = await yard.start()
        await yard.control.signal(ADA, run_id, "go", {"n": 1})
        await yard.control.signal(ADA, run_id, "other")
        async with yard.working():
            await yard.waits(run_id, "wait:go#2")
            await yard.control.signal(ADA, run_id, "go", {"n": 2})
            info = await yard.done(run_id)
        assert info.output == {"found": [{"n": 1}, {"n": 2}]}
        assert [row["name"] for row in await yard.rows(SIGNALS)] == ["other"]
        assert len(await yard.audit("runs:signal")) == 3

    async def test_they_are_bounded(self, yard_with):
        yard = await yard_with(self.twice())
        run_id = await yard.start()
        with pytest.raises(Invalid, match="bytes"):
            await yard.control.signal(ADA, run_id, "go", "x" * 70_000)
        for name in ("", "a\nb", "x" * 300):
            with pytest.raises(Invalid, match="name"):
                await yard.control.signal(ADA, run_id, name)
        many = text(
            "INSERT INTO run_signals (run_id, name, by, at) SELECT :run, 'go', 'x', now() "
            "FROM generate_series(1, 99)"
        )
        await yard.execute(many.bindparams(run=run_id))
        await yard.control.signal(ADA, run_id, "go")
        with pytest.raises(LimitExceeded):
            await yard.control.signal(ADA, run_id, "go")

    async def test_they_are_for_who_may_act_on_a_run_that_is_open(self, yard_with):
        yard = await yard_with(self.twice())
        run_id = await yard.start()
        with pytest.raises(NotFound):
            await yard.control.signal(BOB, run_id, "go")
        with pytest.raises(Forbidden):
            await yard.control.signal(LOOKER, run_id, "go")
        await yard.control.signal(ADA, run_id, "go", key="k")
        await yard.control.signal(ADA, run_id, "go", key="k")
        assert len(await yard.rows(SIGNALS)) == 1
        await yard.control.cancel(ADA, run_id)
        with pytest.raises(Conflict, match="has ended"):
            await yard.control.signal(ADA, run_id, "go")

    async def test_one_that_comes_too_late_does_not_bring_back_the_wait(self, yard_with):
        def do(input, tools):
            try:
                tools.wait_for("go", seconds=3600)
            except TimedOut:
                return tools.wait_for("go")

        yard = await yard_with(Kind(do))
        run_id = await yard.start()
        async with yard.working():
            step = await yard.waits(run_id)
        past = {**step["wait"], "until": "2020-01-01T00:00:00Z"}
        await yard.execute(update(STEPS).values(wait=past))
        await yard.control.signal(ADA, run_id, "go", "late")
        assert await yard.state(run_id) == "waiting"
        # Its job is an hour away; without it the run is found, and due.
        await yard.execute(text("DELETE FROM procrastinate_jobs"))
        await yard.execute(update(RUNS).values(wake_at=func.now()))
        async with yard.working():
            info = await yard.done(run_id)
        assert info.output == {"found": "late"}


async def test_a_key_is_given_back_by_one_that_is_stopped_and_taken_again(yard_with):
    calls = Calls()
    calls.fails["make"] = StepFailed("No luck.")
    yard = await yard_with(Kind(lambda input, tools: tools.step("make", calls("make"))))
    terms = Terms(key="crane")
    first = await yard.start(terms=terms)
    async with yard.working():
        await yard.done(first)
        calls.fails.clear()
        assert not (await yard.row(first))["holds_key"]
        await yard.control.retry(ADA, first)
        assert (await yard.done(first)).state == "succeeded"
        assert (await yard.done(await yard.start(terms=terms))).state == "succeeded"
