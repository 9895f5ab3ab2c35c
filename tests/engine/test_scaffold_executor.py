from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from engine_kit import (
    ADA,
    FAST,
    DictSource,
    Plugin,
    ended,
    load_host,
    platform_of,
    principal,
    until,
    working,
)
from msgspec.structs import replace
from scaffold_kit import Gate, TestAction, fail, registered, write
from sqlalchemy import text
from test_scaffolding_service import Rules

from towpath_core.errors import Forbidden
from towpath_core.scaffolding import RenderLimits
from towpath_engine.scaffolding.veil import Veil
from towpath_engine.scaffolding.workspace import Workspace

pytestmark = pytest.mark.anyio

WRITE = {
    "type": "object",
    "required": ["file", "line"],
    "properties": {"file": {"type": "string"}, "line": {"type": "string"}},
}


class Stage:
    """A platform with test actions, and runs of templates on it."""

    def __init__(self, platform, source, actions, rules):
        self.platform = platform
        self.source = source
        self.rules = rules
        self.actions = {action.id: action for action in actions}

    async def create(self, values=None, secrets=None, *, who=ADA, **spec):
        ref = await registered(self.platform, self.source, ADA, **spec)
        return await self.platform.scaffolding.create(who, ref, values or {}, secrets)

    async def run(self, values=None, secrets=None, *, who=ADA, **spec):
        run_id = await self.create(values, secrets, who=who, **spec)
        async with working(self.platform.worker(times=FAST)):
            return await ended(self.platform, who, run_id)

    async def logs(self, info, who=ADA):
        events = await self.platform.runs.events(who, info.id)
        return [e.body["message"] for e in events if e.type == "log"]

    def calls(self, id="test:note"):
        return self.actions[id].calls

    @property
    def workspaces(self) -> Path:
        return self.platform.settings.home / "workspaces"


@pytest.fixture
def gate():
    found = Gate()
    yield found
    found.open.set()


@pytest.fixture
async def stage(engine_url, tmp_path, gate):
    source, rules = DictSource({}), Rules()
    strict = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 5}}}
    actions = [
        TestAction("test:note"),
        TestAction("test:strict", input_schema=strict),
        TestAction("test:fail", fail),
        TestAction("test:write", write, effect="workspace", input_schema=WRITE),
        TestAction("test:gate", gate, effect="workspace"),
        TestAction("test:external", lambda i, c: {"n": 1}, effect="external"),
    ]
    plugin = Plugin(sources=[source], actions=actions, policies=[rules])
    host = load_host(plugin, installed=["backstage"])
    async with platform_of(host, engine_url, tmp_path) as platform:
        yield Stage(platform, source, actions, rules)


def note(id="s", **more):
    return {"id": id, "action": "test:note", "input": {"at": id}, **more}


def done(stage):
    return [call["at"] for call in stage.calls()]


