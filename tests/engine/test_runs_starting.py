"""The one door that runs come in by: of people, schedules and other runs."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from uuid import uuid4

import msgspec
import pytest
from engine_kit import ADA, ADMIN, BOB, DictSource, Kind, principal
from run_kit import Calls, yard_of
from scaffold_kit import TestAction, registered

from towpath_core.errors import Forbidden, Invalid, LimitExceeded, NotFound, StepFailed
from towpath_core.identity import Principal
from towpath_engine.idempotency import IdempotencyMismatch
from towpath_engine.runs.tables import RUNS
from towpath_engine.runs.terms import Terms

pytestmark = pytest.mark.anyio

SCHEMA = {
    "type": "object",
    "required": ["system"],
    "properties": {
        "system": {"type": "string", "maxLength": 20},
        "size": {"type": "integer", "default": 3},
    },
    "additionalProperties": False,
}


def echo(input, tools):
    return {"input": input}


@pytest.fixture
async def yard_with(engine_url, tmp_path):
    async with AsyncExitStack() as stack:

        async def make(*kinds, **offered):
            yard = yard_of(engine_url, tmp_path / "home", *kinds, **offered)
            return await stack.enter_async_context(yard)

        yield make


async def test_a_run_is_accepted_with_its_defaults_and_on_its_terms(yard_with):
    yard = await yard_with(Kind(echo, schema=SCHEMA, queue="slow"))
    terms = Terms(priority=7, key="crane")
    run_id = await yard.start(input={"system": "gate"}, title="Turn it", terms=terms)
    row = await yard.row(run_id)
    assert row["input"] == {"size": 3, "system": "gate"}
    assert (row["title"], row["queue"], row["priority"]) == ("Turn it", "slow", 7)
    assert (row["concurrency_key"], row["created_by"]) == ("crane", "towpath/ada")
    assert (await yard.row(await yard.start(input={"system": "x"})))["title"] == "A kind"
    other = await yard.start(input={"system": "x"}, terms=Terms(queue="fast"))
    assert (await yard.row(other))["queue"] == "fast"
    asked = [one for one in yard.rules.asked if one[0] == "run:start"]
    assert asked[0] == ("run:start", "acme", {"input": {"size": 3, "system": "gate"}})
    assert len(await yard.audit("run:start")) == 3


@pytest.mark.parametrize(
    ("input", "options", "error"),
    [
        ({}, {}, "system"),
        ({"system": 1}, {}, "/input/system"),
        ({"system": "a", "more": 1}, {}, "more"),
        ({"system": "a"}, {"title": "a\nb"}, "title"),
        ({"system": "a"}, {"title": "x" * 301}, "title"),
        ({"system": "a"}, {"terms": Terms(key="resource:1")}, "concurrency key"),
        ({"system": "a"}, {"terms": Terms(key="schedule:1")}, "concurrency key"),
        ({"system": "a"}, {"secrets": {"x": "y" * 300_000}}, "secrets"),
        ({"system": "a"}, {"secrets": {"a\nb": "y"}}, "secrets"),
    ],
)
async def test_what_does_not_fit_is_refused(yard_with, input, options, error):
    yard = await yard_with(Kind(echo, schema=SCHEMA))
    with pytest.raises(Invalid, match=error):
        await yard.start(input=input, **options)
    assert await yard.rows(RUNS) == []


async def test_rights_are_asked_for_first(yard_with):
    yard = await yard_with(Kind(echo))
    with pytest.raises(Forbidden, match="runs:write"):
        await yard.start(who=principal("ada", scopes=["runs:read", "scaffold:run"]))
    with pytest.raises(NotFound, match="unheard-of"):
        await yard.start("unheard-of")
    yard.rules.refused = {"run:start"}
    with pytest.raises(Forbidden, match="not so"):
        await yard.start()
    assert await yard.rows(RUNS) == []


async def test_a_request_that_is_sent_again_gives_the_same_run(yard_with):
    yard = await yard_with(Kind(echo))
    first = await yard.start(input={"n": 1}, key="k")
    assert await yard.start(input={"n": 1}, key="k") == first
    with pytest.raises(IdempotencyMismatch):
        await yard.start(input={"n": 2}, key="k")
    assert await yard.start(input={"n": 1}, key="k", who=BOB) != first
    assert len(await yard.rows(RUNS)) == 2


async def test_with_an_id_of_one_s_own_it_is_accepted_once(yard_with):
    yard = await yard_with(Kind(echo))
    run_id = uuid4()

    async def accept():
        async with yard.platform.database.begin() as transaction:
            return await yard.platform.starters.accept(
                transaction, ADA, "acme", {}, terms=Terms(id=run_id)
            )

    assert set(await asyncio.gather(*(accept() for _ in range(5)))) == {run_id}
    assert len(await yard.rows(RUNS)) == 1
    assert len(await yard.audit("run:start")) == 1


async def test_kinds_are_listed_for_who_may_start_them(yard_with):
    yard = await yard_with(Kind(echo, name="zeal", queue="slow", schema=SCHEMA), Kind(echo))
    kinds = yard.platform.starters.kinds
    assert [kind.name for kind in kinds(ADA)] == ["acme", "scaffold", "zeal"]
    assert kinds(ADA)[2].input_schema == SCHEMA
    assert kinds(ADA)[2].queue == "slow"
    assert [k.name for k in kinds(principal("x", scopes=["scaffold:run"]))] == ["scaffold"]
    assert kinds(principal("x", scopes=["runs:read"])) == []
    assert [kind.name for kind in kinds(ADMIN)] == ["acme", "scaffold", "zeal"]


class TestChildren:
    async def test_a_child_has_its_parent_s_rights_and_urgency(self, yard_with):
        parent = Kind(lambda input, tools: tools.child("c", "child", {"x": 1}, secrets={"T": "s"}))
        child = Kind(lambda input, tools: {"is": tools.secret("T").name}, name="child")
        yard = await yard_with(parent, child)
        run_id = await yard.start(terms=Terms(priority=9))
        async with yard.working():
            info = await yard.done(run_id)
        assert info.output == {"is": "T"}
        (row,) = await yard.rows(RUNS, RUNS.c.parent_id == run_id)
        assert (row["priority"], row["created_by"], row["parent_step"]) == (9, "towpath/ada", "c")
        rows = (row, await yard.row(run_id))
        rights = [msgspec.convert(one["principal"], Principal) for one in rows]
        assert rights[0] == rights[1]

    async def test_what_the_parent_may_not_start_fails_it(self, yard_with):
        yard = await yard_with(
            Kind(lambda input, tools: tools.child("c", input["kind"], input["input"])),
            Kind(echo, name="child", schema=SCHEMA),
        )
        async with yard.working():
            for kind, input, code in (
                ("unheard-of", {}, "not-found"),
                ("child", {"system": 1}, "invalid"),
            ):
                run_id = await yard.start(input={"kind": kind, "input": input})
                assert (await yard.done(run_id)).error.code == code
            run_id = await yard.start(input={"kind": "child", "input": {"system": "a"}})
            yard.rules.refused = {"run:start"}
            assert (await yard.done(run_id)).error.code == "forbidden"

    async def test_a_run_that_starts_its_like_comes_to_an_end(self, yard_with):
        calls = Calls()

        def do(input, tools):
            calls("begun")(tools)
            return tools.child("c", "acme", {})

        yard = await yard_with(Kind(do))
        run_id = await yard.start()
        async with yard.working():
            info = await yard.done(run_id)
        assert info.state == "failed"
        rows = await yard.rows(RUNS)
        assert len(rows) == 8
        assert {row["state"] for row in rows} == {"failed"}
        assert "limit-exceeded" in {row["error"]["code"] for row in rows}

    async def test_a_worker_that_was_paused_starts_none(self, yard_with):
        """Its fence is gone when it wakes up; its child would have nobody that waits for it."""
        yard = await yard_with(Kind(echo), Kind(echo, name="child"))
        run_id = await yard.start()
        from towpath_engine.runs.beginning import begin_attempt
        from towpath_engine.runs.children import Children
        from towpath_engine.runs.context import RunContext
        from towpath_engine.runs.journal import FenceLost

        database = yard.platform.database
        made = []
        for _ in range(2):
            async with database.begin() as transaction:
                row = await begin_attempt(transaction, run_id, 1)
            made.append(RunContext(database, row, {}, {}))
        children = Children(database, yard.platform.starters, yard.control)
        with pytest.raises(FenceLost):
            await children.start_child(made[0], "c", "child", {}, None)
        child = await children.start_child(made[1], "c", "child", {}, None)
        assert await children.start_child(made[1], "c", "child", {}, None) == child
        assert len(await yard.rows(RUNS)) == 2

    async def test_they_are_not_without_number(self, yard_with, monkeypatch):
        monkeypatch.setattr("towpath_engine.runs.children._MOST_FAMILY", 3)

        def do(input, tools):
            for number in range(5):
                tools.child(f"c{number}", "child", {})

        yard = await yard_with(Kind(do), Kind(echo, name="child"))
        run_id = await yard.start()
        async with yard.working():
            info = await yard.done(run_id)
        assert info.error.code == LimitExceeded.code
        assert len(await yard.rows(RUNS)) == 4


class TestGoldenPaths:
    @pytest.fixture
    async def yard(self, yard_with, tmp_path):
        source, self.calls = DictSource({}), Calls()
        self.act = TestAction("test:act", lambda input, context: self.do(input, context))
        self.write = TestAction("test:write", self.line, effect="workspace")
        yard = await yard_with(
            Kind(lambda input, tools: tools.child("path", "scaffold", input)),
            actions=[self.act, self.write],
            sources=[source],
            installed=["backstage"],
        )
        self.fails = set()
        parameters = {"required": ["name"], "properties": {"name": {"type": "string"}}}
        self.ref = await registered(
            yard.platform,
            source,
            ADA,
            parameters=[parameters],
            steps=[
                {"id": "one", "action": "test:write", "input": {"line": "one"}},
                {"id": "two", "action": "test:act", "input": {"n": "${{ parameters.name }}"}},
                {"id": "three", "action": "test:write", "input": {"line": "three"}},
            ],
            output={"name": "${{ steps.two.output.n }}", "lines": "${{ steps.three.output.all }}"},
        )
        self.home = tmp_path / "home" / "workspaces"
        return yard

    def do(self, input, context):
        if input["n"] in self.fails:
            raise StepFailed("No luck.")
        return {"n": input["n"]}

    def line(self, input, context):
        file = context.workspace / "lines"
        with file.open("a") as handle:
            handle.write(input["line"] + " ")
        return {"all": file.read_text()}

    async def test_one_is_started_as_any_other_run(self, yard):
        run_id = await yard.start("scaffold", {"template": "t", "values": {"name": "gate"}})
        assert (await yard.row(run_id))["queue"] == "scaffold"
        async with yard.working():
            info = await yard.done(run_id)
        assert info.output == {"name": "gate", "lines": "one three "}
        with pytest.raises(Invalid, match="name"):
            await yard.start("scaffold", {"template": "t", "values": {"name": 1}})
        with pytest.raises(Invalid):
            await yard.start("scaffold", {"values": {}})
        with pytest.raises(NotFound):
            await yard.start("scaffold", {"template": "nothing"})

    async def test_one_may_be_a_child(self, yard):
        run_id = await yard.start(input={"template": "t", "values": {"name": "gate"}})
        async with yard.working():
            assert (await yard.done(run_id)).output["name"] == "gate"

    async def test_one_goes_on_with_other_values_and_its_files(self, yard):
        self.fails = {"bad"}
        run_id = await yard.start("scaffold", {"template": "t", "values": {"name": "bad"}})
        async with yard.working():
            assert (await yard.done(run_id)).state == "failed"
            with pytest.raises(Invalid, match="name"):
                await yard.control.retry(ADA, run_id, input={"values": {"name": 1}})
            with pytest.raises(Invalid, match="one of"):
                await yard.control.retry(ADA, run_id, input={"template": "other", "values": {}})
            await yard.control.retry(ADA, run_id, input={"values": {"name": "good"}})
            info = await yard.done(run_id)
        assert (info.state, info.output) == ("succeeded", {"name": "good", "lines": "one three "})
        assert [call["line"] for call in self.write.calls] == ["one", "three"]
        assert self.act.keys == [f"{run_id}:2"] * 2
        assert not list(self.home.iterdir())

    async def test_where_its_files_are_gone_they_are_made_again(self, yard):
        self.fails = {"bad"}
        run_id = await yard.start("scaffold", {"template": "t", "values": {"name": "bad"}})
        async with yard.working():
            await yard.done(run_id)
            import shutil

            shutil.rmtree(self.home / str(run_id))
            self.fails = set()
            await yard.control.retry(ADA, run_id)
            info = await yard.done(run_id)
        assert info.output["lines"] == "one three "
        assert [call["line"] for call in self.write.calls] == ["one", "one", "three"]

    async def test_files_of_what_has_ended_long_ago_are_removed(self, yard):
        import os

        from sqlalchemy import func, update

        from towpath_engine.scaffolding.tidying import Tidying

        self.fails = {"bad"}
        ids = [
            await yard.start("scaffold", {"template": "t", "values": {"name": "bad"}})
            for _ in range(2)
        ]
        async with yard.working():
            for run_id in ids:
                await yard.done(run_id)
        strange = self.home / "notes"
        strange.mkdir()
        unknown = self.home / str(uuid4())
        unknown.mkdir()
        week = func.make_interval(0, 0, 1)
        await yard.execute(
            update(RUNS).where(RUNS.c.id == ids[0]).values(finished_at=func.now() - week)
        )
        tidying = Tidying(yard.platform.database, self.home, pause_seconds=0.0)
        await tidying.tick()
        assert len(list(self.home.iterdir())) == 4
        for folder in self.home.iterdir():
            os.utime(folder, (1, 1))
        await tidying.tick()
        assert sorted(f.name for f in self.home.iterdir()) == sorted([str(ids[1]), "notes"])
        # What was set aside and not removed is, next time.
        (self.home / "gone-x").mkdir()
        os.utime(self.home / "gone-x", (1, 1))
        await tidying.tick()
        assert not (self.home / "gone-x").exists()
