"""The source `git`: files out of real repositories."""

from __future__ import annotations

import os
import threading

import pytest

from towpath_core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    LimitExceeded,
    NotFound,
    TowpathError,
    Unavailable,
)
from towpath_git.git import Git
from towpath_git.source import GitSource

FILES = {
    "catalog-info.yaml": "kind: Component\n",
    "docs/catalog-info.yml": "kind: API\n",
    "docs/b.yaml": "b\n",
    "docs/a.yaml": "a\n",
    "docs/deep/er/c.yaml": "c\n",
    ".hidden/d.yaml": "d\n",
    "with space/grüße.yaml": "g\n",
    "star*.yaml": "s\n",
    "empty.yaml": "",
    "binary": bytes(range(256)),
}


def at(bare, path, ref="main"):
    return f"git+file://{bare}/-/blob/{ref}/{path}"


def read(source, target, limit=10_000):
    return [
        (file.target.partition("/-/blob/")[2], file.content)
        for file in source.read(target, max_bytes=limit)
    ]


def test_reads_a_file_with_git_s_own_hash(source, seed, sh):
    bare = seed(FILES)
    (file,) = source.read(at(bare, "catalog-info.yaml"), max_bytes=1000)
    assert file.target == at(bare, "catalog-info.yaml")
    assert file.content == b"kind: Component\n"
    assert file.etag == sh(bare, "rev-parse", "main:catalog-info.yaml")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", ["main/catalog-info.yaml"]),
        ("docs", ["main/docs/catalog-info.yml"]),
        ("docs/", ["main/docs/catalog-info.yml"]),
        ("docs/*.yaml", ["main/docs/a.yaml", "main/docs/b.yaml"]),
        ("docs/**/*.yaml", ["main/docs/a.yaml", "main/docs/b.yaml", "main/docs/deep/er/c.yaml"]),
        ("**/c.yaml", ["main/docs/deep/er/c.yaml"]),
        (
            "*/*",
            [
                "main/docs/a.yaml",
                "main/docs/b.yaml",
                "main/docs/catalog-info.yml",
                "main/with%20space/gr%C3%BC%C3%9Fe.yaml",
            ],
        ),
        (".hidden/*", ["main/.hidden/d.yaml"]),
        ("with%20space/gr%C3%BC%C3%9Fe.yaml", ["main/with%20space/gr%C3%BC%C3%9Fe.yaml"]),
        ("star%2A.yaml", ["main/star%2A.yaml"]),
        ("empty.yaml", ["main/empty.yaml"]),
        ("binary", ["main/binary"]),
    ],
)
def test_paths_folders_and_globs(source, seed, path, found):
    bare = seed(FILES)
    files = read(source, at(bare, path))
    assert [target for target, _ in files] == found
    for target, content in files:
        assert read(source, f"git+file://{bare}/-/blob/{target}") == [(target, content)]


def test_tree_addresses_work_as_well(source, seed):
    bare = seed(FILES)
    assert read(source, f"git+file://{bare}/-/tree/main/docs/a.yaml") == [
        ("main/docs/a.yaml", b"a\n")
    ]


def test_refs_of_all_kinds(source, seed, sh):
    bare = seed({"x": "1"})
    old = sh(bare, "rev-parse", "main")
    sh(bare, "tag", "v1", "main")
    sh(bare, "tag", "-a", "-m", "annotated", "rel/2", "main")
    seed({"x": "2"})
    seed({"x": "3", "feature/x": "4"}, branch="feature/one")
    for ref, target, content in [
        ("main", "main/x", b"2"),
        ("v1", "v1/x", b"1"),
        ("rel/2", "rel%2F2/x", b"1"),
        ("rel%2F2", "rel%2F2/x", b"1"),
        ("feature/one", "feature%2Fone/x", b"3"),
        (old, f"{old}/x", b"1"),
        ("HEAD", "HEAD/x", b"2"),
    ]:
        assert read(source, at(bare, "x", ref)) == [(target, content)]


def test_a_branch_goes_before_a_tag(source, seed, sh):
    bare = seed({"x": "old"})
    sh(bare, "tag", "main", "main")
    seed({"x": "new"})
    assert read(source, at(bare, "x")) == [("main/x", b"new")]