class TestSteps:
    async def test_outputs_go_on_to_later_steps_and_to_the_end(self, stage):
        info = await stage.run(
            {"name": "shop", "n": 3},
            steps=[
                {
                    "id": "a",
                    "action": "test:note",
                    "input": {
                        "text": "x-${{ parameters.name }}",
                        "typed": "${{ parameters.n }}",
                        "gone": "${{ parameters.none }}",
                        "user": "${{ user.ref }}",
                        "task": "${{ context.task.id }}",
                    },
                },
                {
                    "id": "b",
                    "action": "test:note",
                    "input": {"got": "${{ steps.a.output.seen.typed }}"},
                },
            ],
            output={"made": "${{ steps.b.output.seen.got }}"},
        )
        assert info.state == "succeeded"
        assert stage.calls() == [
            {"text": "x-shop", "typed": 3, "user": "user:default/ada", "task": str(info.id)},
            {"got": 3},
        ]
        assert info.output == {"made": 3}
        assert await stage.logs(info) == [
            "Starting up task with 2 steps",
            "Beginning step test:note",
            "Finished step test:note",
            "Beginning step test:note",
            "Finished step test:note",
        ]
        assert not stage.workspaces.exists() or list(stage.workspaces.iterdir()) == []

    async def test_a_condition_decides(self, stage):
        conditions = {
            "a": False,
            "b": True,
            "c": "${{ parameters.yes }}",
            "d": "${{ parameters.none }}",
            "e": "${{ parameters.empty }}",
            "f": "${{ parameters.yes === true and 1 < 2 }}",
        }
        info = await stage.run(
            {"yes": True, "empty": []},
            steps=[note(id, **{"if": condition}) for id, condition in conditions.items()],
        )
        assert done(stage) == ["b", "c", "f"]
        states = {s.key: s.state for s in await stage.platform.runs.steps(ADA, info.id)}
        assert [states[key] for key in "abcdef"] == [
            "skipped",
            "succeeded",
            "succeeded",
            "skipped",
            "skipped",
            "succeeded",
        ]
        logs = await stage.logs(info)
        assert "Skipping step a because its if condition was false" in logs

    async def test_after_a_failure_only_those_who_ask_for_it_run(self, stage):
        info = await stage.run(
            steps=[
                note("a", **{"if": "${{ failure() }}"}),
                {"id": "bad", "action": "test:fail"},
                note("b"),
                note("c", **{"if": True}),
                note("d", **{"if": "${{ always() }}"}),
                note("e", **{"if": "${{ failure() }}"}),
                note("f", **{"if": "${{ always() and false }}"}),
            ],
            output={"x": "1"},
        )
        assert info.state == "failed"
        assert info.error.message == "It is meant to."
        assert info.output is None
        assert done(stage) == ["d", "e"]
        assert "Skipping step b because a previous step failed" in await stage.logs(info)

    async def test_the_first_error_is_that_of_the_run(self, stage):
        info = await stage.run(
            steps=[
                {"id": "a", "action": "test:fail"},
                {
                    "id": "b",
                    "action": "test:strict",
                    "input": {"n": 9},
                    "if": "${{ always() }}",
                },
            ]
        )
        assert info.error.message == "It is meant to."

    async def test_a_condition_that_breaks_fails_its_step_and_lets_cleaning_up_run(self, stage):
        info = await stage.run(
            steps=[
                note("a", **{"if": "${{ 'a' | nofilter }}"}),
                note("b"),
                note("clean", **{"if": "${{ always() }}"}),
            ]
        )
        assert (info.state, info.error.code) == ("failed", "invalid")
        assert done(stage) == ["clean"]

    async def test_a_template_that_uses_up_its_session_lets_cleaning_up_run(
        self, stage, monkeypatch
    ):
        monkeypatch.setattr(
            "towpath_engine.scaffolding.executor.RenderLimits",
            lambda: RenderLimits(cpu_seconds=1, wall_seconds=1.0, output_bytes=10_000),
        )
        loops = "{% for a in range(9999) %}{% for b in range(9999) %}"
        bomb = loops + "${{ a * b }}{% endfor %}{% endfor %}"
        info = await stage.run(
            steps=[
                {"id": "a", "action": "test:note", "input": {"x": bomb}},
                note("clean", **{"if": "${{ always() }}"}),
            ]
        )
        assert (info.state, info.error.code) == ("failed", "limit-exceeded")
        assert done(stage) == ["clean"]

    async def test_each_item_of_a_list_or_of_an_object(self, stage):
        info = await stage.run(
            {"list": ["x", "y", "z"], "object": {"k": 1, "l": 2}},
            steps=[
                {
                    "id": "list",
                    "action": "test:note",
                    "each": "${{ parameters.list }}",
                    "if": "${{ each.value !== 'y' }}",
                    "input": {"k": "${{ each.key }}", "v": "${{ each.value }}"},
                },
                {
                    "id": "object",
                    "action": "test:note",
                    "each": "${{ parameters.object }}",
                    "input": {"k": "${{ each.key }}", "v": "${{ each.value }}"},
                },
            ],
            output={"all": "${{ steps.list.output.seen }}"},
        )
        assert info.state == "succeeded"
        assert stage.calls() == [
            {"k": "0", "v": "x"},
            {"k": "2", "v": "z"},
            {"k": "k", "v": 1},
            {"k": "l", "v": 2},
        ]
        assert info.output == {"all": [{"k": "0", "v": "x"}, {"k": "2", "v": "z"}]}
        keys = [s.key for s in await stage.platform.runs.steps(ADA, info.id)]
        assert keys == ["list[0]", "list[2]", "object[k]", "object[l]"]

    @pytest.mark.parametrize("value", [None, 5, "text", True])
    async def test_each_of_something_else_fails(self, stage, value):
        info = await stage.run({"x": value}, steps=[note("a", each="${{ parameters.x }}")])
        assert info.state == "failed"
        assert "must be a list or an object" in info.error.message

    async def test_each_has_an_end(self, stage, monkeypatch):
        monkeypatch.setattr("towpath_engine.scaffolding.executor._MAX_EACH", 3)
        info = await stage.run({"x": [0] * 4}, steps=[note("a", each="${{ parameters.x }}")])
        assert (info.state, info.error.code) == ("failed", "limit-exceeded")
        assert stage.calls() == []

    async def test_inputs_that_an_action_does_not_know_are_left_out_with_a_warning(self, stage):
        info = await stage.run(
            steps=[{"id": "a", "action": "test:strict", "input": {"n": 1, "more": 2, "and": 3}}]
        )
        assert info.state == "succeeded"
        assert stage.calls("test:strict") == [{"n": 1}]
        events = await stage.platform.runs.events(ADA, info.id)
        (warning,) = [e.body for e in events if e.body.get("level") == "warning"]
        assert "more, and" in warning["message"]
        assert warning["step"] == "a"

    async def test_an_input_that_does_not_fit_fails_with_its_place(self, stage):
        info = await stage.run(steps=[{"id": "a", "action": "test:strict", "input": {"n": 9}}])
        assert info.state == "failed"
        assert info.error.problems[0].place.pointer == "/input/n"
        assert stage.calls("test:strict") == []

    async def test_an_action_that_went_away_fails_its_step(self, stage):
        run_id = await stage.create(steps=[note("a")])
        async with stage.platform.database.begin() as transaction:
            change = "UPDATE runs SET input = replace(input::text, 'test:note', 'test:gone')::json"
            await transaction.execute(text(change))
        async with working(stage.platform.worker(times=FAST)):
            info = await ended(stage.platform, ADA, run_id)
        assert (info.state, info.error.code) == ("failed", "not-found")

    async def test_what_an_action_may_do_is_asked_again_when_it_is_done(self, stage):
        run_id = await stage.create(steps=[note("a")])
        stage.rules.refused = {("action:execute", "test:note")}
        async with working(stage.platform.worker(times=FAST)):
            info = await ended(stage.platform, ADA, run_id)
        assert (info.state, info.error.code) == ("failed", "forbidden")
        assert stage.calls() == []

    async def test_a_run_that_is_stopped_says_so(self, stage, gate):
        run_id = await stage.create(
            steps=[{"id": "a", "action": "test:gate"}, note("b", **{"if": "${{ always() }}"})]
        )
        async with working(stage.platform.worker(times=FAST)):
            await until(gate.began.is_set)
            await stage.platform.control.cancel(ADA, run_id)
            info = await ended(stage.platform, ADA, run_id)
        assert info.state == "cancelled"
        assert stage.calls() == []
        assert "Step a has been cancelled." in await stage.logs(info)
        # Kept for when it is taken up again.
        assert [folder.name for folder in stage.workspaces.iterdir()] == [str(run_id)]


