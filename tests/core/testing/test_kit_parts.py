"""The kit's own parts: tools that record, the guard against I/O, the look at offered objects."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
import subprocess
import tempfile
import threading
from types import SimpleNamespace as Namespace

import pytest

from towpath_core.catalog import CatalogSource
from towpath_core.entities import Entity
from towpath_core.errors import (
    Cancelled,
    Forbidden,
    Invalid,
    LimitExceeded,
    NotFound,
    PluginError,
    StepFailed,
    Unavailable,
)
from towpath_core.provisioning import Offering, Output, Size
from towpath_core.runs import Observed, OutcomeUnknown
from towpath_core.testing import RecordingContext, RecordingTools, forbid_io
from towpath_core.testing.offers import inspect_offer, schema_faults
from towpath_core.testing.quiet import IoAttempted


class TestTools:
    def test_what_is_told_is_kept_in_order(self):
        tools = RecordingTools(key="run-7:3")

        tools.log("first")
        tools.log("second", level="error")
        tools.progress(1, 4, "files")
        tools.emit("made", {"name": "box", "parts": (1, 2)})

        assert (tools.run_id, tools.key) == ("run-7", "run-7:3")
        assert tools.lines == [("info", "first"), ("error", "second")]
        assert tools.reports == [(1, 4, "files")]
        assert tools.events == [("made", {"name": "box", "parts": [1, 2]})]
        assert all(word in tools.text() for word in ("first", "second", "files", "made", "box"))

    def test_an_event_is_a_copy(self):
        tools, body = RecordingTools(), {"names": ["a"]}
        tools.emit("made", body)

        body["names"].append("b")

        assert tools.events == [("made", {"names": ["a"]})]

    @pytest.mark.parametrize("type", ["state", "decision", "done"])
    def test_an_event_of_the_platform_s_own_is_refused(self, type):
        tools = RecordingTools()

        with pytest.raises(Invalid):
            tools.emit(type, {})
        assert tools.events == []

    @pytest.mark.parametrize(
        "call",
        [
            lambda tools: tools.log(b"bytes"),
            lambda tools: tools.log("x", level="loud"),
            lambda tools: tools.progress(-1),
            lambda tools: tools.progress(float("nan")),
            lambda tools: tools.progress(1, float("inf")),
            lambda tools: tools.emit("made", {"thing": object()}),
            lambda tools: tools.emit("made", 7),
        ],
    )
    def test_what_a_platform_could_not_store_is_refused(self, call):
        tools = RecordingTools()

        with pytest.raises(PluginError):
            call(tools)
        assert tools.text() == ""

    def test_check_finds_the_deadline(self):
        RecordingTools(seconds=60).check()

        with pytest.raises(LimitExceeded, match="deadline"):
            RecordingTools(seconds=0).check()

    def test_check_finds_the_cancelled_run_from_then_on(self):
        tools = RecordingTools(cancel_at=2)
        tools.check()

        for _ in range(2):
            with pytest.raises(Cancelled, match="asked to stop"):
                tools.check()
        assert tools.checks == 3

    def test_another_thread_can_cancel(self):
        tools = RecordingTools()
        thread = threading.Thread(target=tools.cancel)
        thread.start()
        thread.join()

        with pytest.raises(Cancelled):
            tools.check()

    @pytest.mark.parametrize(
        ("observe", "found", "calls"),
        [
            (lambda tools: Observed(True, "seen"), "seen", 1),
            (lambda tools: Observed(False), "made", 2),
            (lambda tools: None, None, 1),
            (None, None, 1),
        ],
    )
    def test_what_must_not_be_repeated_is_looked_at_when_no_answer_came(
        self, observe, found, calls
    ):
        tools = RecordingTools(key="run-7:0")

        def make(step):
            if tools.calls["make"] == 1:
                raise Unavailable("Its answer was lost.")
            return "made"

        unknown = contextlib.nullcontext() if found else pytest.raises(OutcomeUnknown)
        with unknown:
            assert tools.step("make", make, repeatable=False, observe=observe) == found
        assert tools.calls["make"] == calls


class TestContext:
    @pytest.fixture
    def template(self, tmp_path):
        folder = tmp_path / "template"
        (folder / "skeleton").mkdir(parents=True)
        (folder / "skeleton" / "README.md").write_text("hello")
        (tmp_path / "secret").write_text("secret")
        return folder

    @pytest.fixture
    def context(self, tmp_path, template):
        workspace = tmp_path / "workspace"
        workspace.mkdir()
        return RecordingContext(workspace, template=template)

    def test_fetch_copies_folders_and_files(self, context):
        context.fetch("./skeleton", context.workspace / "out")
        context.fetch("skeleton/README.md", context.workspace / "deep" / "copy.md")

        assert (context.workspace / "out" / "README.md").read_text() == "hello"
        assert (context.workspace / "deep" / "copy.md").read_text() == "hello"

    @pytest.mark.parametrize("url", ["../secret", "/etc/passwd", "skeleton/../../secret"])
    def test_fetch_stays_inside_the_template(self, context, url):
        with pytest.raises(Forbidden):
            context.fetch(url, context.workspace / "out")

    def test_fetch_stays_inside_the_workspace(self, context, tmp_path):
        with pytest.raises(Forbidden):
            context.fetch("skeleton", tmp_path / "out")

    def test_fetch_refuses_links(self, context, template):
        (template / "skeleton" / "link").symlink_to("README.md")

        for url in ("skeleton", "skeleton/link"):
            with pytest.raises(Forbidden, match="link"):
                context.fetch(url, context.workspace / "out")

    def test_fetch_of_nothing_is_not_found(self, context):
        with pytest.raises(NotFound):
            context.fetch("nothing", context.workspace / "out")

    def test_register_is_idempotent(self, context):
        first = context.register("a.yaml")

        assert context.register("b.yaml") != first
        assert context.register("a.yaml") == first
        assert context.registered == ["a.yaml", "b.yaml"]

    def test_entities_are_found_without_case(self, tmp_path):
        shop = Entity("v1", "Component", {"name": "shop"})
        context = RecordingContext(tmp_path, entities={"component:default/shop": shop})

        assert context.entity("Component:default/Shop") is shop
        assert context.entity("component:default/other") is None

    def test_render_without_a_session_says_how_to_get_one(self, context):
        with pytest.raises(StepFailed, match="session="):
            context.render()


class TestForbidIo:
    @pytest.mark.parametrize(
        "reach",
        [
            lambda path: socket.create_connection(("127.0.0.1", 9), timeout=1),
            lambda path: socket.getaddrinfo("shelf.invalid", 80),
            lambda path: subprocess.run(["true"], check=True),
            lambda path: os.system("true"),
            lambda path: (path / "new").write_text("x"),
            lambda path: (path / "here").open("a"),
            lambda path: os.open(path / "here", os.O_RDWR),
            lambda path: (path / "new").mkdir(),
            lambda path: (path / "here").unlink(),
            lambda path: (path / "here").rename(path / "there"),
            lambda path: (path / "new").symlink_to(path),
            lambda path: sqlite3.connect(path / "new"),
            lambda path: tempfile.mkdtemp(dir=path),
            lambda path: os.environ.update(KIT="x"),
        ],
    )
    def test_reaching_out_is_stopped_and_noted(self, tmp_path, reach):
        (tmp_path / "here").write_text("x")

        with forbid_io() as tried, pytest.raises(IoAttempted):
            reach(tmp_path)

        assert len(tried) == 1
        assert [file.name for file in tmp_path.iterdir()] == ["here"]
        assert "KIT" not in os.environ

    def test_an_attempt_that_is_swallowed_counts(self):
        with forbid_io() as tried, contextlib.suppress(OSError):
            socket.getaddrinfo("shelf.invalid", 80)

        assert tried == ["socket.getaddrinfo 'shelf.invalid'"]

    def test_reading_is_allowed_and_so_is_all_afterwards(self, tmp_path):
        file = tmp_path / "here"
        file.write_text("x")

        with forbid_io() as tried:
            assert file.read_text() == "x"
        file.write_text("y")

        assert tried == []

    def test_a_thread_that_is_started_inside_is_guarded(self, tmp_path):
        raised = []

        def work():
            try:
                (tmp_path / "new").write_text("x")
            except IoAttempted as error:
                raised.append(error)

        with forbid_io() as tried:
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()

        assert len(raised) == len(tried) == 1

    def test_a_thread_from_before_is_let_through(self, tmp_path):
        go, done = threading.Event(), threading.Event()

        def work():
            go.wait()
            (tmp_path / "new").write_text("x")
            done.set()

        thread = threading.Thread(target=work)
        thread.start()
        with forbid_io() as tried:
            go.set()
            assert done.wait(60)
        thread.join()

        assert tried == []


def box(**fields):
    given = {
        "name": "good-box",
        "title": "Box",
        "description": "A box.",
        "resource_type": "box",
        "provisioner": "boxes",
        "parameters": {"type": "object", "properties": {"slots": {"type": "integer"}}},
        **fields,
    }
    return Offering(**given)


class TestOffers:
    def test_a_good_one_has_no_faults(self):
        sizes = (Size("small", "One slot.", {"slots": 1}),)

        found = inspect_offer("towpath_offerings", box(sizes=sizes))

        assert (found.kind, found.name) == ("Offering", "good-box")
        assert not (found.mistyped or found.misnamed or found.unsound or found.undescribed)

    @pytest.mark.parametrize(
        ("fields", "fault"),
        [
            ({"parameters": {"properties": {}}}, "must say `type: object`"),
            ({"parameters": {"type": "object", "required": ["slots"]}}, "requires slots"),
            ({"parameters": {"type": "object", "default": object()}}, "is not JSON"),
            ({"parameters": {"type": "object", "properties": []}}, "is no mapping"),
            ({"sizes": (Size("big", "Big.", {"slotz": 9}),)}, "sets unknown slotz"),
            ({"sizes": (Size("a", "A."), Size("a", "A."))}, "size is named twice"),
            ({"outputs": (Output("key", "A key.", secret=True),)}, "output key is secret"),
            ({"outputs": (Output("a b", "A."),)}, "cannot be referred to"),
            ({"credentials": (Output("a", "A."), Output("a", "A."))}, "named twice"),
            ({"provisioner": "My Boxes"}, "is not lower-case kebab-case"),
        ],
    )
    def test_a_contradiction_is_told(self, fields, fault):
        found = inspect_offer("towpath_offerings", box(**fields))

        assert len(found.unsound) == 1 and fault in found.unsound[0]

    @pytest.mark.parametrize("name", ["", "Box", "a--b", "-a", "a_b", "é", "a" * 64, "a\n"])
    def test_a_bad_name_is_told(self, name):
        assert "does not match" in inspect_offer("towpath_offerings", box(name=name)).misnamed

    def test_the_wrong_type_is_told(self):
        found = inspect_offer("towpath_catalog_sources", box())

        assert (
            found.mistyped == "towpath_catalog_sources offered Offering, which is no CatalogSource"
        )
        assert found.kind == CatalogSource.__name__

    def test_a_run_kind_is_looked_at(self):
        good = Namespace(
            name="good-run",
            title="Run",
            description="Runs.",
            input_schema={"type": "object"},
            queue="default",
            seconds=1.0,
            run=lambda input, tools: {},
        )
        found = inspect_offer("towpath_run_kinds", good)
        assert (found.kind, found.name) == ("RunKind", "good-run")
        assert not (found.mistyped or found.misnamed or found.unsound or found.undescribed)

        vars(good).update(name="Good", description=" ", input_schema={"required": ["a"]})
        found = inspect_offer("towpath_run_kinds", good)
        assert found.misnamed and len(found.unsound) == 2
        assert found.undescribed == ("Good: description",)

    def test_what_lacks_words_is_told(self):
        found = inspect_offer("towpath_offerings", box(title=" ", outputs=(Output("path", ""),)))

        assert found.undescribed == ("good-box: title", "good-box: path")

    def test_a_schema_that_is_no_mapping_is_told(self):
        assert list(schema_faults([], "input_schema")) == ["input_schema is no mapping"]