def test_the_etag_follows_the_content(source, seed):
    bare = seed({"x": "1", "y": "1"})
    (before,) = source.read(at(bare, "x"), max_bytes=10)
    seed({"y": "2"})
    (same,) = source.read(at(bare, "x"), max_bytes=10)
    seed({"x": "2"})
    (after,) = source.read(at(bare, "x"), max_bytes=10)
    assert before == same
    assert (after.content, after.etag != before.etag) == (b"2", True)


@pytest.mark.parametrize(
    ("path", "ref"),
    [
        ("nope.yaml", "main"),
        ("no/such/*.yaml", "main"),
        ("*.nope", "main"),
        ("catalog-info.yaml/below", "main"),
        ("with%20space", "main"),
        ("x", "no-such-branch"),
        ("x", "f" * 40),
        ("x", "main~1"),
        ("x", "@{u}"),
        ("x", "--output=x"),
        ("x", ";id"),
        ("x", "main%0Arefs"),
        ("docs%0Ax", "main"),
        ("%E9", "main"),
    ],
)
def test_what_is_not_there_is_not_found(source, seed, path, ref):
    bare = seed(FILES)
    with pytest.raises(NotFound):
        source.read(at(bare, path, ref), max_bytes=1000)


def test_empty_and_missing_repositories(source, root, sh):
    sh(root, "init", "-q", "--bare", "empty.git")
    (root / "folder.git").mkdir()
    for name in ("empty.git", "folder.git", "nothing.git"):
        with pytest.raises(NotFound):
            source.read(at(root / name, "x"), max_bytes=10)


def test_a_limit_is_kept_before_anything_is_read(source, seed):
    bare = seed({"a": "x" * 100, "b": "y" * 101})
    assert len(read(source, at(bare, "a"), 100)) == 1
    for path in ("b", "*"):
        with pytest.raises(LimitExceeded):
            source.read(at(bare, path), max_bytes=100)


def test_repositories_elsewhere_are_forbidden_and_not_said_to_exist(seed, root):
    bare = seed(FILES)
    (root / "allowed").mkdir()
    (root / "allowed" / "way-out.git").symlink_to(bare)
    source = GitSource([root / "allowed"], Git(Unavailable))
    answers = set()
    for target in (bare, root / "nothing.git", root / "allowed" / "way-out.git", "/etc/x.git"):
        with pytest.raises(Forbidden) as caught:
            source.read(at(target, "catalog-info.yaml"), max_bytes=1000)
        answers.add(str(caught.value))
    assert len(answers) == 1
    with pytest.raises(Forbidden):
        GitSource([], Git(Unavailable)).read(at(bare, "x"), max_bytes=10)


def test_the_root_itself_may_be_reached_by_a_link(seed, root, tmp_path):
    bare = seed(FILES)
    (tmp_path / "alias").symlink_to(root)
    source = GitSource([tmp_path / "alias"], Git(Unavailable))
    assert read(source, at(bare, "docs/a.yaml")) == [("main/docs/a.yaml", b"a\n")]


def test_a_git_file_that_names_another_folder_is_not_followed(source, root, tmp_path, sh):
    outside = tmp_path / "outside"
    sh(tmp_path, "init", "-q", "--bare", str(outside))
    (root / "trick.git").write_text(f"gitdir: {outside}\n")
    with pytest.raises(NotFound):
        source.read(at(root / "trick.git", "x"), max_bytes=10)


@pytest.mark.parametrize("scheme", ["git+https", "git+ssh", "git+http"])
def test_other_machines_are_claimed_and_refused(source, scheme):
    target = f"{scheme}://git.example.com/acme/shop.git/-/blob/main/catalog-info.yaml"
    assert source.claims("url", target)
    with pytest.raises(Forbidden, match="not allowed here"):
        source.read(target, max_bytes=10)


def test_claims_look_at_the_text_only(source):
    assert source.claims("url", "git+file:///x.git/-/blob/main/x")
    assert not source.claims("file", "git+file:///x.git/-/blob/main/x")
    assert not source.claims("url", "https://github.com/acme/shop/blob/main/x")
    assert not source.claims("url", "/x.git")


