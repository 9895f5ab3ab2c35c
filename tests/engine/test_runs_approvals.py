"""Yes and no to runs that ask: by whom, once, in time, with a reason."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
from engine_kit import ADA, ADMIN, BOB, Kind, principal, until
from msgspec.structs import replace
from run_kit import Calls, yard_of
from sqlalchemy import update

from towpath_core.errors import Conflict, Forbidden, Invalid, NotFound
from towpath_core.runs import Rejected
from towpath_engine.runs.approvals import Approvals
from towpath_engine.runs.tables import STEPS

pytestmark = pytest.mark.anyio

OPS = ["group:default/ops", "user:default/Bob"]
EVE = principal("eve", groups=["group:default/ops"])
SAM = principal("sam")


def ask(input, tools):
    yes = tools.approval("size", "So large?", approvers=OPS, subject={"gigabytes": 50})
    return {"by": yes.by, "reason": yes.reason}


@pytest.fixture
async def yard_with(engine_url, tmp_path):
    async with AsyncExitStack() as stack:

        async def make(*kinds):
            yard = await stack.enter_async_context(yard_of(engine_url, tmp_path / "home", *kinds))
            yard.approvals = yard.platform.approvals
            return yard

        yield make


@pytest.fixture
async def asking(yard_with):
    """A yard with a run of Ada's that asks the group ops and Bob, and no worker."""
    yard = await yard_with(Kind(ask))
    yard.run_id = await yard.start()
    async with yard.working():
        await yard.waits(yard.run_id)
    return yard


@pytest.mark.parametrize("who", [EVE, BOB, ADMIN], ids=["by group", "by name", "administrator"])
async def test_a_yes_lets_the_run_go_on(asking, who):
    info = await asking.approvals.approve(who, asking.run_id, reason="It is needed.")
    assert info.state == "queued"
    async with asking.working():
        info = await asking.done(asking.run_id)
    assert info.output == {"by": who.entity_ref, "reason": "It is needed."}
    told = {
        "decision": "approved",
        "by": who.entity_ref,
        "reason": "It is needed.",
        "step": "approval:size",
    }
    assert await asking.events(asking.run_id, "decision") == [told]
    (row,) = await asking.audit("runs:approve")
    assert row["actor"] == f"towpath/{who.subject}"
    assert row["detail"]["question"] == "So large?"
    assert len(row["detail"]["subject"]) == 64
    states = ["queued", "running", "waiting", "queued", "running", "succeeded"]
    assert await asking.states(asking.run_id) == states


async def test_a_no_is_told_with_its_reason(asking):
    with pytest.raises(Invalid):
        await asking.approvals.reject(BOB, asking.run_id, reason=" ")
    await asking.approvals.reject(BOB, asking.run_id, reason="Too dear.")
    async with asking.working():
        info = await asking.done(asking.run_id)
    assert (info.state, info.error.code, info.error.why) == ("failed", "rejected", "Too dear.")
    assert len(await asking.audit("runs:reject")) == 1


async def test_nobody_answers_an_own_run_by_whatever_name(yard_with):
    everybody = ["user:default/ada", "group:default/a-team"]
    yard = await yard_with(
        Kind(lambda input, tools: tools.approval("x", "Sure?", approvers=everybody).by)
    )
    run_id = await yard.start()
    rooted = await yard.start(who=ADMIN)
    async with yard.working():
        await yard.waits(run_id)
        await yard.waits(rooted)
    other_token = replace(ADA, token_id="another", scopes=frozenset({"platform:admin"}))
    elsewhere = replace(ADA, issuer="https://login.example.com", subject="4711")
    for who in (ADA, other_token, elsewhere):
        with pytest.raises(Forbidden, match="started"):
            await yard.approvals.approve(who, run_id)
    with pytest.raises(Forbidden, match="started"):
        await yard.approvals.approve(ADMIN, rooted)
    assert await yard.state(run_id) == "waiting"
    # One of the same group is somebody else.
    friend = principal("zoe", groups=["group:default/a-team"])
    await yard.approvals.approve(friend, run_id)