class TestOutput:
    async def test_links_and_texts_whose_condition_does_not_hold_are_left_out(self, stage):
        items = [
            {"title": "plain"},
            {"title": "yes", "if": "${{ parameters.yes }}"},
            {"title": "no", "if": "${{ parameters.no }}"},
            {"title": "undefined", "if": "${{ parameters.none }}"},
            {"title": "empty", "if": "${{ parameters.empty }}"},
            {"title": "object", "if": "${{ parameters.object }}"},
            {"title": "literal", "if": False},
        ]
        info = await stage.run(
            {"yes": 1, "no": 0, "empty": [], "object": {}},
            steps=[],
            output={"links": items, "text": items[:3], "other": "${{ parameters.yes }}"},
        )
        assert [link["title"] for link in info.output["links"]] == ["plain", "yes", "object"]
        assert [one["title"] for one in info.output["text"]] == ["plain", "yes"]
        assert info.output["other"] == 1
        assert not any("if" in link for link in info.output["links"])

    async def test_an_output_that_breaks_fails_the_run(self, stage):
        info = await stage.run(steps=[], output={"x": "${{ 'a' | nofilter }}"})
        assert info.state == "failed"
        assert "output" in info.error.message


SECRETS = {"token": 'canary-"1"', "other": "canary-2"}


