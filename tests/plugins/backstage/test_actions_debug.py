"""The action debug:log."""

from __future__ import annotations

import pytest

from towpath_backstage.actions.debug import DebugLog
from towpath_core.errors import Invalid
from towpath_core.testing import RecordingContext


@pytest.fixture
def context(tmp_path):
    (tmp_path / "workspace").mkdir()
    return RecordingContext(tmp_path / "workspace")


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("hello", "hello"),
        ("", ""),
        ({"a": [1, True]}, '{"a": [1, true]}'),
        (False, "false"),
        (3, "3"),
    ],
)
def test_messages(context, message, line):
    assert DebugLog().run({"message": message}, context) == {}
    assert context.lines == [("info", line)]


def test_nothing_asked_nothing_said(context):
    DebugLog().run({"listWorkspace": False, "message": None}, context)
    assert context.lines == []


@pytest.mark.parametrize("how", [True, "with-filenames"])
def test_names_are_listed_in_order(context, how):
    (context.workspace / "b").mkdir()
    (context.workspace / "b" / "x").write_text("1")
    (context.workspace / "a").write_text("2")
    DebugLog().run({"listWorkspace": how}, context)
    assert context.lines == [("info", "Workspace:\n  - a\n  - b/x")]


def test_contents_are_shown_as_far_as_they_are_text_and_short(context):
    (context.workspace / "text").write_text("hello")
    (context.workspace / "binary").write_bytes(b"\xff\xfe")
    (context.workspace / "long").write_text("x" * 70_000)
    DebugLog().run({"listWorkspace": "with-contents"}, context)
    shown = context.text()
    assert "  - text:\n\nhello" in shown
    assert "(2 bytes, not text)" in shown
    assert "(70000 bytes, too long to show)" in shown
    assert len(shown) < 1000


def test_the_log_is_never_flooded(context):
    for number in range(40):
        (context.workspace / f"f{number:02}").write_text("y" * 60_000)
    for number in range(1100):
        (context.workspace / f"z{number}").touch()
    DebugLog().run({"listWorkspace": "with-contents"}, context)
    assert len(context.text()) < 1_200_000
    assert "(and more than 1000)" in context.text()


def test_nothing_behind_a_link_is_read(context, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("not for you")
    (context.workspace / "file").symlink_to("../outside/secret")
    (context.workspace / "folder").symlink_to("../outside")
    DebugLog().run({"listWorkspace": "with-contents"}, context)
    assert context.text() == (
        "Workspace:\n  - file (link, not followed)\n  - folder (link, not followed)"
    )


def test_names_cannot_write_to_a_terminal(context):
    (context.workspace / "a\x1b[2Jb").write_text("1")
    DebugLog().run({"listWorkspace": True}, context)
    assert "\x1b" not in context.text()


def test_an_empty_workspace_says_so(context):
    DebugLog().run({"listWorkspace": True}, context)
    assert context.lines == [("info", "Workspace: (empty)")]


def test_other_ways_to_list_are_refused(context):
    with pytest.raises(Invalid):
        DebugLog().run({"listWorkspace": "everything"}, context)
