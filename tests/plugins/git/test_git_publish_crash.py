"""publish:git, killed without warning: then there is all of a repository, or nothing."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from towpath_core.errors import Conflict, StepFailed
from towpath_core.testing import RecordingContext
from towpath_git.building import building
from towpath_git.git import Git
from towpath_git.publish import PublishGit

CHILD = Path(__file__).with_name("publish_child.py")


@pytest.fixture
def workspace(tmp_path):
    folder = tmp_path / "workspace"
    for number in range(30):
        place = folder / f"d{number % 5}" / f"f{number}.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"{number}\n" * 2000)
    return folder


def child(root, workspace, *, key="run:1", last=0):
    return subprocess.run(
        [sys.executable, str(CHILD), str(root), str(workspace), key, "acme/shop", str(last)],
        capture_output=True,
        text=True,
        check=False,
    )


def repositories(root):
    return sorted(
        path.parent.relative_to(root).as_posix()
        for path in root.rglob("HEAD")
        if path.is_file() and path.parent.suffix == ".git"
    )


def check_complete(sh, root, workspace, tmp_path, name):
    bare = root / "acme" / "shop.git"
    sh(bare, "fsck", "--strict")
    sh(tmp_path, "clone", "-q", bare.as_uri(), name)
    cloned, given = (
        {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and ".git" not in path.relative_to(folder).parts
        }
        for folder in (tmp_path / name, workspace)
    )
    assert cloned == given


def test_killed_anywhere_and_run_again_there_is_one_whole_repository(workspace, tmp_path, sh):
    whole = child(tmp_path / "measure", workspace)
    assert whole.returncode == 0, whole.stderr
    words = int(whole.stdout.split()[0])
    chosen = [1, *random.Random(20).sample(range(2, words - 1), 7), words - 1, words]
    states = set()
    for number, last in enumerate(chosen):
        root = tmp_path / f"root{number}"
        killed = child(root, workspace, last=last)
        assert killed.returncode == -signal.SIGKILL
        left = repositories(root)
        states.add(bool(left))
        if left:
            check_complete(sh, root, workspace, tmp_path, f"early{number}")
        outputs = PublishGit(root, Git(StepFailed)).run(
            {"repoUrl": "acme/shop"}, RecordingContext(workspace, key="run:1")
        )
        assert repositories(root) == ["acme/shop.git"]
        check_complete(sh, root, workspace, tmp_path, f"clone{number}")
        assert sh(root / "acme/shop.git", "rev-parse", "main") == outputs["commitHash"]
    assert states == {False, True}
    for root in tmp_path.glob("root*"):
        with building(root):  # a killed builder's git may have outlived it for a moment
            pass
        assert list((root / ".tmp").iterdir()) == []


def test_many_attempts_of_one_step_at_once_make_one_repository(root, workspace, publish):
    answers = []

    def work():
        context = RecordingContext(workspace, key="run:7")
        answers.append(publish.run({"repoUrl": "acme/shop"}, context)["commitHash"])

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6
    assert len(set(answers)) == 1
    assert repositories(root) == ["acme/shop.git"]
    assert list((root / ".tmp").iterdir()) == []


def test_many_steps_for_one_name_make_one_repository(root, workspace, publish, sh):
    answers = []

    def work(number):
        context = RecordingContext(workspace, key=f"run-{number}:1")
        try:
            answers.append(publish.run({"repoUrl": "acme/shop"}, context)["commitHash"])
        except Conflict:
            answers.append(None)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [answer for answer in answers if answer]
    assert answers.count(None) == 5
    assert sh(root / "acme/shop.git", "rev-parse", "main") == winner


def test_what_a_living_builder_has_is_not_cleared(root):
    with building(root) as first:
        first.mkdir()
        with building(root) as second:
            assert first != second
            assert first.is_dir()
        assert first.is_dir()
    assert list((root / ".tmp").iterdir()) == []


def test_what_a_dead_builder_left_is_cleared(root):
    left = root / ".tmp" / "0123"
    (left / "objects").mkdir(parents=True)
    (root / ".tmp" / "0123.lock").touch()
    (root / ".tmp" / "4567").mkdir()
    (root / ".tmp" / "89ab.lock").touch()
    with building(root) as path:
        assert [found.name for found in (root / ".tmp").iterdir()] == [f"{path.name}.lock"]
    assert list((root / ".tmp").iterdir()) == []