class TestSecrets:
    async def test_they_reach_an_action_s_input_and_nothing_else(self, stage):
        def leak(input, context):
            context.log(f"it is {input['token']}")
            context.emit("acme:leak", {"of": [input["token"]]})
            return {"url": f"https://{input['token']}@host"}

        stage.actions["test:note"].do = leak
        info = await stage.run(
            {},
            SECRETS,
            steps=[
                {
                    "id": "a",
                    "action": "test:note",
                    "input": {
                        "token": "${{ secrets.token }}",
                        "both": ["${{ secrets.token }}:${{ secrets.other }}"],
                        "upper": "${{ secrets.token | upper }}",
                        "length": "${{ secrets.token.length }}",
                    },
                },
            ],
            output={"url": "${{ steps.a.output.url }}", "secret": "${{ secrets.token }}"},
        )
        assert info.state == "succeeded"
        (call,) = stage.calls()
        assert call["token"] == 'canary-"1"'
        assert call["both"] == ['canary-"1":canary-2']
        # A filter works on a mark, not on the secret: it can neither change nor measure it.
        assert "CANARY" not in call["upper"].upper() or call["upper"] == call["token"]
        assert call["length"] != len(SECRETS["token"])
        assert info.output == {"url": "https://***@host"}
        async with stage.platform.database.begin() as transaction:
            for table in ("runs", "run_steps", "run_events", "audit", "procrastinate_jobs"):
                rows = (await transaction.execute(text(f"SELECT t::text FROM {table} t"))).all()
                assert "canary" not in str(rows), table

    @pytest.mark.parametrize(
        "spec",
        [
            {"steps": [note("a", **{"if": "${{ secrets.token }}"})]},
            {"steps": [], "output": {"x": "${{ secrets.token }}"}},
        ],
    )
    async def test_conditions_and_outputs_do_not_have_them(self, stage, spec):
        info = await stage.run({}, SECRETS, **spec)
        assert info.state == "succeeded"
        assert stage.calls() == []
        assert "canary" not in json.dumps(info.output)

    async def test_an_input_with_a_secret_that_does_not_fit_is_not_shown(self, stage):
        info = await stage.run(
            {},
            SECRETS,
            steps=[{"id": "a", "action": "test:strict", "input": {"n": "${{ secrets.token }}"}}],
        )
        assert info.state == "failed"
        assert "canary" not in str(info.error)
        assert "integer" in info.error.message

    def test_a_veil_lifts_its_own_marks_only(self):
        veil = Veil({f"s{n}": f"value-{n}" for n in range(12)})
        marks = veil.marks
        assert veil.lift({"a": [marks["s1"], f"x{marks['s11']}y"], "b": 1, marks["s2"]: None}) == {
            "a": ["value-1", "xvalue-11y"],
            "b": 1,
            marks["s2"]: None,
        }
        other = Veil({"s0": "theirs"})
        assert veil.lift(other.marks["s0"]) == other.marks["s0"]


def line(text, id):
    return {"id": id, "action": "test:write", "input": {"file": "log", "line": text}}


STEPS = [line("one", "a"), {"id": "b", "action": "test:gate"}, line("two", "c")]


