"""Taking back what runs did: listed first, done in reverse, once, and again where it failed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest
from crash_kinds import Lead, Make
from engine_kit import (
    ADA,
    ADMIN,
    BOB,
    BUCKET,
    DictSource,
    FileProvisioner,
    Kind,
    Plugin,
    load_host,
    principal,
    silenced,
    until,
)
from run_kit import Calls, yard_of
from scaffold_kit import registered

from towpath_core.errors import Conflict, Forbidden, NotFound, StepFailed
from towpath_core.runs import Undo
from towpath_engine.runs.tables import RUNS, STEPS, UNDOS
from towpath_engine.runs.terms import Terms
from towpath_engine.runs.undo_executor import UndoExecutor

pytestmark = pytest.mark.anyio

SCRIPT = Path(__file__).with_name("crash_kinds.py")


@pytest.fixture
async def yard_with(engine_url, tmp_path):
    async with AsyncExitStack() as stack:

        async def make(*kinds, **offered):
            yard = yard_of(engine_url, tmp_path / "home", *kinds, **offered)
            yard = await stack.enter_async_context(yard)
            yard.undoing = yard.platform.undoing
            return yard

        yield make


class Stack(Kind):
    """A kind that makes `input.n` things, and takes them back but for those in `stuck`."""

    def __init__(self, name="acme", do=None):
        super().__init__(do or self.make, name=name)
        self.stuck = set()
        self.tries = []

    def make(self, input, tools):
        for number in range(input["n"]):
            tools.step("make", lambda tools: 1, undo=Undo("remove", {"n": number}))
        if input.get("fail"):
            raise StepFailed("No luck.")

    def undo(self, name, data, tools):
        self.tries.append((data["n"], tools.key))
        if data["n"] in self.stuck:
            raise StepFailed("It is stuck.", why="It rains.")
        super().undo(name, data, tools)


async def made(yard, kind="acme", **input):
    run_id = await yard.start(kind, input)
    async with yard.working():
        await yard.done(run_id)
    return run_id


async def undone(yard, run_id, **options):
    undo_id = await yard.undoing.start(ADA, run_id, **options)
    async with yard.working():
        return await yard.done(undo_id)


async def left(yard, run_id):
    found = await yard.undoing.listing(ADA, run_id)
    return [(one.step, one.data["n"], one.state) for one in found]


async def test_what_was_done_is_listed_and_taken_back_in_reverse(yard_with):
    kind = Stack()
    yard = await yard_with(kind)
    run_id = await made(yard, n=3)
    listed = await yard.undoing.listing(ADA, run_id)
    assert [(u.run_id, u.seq, u.step, u.owner, u.name, u.data, u.state) for u in listed] == [
        (run_id, 3, "make#3", "kind:acme", "remove", {"n": 2}, "ready"),
        (run_id, 2, "make#2", "kind:acme", "remove", {"n": 1}, "ready"),
        (run_id, 1, "make", "kind:acme", "remove", {"n": 0}, "ready"),
    ]
    assert kind.tries == []
    info = await undone(yard, run_id, reason="The wrong owner.")
    assert (info.state, info.kind, info.title) == ("succeeded", "undo", "Take back: A kind")
    assert info.output == {"run": str(run_id), "undone": 3}
    assert kind.tries == [(n, f"{info.id}:{seq}") for seq, n in ((1, 2), (2, 1), (3, 0))]
    after = await yard.undoing.listing(ADA, run_id)
    assert {(u.state, u.undone_by) for u in after} == {("done", info.id)}
    assert await yard.state(run_id) == "succeeded"
    (told,) = await yard.events(run_id, "decision")
    assert (told["decision"], told["reason"]) == ("undo", "The wrong owner.")
    (row,) = await yard.audit("runs:undo")
    assert row["detail"] == {"run": str(info.id), "reason": "The wrong owner."}
    progress = [(body["done"], body["total"]) for body in await yard.events(info.id, "progress")]
    assert progress == [(0, 3), (1, 3), (2, 3)]
    with pytest.raises(Conflict, match="nothing"):
        await yard.undoing.start(ADA, run_id)


async def test_what_a_run_that_failed_had_done_is_taken_back_and_it_stays_ended(yard_with):
    kind = Stack()
    yard = await yard_with(kind)
    run_id = await made(yard, n=2, fail=True)
    assert (await undone(yard, run_id)).state == "succeeded"
    assert [n for n, _ in kind.tries] == [1, 0]
    with pytest.raises(Conflict, match="taken back"):
        await yard.control.retry(ADA, run_id)


async def test_what_cannot_be_taken_back_does_not_keep_the_rest_and_is_tried_again(yard_with):
    kind = Stack()
    yard = await yard_with(kind)
    run_id = await made(yard, n=3)
    kind.stuck = {1}
    info = await undone(yard, run_id)
    assert (info.state, info.error.message) == ("failed", "1 of 3 effects could not be taken back.")
    assert "It is stuck." in info.error.why
    assert [state for _, _, state in await left(yard, run_id)] == ["done", "failed", "done"]
    (failed,) = [one for one in await yard.undoing.listing(ADA, run_id) if one.error]
    assert (failed.error.message, failed.error.why) == ("It is stuck.", "It rains.")
    kind.stuck = set()
    await yard.control.retry(ADA, info.id)
    async with yard.working():
        assert (await yard.done(info.id)).state == "succeeded"
    # The others were not touched again; the failed one under its key of before.
    keys = [f"{info.id}:{seq}" for seq in (1, 2, 3, 2)]
    assert kind.tries == list(zip((2, 1, 0, 1), keys, strict=True))
    assert {state for _, _, state in await left(yard, run_id)} == {"done"}


async def test_another_run_may_take_back_what_one_left(yard_with):
    kind = Stack()
    yard = await yard_with(kind)
    run_id = await made(yard, n=2)
    kind.stuck = {0}
    first = await undone(yard, run_id)
    kind.stuck = set()
    second = await yard.undoing.start(ADA, run_id)
    with pytest.raises(Conflict, match="takes it back already"):
        await yard.control.retry(ADA, first.id)
    async with yard.working():
        assert (await yard.done(second)).state == "succeeded"
    assert [n for n, _ in kind.tries] == [1, 0, 0]


async def test_one_run_takes_back_at_a_time_and_only_what_has_ended(yard_with):
    def do(input, tools):
        tools.step("make", lambda tools: 1, undo=Undo("remove", {"n": 0}))
        tools.wait_for("go")

    kind = Stack(do=do)
    yard = await yard_with(kind)
    run_id = await yard.start(terms=Terms(key="crane"))
    async with yard.working():
        await yard.waits(run_id)
        with pytest.raises(Conflict, match="is waiting"):
            await yard.undoing.start(ADA, run_id)
        await yard.control.cancel(ADA, run_id)
    starts = (yard.undoing.start(ADA, run_id) for _ in range(4))
    ids = await asyncio.gather(*starts)
    assert len(set(ids)) == 1
    assert (await yard.row(ids[0]))["concurrency_key"] == "crane"
    with pytest.raises(Conflict, match="taken back"):
        await yard.control.retry(ADA, run_id)
    assert await yard.undoing.start(ADA, run_id, key="k") == ids[0]


async def test_it_is_for_the_owner_and_acts_with_the_asker_s_rights(yard_with):
    yard = await yard_with(Stack())
    run_id = await made(yard, n=1)
    for act in (yard.undoing.listing, yard.undoing.start):
        with pytest.raises(NotFound):
            await act(BOB, run_id)
    with pytest.raises(Forbidden, match="runs:write"):
        await yard.undoing.start(principal("ada", scopes=["runs:read"]), run_id)
    yard.rules.refused = {"run:undo"}
    with pytest.raises(Forbidden, match="not so"):
        await yard.undoing.start(ADA, run_id)
    yard.rules.refused = set()
    undo_id = await yard.undoing.start(ADMIN, run_id)
    assert (await yard.row(undo_id))["created_by"] == "towpath/root"


async def test_effects_of_children_are_taken_back_in_their_place(yard_with):
    kind, part = Stack(), Stack("part")

    def lead(input, tools):
        tools.step("before", lambda tools: 1, undo=Undo("remove", {"n": 10}))
        tools.child("part", "part", {"n": 2})
        tools.step("after", lambda tools: 1, undo=Undo("remove", {"n": 11}))

    kind.do = lead
    yard = await yard_with(kind, part)
    run_id = await made(yard)
    listed = [
        ("after", 11, "ready"),
        ("make#2", 1, "ready"),
        ("make", 0, "ready"),
        ("before", 10, "ready"),
    ]
    assert await left(yard, run_id) == listed
    assert (await undone(yard, run_id)).state == "succeeded"
    assert [n for n, _ in kind.tries] == [11, 10]
    assert [n for n, _ in part.tries] == [1, 0]


async def test_an_owner_that_is_gone_or_cannot_says_so(yard_with):
    kind, mute = Stack(), Kind(lambda input, tools: tools.undo("x", {"n": 0}), name="mute")
    yard = await yard_with(kind, mute)
    run_id = await made(yard, n=1)
    undo_id = await yard.undoing.start(ADA, run_id)
    host = load_host(Plugin())
    worker = yard.platform.worker
    executor = UndoExecutor(host)
    yard.platform._executors = lambda: {"undo": executor}
    async with yard.working():
        info = await yard.done(undo_id)
    host.close()
    assert info.state == "failed"
    assert "kind:acme is not there" in info.error.why
    (row,) = await yard.rows(UNDOS)
    assert row["error"]["next"].startswith("Bring its plugin back")
    assert worker is not None


async def test_calls_that_raise_anything_are_kept_apart(yard_with):
    kind = Stack()
    calls = Calls()
    calls.fails["undo"] = ValueError("canary")
    kind.undo = lambda name, data, tools: calls("undo")(tools)
    yard = await yard_with(kind)
    run_id = await made(yard, n=2)
    info = await undone(yard, run_id)
    assert info.state == "failed"
    assert "canary" not in str(await yard.rows(STEPS)) + str(await yard.rows(UNDOS))
    assert calls.counts() == {"undo": 2}


class TestOfThePlatform:
    """What the platform itself takes back: resources and registrations."""

    @pytest.fixture
    async def yard(self, yard_with, tmp_path):
        files = FileProvisioner(tmp_path)
        yard = await yard_with(offerings=[BUCKET], provisioners=[files], installed=["backstage"])
        yard.files = files
        yard.folder = tmp_path
        return yard

    async def bucket(self, yard, name="photos"):
        service = yard.platform.provisioning
        plan = await service.plan(ADA, "bucket", name, {})
        return await service.apply(ADA, plan.id, plan.hash)

    async def test_a_resource_that_was_made_is_deleted(self, yard):
        accepted = await self.bucket(yard)
        async with yard.working():
            await yard.done(accepted.run_id)
        (listed,) = await yard.undoing.listing(ADA, accepted.run_id)
        assert (listed.owner, listed.name) == ("platform", "delete-resource")
        assert list(yard.folder.glob("*.json"))
        info = await undone(yard, accepted.run_id)
        assert info.state == "succeeded"
        assert not list(yard.folder.glob("*.json"))
        resource = await yard.platform.provisioning.resource(ADA, accepted.id)
        assert (resource.phase, resource.run_id) == ("deleted", info.id)
        assert yard.files.effects() == [f"apply {accepted.run_id}:1", f"delete {info.id}:1"]
        assert await yard.platform.catalog.stored(ADA, "resource:default/photos") is None
        again = await self.bucket(yard)
        assert again.id != accepted.id

    async def test_what_a_failed_one_may_have_left_is_removed_too(self, yard):
        (yard.folder / "broken").touch()
        accepted = await self.failed(yard)
        (yard.folder / "broken").unlink()
        assert (await undone(yard, accepted.run_id)).state == "succeeded"
        resource = await yard.platform.provisioning.resource(ADA, accepted.id)
        assert resource.phase == "deleted"

    async def failed(self, yard):
        (yard.folder / "broken").unlink(missing_ok=True)
        accepted = await self.bucket(yard)
        (yard.folder / "broken").touch()
        async with yard.working():
            assert (await yard.done(accepted.run_id)).state in ("failed", "unknown")
        return accepted

    async def test_a_delete_that_fails_can_be_tried_again(self, yard):
        accepted = await self.bucket(yard)
        async with yard.working():
            await yard.done(accepted.run_id)
        (yard.folder / "broken").touch()
        info = await undone(yard, accepted.run_id)
        assert info.state == "failed"
        service = yard.platform.provisioning
        assert (await service.resource(ADA, accepted.id)).phase == "failed"
        (yard.folder / "broken").unlink()
        await yard.control.retry(ADA, info.id)
        async with yard.working():
            assert (await yard.done(info.id)).state == "succeeded"
        assert (await service.resource(ADA, accepted.id)).phase == "deleted"

    async def test_a_policy_and_the_scopes_have_their_say(self, yard):
        accepted = await self.bucket(yard)
        async with yard.working():
            await yard.done(accepted.run_id)
        yard.rules.refused = {"provision:delete"}
        info = await undone(yard, accepted.run_id)
        assert (info.state, "not allowed" in info.error.why) == ("failed", True)
        yard.rules.refused = set()
        bare = principal("ada", scopes=["runs:write", "runs:read"])
        undo_id = await yard.undoing.start(bare, accepted.run_id)
        async with yard.working():
            info = await yard.done(undo_id)
        assert info.state == "failed"
        service = yard.platform.provisioning
        assert (await service.resource(ADA, accepted.id)).phase == "active"

    async def test_one_that_was_deleted_meanwhile_is_done(self, yard):
        accepted = await self.bucket(yard)
        async with yard.working():
            await yard.done(accepted.run_id)
            deleting = await yard.platform.provisioning.delete(ADA, accepted.id)
            await yard.done(deleting.run_id)
        assert (await undone(yard, accepted.run_id)).state == "succeeded"
        assert len(yard.files.effects()) == 2

    async def test_a_provision_run_that_failed_goes_on_where_it_was(self, yard):
        accepted = await self.failed(yard)
        service = yard.platform.provisioning
        assert (await service.resource(ADA, accepted.id)).phase == "failed"
        (yard.folder / "broken").unlink()
        await yard.control.retry(ADA, accepted.run_id)
        assert (await service.resource(ADA, accepted.id)).phase == "provisioning"
        async with yard.working():
            assert (await yard.done(accepted.run_id)).state == "succeeded"
        assert (await service.resource(ADA, accepted.id)).phase == "active"
        assert set(yard.files.effects()) == {f"apply {accepted.run_id}:1"}

    async def test_one_that_was_stopped_in_the_queue_has_lost_its_name(self, yard):
        first = await self.bucket(yard)
        await yard.control.cancel(ADA, first.run_id)
        service = yard.platform.provisioning
        assert (await service.resource(ADA, first.id)).phase == "deleted"
        second = await self.bucket(yard)
        with pytest.raises(Conflict, match="there already"):
            await yard.control.retry(ADA, first.run_id)
        await yard.control.cancel(ADA, second.run_id)
        await yard.control.retry(ADA, first.run_id)
        async with yard.working():
            assert (await yard.done(first.run_id)).state == "succeeded"
        with pytest.raises(Conflict, match="input"):
            await yard.control.retry(ADA, second.run_id, input={"resourceId": str(first.id)})

    async def test_one_whose_resource_went_another_way_is_refused(self, yard):
        accepted = await self.failed(yard)
        (yard.folder / "broken").unlink()
        async with yard.working():
            deleting = await yard.platform.provisioning.delete(ADA, accepted.id)
            await yard.done(deleting.run_id)
        with pytest.raises(Conflict, match="another run"):
            await yard.control.retry(ADA, accepted.run_id)


class TestRegistrations:
    @pytest.fixture
    async def yard(self, yard_with, tmp_path):
        source, root = DictSource({}), tmp_path / "root"
        root.mkdir()
        (root / "catalog-info.yaml").write_text(
            "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: shop}\n"
            "spec: {type: service, lifecycle: production, owner: a}\n"
        )
        yard = await yard_with(
            sources=[source],
            installed=["backstage"],
            settings={"backstage": {"roots": [str(root)]}},
        )
        yard.target = f"file://{root}/catalog-info.yaml"
        input = {"catalogInfoUrl": yard.target}
        steps = [{"id": "a", "action": "catalog:register", "input": input}]
        await registered(yard.platform, source, ADA, steps=steps)
        return yard

    async def shop(self, yard):
        return await yard.platform.catalog.stored(ADA, "component:default/shop")

    async def test_what_a_template_registered_is_unregistered(self, yard):
        run_id = await made(yard, "scaffold", template="t")
        (listed,) = await yard.undoing.listing(ADA, run_id)
        assert (listed.owner, listed.name, listed.step) == ("platform", "unregister-location", "a")
        again = await made(yard, "scaffold", template="t")
        # It was there before: to take this run back would take it from others.
        assert await yard.undoing.listing(ADA, again) == []
        assert await self.shop(yard) is not None
        weak = principal("ada", scopes=["runs:write", "runs:read"])
        undo_id = await yard.undoing.start(weak, run_id)
        async with yard.working():
            assert "unregistered" in (await yard.done(undo_id)).error.why
        assert (await undone(yard, run_id)).state == "succeeded"
        assert await self.shop(yard) is None
        assert (await undone(yard, await made(yard, "scaffold", template="t"))).state == "succeeded"

    async def test_what_somebody_else_registered_since_stays(self, yard):
        run_id = await made(yard, "scaffold", template="t")
        catalog = yard.platform.catalog
        (location,) = [one for one in await catalog.locations() if one.target == yard.target]
        await catalog.unregister(ADA, location.id)
        await catalog.register(BOB, "file", yard.target)
        assert (await undone(yard, run_id)).state == "succeeded"
        assert await self.shop(yard) is not None


class TestKilled:
    """Workers that are killed in the middle, as processes."""

    @pytest.fixture
    async def yard(self, yard_with, tmp_path):
        return await yard_with(Make(tmp_path), Lead(tmp_path))

    @contextmanager
    def worker(self, url, folder):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TOWPATH")}
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), url, str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    async def reached(self, folder, name, times=1):
        file = folder / "calls"

        def there():
            lines = file.read_text().splitlines() if file.exists() else []
            return sum(line.startswith(f"{name} ") for line in lines) >= times

        await until(there, seconds=60)

    async def test_in_taking_back_each_effect_is_gone_and_marked_once(
        self, yard, engine_url, tmp_path
    ):
        run_id = await made(yard, "lead", parts=3)
        assert len(list(tmp_path.glob("file-*"))) == 3
        (tmp_path / "stop-undo-part-1").touch()
        undo_id = await yard.undoing.start(ADA, run_id)
        with self.worker(engine_url, tmp_path) as process:
            await self.reached(tmp_path, "undo-part-1")
            process.send_signal(signal.SIGKILL)
            process.wait()
        await silenced(yard.platform.database)
        (tmp_path / "stop-undo-part-1").unlink()
        async with yard.working():
            info = await yard.done(undo_id)
        assert (info.state, info.attempt) == ("succeeded", 2)
        assert list(tmp_path.glob("file-*")) == []
        lines = (tmp_path / "undone").read_text().splitlines()
        assert lines == [f"part-{n} {undo_id}:{3 - n}" for n in (2, 1, 0)]
        assert {row["state"] for row in await yard.rows(UNDOS)} == {"done"}
        await yard.events(undo_id, "state")

    async def test_in_a_child_of_a_run_that_was_taken_up_again(self, yard, engine_url, tmp_path):
        (tmp_path / "broken").touch()
        run_id = await made(yard, "lead", parts=2, broken=True)
        assert await yard.state(run_id) == "failed"
        (tmp_path / "broken").unlink()
        (tmp_path / "stop-part-2").touch()
        await yard.control.retry(ADA, run_id, input={"parts": 4, "broken": True})
        with self.worker(engine_url, tmp_path) as process:
            await self.reached(tmp_path, "part-2")
            process.send_signal(signal.SIGKILL)
            process.wait()
        await silenced(yard.platform.database)
        (tmp_path / "stop-part-2").unlink()
        async with yard.working():
            info = await yard.done(run_id)
        assert (info.state, info.output) == ("succeeded", {"parts": 4})
        (child,) = await yard.rows(RUNS, RUNS.c.parent_id == run_id)
        lines = (tmp_path / "made").read_text().splitlines()
        assert lines == [f"part-{n} {child['id']}:{n + 1 + (n > 1)}" for n in range(4)]
        for one in (run_id, child["id"]):
            await yard.events(one, "state")
