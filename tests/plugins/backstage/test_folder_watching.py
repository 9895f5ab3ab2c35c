"""The folder source tells what changed, as it happens on a real file system."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from towpath_backstage.folder import FolderSource
from towpath_core.catalog import WatchableSource


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for name in ("all.yaml", "teams/a.yaml", "services/pay/catalog-info.yaml", "deep/x/y/z.yaml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("1")
    return root


Ask = Callable[[], set[str]]


@contextmanager
def watching(root: Path, *targets: str, roots: list[Path] | None = None) -> Iterator[Ask]:
    """Watch targets below a root; gives what asks for all that changed, until it is quiet."""
    source, stop = FolderSource(roots or [root]), threading.Event()
    names = [target if target.startswith("/") else f"{root}/{target}" for target in targets]
    answers = iter(source.watch(names, stop, seconds=0.2))
    assert next(answers) == frozenset()

    def ask() -> set[str]:
        # One change comes in parts where the machine is busy.
        found: set[str] = set()
        for _ in range(300):
            changed = next(answers)
            if found and not changed:
                return {name.removeprefix(f"{root}/") for name in found}
            found |= changed
        raise AssertionError(f"never quiet: {found}" if found else "nothing changed")

    try:
        yield ask
    finally:
        stop.set()
        assert list(answers) is not None


def quiet(ask: Ask, root: Path, sentinel: str) -> bool:
    """Whether nothing was told before a change of the sentinel was."""
    (root / sentinel).write_text("sentinel")
    return ask() == {sentinel}


def test_it_has_the_power(root: Path) -> None:
    assert isinstance(FolderSource([root]), WatchableSource)


def test_a_file_that_is_written_replaced_or_removed(root: Path) -> None:
    with watching(root, "all.yaml", "teams/a.yaml") as ask:
        (root / "all.yaml").write_text("2")
        assert ask() == {"all.yaml"}
        (root / "teams" / ".a.yaml.tmp").write_text("3")
        (root / "teams" / ".a.yaml.tmp").rename(root / "teams" / "a.yaml")
        assert ask() == {"teams/a.yaml"}
        (root / "teams" / "a.yaml").unlink()
        assert ask() == {"teams/a.yaml"}
        (root / "teams" / "a.yaml").write_text("4")
        assert ask() == {"teams/a.yaml"}


def test_what_lies_beside_a_file_does_not_matter(root: Path) -> None:
    with watching(root, "all.yaml") as ask:
        (root / "other.yaml").write_text("x")
        (root / "teams" / "b.yaml").write_text("x")
        assert quiet(ask, root, "all.yaml")


def test_a_folder_means_all_that_is_directly_in_it_but_noise(root: Path) -> None:
    with watching(root, "teams", "all.yaml") as ask:
        (root / "teams" / "new.yaml").write_text("x")
        assert ask() == {"teams"}
        for noise in (".new.yaml.swp", "new.yaml~", "4913", ".git"):
            (root / "teams" / noise).write_text("x")
        (root / "deep" / "x" / "n.yaml").write_text("x")
        assert quiet(ask, root, "all.yaml")


def test_a_new_folder_that_a_glob_reaches_is_looked_at_from_then_on(root: Path) -> None:
    target = "services/*/catalog-info.yaml"
    with watching(root, target) as ask:
        (root / "services" / "shop").mkdir()
        (root / "services" / "shop" / "catalog-info.yaml").write_text("1")
        assert ask() == {target}
        (root / "services" / "shop" / "catalog-info.yaml").write_text("2")
        assert ask() == {target}
        shutil.rmtree(root / "services" / "shop")
        assert ask() == {target}


def test_a_glob_over_any_folders(root: Path) -> None:
    with watching(root, "deep/**/*.yaml") as ask:
        (root / "deep" / "x" / "y" / "z.yaml").write_text("2")
        assert ask() == {"deep/**/*.yaml"}


def test_a_file_that_is_not_there_yet(root: Path) -> None:
    with watching(root, "teams/later.yaml") as ask:
        (root / "teams" / "later.yaml").write_text("1")
        assert ask() == {"teams/later.yaml"}


def test_links_that_are_turned_as_clusters_do(root: Path) -> None:
    mount = root / "mount"
    for version in ("v1", "v2"):
        (mount / f"..{version}").mkdir(parents=True)
        (mount / f"..{version}" / "all.yaml").write_text(version)
    (mount / "..data").symlink_to("..v1")
    (mount / "all.yaml").symlink_to("..data/all.yaml")
    with watching(root, "mount/all.yaml") as ask:
        (mount / "..new").symlink_to("..v2")
        (mount / "..new").rename(mount / "..data")
        assert ask() == {"mount/all.yaml"}


def test_what_may_not_be_read_is_not_watched(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.yaml").write_text("x")
    (root / "way-out.yaml").symlink_to(tmp_path / "outside.yaml")
    outside = f"{tmp_path}/outside.yaml"
    with watching(root, outside, "way-out.yaml", "../x", "\0", "gone/x.yaml", "all.yaml") as ask:
        (tmp_path / "outside.yaml").write_text("y")
        assert quiet(ask, root, "all.yaml")


def test_nothing_to_watch_is_no_fault(tmp_path: Path) -> None:
    stop = threading.Event()
    answers = iter(FolderSource().watch(["/etc/passwd"], stop, seconds=0.01))
    assert [next(answers) for _ in range(3)] == [frozenset()] * 3
    stop.set()
    assert list(answers) == []


def test_it_ends_soon_after_it_is_told_to(root: Path) -> None:
    stop = threading.Event()
    answers = iter(FolderSource([root]).watch([f"{root}/all.yaml"], stop, seconds=30))
    assert next(answers) == frozenset()
    threading.Timer(0.3, stop.set).start()
    assert list(answers) == []
