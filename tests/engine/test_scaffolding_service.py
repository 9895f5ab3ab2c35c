from __future__ import annotations

import asyncio
import time

import pytest
from engine_kit import ADA, BOB, DictSource, Plugin, load_host, platform_of
from scaffold_kit import TestAction, registered
from sqlalchemy import select

from towpath_core.errors import Forbidden, Invalid, NotFound
from towpath_core.policy import Allow, Deny
from towpath_engine.idempotency import IdempotencyMismatch
from towpath_engine.runs.tables import RUNS
from towpath_engine.scaffolding.service import ValuesRefused
from towpath_engine.store.tables import AUDIT

pytestmark = pytest.mark.anyio


class Rules:
    """A policy that refuses what a test names."""

    name = "rules"

    def __init__(self):
        self.refused = set()
        self.asked = []

    def decide(self, request):
        self.asked.append((request.action, request.resource, request.context))
        no = {(request.action, request.resource), request.action} & self.refused
        return Deny(("no",)) if no else Allow()


@pytest.fixture
def source():
    return DictSource({})


@pytest.fixture
def rules():
    return Rules()


@pytest.fixture
async def platform(engine_url, tmp_path, source, rules):
    plugin = Plugin(sources=[source], actions=[TestAction("test:note")], policies=[rules])
    host = load_host(plugin, installed=["backstage"])
    async with platform_of(host, engine_url, tmp_path) as found:
        yield found


STEP = {"action": "test:note", "input": {"a": "${{ parameters.name }}"}}
PAGES = [
    {
        "title": "First",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "pattern": "^[a-z]+$"},
            "ports": {"type": "array", "items": {"type": "integer"}},
        },
    },
    {"required": ["owner"], "properties": {"owner": {"type": "string", "ui:field": "OwnerPicker"}}},
]
GOOD = {"name": "shop", "owner": "group:default/a"}


async def runs_of(platform):
    async with platform.database.begin() as transaction:
        return (await transaction.execute(select(RUNS))).mappings().all()


class TestForm:
    async def test_pages_have_titles_and_the_rest_is_schema(self, platform, source):
        ref = await registered(
            platform,
            source,
            ADA,
            parameters=PAGES,
            presentation={"buttonLabels": {"createButtonText": "Go"}},
        )
        form = platform.scaffolding.form(ref)
        assert form.title == "A test"
        assert [page.title for page in form.steps] == [
            "First",
            "Please enter the following information",
        ]
        assert "title" not in form.steps[0].schema
        assert form.steps[1].schema["properties"]["owner"]["ui:field"] == "OwnerPicker"
        assert form.presentation == {"buttonLabels": {"createButtonText": "Go"}}

    async def test_one_page_may_stand_alone_or_be_missing(self, platform, source):
        ref = await registered(platform, source, ADA, parameters=PAGES[0])
        assert len(platform.scaffolding.form(ref).steps) == 1
        await registered(platform, source, ADA)
        assert platform.scaffolding.form("t").steps == ()

    async def test_what_is_no_template_has_none(self, platform, source):
        with pytest.raises(NotFound):
            platform.scaffolding.form("template:default/none")
        source.files["/c.yaml"] = (
            b"apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {name: g}\n"
            b"spec: {type: team, children: []}\n"
        )
        await platform.catalog.register(ADA, "mem", "/c.yaml")
        with pytest.raises(Invalid, match="not a template"):
            platform.scaffolding.form("group:default/g")

    async def test_actions_are_listed_by_id(self, platform):
        ids = [action.id for action in platform.scaffolding.actions()]
        assert ids == sorted(ids)
        assert {"test:note", "debug:log", "fetch:template", "catalog:register"} <= set(ids)


class TestValues:
    async def refused(self, platform, ref, values, secrets=None):
        with pytest.raises(ValuesRefused) as caught:
            await platform.scaffolding.create(ADA, ref, values, secrets)
        assert await runs_of(platform) == []
        return caught.value

    async def test_values_of_all_pages_are_checked_with_their_places(self, platform, source):
        ref = await registered(platform, source, ADA, parameters=PAGES, steps=[STEP])
        error = await self.refused(platform, ref, {"name": "Shop", "ports": [1, "x"]})
        assert error.where == "values"
        places = sorted(
            (p.place.pointer or "", f.keyword)
            for p, (_, f) in zip(error.problems, error.faults, strict=True)
        )
        assert places == [("", "required"), ("/name", "pattern"), ("/ports/1", "type")]
        run_id = await platform.scaffolding.create(ADA, ref, GOOD)
        assert (await platform.runs.get(ADA, run_id)).input["parameters"] == GOOD

    async def test_missing_secrets_are_named_and_given_ones_never_shown(self, platform, source):
        schema = {
            "required": ["token", "more"],
            "properties": {"token": {"type": "string", "minLength": 40}},
        }
        ref = await registered(platform, source, ADA, steps=[STEP], secrets={"schema": schema})
        error = await self.refused(platform, ref, {}, {"token": "canary-secret"})
        assert error.where == "secrets"
        assert {fault.missing for _, fault in error.faults} == {"more", None}
        assert "canary" not in str(error)
        assert "canary" not in str(error.problems)

    @pytest.mark.parametrize("depth", [200, 50_000])
    async def test_values_without_bottom_are_refused(self, platform, source, depth):
        ref = await registered(platform, source, ADA, parameters=PAGES, steps=[STEP])
        deep = {}
        for _ in range(depth):
            deep = {"a": deep}
        with pytest.raises(Invalid, match="deeper"):
            await platform.scaffolding.create(ADA, ref, {**GOOD, "x": deep})

    async def test_a_template_that_explodes_when_it_is_checked_is_refused_soon(
        self, platform, source
    ):
        bomb = {"definitions": {"a0": {"type": "string"}}, "$ref": "#/definitions/a28"}
        for number in range(1, 29):
            twice = [{"$ref": f"#/definitions/a{number - 1}"}] * 2
            bomb["definitions"][f"a{number}"] = {"allOf": twice}
        ref = await registered(platform, source, ADA, parameters=bomb, steps=[STEP])
        begun = time.process_time()
        with pytest.raises(Invalid, match="too large"):
            await platform.scaffolding.create(ADA, ref, {"a": 1})
        pattern = {"properties": {"name": {"type": "string", "pattern": "^(a+)+$"}}}
        await registered(platform, source, ADA, parameters=pattern, steps=[STEP])
        await self.refused(platform, ref, {"name": "a" * 3000 + "!"})
        assert time.process_time() - begun < 5

    async def test_a_template_whose_form_is_no_schema_says_so(self, platform, source):
        ref = await registered(
            platform,
            source,
            ADA,
            parameters={"properties": {"a": {"type": "map(any)"}}},
            steps=[STEP],
        )
        with pytest.raises(Invalid, match="JSON Schema of parameters"):
            await platform.scaffolding.create(ADA, ref, {})


