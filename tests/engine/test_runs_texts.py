"""What plugin code says of a run is stored so that it can be shown: whole, short, no secret."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack

import pytest
from engine_kit import ADA, BOB, Kind
from run_kit import yard_of

from towpath_core.errors import StepFailed
from towpath_core.runs import Undo
from towpath_engine.runs.listing import RunFilter
from towpath_engine.runs.tables import EVENTS, RUNS, STEPS, UNDOS

pytestmark = pytest.mark.anyio

NOT_UTF8 = b"caf\xe9.txt".decode("utf-8", "surrogateescape")
CANARY = "canary-4711"


@pytest.fixture
async def yard_with(engine_url, tmp_path):
    """Opens a yard with one kind of run; closed at the end of the test."""
    async with AsyncExitStack() as stack:

        async def make(do):
            return await stack.enter_async_context(yard_of(engine_url, tmp_path / "home", Kind(do)))

        yield make


async def test_the_name_of_a_file_that_is_not_utf8_fails_nothing(yard_with):
    yard = await yard_with(lambda input, tools: tools.log(f"Read {NOT_UTF8}\0") or {})
    run_id = await yard.start()
    async with yard.working():
        info = await yard.done(run_id)
    assert info.state == "succeeded", info.error
    (line,) = await yard.events(run_id, "log")
    assert line["message"] == "Read caf?.txt\ufffd"


class Unshowable:
    def __str__(self):
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (StepFailed(f"No {NOT_UTF8}\0", why=NOT_UTF8, next=NOT_UTF8), "No caf?.txt\ufffd"),
        (StepFailed(ValueError("7 is odd")), "7 is odd"),
        (StepFailed("x" * 5_000_000), f"{'x' * 10_000}... (5000000 characters)"),
        (StepFailed(Unshowable()), "Something went wrong that should not have."),
    ],
    ids=["not-utf8", "no-text", "long", "unshowable"],
)
async def test_a_run_fails_with_the_error_that_was_raised(yard_with, error, told):
    """One that cannot be written would have worker after worker try it, and give it up then."""

    def do(input, tools):
        def fail(tools):
            raise error

        tools.step("it", fail)

    yard = await yard_with(do)
    run_id = await yard.start()
    async with yard.working():
        info = await yard.done(run_id)
    (step,) = await yard.runs.steps(ADA, run_id)
    assert (info.state, info.attempt) == ("failed", 1)
    assert (step.state, step.error.message) == ("failed", told)


async def test_what_a_question_is_about_may_be_any_text(yard_with):
    subject = {"file\0": ["a\0b"]}

    def do(input, tools):
        given = tools.approval("q", "Is \0 right?", approvers=["user:default/bob"], subject=subject)
        return {"by": given.by}

    yard = await yard_with(do)
    run_id = await yard.start()
    async with yard.working():
        await yard.waits(run_id)
        (asked,) = await yard.runs.list(BOB, RunFilter(asks_approval=True))
        await yard.platform.approvals.approve(BOB, run_id, reason="yes")
        info = await yard.done(run_id)
    assert asked.waits[0].subject == {"file\ufffd": ["a\ufffdb"]}
    assert info.output == {"by": "user:default/bob"}


async def test_a_long_question_is_cut(yard_with):
    yard = await yard_with(lambda input, tools: tools.approval("q", "x" * 5_000_000))
    run_id = await yard.start()
    async with yard.working():
        step = await yard.waits(run_id)
    assert step["name"] == step["wait"]["question"] == f"{'x' * 10_000}... (5000000 characters)"


async def test_secrets_are_in_no_name_and_no_question(yard_with, capfd):
    def do(input, tools):
        tools.step(f"use {CANARY}", lambda tools: None, undo=Undo(f"un {CANARY}", {}))
        tools.step(f"use {CANARY}", lambda tools: tools.undo(CANARY, {"of": CANARY}))
        tools.emit(f"acme:{CANARY}", {})
        tools.approval(f"q-{CANARY}", f"Use {CANARY}?", approvers=["user:default/bob"])

    yard = await yard_with(do)
    run_id = await yard.start(secrets={"TOKEN": CANARY})
    async with yard.working():
        step = await yard.waits(run_id)
    assert (step["key"], step["name"]) == ("approval:q-***", "Use ***?")
    (info,) = await yard.runs.list(ADA)
    assert info.waits[0].question == "Use ***?"
    tables = [await yard.rows(table) for table in (RUNS, STEPS, EVENTS, UNDOS)]
    assert CANARY not in json.dumps([[dict(row) for row in rows] for rows in tables], default=str)
    assert [key for key, _, _ in await yard.steps(run_id)][:2] == ["use ***", "use ***#2"]


@pytest.mark.parametrize(("first", "then"), [("base", "other"), ("other", "base"), ("base", "use")])
async def test_a_part_is_the_same_whatever_secret_stands_in_its_name(yard_with, first, then):
    """A secret may be any word, and another when the run is taken up again."""
    done = []

    def do(input, tools):
        for name in ("make database", "use database", "use database"):
            tools.step(name, lambda tools: done.append(tools.key))
        if tools.secret("TOKEN").reveal() == first:
            raise StepFailed("The password is wrong.")

    yard = await yard_with(do)
    run_id = await yard.start(secrets={"TOKEN": first})
    async with yard.working():
        await yard.done(run_id)
        await yard.control.retry(ADA, run_id, secrets={"TOKEN": then})
        info = await yard.done(run_id)
    assert (info.state, info.attempt) == ("succeeded", 2)
    assert done == [f"{run_id}:{seq}" for seq in (1, 2, 3)]


async def test_secrets_are_not_in_the_worker_s_log(yard_with, capfd):
    def do(input, tools):
        tools.step("use", lambda tools: int(CANARY))

    yard = await yard_with(do)
    run_id = await yard.start(secrets={"TOKEN": CANARY})
    async with yard.working():
        await yard.done(run_id)
    said = "".join(capfd.readouterr())
    assert "invalid literal for int() with base 10: '***'" in said
    assert CANARY not in said
