from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from engine_kit import (
    ADA,
    ADMIN,
    BOB,
    BUCKET,
    FAST,
    SEALER,
    DictSource,
    FileProvisioner,
    Plugin,
    ended,
    load_host,
    platform_of,
    until,
    working,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import select, text, update
from test_scaffolding_service import Rules

from towpath_core.errors import (
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    PlanStale,
    PluginError,
    Unavailable,
)
from towpath_core.provisioning import Change, Offering, Output, PlanRequest
from towpath_engine.clock import now
from towpath_engine.idempotency import IdempotencyMismatch
from towpath_engine.provisioning.requests import check_name, complete, plan_hash, size_of
from towpath_engine.provisioning.tables import BINDINGS, PLANS, RESOURCES
from towpath_engine.store.tables import AUDIT

pytestmark = pytest.mark.anyio

TEAM = "group:default/a-team"
CANARIES = ("canary-of-the-bucket", "canary-of-the-state", "canary-of-the-binding")


class Yard:
    """A platform with a file-backed provisioner, and what is done on it."""

    def __init__(self, platform, provisioner, rules, source):
        self.platform = platform
        self.service = platform.provisioning
        self.bindings = platform.bindings
        self.provisioner = provisioner
        self.rules = rules
        self.source = source

    def switch(self, name, on=True):
        file = self.provisioner.folder / name
        file.touch() if on else file.unlink(missing_ok=True)

    async def plan(self, name="photos", *, who=ADA, parameters=None, **options):
        return await self.service.plan(who, "bucket", name, parameters or {}, **options)

    async def apply(self, plan, *, who=ADA, **options):
        return await self.service.apply(who, plan.id, plan.hash, **options)

    @asynccontextmanager
    async def working(self):
        async with working(self.platform.worker(times=FAST)):
            yield

    async def done(self, accepted, *, who=ADA):
        return await ended(self.platform, who, accepted.run_id)

    async def made(self, name="photos", *, who=ADA, **options):
        """A resource that is active; a worker must be at work."""
        plan = await self.plan(name, who=who, **options)
        info = await self.done(await self.apply(plan, who=who), who=who)
        assert info.state == "succeeded"
        return await self.service.resource(who, plan.resource_id)

    async def bound(self, resource, *, who=ADA):
        accepted = await self.bindings.create(who, resource.id, "mine")
        assert (await self.done(accepted, who=who)).state == "succeeded"
        return accepted.id

    async def rows(self, table):
        async with self.platform.database.begin() as transaction:
            query = select(table).order_by(*table.primary_key)
            return (await transaction.execute(query)).mappings().all()

    async def entity(self, ref):
        await self.platform.feed.catch_up()
        entry = self.platform.index.by_ref(ref)
        return json.loads(entry.final) if entry is not None else None

    async def dump(self):
        """All bytes of all tables that could hold a secret, as text."""
        found = []
        async with self.platform.database.begin() as transaction:
            query = text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            for (table,) in (await transaction.execute(query)).all():
                columns = text(
                    "SELECT column_name, data_type FROM information_schema.columns "
                    "WHERE table_name = :t"
                )
                for column, type in (await transaction.execute(columns, {"t": table})).all():
                    shown = (
                        f"encode({column}, 'escape')" if type == "bytea" else f'"{column}"::text'
                    )
                    rows = await transaction.execute(text(f"SELECT {shown} FROM {table}"))
                    found += [str(row[0]) for row in rows]
        return "\n".join(found)


@pytest.fixture
async def yard(engine_url, tmp_path):
    folder = tmp_path / "buckets"
    folder.mkdir()
    provisioner, rules, source = FileProvisioner(folder), Rules(), DictSource({})
    plugin = Plugin(
        offerings=[BUCKET], provisioners=[provisioner], policies=[rules], sources=[source]
    )
    host = load_host(plugin, installed=["backstage"])
    async with platform_of(host, engine_url, tmp_path / "home") as platform:
        yield Yard(platform, provisioner, rules, source)


class TestRequests:
    def test_sizes_set_what_the_asker_cannot_change(self):
        small = size_of(BUCKET, None)
        assert small.name == "small"
        assert complete(BUCKET, small, {}) == {"region": "north", "gigabytes": 1}
        large = size_of(BUCKET, "large")
        assert complete(BUCKET, large, {"region": "south", "gigabytes": 50}) == {
            "region": "south",
            "gigabytes": 50,
        }
        with pytest.raises(Invalid, match="set by the size large"):
            complete(BUCKET, large, {"gigabytes": 51})
        with pytest.raises(Invalid, match="small, large"):
            size_of(BUCKET, "huge")

    @pytest.mark.parametrize(
        ("asked", "pointer"),
        [
            ({"public": True}, None),
            ({"Region": "north"}, None),
            ({"region ": "north"}, None),
            ({"network": {"public": True, "open": True}}, "/parameters/network"),
            ({"region": "NORTH"}, "/parameters/region"),
            ({"region": "north\u200b"}, "/parameters/region"),
            ({"gigabytes": "1"}, "/parameters/gigabytes"),
            ({"gigabytes": True}, "/parameters/gigabytes"),
            ({"gigabytes": 0}, "/parameters/gigabytes"),
            ({"gigabytes": None}, "/parameters/gigabytes"),
            ({"gigabytes": 1.5}, "/parameters/gigabytes"),
        ],
    )
    def test_what_the_offering_does_not_name_is_refused_though_its_schema_forgets_to(
        self, asked, pointer
    ):
        with pytest.raises(Invalid) as caught:
            complete(replace(BUCKET, sizes=()), None, asked)
        assert [problem.place.pointer for problem in caught.value.problems] == [pointer]
        assert "additionalProperties" not in BUCKET.parameters

    def test_a_schema_that_puts_objects_together_is_left_as_it_is(self):
        both = {
            "properties": {
                "a": {
                    "properties": {"x": {}},
                    "allOf": [{"properties": {"y": {}}}],
                },
                "b": {"properties": {"x": {}}, "additionalProperties": {"type": "integer"}},
                "c": {"type": "array", "items": {"properties": {"x": {}}}},
            }
        }
        offering = replace(BUCKET, parameters=both, sizes=())
        fine = {"a": {"x": 1, "y": 2}, "b": {"x": "s", "more": 1}, "c": [{"x": 1}]}
        assert complete(offering, None, fine) == fine
        for wrong in ({"b": {"more": "s"}}, {"c": [{"z": 1}]}):
            with pytest.raises(Invalid):
                complete(offering, None, wrong)

    @pytest.mark.parametrize("name", ["a", "a1-b2", "x" * 50])
    def test_good_names(self, name):
        check_name(name)

    @pytest.mark.parametrize(
        "name",
        ["", "A", "1a", "-a", "a-", "a--b", "a_b", "a b", "a\n", "../x", "a\0", "x" * 51, "\u00e4"],
    )
    def test_bad_names(self, name):
        with pytest.raises(Invalid, match="cannot be the name"):
            check_name(name)

    REQUEST = PlanRequest("id", "name", "bucket", {"a": 1, "b": [2]}, "user:default/x")
    CHANGES = (Change("create", "bucket x", {"m": 1, "n": 2}),)

    def test_a_hash_is_the_same_whatever_the_order_of_keys(self):
        other = replace(self.REQUEST, parameters={"b": [2], "a": 1})
        turned = (Change("create", "bucket x", {"n": 2, "m": 1}),)
        assert plan_hash(BUCKET, self.REQUEST, "s", self.CHANGES) == plan_hash(
            BUCKET, other, "s", turned
        )

    @settings(deadline=None, max_examples=30)
    @given(data=st.data())
    def test_a_hash_changes_with_anything_that_matters(self, data):
        first = plan_hash(BUCKET, self.REQUEST, "s", self.CHANGES)
        changed = data.draw(
            st.sampled_from(
                [
                    (replace(BUCKET, provisioner="other"), self.REQUEST, "s", self.CHANGES),
                    (BUCKET, replace(self.REQUEST, resource_id="other"), "s", self.CHANGES),
                    (BUCKET, replace(self.REQUEST, owner_ref="group:a/b"), "s", self.CHANGES),
                    (BUCKET, replace(self.REQUEST, parameters={"a": "1"}), "s", self.CHANGES),
                    (BUCKET, self.REQUEST, None, self.CHANGES),
                    (BUCKET, self.REQUEST, "s", ()),
                    (BUCKET, self.REQUEST, "s", (replace(self.CHANGES[0], action="update"),)),
                    (BUCKET, self.REQUEST, "s", (replace(self.CHANGES[0], detail={"m": 2}),)),
                    (BUCKET, self.REQUEST, "s", self.CHANGES * 2),
                ]
            )
        )
        assert plan_hash(*changed) != first


class TestPlan:
    async def test_a_plan_says_what_would_be_done_and_does_nothing(self, yard):
        plan = await yard.plan(parameters={"region": "south"}, size="large", owner="a-team")
        assert plan.parameters == {"region": "south", "gigabytes": 50}
        assert plan.changes == (Change("create", "bucket photos", plan.parameters),)
        assert (plan.owner, plan.size, plan.state) == (TEAM, "large", "open")
        assert re.fullmatch("[0-9a-f]{64}", plan.hash)
        assert plan.expires_at - plan.created_at == timedelta(hours=1)
        assert yard.provisioner.effects() == []
        assert await yard.service.get_plan(ADA, plan.id) == plan
        assert await yard.rows(RESOURCES) == []

    async def test_what_a_plugin_does_to_its_request_reaches_nobody(self, yard):
        """The provisioner of these tests puts a parameter into what it is given."""
        plan = await yard.plan()
        assert "smuggled" not in plan.parameters
        asked = [context for action, _, context in yard.rules.asked if action == "provision:plan"]
        assert asked == [plan.facts]
        assert "smuggled" not in asked[0]["parameters"]

    async def test_an_owner_is_oneself_or_a_group_of_one_s_own(self, yard):
        assert (await yard.plan("a")).owner == "user:default/ada"
        assert (await yard.plan("b", owner="group:default/A-Team")).owner == TEAM
        for owner in ("b-team", "user:default/bob", "system:default/x"):
            with pytest.raises(Forbidden):
                await yard.plan("c", owner=owner)
        with pytest.raises(Invalid):
            await yard.plan("c", owner="")
        assert (await yard.plan("d", who=ADMIN, owner="b-team")).owner == "group:default/b-team"
        for owner in ("x" * 500, "nul\0"):
            with pytest.raises(Invalid):
                await yard.plan("e", who=ADMIN, owner=owner)

    async def test_the_plans_of_others_are_not_there(self, yard):
        plan = await yard.plan()
        for act in (lambda: yard.service.get_plan(BOB, plan.id), lambda: yard.apply(plan, who=BOB)):
            with pytest.raises(NotFound):
                await act()
        assert await yard.service.get_plan(ADMIN, plan.id) == plan
        shared = await yard.plan("shared", owner="a-team")
        mate = replace(BOB, groups=frozenset({TEAM}))
        assert await yard.service.get_plan(mate, shared.id) == shared

    async def test_the_same_key_gives_the_same_plan(self, yard):
        plans = await asyncio.gather(*(yard.plan(key="k") for _ in range(6)))
        assert len({plan.id for plan in plans}) == 1
        assert len(await yard.rows(PLANS)) == 1
        with pytest.raises(IdempotencyMismatch):
            await yard.plan("other", key="k")

    async def test_an_offering_that_is_not_there_is_named_with_those_that_are(self, yard):
        with pytest.raises(NotFound) as caught:
            await yard.service.plan(ADA, "lake", "x", {})
        assert "bucket" in caught.value.next

    async def test_a_backend_that_does_not_answer_or_breaks_says_so(self, yard):
        yard.switch("down")
        with pytest.raises(Exception, match="does not answer") as caught:
            await yard.plan()
        assert caught.value.code == "unavailable"
        yard.switch("down", on=False)
        yard.switch("broken")
        with pytest.raises(PluginError):
            await yard.plan()
        assert await yard.rows(PLANS) == []

    @pytest.mark.parametrize(
        "changes",
        [
            None,
            [1],
            [Change("create", "x", {"a": object()})],
            [Change("create", "x", {"a": "y" * 2_000_000})],
        ],
    )
    async def test_a_plan_that_is_none_is_the_plugin_s_fault(self, yard, changes):
        yard.provisioner.plan = lambda request: changes
        with pytest.raises(PluginError):
            await yard.plan()

    async def test_a_name_that_is_taken_cannot_be_planned(self, yard):
        yard.source.files["/r.yaml"] = (
            b"apiVersion: backstage.io/v1alpha1\nkind: Resource\nmetadata: {name: taken}\n"
            b"spec: {type: x, owner: a}\n"
        )
        await yard.platform.catalog.register(ADA, "mem", "/r.yaml")
        with pytest.raises(Conflict, match="resource:default/taken"):
            await yard.plan("taken")

    async def test_a_policy_refuses_a_plan(self, yard):
        yard.rules.refused = {"provision:plan"}
        with pytest.raises(Forbidden):
            await yard.plan()
        assert await yard.rows(PLANS) == []


class TestApply:
    async def test_the_plan_is_done_and_shown(self, yard):
        async with yard.working():
            plan = await yard.plan(owner="a-team")
            accepted = await yard.apply(plan)
            assert accepted.id == plan.resource_id
            info = await yard.done(accepted)
        assert info.state == "succeeded"
        resource = await yard.service.resource(ADA, plan.resource_id)
        file = yard.provisioner.folder / f"{resource.id}.json"
        assert json.loads(file.read_text()) == plan.parameters
        assert (resource.phase, resource.owner, resource.error) == ("active", TEAM, None)
        # What the offering does not declare might be a secret.
        assert resource.outputs == {"path": str(file)}
        assert info.output == {
            "resourceId": str(resource.id),
            "entityRef": "resource:default/photos",
            "outputs": resource.outputs,
        }
        assert "canary" not in await yard.dump()

    async def test_it_is_in_the_catalog_with_its_owner_until_it_is_deleted(self, yard):
        async with yard.working():
            resource = await yard.made(owner="a-team")
            entity = await yard.entity("resource:default/photos")
            assert entity["spec"] == {"type": "bucket", "owner": TEAM}
            assert {"type": "ownedBy", "targetRef": TEAM} in entity["relations"]
            annotations = entity["metadata"]["annotations"]
            assert annotations["towpath.io/resource-id"] == str(resource.id)
            uid = yard.platform.index.by_ref("resource:default/photos").uid
            with pytest.raises(Conflict, match="stands for a resource"):
                from uuid import UUID

                await yard.platform.catalog.delete_entity(ADA, UUID(uid))
            await yard.done(await yard.service.delete(ADA, resource.id))
        assert await yard.entity("resource:default/photos") is None
        assert list(yard.provisioner.folder.glob("*.json")) == []
        gone = await yard.service.resource(ADA, resource.id)
        assert gone.phase == "deleted"
        assert await yard.service.resources(ADA) == []
        # The name is free again; the id is not.
        assert (await yard.plan()).resource_id != resource.id

    async def test_a_plan_is_applied_once(self, yard):
        plan = await yard.plan()
        results = await asyncio.gather(
            *(yard.apply(plan) for _ in range(6)), return_exceptions=True
        )
        assert sum(not isinstance(r, Exception) for r in results) == 1
        assert all(isinstance(r, Conflict) for r in results if isinstance(r, Exception))
        with pytest.raises(Conflict, match="applied already"):
            await yard.apply(plan)
        assert len(await yard.rows(RESOURCES)) == 1

    async def test_the_same_key_gives_the_same_answer(self, yard):
        plan = await yard.plan()
        accepted = await asyncio.gather(*(yard.apply(plan, key="k") for _ in range(6)))
        assert len({(a.id, a.run_id) for a in accepted}) == 1

    async def test_another_hash_is_stale(self, yard):
        plan = await yard.plan()
        for hash in ("", plan.hash.upper(), plan.hash[:-1], "0" * 64):
            with pytest.raises(PlanStale):
                await yard.service.apply(ADA, plan.id, hash)
        assert await yard.rows(RESOURCES) == []

    async def test_an_old_plan_is_stale(self, yard):
        plan = await yard.plan()
        async with yard.platform.database.begin() as transaction:
            await transaction.execute(update(PLANS).values(expires_at=now()))
        with pytest.raises(PlanStale, match="too old"):
            await yard.apply(plan)

    async def test_a_plan_that_would_do_something_else_by_now_is_stale(self, yard):
        plan = await yard.plan()
        (yard.provisioner.folder / "price").write_text("twice as much")
        with pytest.raises(PlanStale, match="changed"):
            await yard.apply(plan)
        (yard.provisioner.folder / "price").unlink()
        assert await yard.apply(plan)

    async def test_of_ten_who_want_one_name_one_gets_it(self, yard):
        plans = [await yard.plan(who=replace(ADA, subject=f"u{n}")) for n in range(10)]
        results = await asyncio.gather(*(yard.apply(p) for p in plans), return_exceptions=True)
        won = [r for r in results if not isinstance(r, Exception)]
        assert len(won) == 1
        assert all(isinstance(r, Conflict) for r in results if isinstance(r, Exception)), results
        assert len(await yard.rows(RESOURCES)) == 1
        # The plans of those who lost are as they were.
        states = sorted(row["state"] for row in await yard.rows(PLANS))
        assert states == ["applied"] + ["open"] * 9

    async def test_a_policy_refuses_an_apply_and_sees_all_of_it(self, yard):
        plan = await yard.plan(parameters={"network": {"public": True}})
        yard.rules.refused = {"provision:apply"}
        with pytest.raises(Forbidden):
            await yard.apply(plan)
        action, resource, context = yard.rules.asked[-1]
        assert (action, resource) == ("provision:apply", "bucket")
        assert context["parameters"]["network"] == {"public": True}
        assert (await yard.service.get_plan(ADA, plan.id)).state == "open"

    async def test_a_backend_that_sleeps_is_tried_again_with_the_same_key(self, yard):
        accepted = await yard.apply(await yard.plan())
        look, sleeps = yard.provisioner._look, iter([True, True])

        def sleepy():
            if next(sleeps, False):
                raise Unavailable("It sleeps.")
            look()

        yard.provisioner._look = sleepy
        async with yard.working():
            info = await yard.done(accepted)
        assert (info.state, info.attempt) == ("succeeded", 1)
        assert yard.provisioner.effects() == [f"apply {accepted.run_id}:1"] * 3

    async def test_a_backend_that_stays_away_fails_the_resource_which_can_be_deleted(self, yard):
        plan = await yard.plan()
        accepted = await yard.apply(plan)
        yard.switch("down")
        async with yard.working():
            info = await yard.done(accepted)
            assert (info.state, info.error.code) == ("failed", "unavailable")
            assert yard.provisioner.effects() == [f"apply {accepted.run_id}:1"] * 4
            resource = await yard.service.resource(ADA, plan.resource_id)
            assert (resource.phase, resource.error.code) == ("failed", "unavailable")
            assert await yard.entity("resource:default/photos") is None
            with pytest.raises(Conflict):
                await yard.plan()
            with pytest.raises(Conflict, match="not active"):
                await yard.bindings.create(ADA, resource.id, "x")
            # Deleting fails, too, and can be asked for again.
            assert (await yard.done(await yard.service.delete(ADA, resource.id))).state == "failed"
            yard.switch("down", on=False)
            deleted = await yard.done(await yard.service.delete(ADA, resource.id))
        assert deleted.state == "succeeded"
        assert (await yard.service.resource(ADA, resource.id)).phase == "deleted"
        assert await yard.plan()

    async def test_an_exception_of_a_backend_is_not_shown(self, yard):
        accepted = await yard.apply(await yard.plan())
        yard.switch("broken")
        async with yard.working():
            info = await yard.done(accepted)
        assert (info.state, info.error.code) == ("failed", "plugin-error")
        assert "RuntimeError" in info.error.why
        assert "canary" not in await yard.dump()

    async def test_a_name_that_the_catalog_lost_meanwhile_fails_the_run_cleanly(self, yard):
        accepted = await yard.apply(await yard.plan())
        yard.source.files["/r.yaml"] = (
            b"apiVersion: backstage.io/v1alpha1\nkind: Resource\nmetadata: {name: photos}\n"
            b"spec: {type: x, owner: a}\n"
        )
        await yard.platform.catalog.register(BOB, "mem", "/r.yaml")
        async with yard.working():
            info = await yard.done(accepted)
            assert (info.state, info.error.code) == ("failed", "conflict")
            steps = await yard.platform.runs.steps(ADA, accepted.run_id)
            assert [step.state for step in steps] == ["failed"]
            await yard.done(await yard.service.delete(ADA, accepted.id))
        assert list(yard.provisioner.folder.glob("*.json")) == []
        assert (await yard.entity("resource:default/photos"))["spec"]["type"] == "x"

    async def test_one_that_was_stopped_before_it_began_leaves_its_name_free(self, yard):
        accepted = await yard.apply(await yard.plan())
        await yard.platform.control.cancel(ADA, accepted.run_id)
        assert (await yard.service.resource(ADA, accepted.id)).phase == "deleted"
        async with yard.working():
            await yard.made()
        assert len(yard.provisioner.effects()) == 1

    async def test_one_that_was_stopped_on_the_way_can_be_deleted(self, yard):
        yard.switch("slow")
        accepted = await yard.apply(await yard.plan())
        async with yard.working():
            await until(lambda: yard.provisioner.effects())
            await yard.platform.control.cancel(ADA, accepted.run_id)
            assert (await yard.done(accepted)).state == "cancelled"
            resource = await yard.service.resource(ADA, accepted.id)
            assert (resource.phase, resource.error.code) == ("failed", "cancelled")
            await yard.done(await yard.service.delete(ADA, accepted.id))
        assert (await yard.service.resource(ADA, accepted.id)).phase == "deleted"

    async def test_each_act_is_in_the_audit(self, yard):
        async with yard.working():
            resource = await yard.made()
            binding = await yard.bound(resource)
            await yard.bindings.reveal(ADA, binding)
            await yard.done(await yard.bindings.delete(ADA, binding))
            await yard.done(await yard.service.delete(ADA, resource.id))
        rows = await yard.rows(AUDIT)
        assert [row["action"] for row in rows if row["action"].startswith("provision")] == [
            "provision:plan",
            "provision:apply",
            "provision:bind",
            "provision:reveal",
            "provision:unbind",
            "provision:delete",
        ]
        assert {row["actor"] for row in rows} == {"towpath/ada"}


class TestResources:
    async def test_those_of_others_are_not_there(self, yard):
        async with yard.working():
            mine = await yard.made("mine")
            team = await yard.made("team", owner="a-team")
            binding = await yard.bound(mine)
        listed = await yard.service.resources(ADA)
        assert [r.id for r in listed] == [team.id, mine.id]
        assert await yard.service.resources(BOB) == []
        assert len(await yard.service.resources(ADMIN)) == 2
        mate = replace(BOB, groups=frozenset({TEAM}))
        assert [r.id for r in await yard.service.resources(mate)] == [team.id]
        for act in (
            lambda: yard.service.resource(BOB, mine.id),
            lambda: yard.service.delete(BOB, mine.id),
            lambda: yard.bindings.create(BOB, mine.id, "x"),
            lambda: yard.bindings.list(BOB, mine.id),
        ):
            with pytest.raises(NotFound, match=str(mine.id)):
                await act()
        for act in (yard.bindings.reveal, yard.bindings.delete):
            with pytest.raises(NotFound) as caught:
                await act(BOB, binding)
            # The same words as for one that was never there.
            unknown = uuid4()
            with pytest.raises(NotFound) as other:
                await act(BOB, unknown)
            assert str(caught.value).replace(str(binding), "x") == str(other.value).replace(
                str(unknown), "x"
            )
        assert (await yard.rows(BINDINGS))[0]["shown"] is False

    async def test_they_are_listed_in_pages(self, yard):
        async with yard.working():
            made = [(await yard.made(f"b{n}")).id for n in range(3)]
        first = await yard.service.resources(ADA, limit=2)
        last = first[-1]
        rest = await yard.service.resources(ADA, limit=2, before=(last.created_at, last.id))
        assert [r.id for r in (*first, *rest)] == made[::-1]

    async def test_one_that_is_being_made_or_removed_is_left_alone(self, yard):
        accepted = await yard.apply(await yard.plan())
        with pytest.raises(Conflict, match="provisioning"):
            await yard.service.delete(ADA, accepted.id)
        async with yard.working():
            await yard.done(accepted)
        deleting = await yard.service.delete(ADA, accepted.id)
        with pytest.raises(Conflict, match="deleting"):
            await yard.service.delete(ADA, accepted.id)
        with pytest.raises(Conflict, match="deleting"):
            await yard.bindings.create(ADA, accepted.id, "x")
        # Stopped before it began, it is as it was.
        await yard.platform.control.cancel(ADA, deleting.run_id)
        assert (await yard.service.resource(ADA, accepted.id)).phase == "active"
        with pytest.raises(NotFound):
            await yard.service.delete(ADA, uuid4())

    async def test_policies_judge_by_what_it_is(self, yard):
        async with yard.working():
            resource = await yard.made(owner="a-team", parameters={"region": "south"})
            binding = await yard.bound(resource)
        facts = {
            "name": "photos",
            "owner": TEAM,
            "parameters": {"region": "south", "gigabytes": 1},
            "resource": str(resource.id),
        }
        for action, act in (
            ("provision:delete", lambda: yard.service.delete(ADA, resource.id)),
            ("provision:bind", lambda: yard.bindings.create(ADA, resource.id, "x")),
            ("provision:reveal", lambda: yard.bindings.reveal(ADA, binding)),
            ("provision:unbind", lambda: yard.bindings.delete(ADA, binding)),
        ):
            yard.rules.refused = {action}
            with pytest.raises(Forbidden):
                await act()
            assert yard.rules.asked[-1] == (action, "bucket", facts)
        yard.rules.refused = set()
        assert await yard.bindings.reveal(ADA, binding)


class TestBindings:
    async def test_credentials_are_shown_once(self, yard):
        async with yard.working():
            binding = await yard.bound(await yard.made())
        results = await asyncio.gather(
            *(yard.bindings.reveal(ADA, binding) for _ in range(10)), return_exceptions=True
        )
        shown = [r for r in results if not isinstance(r, Exception)]
        assert shown == [{"user": str(binding)[:8], "password": "canary-of-the-bucket"}]
        assert all(isinstance(r, Gone) for r in results if isinstance(r, Exception))
        (row,) = await yard.rows(BINDINGS)
        assert (row["shown"], row["sealed"]) == (True, None)
        with pytest.raises(Gone):
            await yard.bindings.reveal(ADMIN, binding)

    async def test_an_answer_that_was_lost_on_its_way_can_be_had_again_with_its_key(self, yard):
        async with yard.working():
            binding = await yard.bound(await yard.made())
            shown = await asyncio.gather(
                *(yard.bindings.reveal(ADA, binding, key="k") for _ in range(4))
            )
            assert len({values["password"] for values in shown}) == 1
            for key in (None, "other"):
                with pytest.raises(Gone):
                    await yard.bindings.reveal(ADA, binding, key=key)
            with pytest.raises(NotFound):
                await yard.bindings.reveal(BOB, binding, key="k")
            reveals = [r for r in await yard.rows(AUDIT) if r["action"] == "provision:reveal"]
            assert len(reveals) == 4
            for canary in CANARIES:
                assert canary not in await yard.dump()
            await yard.done(await yard.bindings.delete(ADA, binding))
        with pytest.raises(Gone):
            await yard.bindings.reveal(ADA, binding, key="k")

    async def test_nothing_secret_is_at_rest(self, yard):
        """Raw bytes of all tables are searched, with the values still to be had."""
        async with yard.working():
            resource = await yard.made()
            binding = await yard.bound(resource)
        dump = await yard.dump()
        for canary in (*CANARIES, "canary-undeclared", "canary-not-declared"):
            assert canary not in dump
        (row,) = await yard.rows(BINDINGS)
        with pytest.raises(Exception, match="does not open"):
            SEALER.open(row["sealed"], f"bindings.sealed:{uuid4()}")
        assert (await yard.bindings.reveal(ADA, binding))["password"] in CANARIES

    async def test_a_binding_is_taken_back_with_what_it_kept_for_that(self, yard):
        async with yard.working():
            resource = await yard.made()
            binding = await yard.bound(resource)
            info = await yard.done(await yard.bindings.delete(ADA, binding))
        assert info.state == "succeeded"
        assert any(e.startswith(f"unbind-{binding} ") for e in yard.provisioner.effects())
        (listed,) = await yard.bindings.list(ADA, resource.id)
        assert (listed.id, listed.state, listed.name) == (binding, "revoked", "mine")
        with pytest.raises(Gone):
            await yard.bindings.reveal(ADA, binding)
        with pytest.raises(Conflict):
            await yard.bindings.delete(ADA, binding)
        (row,) = await yard.rows(BINDINGS)
        assert (row["sealed"], row["unbind_state"]) == (None, None)

    async def test_deleting_the_resource_wipes_its_bindings(self, yard):
        async with yard.working():
            resource = await yard.made()
            binding = await yard.bound(resource)
            await yard.done(await yard.service.delete(ADA, resource.id))
        (row,) = await yard.rows(BINDINGS)
        assert (row["state"], row["sealed"], row["unbind_state"]) == ("revoked", None, None)
        (resource_row,) = await yard.rows(RESOURCES)
        assert resource_row["state"] is None
        with pytest.raises(Gone):
            await yard.bindings.reveal(ADA, binding)

    async def test_one_that_failed_can_be_taken_back(self, yard):
        async with yard.working():
            resource = await yard.made()
            yard.switch("broken")
            accepted = await yard.bindings.create(ADA, resource.id, "x")
            assert (await yard.done(accepted)).state == "failed"
            with pytest.raises(Conflict, match="failed"):
                await yard.bindings.reveal(ADA, accepted.id)
            yard.switch("broken", on=False)
            await yard.done(await yard.bindings.delete(ADA, accepted.id))
        (listed,) = await yard.bindings.list(ADA, resource.id)
        assert listed.state == "revoked"

    async def test_one_that_was_stopped_before_it_began(self, yard):
        async with yard.working():
            resource = await yard.made()
        accepted = await yard.bindings.create(ADA, resource.id, "x")
        with pytest.raises(Conflict, match="pending"):
            await yard.bindings.reveal(ADA, accepted.id)
        await yard.platform.control.cancel(ADA, accepted.run_id)
        (listed,) = await yard.bindings.list(ADA, resource.id)
        assert listed.state == "revoked"
        async with yard.working():
            binding = await yard.bound(resource)
        unbinding = await yard.bindings.delete(ADA, binding)
        await yard.platform.control.cancel(ADA, unbinding.run_id)
        states = {b.id: b.state for b in await yard.bindings.list(ADA, resource.id)}
        assert states[binding] == "active"
        assert await yard.bindings.reveal(ADA, binding)

    async def test_a_promise_that_the_backend_does_not_keep_fails(self, yard):
        from towpath_core.provisioning import Credentials

        async with yard.working():
            resource = await yard.made()
            yard.provisioner.bind = lambda *_: Credentials({"user": "only"})
            info = await yard.done(await yard.bindings.create(ADA, resource.id, "x"))
        assert info.state == "failed"
        assert "password" in info.error.message

    async def test_a_backend_without_credentials_has_no_bindings(self, yard, engine_url, tmp_path):
        class Plain:
            name = "plain"
            plan = staticmethod(lambda request: [])
            apply = FileProvisioner.apply
            read = FileProvisioner.read
            delete = FileProvisioner.delete

        async with yard.working():
            resource = await yard.made()
        plain = Plugin(
            offerings=[replace(BUCKET, name="plain", provisioner="plain")], provisioners=[Plain()]
        )
        host = load_host(plain, installed=["backstage"])
        async with yard.platform.database.begin() as transaction:
            await transaction.execute(update(RESOURCES).values(provisioner="plain"))
        async with platform_of(host, engine_url, tmp_path / "other") as platform:
            with pytest.raises(Conflict, match="no credentials"):
                await platform.bindings.create(ADA, resource.id, "x")

    async def test_nothing_is_bound_to_a_resource_that_went_before(self, yard):
        async with yard.working():
            resource = await yard.made()
        accepted = await yard.bindings.create(ADA, resource.id, "x")
        async with yard.platform.database.begin() as transaction:
            await transaction.execute(update(RESOURCES).values(phase="deleted"))
        async with yard.working():
            info = await yard.done(accepted)
        assert (info.state, info.error.code) == ("failed", "conflict")
        assert not any(effect.startswith("bind") for effect in yard.provisioner.effects())

    @pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\nb", "nul\0"])
    async def test_a_binding_has_a_name(self, yard, name):
        with pytest.raises(Invalid, match="name"):
            await yard.bindings.create(ADA, uuid4(), name)

    async def test_the_same_key_gives_the_same_binding(self, yard):
        async with yard.working():
            resource = await yard.made()
        made = await asyncio.gather(
            *(yard.bindings.create(ADA, resource.id, "x", key="k") for _ in range(5))
        )
        assert len({(a.id, a.run_id) for a in made}) == 1
        assert len(await yard.rows(BINDINGS)) == 1


async def test_a_plugin_that_went_away_is_named(yard, engine_url, tmp_path):
    async with yard.working():
        resource = await yard.made()
    async with platform_of(load_host(installed=["backstage"]), engine_url, tmp_path / "b") as other:
        with pytest.raises(NotFound, match="provisioner"):
            await other.bindings.create(ADA, resource.id, "x")
        accepted = await other.provisioning.delete(ADA, resource.id)
        async with working(other.worker(times=FAST)):
            info = await ended(other, ADA, accepted.run_id)
        assert (info.state, info.error.code) == ("failed", "not-found")


def test_the_offering_of_these_tests_promises_what_it_should():
    assert isinstance(BUCKET, Offering)
    assert Output("password", "What.", secret=True) in BUCKET.credentials