class TestWorkspace:
    async def test_a_step_that_was_cut_off_begins_again_from_before_it(self, stage, gate):
        """What the killed attempt left half done in the folder is not there any more."""
        run_id = await stage.create(steps=STEPS)
        hasty = replace(FAST, grace=0.05)
        async with working(stage.platform.worker(times=hasty)):
            await until(gate.began.is_set)
        (home,) = stage.workspaces.iterdir()
        assert (next(home.iterdir()) / "files" / "half").read_text() == "half done\n"
        gate.open.set()
        async with working(stage.platform.worker(times=FAST)):
            info = await ended(stage.platform, ADA, run_id)
        assert (info.state, info.attempt) == ("succeeded", 2)
        steps = {s.key: s for s in await stage.platform.runs.steps(ADA, run_id)}
        assert steps["b"].output == {"files": ["half", "log"]}
        assert steps["c"].output == {"content": "one\ntwo\n"}
        assert [steps[key].attempts for key in "abc"] == [1, 2, 1]
        assert len(stage.calls("test:write")) == 2
        assert list(stage.workspaces.iterdir()) == []

    async def test_on_another_machine_files_are_made_again_and_nothing_else_is(
        self, stage, gate, engine_url, tmp_path
    ):
        run_id = await stage.create(
            steps=[line("one", "a"), {"id": "x", "action": "test:external"}, *STEPS[1:]]
        )
        hasty = replace(FAST, grace=0.05)
        async with working(stage.platform.worker(times=hasty)):
            await until(gate.began.is_set)
        gate.open.set()
        stage.platform.settings = replace(stage.platform.settings, home=tmp_path / "elsewhere")
        async with working(stage.platform.worker(times=FAST)):
            info = await ended(stage.platform, ADA, run_id)
        assert info.state == "succeeded"
        steps = {s.key: s for s in await stage.platform.runs.steps(ADA, run_id)}
        assert steps["c"].output == {"content": "one\ntwo\n"}
        assert len(stage.calls("test:external")) == 1
        assert stage.actions["test:write"].keys[0] == stage.actions["test:write"].keys[1]

    def test_what_an_older_attempt_left_is_not_taken_for_the_latest(self, tmp_path):
        first = Workspace(tmp_path, "r", 1)
        assert first.open() is False
        (first.files / "old").touch()
        # Attempt 2 was somewhere else.
        third = Workspace(tmp_path, "r", 3)
        assert third.open() is False
        assert list(third.files.iterdir()) == []
        (third.files / "new").touch()
        fourth = Workspace(tmp_path, "r", 4)
        assert fourth.open() is True
        assert [path.name for path in fourth.files.iterdir()] == ["new"]
        # Whoever still works for attempt 3 finds its folder gone.
        assert not third.files.exists()
        fourth.remove()
        fourth.remove()
        assert list(tmp_path.iterdir()) == []

    def test_a_guard_goes_back_to_before_its_own_step_only(self, tmp_path):
        space = Workspace(tmp_path, "r", 1)
        space.open()
        (space.files / "a").write_text("1")
        space.guard(1)
        (space.files / "a").write_text("spoilt")
        (space.files / "b").mkdir()
        space.guard(1)
        assert [path.name for path in space.files.iterdir()] == ["a"]
        assert (space.files / "a").read_text() == "1"
        (space.files / "a").write_text("2")
        space.guard(2)
        space.guard(2)
        assert (space.files / "a").read_text() == "2"

    def test_a_copy_that_was_cut_off_does_not_count(self, tmp_path):
        space = Workspace(tmp_path, "r", 1)
        space.open()
        (space.files / "a").touch()
        half = space.files.parent / "copying"
        half.mkdir()
        (half / "junk").touch()
        space.guard(1)
        space.guard(1)
        assert [path.name for path in space.files.iterdir()] == ["a"]


class Trees(DictSource):
    """A source that hands over folders, too."""

    def read_tree(self, target, destination, *, max_bytes, max_files):
        for name, content in self.files.items():
            if name.startswith(target):
                (destination / name.rpartition("/")[2]).write_bytes(content)