async def test_who_had_it_go_on_with_something_else_does_not_answer_either(yard_with):
    calls = Calls()
    calls.fails["make"] = Rejected("No luck.")

    def do(input, tools):
        tools.step("make", calls("make"))
        return tools.approval("x", "Sure?", approvers=OPS).by

    yard = await yard_with(Kind(do))
    run_id = await yard.start(input={"n": 1})
    async with yard.working():
        await yard.done(run_id)
        calls.fails.clear()
        await yard.control.retry(ADMIN, run_id, input={"n": 100})
        await yard.waits(run_id)
        with pytest.raises(Forbidden, match="taken up again"):
            await yard.approvals.approve(ADMIN, run_id)
        await yard.approvals.approve(BOB, run_id)
        assert (await yard.done(run_id)).state == "succeeded"


async def test_an_operator_may_let_people_answer_themselves_and_a_policy_may_not(yard_with):
    yard = await yard_with(
        Kind(lambda input, tools: tools.approval("x", "?", approvers=["user:default/ada"]).by)
    )
    run_id = await yard.start()
    async with yard.working():
        await yard.waits(run_id)
    lax = Approvals(yard.platform.database, yard.platform.policy, self_approval=True)
    for action in ("run:approve-own", "run:approve"):
        yard.rules.refused = {action}
        with pytest.raises(Forbidden, match="not so"):
            await lax.approve(ADA, run_id)
    yard.rules.refused = set()
    assert (await lax.approve(ADA, run_id)).state == "queued"
    facts = [context for action, _, context in yard.rules.asked if action == "run:approve"]
    assert facts[0]["startedBy"] == "user:default/ada"


async def test_only_who_is_asked_may_answer_and_others_see_nothing(asking):
    with pytest.raises(NotFound):
        await asking.approvals.approve(SAM, asking.run_id)
    with pytest.raises(NotFound):
        await asking.approvals.approve(ADMIN, uuid4())
    with pytest.raises(Forbidden, match="runs:write"):
        looker = replace(BOB, scopes=frozenset({"runs:read"}))
        await asking.approvals.approve(looker, asking.run_id)
    asking.rules.refused = {"run:approve"}
    with pytest.raises(Forbidden, match="not so"):
        await asking.approvals.approve(BOB, asking.run_id)
    assert await asking.state(asking.run_id) == "waiting"


async def test_without_names_it_is_for_administrators(yard_with):
    yard = await yard_with(Kind(lambda input, tools: tools.approval("x", "Sure?").by))
    run_id = await yard.start(who=SAM)
    async with yard.working():
        await until(lambda: yard.waits(run_id))
    with pytest.raises(NotFound):
        await yard.approvals.approve(BOB, run_id)
    assert (await yard.approvals.approve(ADMIN, run_id)).state == "queued"


async def test_the_same_answer_again_changes_nothing_and_another_is_refused(asking):
    approvals, run_id = asking.approvals, asking.run_id
    await approvals.approve(BOB, run_id)
    before = len(await asking.runs.events(ADA, run_id))
    await approvals.approve(BOB, run_id)
    await approvals.approve(EVE, run_id, step="approval:size")
    with pytest.raises(Conflict, match="approved already by user:default/bob"):
        await approvals.reject(EVE, run_id, reason="No.")
    async with asking.working():
        await asking.done(run_id)
    await approvals.approve(BOB, run_id)
    assert len(await asking.audit("runs:approve")) == 1
    assert len(await asking.runs.events(ADA, run_id)) >= before


async def test_of_answers_at_once_one_wins(asking):
    approvals, run_id = asking.approvals, asking.run_id
    answers = [approvals.approve(BOB, run_id), approvals.reject(EVE, run_id, reason="No.")]
    answers += [approvals.reject(ADMIN, run_id, reason="No."), approvals.approve(EVE, run_id)]
    found = await asyncio.gather(*answers, return_exceptions=True)
    assert sum(isinstance(one, Conflict) for one in found) == 2
    assert len(await asking.events(run_id, "decision")) == 1
    async with asking.working():
        info = await asking.done(run_id)
    won = "succeeded" if not isinstance(found[0], Conflict) else "failed"
    assert info.state == won


