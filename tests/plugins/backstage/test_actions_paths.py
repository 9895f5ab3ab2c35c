"""The workspace on the disk: nothing that is asked of it follows a link."""

from __future__ import annotations

import os
import socket
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towpath_backstage.actions.names import SCRATCH, parse_path
from towpath_backstage.actions.paths import WorkTree
from towpath_core.errors import (
    Conflict,
    Invalid,
    LimitExceeded,
    NotFound,
    Place,
    StepFailed,
    TowpathError,
)

SECRET = b"outside, and secret"


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "workspace"
    root.mkdir()
    return root


@pytest.fixture
def tree(root):
    with WorkTree(root) as tree:
        yield tree


@pytest.fixture
def outside(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(SECRET)
    return outside


def everything(folder):
    return {
        path.relative_to(folder).as_posix(): path.readlink().as_posix()
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else "folder"
        for path in sorted(folder.rglob("*"))
    }


def test_writes_reads_and_modes(root, tree):
    tree.write(("a", "b", "run.sh"), b"#!/bin/sh\n", executable=True)
    tree.write(("a", "plain"), b"x")
    assert tree.read(("a", "b", "run.sh"), limit=100) == b"#!/bin/sh\n"
    assert (root / "a/b/run.sh").stat().st_mode & 0o777 == 0o755
    assert (root / "a/plain").stat().st_mode & 0o777 == 0o644
    assert not (root / SCRATCH).exists()


def test_entries_are_ordered_and_leave_scratch_out(root, tree):
    for name in ("b/x", "a/z", "a/y", "c"):
        tree.write(tuple(name.split("/")), b"1")
    (root / "a/link").symlink_to("/etc/passwd")
    with tree.scratch() as scratch:
        tree.write_new((*scratch, "hidden"), b"")
        found = [("/".join(entry.path), entry.kind) for entry in tree.entries()]
    assert found == [
        ("a", "folder"),
        ("b", "folder"),
        ("c", "file"),
        ("a/link", "link"),
        ("a/y", "file"),
        ("a/z", "file"),
        ("b/x", "file"),
    ]


def test_a_limit_is_kept_while_reading(tree):
    tree.write(("big",), b"x" * 11)
    assert len(tree.read(("big",), limit=11)) == 11
    with pytest.raises(LimitExceeded):
        tree.read(("big",), limit=10)


def test_missing_things_are_not_found(tree):
    assert tree.kind(("no", "such")) is None
    tree.remove(("no", "such"))
    with pytest.raises(NotFound):
        tree.read(("no",), limit=1)
    with pytest.raises(NotFound):
        tree.move(("no",), ("other",))
    with pytest.raises(NotFound):
        list(tree.entries(("no",)))


def test_a_file_does_not_take_the_place_of_a_folder(root, tree):
    (root / "there").mkdir()
    with pytest.raises(Conflict):
        tree.write(("there",), b"x")
    assert not (root / SCRATCH).exists()
    tree.write(("file",), b"x")
    with pytest.raises(Invalid):
        tree.write(("file", "below"), b"x")


@pytest.mark.parametrize("way", ["absolute", "relative", "chain", "dangling", "loop"])
def test_no_link_is_followed_whatever_is_asked(root, tree, outside, way):
    links = {
        "absolute": [("link", str(outside))],
        "relative": [("link", "../outside")],
        "chain": [("link", "next"), ("next", "last"), ("last", "../outside")],
        "dangling": [("link", "../outside/not-yet")],
        "loop": [("link", "back"), ("back", "link")],
    }
    for name, target in links[way]:
        (root / name).symlink_to(target)
    before = everything(outside)
    tree.write(("mine",), b"mine")
    for attempt in (
        lambda: tree.read(("link", "secret"), limit=100),
        lambda: tree.read(("link",), limit=100),
        lambda: tree.write(("link", "new"), b"x"),
        lambda: tree.make_folder(("link",)),
        lambda: tree.make_folder(("link", "new")),
        lambda: tree.write_new(("link",), b"x"),
        lambda: tree.move(("mine",), ("link", "mine")),
        lambda: tree.move(("link", "secret"), ("stolen",)),
        lambda: tree.remove(("link", "secret")),
        lambda: list(tree.entries(("link",))),
    ):
        with pytest.raises((Invalid, Conflict)):
            attempt()
    assert tree.kind(("link",)) == "link"
    tree.write(("link",), b"replaced")
    assert (root / "link").read_bytes() == b"replaced"
    assert everything(outside) == before


def test_removing_takes_the_link_and_not_what_it_names(root, tree, outside):
    (root / "deep").mkdir()
    (root / "deep" / "link").symlink_to(outside)
    (root / "link").symlink_to(outside / "secret")
    tree.remove(("link",))
    tree.remove(("deep",))
    assert list(root.iterdir()) == []
    assert (outside / "secret").read_bytes() == SECRET


def test_a_workspace_that_is_a_link_is_refused(tmp_path, outside):
    (tmp_path / "link").symlink_to(outside)
    with pytest.raises(Invalid), WorkTree(tmp_path / "link"):
        pass
    with pytest.raises(NotFound), WorkTree(tmp_path / "nothing"):
        pass


def test_pipes_and_sockets_neither_hang_nor_pass(root, tree):
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
        for name in ("pipe", "socket"):
            assert tree.kind((name,)) == "other"
            with pytest.raises((Invalid, StepFailed)):
                tree.read((name,), limit=10)
    with pytest.raises(Invalid):
        tree.read((), limit=10)


def test_deep_folders_of_others_are_refused_when_listed_and_can_be_removed(root, tree):
    folder = os.open(root, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=folder)
        inner = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    with pytest.raises(LimitExceeded):
        list(tree.entries())
    tree.remove(("d",))
    assert list(root.iterdir()) == []


def test_scratch_of_a_killed_step_is_gone_for_the_next(root, tree, outside):
    (root / SCRATCH / "fetched").mkdir(parents=True)
    (root / SCRATCH / "fetched" / "old").write_text("x")
    with tree.scratch() as scratch:
        assert list(tree.entries(scratch)) == []
    (root / SCRATCH).symlink_to(outside)
    with tree.scratch() as scratch:
        tree.write_new((*scratch, "x"), b"x")
    assert sorted(path.name for path in outside.iterdir()) == ["secret"]
    assert list(root.iterdir()) == []


def test_messages_do_not_say_where_the_workspace_is(root, tree):
    (root / "link").symlink_to("/")
    for attempt in (
        lambda: tree.read(("link", "x"), limit=1),
        lambda: tree.read(("no",), limit=1),
        lambda: tree.write_new(("link",), b""),
    ):
        with pytest.raises(TowpathError) as caught:
            attempt()
        assert str(root) not in str(caught.value)


def test_a_folder_swapped_for_a_link_while_working_tells_nothing(root, outside):
    """A rival swaps a folder and a link as fast as it can; what is outside is never read."""
    (root / "real").mkdir()
    (root / "real" / "secret").write_bytes(b"mine")
    (root / "trap").symlink_to(outside)
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            for old, new in (("real", "x"), ("trap", "real"), ("real", "trap"), ("x", "real")):
                (root / old).rename(root / new)

    rival = threading.Thread(target=swap)
    rival.start()
    seen = set()
    try:
        with WorkTree(root) as tree:
            for _ in range(2000):
                try:
                    seen.add(tree.read(("real", "secret"), limit=100))
                except (NotFound, Invalid) as error:
                    seen.add(type(error))
    finally:
        stop.set()
        rival.join()
    assert b"mine" in seen
    assert Invalid in seen
    assert SECRET not in seen


parts = st.sampled_from(["a", "b", "..", ".", "", "up", "abs", "chain", "dangle", "in", SCRATCH])
paths = st.lists(parts, min_size=1, max_size=5).map("/".join) | st.sampled_from(
    ["/etc/passwd", "a\0b", "..\\..\\x", "up/secret", "abs/secret", "chain/secret"]
)
operations = st.lists(
    st.tuples(
        st.sampled_from(["read", "write", "new", "move", "remove", "list", "mk"]), paths, paths
    ),
    max_size=12,
)


@settings(deadline=None, max_examples=120)
@given(operations)
def test_no_sequence_of_calls_touches_or_tells_what_is_outside(tmp_path_factory, sequence):
    base = tmp_path_factory.mktemp("fuzz")
    root, outside = base / "workspace", base / "outside"
    for folder in (root / "a" / "b", root / "b", outside):
        folder.mkdir(parents=True)
    (outside / "secret").write_bytes(SECRET)
    (root / "a" / "file").write_bytes(b"mine")
    for name, target in {
        "up": "../outside",
        "abs": str(outside),
        "chain": "a/chain",
        "a/chain": "../up",
        "dangle": "../outside/new",
        "in": "a",
        "b/up": "../../outside",
    }.items():
        (root / name).symlink_to(target)
    before = everything(outside)
    with WorkTree(root) as tree:
        for verb, first, second in sequence:
            try:
                one, other = (parse_path(text, Place()) for text in (first, second))
                seen = b""
                if verb == "read":
                    seen = tree.read(one, limit=1000)
                elif verb == "list":
                    seen = repr(list(tree.entries(one))).encode()
                elif one and other:
                    calls = {
                        "write": lambda one=one: tree.write(one, b"w"),
                        "new": lambda one=one: tree.write_new(one, b"n"),
                        "move": lambda one=one, other=other: tree.move(one, other),
                        "remove": lambda one=one: tree.remove(one),
                        "mk": lambda one=one: tree.make_folder(one),
                    }
                    calls[verb]()
                assert SECRET not in seen
                assert b"'secret'" not in seen
            except TowpathError:
                continue
    assert everything(outside) == before
    assert sorted(path.name for path in base.iterdir()) == ["outside", "workspace"]