class TestContext:
    async def outcome(self, engine_url, tmp_path, do, who=ADA):
        source = Trees({})
        action = TestAction("test:note", do, effect="workspace")
        host = load_host(Plugin(sources=[source], actions=[action]), installed=["backstage"])
        async with platform_of(host, engine_url, tmp_path) as platform:
            found = Stage(platform, source, [action], None)
            source.files["/skeleton/a.txt"] = b"content"
            source.files["/c.yaml"] = (
                b"apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {name: g}\n"
                b"spec: {type: team, children: []}\n"
            )
            info = await found.run(steps=[note("a")], who=who)
            entities = sorted(platform.index._by_ref)
        return info, entities

    async def test_a_folder_is_fetched_relative_to_the_template(self, engine_url, tmp_path):
        def fetch(input, context):
            context.fetch("./skeleton", context.workspace)
            assert context.user_ref == "user:default/ada"
            assert context.template_ref == "template:default/t"
            assert context.base_target == "/t.yaml"
            return {"content": (context.workspace / "a.txt").read_text()}

        info, _ = await self.outcome(engine_url, tmp_path, fetch)
        assert info.state == "succeeded"

    @pytest.mark.parametrize("place", ["..", "../../other", "/etc", "link"])
    async def test_nothing_is_fetched_to_a_place_outside_the_workspace(
        self, engine_url, tmp_path, place
    ):
        (tmp_path / "outside").mkdir()
        caught = []

        def fetch(input, context):
            (context.workspace / "link").symlink_to(tmp_path / "outside")
            try:
                context.fetch("./skeleton", context.workspace / place)
            except Forbidden as error:
                caught.append(error)
            return {}

        await self.outcome(engine_url, tmp_path, fetch)
        assert len(caught) == 1
        assert list((tmp_path / "outside").iterdir()) == []

    @pytest.mark.parametrize("url", ["file:///etc/passwd", "https://host/x", "../secret/x"])
    async def test_what_no_source_gives_or_the_template_may_not_name_is_forbidden(
        self, engine_url, tmp_path, url
    ):
        caught = []

        def fetch(input, context):
            try:
                context.fetch(url, context.workspace)
            except Forbidden as error:
                caught.append(error)
            return {}

        await self.outcome(engine_url, tmp_path, fetch)
        assert len(caught) == 1

    async def test_entities_are_read_with_the_rights_of_who_runs_it(self, engine_url, tmp_path):
        def look(input, context):
            found = context.entity("template:default/t")
            return {"name": found.name if found else None}

        info, _ = await self.outcome(engine_url, tmp_path, look)
        assert info.state == "succeeded"
        weak = principal("weak", scopes=["scaffold:run"])

        def blind(input, context):
            assert context.entity("template:default/t") is None
            return {}

        info, _ = await self.outcome(engine_url, tmp_path, blind, who=weak)
        assert info.state == "succeeded"

    async def test_registering_needs_the_scope_and_is_idempotent(self, engine_url, tmp_path):
        def register(input, context):
            once = context.register("url-less:/c.yaml")
            return {"refs": list(once.entity_refs)}

        info, _ = await self.outcome(engine_url, tmp_path, register)
        assert (info.state, info.error.code) == ("failed", "invalid")
        weak = principal("weak", scopes=["scaffold:run"])
        info, _ = await self.outcome(engine_url, tmp_path, register, who=weak)
        assert (info.state, info.error.code) == ("failed", "forbidden")
        assert "catalog:write" in info.error.why


async def test_a_descriptor_that_an_action_registers_is_in_the_catalog(engine_url, tmp_path):
    """With the folder source and the real action, as a template has it."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "catalog-info.yaml").write_text(
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: shop}\n"
        "spec: {type: service, lifecycle: production, owner: a}\n"
    )
    bad = root / "bad.yaml"
    bad.write_text("kind: nothing\n")
    source = DictSource({})
    host = load_host(
        Plugin(sources=[source]),
        installed=["backstage"],
        settings={"backstage": {"roots": [str(root)]}},
    )
    async with platform_of(host, engine_url, tmp_path / "home") as platform:
        stage = Stage(platform, source, [], None)
        step = {
            "id": "a",
            "action": "catalog:register",
            "input": {"catalogInfoUrl": f"file://{root}/catalog-info.yaml"},
        }
        for _ in range(2):
            info = await stage.run(steps=[step], output={"ref": "${{ steps.a.output.entityRef }}"})
            assert (info.state, info.output) == ("succeeded", {"ref": "component:default/shop"})
        await asyncio.sleep(0)
        assert platform.index.by_ref("component:default/shop") is not None
        step["input"]["catalogInfoUrl"] = f"file://{bad}"
        info = await stage.run(steps=[step])
        assert info.state == "failed"
        assert info.error.problems[0].place.line == 1