async def test_when_its_time_is_over_it_cannot_be_answered(asking):
    (step,) = await asking.rows(STEPS)
    past = {**step["wait"], "until": "2020-01-01T00:00:00Z"}
    await asking.execute(update(STEPS).values(wait=past))
    with pytest.raises(Conflict, match="time"):
        await asking.approvals.approve(BOB, asking.run_id)
    assert await asking.state(asking.run_id) == "waiting"


async def test_nobody_answers_in_time(yard_with):
    def do(input, tools):
        return tools.approval("x", "Sure?", approvers=OPS, seconds=0.1).by

    yard = await yard_with(Kind(do))
    run_id = await yard.start()
    async with yard.working():
        info = await yard.done(run_id)
    assert (info.state, info.error.code) == ("failed", "timed-out")
    with pytest.raises(Conflict, match="time"):
        await yard.approvals.approve(BOB, run_id)


async def test_an_answer_that_is_sent_again_does_not_answer_the_next_question(yard_with):
    def do(input, tools):
        tools.approval("one", "One?", approvers=OPS)
        return tools.approval("two", "Two?", approvers=OPS).by

    yard = await yard_with(Kind(do))
    run_id = await yard.start()
    async with yard.working():
        await yard.waits(run_id)
        await yard.approvals.approve(BOB, run_id)
        await yard.waits(run_id, "approval:two")
        with pytest.raises(Conflict, match="approval:two"):
            await yard.approvals.approve(BOB, run_id)
        await yard.approvals.approve(BOB, run_id, step="approval:one")
        assert await yard.state(run_id) == "waiting"
        await yard.approvals.approve(BOB, run_id, step="approval:two")
        assert (await yard.done(run_id)).state == "succeeded"
        with pytest.raises(Conflict, match="'three'"):
            await yard.approvals.approve(BOB, run_id, step="three")


async def test_one_that_asks_nothing_or_was_stopped_cannot_be_answered(yard_with):
    yard = await yard_with(Kind(ask), Kind(lambda input, tools: 1, name="mute"))
    mute = await yard.start("mute")
    with pytest.raises(Conflict, match="asks nothing"):
        await yard.approvals.approve(ADMIN, mute)
    run_id = await yard.start()
    async with yard.working():
        await yard.waits(run_id)
    await yard.control.cancel(ADA, run_id)
    with pytest.raises(Conflict, match="cancelled"):
        await yard.approvals.approve(BOB, run_id)


async def test_a_run_that_was_refused_asks_again_when_it_is_taken_up(asking):
    await asking.approvals.reject(BOB, asking.run_id, reason="Too dear.")
    async with asking.working():
        await asking.done(asking.run_id)
        await asking.control.retry(ADA, asking.run_id, reason="It is cheaper now.")
        await asking.waits(asking.run_id)
        await asking.approvals.approve(BOB, asking.run_id)
        assert (await asking.done(asking.run_id)).state == "succeeded"


@pytest.mark.parametrize("inside", [False, True])
async def test_a_yes_is_to_what_was_asked_and_not_to_another_input(yard_with, inside):
    calls = Calls()
    calls.fails["make"] = Rejected("No luck.")

    def gate(input):
        def work(tools):
            tools.step("before", calls("before"))
            return tools.approval("size", "?", approvers=OPS, subject=dict(input)).by

        return work

    def do(input, tools):
        tools.step("gate", gate(input)) if inside else gate(input)(tools)
        return tools.step("make", calls("make", input["n"]))

    yard = await yard_with(Kind(do))
    run_id = await yard.start(input={"n": 1})
    async with yard.working():
        step = await yard.waits(run_id)
        await yard.approvals.approve(BOB, run_id)
        await yard.done(run_id)
        # The same again needs no other yes.
        await yard.control.retry(ADA, run_id)
        await yard.done(run_id)
        assert len(calls.keys["make"]) == 2
        calls.fails.clear()
        await yard.control.retry(ADA, run_id, input={"n": 1000})
        again = await yard.waits(run_id)
        assert (step["wait"]["subject"], again["wait"]["subject"]) == ({"n": 1}, {"n": 1000})
        await yard.approvals.approve(BOB, run_id)
        assert (await yard.done(run_id)).output == {"found": 1000}
    assert calls.counts() == {"before": 1, "make": 3}