def test_links_and_submodules_are_refused_and_globs_pass_them_over(source, raw):
    bare = raw(
        ("100644", "good.yaml", b"g"),
        ("120000", "link.yaml", b"/etc/passwd"),
        ("120000", "folder", b"../.."),
        ("160000", "module.yaml", b""),
        ("100755", "run.yaml", b"r"),
    )
    for name in ("link.yaml", "folder", "module.yaml"):
        with pytest.raises(Forbidden):
            source.read(at(bare, name), max_bytes=100)
    for name in ("folder/x", "module.yaml/x"):
        with pytest.raises(NotFound):
            source.read(at(bare, name), max_bytes=100)
    assert read(source, at(bare, "*.yaml")) == [("main/good.yaml", b"g"), ("main/run.yaml", b"r")]


def test_the_configuration_of_a_repository_runs_nothing(source, seed, tmp_path, sh):
    bare = seed(FILES)
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    for name in ("core.fsmonitor", "core.pager", "core.sshCommand", "uploadpack.packObjectsHook"):
        sh(bare, "config", name, str(trap))
    sh(bare, "config", "filter.x.smudge", str(trap))
    (bare / "info").mkdir(exist_ok=True)
    (bare / "info" / "attributes").write_text("* filter=x\n")
    assert read(source, at(bare, "docs/a.yaml"))
    assert len(read(source, at(bare, "**"))) > 5
    assert not (tmp_path / "sprung").exists()


def test_a_damaged_repository_is_unavailable(source, seed, sh):
    bare = seed(FILES)
    oid = sh(bare, "rev-parse", "main:docs/a.yaml")
    path = bare / "objects" / oid[:2] / oid[2:]
    path.chmod(0o644)
    path.write_bytes(b"garbage")
    with pytest.raises(Unavailable) as caught:
        list(source.read(at(bare, "docs/a.yaml"), max_bytes=1000))
    assert str(bare) not in str(caught.value)
    (bare / "HEAD").write_text("garbage\n")
    with pytest.raises(TowpathError):
        list(source.read(at(bare, "docs/a.yaml"), max_bytes=1000))


def test_many_threads_read_at_once(source, seed):
    bare = seed(FILES)
    answers = []

    def work():
        answers.append(len(read(source, at(bare, "**"))))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [9] * 8


def test_reading_half_leaves_no_process_behind(source, seed, children):
    bare = seed({f"f{number}.yaml": "x" * 5000 for number in range(200)})
    before = children()
    files = iter(source.read(at(bare, "*"), max_bytes=10_000))
    next(files)
    assert children() > before
    files.close()
    assert children() <= before


def test_resolve_stays_in_the_repository(source, seed):
    bare = seed(FILES)
    (file,) = source.read(at(bare, "docs/catalog-info.yml"), max_bytes=1000)
    assert read(source, source.resolve(file.target, "./a.yaml")) == [("main/docs/a.yaml", b"a\n")]
    assert read(source, source.resolve(file.target, "../catalog-info.yaml"))
    for relative in ("../../x", "/etc/passwd", "https://x/y"):
        with pytest.raises(Forbidden):
            source.resolve(file.target, relative)


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def copy(source, target, destination, *, max_bytes=10_000, max_files=100):
    source.read_tree(target, destination, max_bytes=max_bytes, max_files=max_files)


def test_a_folder_is_copied_out(source, seed, tmp_path):
    bare = seed(FILES)
    copy(source, at(bare, "docs"), tmp_path / "a" / "copy")
    assert tree(tmp_path / "a" / "copy") == {
        "a.yaml": b"a\n",
        "b.yaml": b"b\n",
        "catalog-info.yml": b"kind: API\n",
        "deep/er/c.yaml": b"c\n",
    }
    (tmp_path / "empty").mkdir()
    copy(source, at(bare, ""), tmp_path / "empty")
    expected = {k: v if isinstance(v, bytes) else v.encode() for k, v in FILES.items()}
    assert tree(tmp_path / "empty") == expected