class TestSteps:
    async def create(self, platform, source, steps):
        ref = await registered(platform, source, ADA, steps=steps)
        return await platform.scaffolding.create(ADA, ref, {})

    async def test_an_action_that_nobody_offers_is_refused_before_anything_runs(
        self, platform, source
    ):
        with pytest.raises(Invalid) as caught:
            await self.create(
                platform,
                source,
                [STEP, {"id": "x", "action": "acme:none"}, {"action": "acme:other"}],
            )
        assert [problem.message for problem in caught.value.problems] == [
            "step x: no plugin offers the action 'acme:none'",
            "step step-3: no plugin offers the action 'acme:other'",
        ]
        assert "test:note" in caught.value.next
        assert await runs_of(platform) == []

    async def test_steps_without_id_and_name_get_them(self, platform, source):
        run_id = await self.create(platform, source, [STEP, {**STEP, "id": "x", "name": "X"}])
        steps = (await platform.runs.get(ADA, run_id)).input["steps"]
        assert [(s["id"], s["name"]) for s in steps] == [("step-1", "test:note"), ("x", "X")]

    @pytest.mark.parametrize("ids", [("a", "a"), ("step-2", None), ("a[0]",), ("b", "a[x]")])
    async def test_ids_that_cannot_be_told_apart_are_refused(self, platform, source, ids):
        steps = [{**STEP, **({"id": i} if i else {})} for i in ids]
        with pytest.raises(Invalid, match="id"):
            await self.create(platform, source, steps)


class TestCreate:
    async def test_what_was_shown_is_what_is_done(self, platform, source):
        """The template's content is pinned when it is asked for."""
        ref = await registered(platform, source, ADA, steps=[STEP], output={"x": "1"})
        run_id = await platform.scaffolding.create(ADA, "T", {})
        await registered(platform, source, ADA, steps=[{**STEP, "id": "other"}])
        input = (await platform.runs.get(ADA, run_id)).input
        assert [step["id"] for step in input["steps"]] == ["step-1"]
        assert input["output"] == {"x": "1"}
        assert input["templateInfo"]["entityRef"] == ref
        assert input["templateInfo"]["baseUrl"] == "mem:/t.yaml"
        assert input["user"] == {"ref": "user:default/ada"}

    async def test_secrets_are_sealed_and_stand_nowhere_else(self, platform, source):
        ref = await registered(platform, source, ADA, steps=[STEP])
        await platform.scaffolding.create(ADA, ref, {}, {"token": "canary-secret"})
        (row,) = await runs_of(platform)
        assert row["secrets"]
        assert "canary" not in str(dict(row))

    async def test_the_same_key_gives_the_same_run(self, platform, source):
        ref = await registered(platform, source, ADA, parameters=PAGES, steps=[STEP])
        create = platform.scaffolding.create
        made = await asyncio.gather(*(create(ADA, ref, GOOD, key="k") for _ in range(6)))
        assert len(set(made)) == 1
        assert await create(BOB, ref, GOOD, key="k") != made[0]
        with pytest.raises(IdempotencyMismatch):
            await create(ADA, ref, {**GOOD, "name": "other"}, key="k")
        assert len(await runs_of(platform)) == 2

    async def test_policies_are_asked_for_the_template_and_each_action(
        self, platform, source, rules
    ):
        ref = await registered(
            platform, source, ADA, steps=[STEP, {"action": "debug:log"}], parameters=PAGES
        )
        rules.asked.clear()
        await platform.scaffolding.create(ADA, ref, GOOD)
        assert rules.asked == [
            ("scaffold:run", ref, {"values": GOOD}),
            ("action:execute", "test:note", {}),
            ("action:execute", "debug:log", {}),
        ]
        for refused in (("scaffold:run", ref), ("action:execute", "debug:log")):
            rules.refused = {refused}
            with pytest.raises(Forbidden):
                await platform.scaffolding.create(ADA, ref, GOOD)
        assert len(await runs_of(platform)) == 1
        async with platform.database.begin() as transaction:
            query = select(AUDIT).where(AUDIT.c.action == "scaffold:run")
            (row,) = (await transaction.execute(query)).mappings().all()
        assert row["subject"] == ref
