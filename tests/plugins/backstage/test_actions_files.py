"""The actions fs:rename and fs:delete."""

from __future__ import annotations

import pytest

from towpath_backstage.actions.files import FsDelete, FsRename
from towpath_backstage.actions.names import SCRATCH
from towpath_core.errors import Cancelled, Conflict, Invalid, NotFound
from towpath_core.testing import RecordingContext, RecordingTools


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "workspace"
    root.mkdir()
    return root


@pytest.fixture
def context(root):
    return RecordingContext(root)


def lay(root, **files):
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def names(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


def move(*pairs, overwrite=False):
    return {"files": [{"from": a, "to": b, "overwrite": overwrite} for a, b in pairs]}


def test_renames_files_and_folders_in_order(root, context):
    lay(root, a="1", d__x="2")
    FsRename().run(move(("a", "new/deep/b"), ("d", "e"), ("e/x", "y")), context)
    assert names(root) == ["e", "new", "new/deep", "new/deep/b", "y"]
    assert (root / "y").read_text() == "2"


def test_what_is_taken_stays_unless_it_may_be_replaced(root, context):
    lay(root, a="1", b="2", d__x="3", e__y="4")
    for pair in (("a", "b"), ("d", "e"), ("a", "e"), ("d", "b")):
        with pytest.raises(Conflict):
            FsRename().run(move(pair), context)
    assert names(root) == ["a", "b", "d", "d/x", "e", "e/y"]
    FsRename().run(move(("a", "b"), ("d", "e"), overwrite=True), context)
    assert names(root) == ["b", "e", "e/x"]
    assert (root / "b").read_text() == "1"


def test_a_missing_file_is_named(root, context):
    with pytest.raises(NotFound, match=r"nope\.txt"):
        FsRename().run(move(("nope.txt", "b")), context)


@pytest.mark.parametrize("done", range(4))
def test_a_killed_rename_is_taken_up_where_it_stopped(root, context, done):
    moves = [("a", "b"), ("b", "c"), ("d", "e/f")]
    lay(root, a="1", d="2")
    for old, new in moves[:done]:
        (root / new).parent.mkdir(exist_ok=True)
        (root / old).rename(root / new)
    FsRename().run(move(*moves), context)
    assert names(root) == ["c", "e", "e/f"]
    assert (root / "c").read_text() == "1"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("../outside", "x"),
        ("a", "../x"),
        ("a", "/tmp/x"),
        ("/etc/passwd", "x"),
        ("a", ".git/hooks/post-checkout"),
        ("a", "sub/.GIT/config"),
        ("a", "git~1/x"),
        ("a", "x\n"),
        ("a", "C:\\x"),
        ("a", ""),
        ("", "x"),
        (".", "x"),
        ("d", "d/inner"),
        ("d", "d"),
        (SCRATCH, "x"),
        ("a", f"{SCRATCH}/x"),
    ],
)
def test_hostile_paths_change_nothing(root, context, old, new):
    lay(root, a="1", d__x="2")
    with pytest.raises(Invalid):
        FsRename().run(move((old, new), overwrite=True), context)
    assert names(root) == ["a", "d", "d/x"]
    assert sorted(path.name for path in root.parent.iterdir()) == ["workspace"]


def test_a_folder_does_not_replace_the_one_it_is_in(root, context):
    lay(root, d__x__y="1")
    with pytest.raises(Invalid):
        FsRename().run(move(("d/x", "d"), overwrite=True), context)
    assert names(root) == ["d", "d/x", "d/x/y"]


def test_no_link_is_renamed_through(root, context, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("s")
    (root / "link").symlink_to(outside)
    lay(root, a="1")
    for pair in (("link/secret", "mine"), ("a", "link/a")):
        with pytest.raises(Invalid):
            FsRename().run(move(pair, overwrite=True), context)
    assert names(outside) == ["secret"]
    FsRename().run(move(("a", "link"), overwrite=True), context)
    assert (root / "link").read_text() == "1"
    assert (outside / "secret").read_text() == "s"


def test_deletes_files_folders_and_globs(root, context):
    lay(root, a="1", b__c="2", b__d="3", x__y__z="4", keep="5", x__y__k="6")
    FsDelete().run({"files": ["a ", "b", "x/**/z", "./nothing"]}, context)
    assert names(root) == ["keep", "x", "x/y", "x/y/k"]
    assert [line for line in context.lines if line[0] == "warning"] == [
        ("warning", "Nothing to delete matches './nothing'.")
    ]


def test_a_star_spares_what_begins_with_a_dot(root, context):
    lay(root, a="1")
    lay(root, **{".env": "2", ".github__x": "3", "b__.keep": "4"})
    FsDelete().run({"files": ["*"]}, context)
    assert names(root) == [".env", ".github", ".github/x"]


def test_deleting_again_is_harmless(root, context):
    lay(root, a="1", b="2")
    for _ in range(2):
        FsDelete().run({"files": ["a"]}, context)
    assert names(root) == ["b"]


@pytest.mark.parametrize("pattern", ["../*", "/etc/*", "a/../../x", "{..,x}/*", "**/../../outside"])
def test_patterns_that_lead_out_delete_nothing(root, context, tmp_path, pattern):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("s")
    lay(root, a="1")
    with pytest.raises(Invalid):
        FsDelete().run({"files": ["a", pattern]}, context)
    assert names(root) == ["a"]
    assert names(outside) == ["secret"]


def test_a_link_is_deleted_and_not_what_it_names(root, context, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("s")
    (root / "link").symlink_to(outside)
    lay(root, d__x="1")
    (root / "d" / "link").symlink_to("../../outside/secret")
    FsDelete().run({"files": ["link/*", "link/secret", "link", "d"]}, context)
    assert names(root) == []
    assert (outside / "secret").read_text() == "s"


@pytest.mark.parametrize("action", [FsRename(), FsDelete()])
def test_a_cancelled_run_stops(root, action):
    class Cancelling(RecordingContext):
        check = RecordingTools.check

    context = Cancelling(root)
    context.cancel()
    lay(root, a="1")
    files = ["a"] if action.id == "fs:delete" else [{"from": "a", "to": "b"}]
    with pytest.raises(Cancelled):
        action.run({"files": files}, context)
    assert names(root) == ["a"]


@pytest.mark.parametrize("given", [{}, {"files": "a"}, {"files": [1]}, {"files": [{"from": 1}]}])
@pytest.mark.parametrize("action", [FsRename(), FsDelete()])
def test_wrong_input_is_invalid(context, action, given):
    with pytest.raises(Invalid):
        action.run(given, context)