def test_a_file_is_copied_out(source, seed, tmp_path):
    bare = seed(FILES)
    copy(source, at(bare, "docs/a.yaml"), tmp_path / "one")
    assert (tmp_path / "one").read_bytes() == b"a\n"


def test_modes_are_kept(source, raw, tmp_path):
    bare = raw(("100755", "run", b"r"), ("100644", "x", b"x"))
    copy(source, at(bare, ""), tmp_path / "copy")
    assert (tmp_path / "copy" / "run").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "copy" / "x").stat().st_mode & 0o7777 == 0o644


def test_quotas_of_a_copy(source, seed, tmp_path):
    bare = seed({"d/a": "x" * 60, "d/b": "y" * 40})
    copy(source, at(bare, "d"), tmp_path / "fits", max_bytes=100, max_files=2)
    for limits in ({"max_bytes": 99}, {"max_files": 1}):
        with pytest.raises(LimitExceeded):
            copy(source, at(bare, "d"), tmp_path / "copy", **limits)
        assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    ("mode", "path"),
    [
        ("120000", "d/link"),
        ("160000", "d/module"),
        ("100644", "d/.GIT/config"),
        ("100644", "d/git~1"),
        ("100644", "d/a\\\\b"),
        ("100644", "d/x\\ny"),
        ("100644", "d/x\\377"),
        ("100644", "d/sub/.Git/hooks/pre-commit"),
    ],
)
def test_what_is_not_to_be_written_is_not(source, raw, tmp_path, mode, path):
    bare = raw(("100644", "d/aaa", b"fine"), (mode, path, b"/etc/passwd"))
    with pytest.raises(Invalid) as caught:
        copy(source, at(bare, "d"), tmp_path / "copy")
    assert caught.value.problems[0].place.file
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("mode", ["120000", "160000"])
def test_a_single_link_or_submodule_is_not_copied(source, raw, tmp_path, mode):
    bare = raw((mode, "d/odd", b"/etc/passwd"))
    with pytest.raises(Invalid):
        copy(source, at(bare, "d/odd"), tmp_path / "copy")
    assert not os.path.lexists(tmp_path / "copy")


def evil_tree(sh, bare, *names):
    """A commit whose tree has names that no porcelain would write."""
    blob = sh(bare, "hash-object", "-w", "--stdin", given=b"evil")
    entries = b"".join(b"100644 " + name + b"\0" + bytes.fromhex(blob) for name in names)
    oid = sh(bare, "hash-object", "-w", "-t", "tree", "--literally", "--stdin", given=entries)
    commit = sh(bare, "commit-tree", "-m", "x", oid)
    sh(bare, "update-ref", "refs/heads/evil", commit)


@pytest.mark.parametrize(
    "names", [[b".."], [b"."], [b".git"], [b"../escaped"], [b"a", b"a"], [b"a", b"a/b"]]
)
def test_trees_that_git_would_not_make(source, seed, sh, tmp_path, names):
    bare = seed({"x": "1"})
    evil_tree(sh, bare, *names)
    with pytest.raises((Invalid, Unavailable)):
        copy(source, at(bare, "", "evil"), tmp_path / "in" / "copy")
    assert not (tmp_path / "in" / "copy").exists()
    assert not (tmp_path / "in" / "escaped").exists()


def test_nothing_is_written_over(source, seed, tmp_path):
    bare = seed(FILES)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "full")
    (tmp_path / "file").write_text("mine")
    for name in ("full", "link", "file"):
        for path in ("docs", "docs/a.yaml"):
            with pytest.raises(Conflict):
                copy(source, at(bare, path), tmp_path / name)
    assert tree(tmp_path / "full") == {"mine": b"mine"}
    assert (tmp_path / "file").read_text() == "mine"


def test_a_copy_of_nothing_is_not_found(source, seed, tmp_path):
    bare = seed(FILES)
    for path in ("no-such", "docs/no-such", "docs/a.yaml/x"):
        with pytest.raises(NotFound):
            copy(source, at(bare, path), tmp_path / "copy")
    with pytest.raises(Invalid):
        copy(source, f"git+file://{bare}", tmp_path / "copy")
