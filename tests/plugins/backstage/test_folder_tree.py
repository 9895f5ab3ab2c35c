from __future__ import annotations

import os
from pathlib import Path

import pytest

from towpath_backstage.folder import FolderSource
from towpath_core.catalog import TreeSource
from towpath_core.errors import Forbidden, Invalid, LimitExceeded, NotFound

BIG = 1 << 20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "skeleton" / "src").mkdir(parents=True)
    (root / "skeleton" / "README.md").write_text("hello")
    (root / "skeleton" / "src" / "run.sh").write_text("#!/bin/sh\n")
    (root / "skeleton" / "src" / "run.sh").chmod(0o775)
    (root / "other.txt").write_text("other")
    return root


def copy(root: Path, target: Path | str, destination: Path, **limits: int) -> None:
    chosen = {"max_bytes": BIG, "max_files": 100} | limits
    FolderSource([root]).read_tree(str(target), destination, **chosen)


def test_the_source_has_the_power(root: Path) -> None:
    assert isinstance(FolderSource([root]), TreeSource)


def test_a_folder_is_copied_with_its_modes(root: Path, tmp_path: Path) -> None:
    copy(root, root / "skeleton", tmp_path / "out")
    found = {str(p.relative_to(tmp_path / "out")): p for p in (tmp_path / "out").rglob("*")}
    assert set(found) == {"README.md", "src", "src/run.sh"}
    assert found["README.md"].read_text() == "hello"
    assert found["README.md"].stat().st_mode & 0o777 == 0o644
    assert found["src/run.sh"].stat().st_mode & 0o777 == 0o755


def test_a_file_is_copied_to_a_file(root: Path, tmp_path: Path) -> None:
    copy(root, f"file://{root}/other.txt", tmp_path / "out")
    assert (tmp_path / "out").read_text() == "other"


def test_what_is_outside_or_missing_is_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (root / "way-out").symlink_to(tmp_path)
    for target in (tmp_path / "secret", f"{root}/../secret", root / "way-out" / "secret"):
        with pytest.raises(Forbidden):
            copy(root, target, tmp_path / "out")
    with pytest.raises(NotFound):
        copy(root, root / "nope", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("leads_to", ["/etc/passwd", "README.md", "nowhere"])
def test_a_link_in_the_folder_is_refused(root: Path, tmp_path: Path, leads_to: str) -> None:
    (root / "skeleton" / "link").symlink_to(leads_to)
    with pytest.raises(Invalid, match="link"):
        copy(root, root / "skeleton", tmp_path / "out")


def test_a_pipe_is_refused_without_waiting_for_a_writer(root: Path, tmp_path: Path) -> None:
    os.mkfifo(root / "skeleton" / "pipe")
    with pytest.raises(Invalid):
        copy(root, root / "skeleton", tmp_path / "out")


def test_limits_hold(root: Path, tmp_path: Path) -> None:
    with pytest.raises(LimitExceeded, match="files"):
        copy(root, root / "skeleton", tmp_path / "one", max_files=1)
    with pytest.raises(LimitExceeded, match="bytes"):
        copy(root, root / "skeleton", tmp_path / "two", max_bytes=8)
    deep = root / "deep"
    deep.joinpath(*["d"] * 80).mkdir(parents=True)
    with pytest.raises(LimitExceeded, match="deeper"):
        copy(root, deep, tmp_path / "three")


def descriptors() -> int:
    folder = Path("/proc/self/fd")
    return sum(1 for _ in folder.iterdir()) if folder.exists() else 0


def test_no_descriptor_is_left_open(root: Path, tmp_path: Path) -> None:
    (root / "skeleton" / "src" / "link").symlink_to("x")
    before = descriptors()
    for number in range(5):
        with pytest.raises(Invalid):
            copy(root, root / "skeleton", tmp_path / f"out{number}")
    assert descriptors() == before
