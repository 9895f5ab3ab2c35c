"""The action publish:git, over real repositories that plain git clones."""

from __future__ import annotations

import os
import socket
import time

import pytest

from towpath_core.entities import Entity
from towpath_core.errors import (
    Cancelled,
    Conflict,
    Forbidden,
    Invalid,
    LimitExceeded,
    NotFound,
    StepFailed,
)
from towpath_core.testing import RecordingContext
from towpath_git import workspace as limits
from towpath_git.git import Git
from towpath_git.publish import PublishGit


@pytest.fixture
def workspace(tmp_path):
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def context(workspace):
    return RecordingContext(workspace)


def lay(folder, files):
    for name, content in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), os.access(path, os.X_OK))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


CONTENT = {
    "README.md": "# Shop\r\n",
    "catalog-info.yaml": "kind: Component\n",
    "src/main.py": "print()\n",
    'with space/grüße "quoted".txt': "ü",
    "back\\slash": "b",
    "-rf": "dash",
    ":(exclude)x": "pathspec",
    "binary.dat": bytes(range(256)) * 10,
    "empty": "",
    ".github/workflows/ci.yaml": "on: push\n",
    ".gitattributes": "* text=auto eol=lf filter=evil\n",
    ".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = ext::sh -c touch% sprung\n',
    "data \n".strip() + ".x": "data 5\n",
}


def test_a_clone_is_the_workspace(publish, context, workspace, root, tmp_path, sh):
    lay(workspace, CONTENT)
    (workspace / "src" / "main.py").chmod(0o755)
    (workspace / "hollow").mkdir()
    outputs = publish.run({"repoUrl": "acme/shop", "description": "Sells\nthings"}, context)
    bare = root / "acme" / "shop.git"
    assert outputs["remoteUrl"] == f"file://{bare}"
    assert outputs["repoContentsUrl"] == f"git+file://{bare}/-/blob/main"
    sh(tmp_path, "clone", "-q", outputs["remoteUrl"], "clone")
    assert tree(tmp_path / "clone") == tree(workspace)
    assert sh(tmp_path / "clone", "rev-parse", "HEAD") == outputs["commitHash"]
    assert sh(tmp_path / "clone", "symbolic-ref", "HEAD") == "refs/heads/main"
    assert sh(bare, "rev-list", "--all", "--count") == "1"
    sh(bare, "fsck", "--full")
    assert (bare / "description").read_text() == "Sells things\n"
    assert not (bare / "hooks").exists()
    assert list((root / ".tmp").iterdir()) == []


def test_what_was_published_can_be_pushed_to_and_read(
    publish, source, context, workspace, tmp_path, sh
):
    lay(workspace, CONTENT)
    outputs = publish.run({"repoUrl": "acme/shop"}, context)
    target = outputs["repoContentsUrl"] + "/catalog-info.yaml"
    assert source.claims("url", target)
    (file,) = source.read(target, max_bytes=1000)
    assert (file.target, file.content) == (target, b"kind: Component\n")
    sh(tmp_path, "clone", "-q", outputs["remoteUrl"], "clone")
    (tmp_path / "clone" / "catalog-info.yaml").write_text("kind: API\n")
    sh(tmp_path / "clone", "commit", "-q", "-a", "-m", "change")
    sh(tmp_path / "clone", "push", "-q")
    (file,) = source.read(target, max_bytes=1000)
    assert file.content == b"kind: API\n"
    assert publish.run({"repoUrl": "acme/shop"}, context) == outputs


def test_a_branch_with_a_slash_is_read_back(publish, source, context, workspace):
    lay(workspace, {"d/catalog-info.yaml": "x"})
    outputs = publish.run({"repoUrl": "shop", "defaultBranch": "release/1.x"}, context)
    (file,) = source.read(outputs["repoContentsUrl"] + "/d/catalog-info.yaml", max_bytes=10)
    assert file.content == b"x"


def test_ignored_files_stay_out_as_with_git_add(publish, context, workspace, root, sh):
    lay(
        workspace,
        {
            ".gitignore": "*.log\n/build/\n!keep.log\n",
            "a.log": "1",
            "keep.log": "2",
            "build/x": "3",
            "src/build/x": "4",
            "src/.gitignore": "secret\n",
            "src/secret": "5",
        },
    )
    publish.run({"repoUrl": "shop"}, context)
    names = sh(root / "shop.git", "ls-tree", "-r", "--name-only", "main").split()
    assert names == [".gitignore", "keep.log", "src/.gitignore", "src/build/x"]


def test_only_a_folder_is_published(publish, context, workspace, root, sh):
    lay(workspace, {"a": "1", "source/b": "2", "source/d/c": "3", "source/.gitignore": "c\n"})
    publish.run({"repoUrl": "shop", "sourcePath": "./source/"}, context)
    names = sh(root / "shop.git", "ls-tree", "-r", "--name-only", "main").split()
    assert names == [".gitignore", "b"]


def test_an_empty_workspace_gives_an_empty_commit(publish, context, root, sh):
    outputs = publish.run({"repoUrl": "shop"}, context)
    assert sh(root / "shop.git", "rev-parse", "main") == outputs["commitHash"]
    assert sh(root / "shop.git", "ls-tree", "-r", "main") == ""


def test_nothing_in_a_workspace_is_run_or_taken_for_git_s(
    publish, context, workspace, root, tmp_path, sh
):
    trap = f"#!/bin/sh\ntouch {tmp_path}/sprung\n"
    hooks = ("pre-commit", "post-commit", "post-checkout", "reference-transaction", "post-update")
    lay(workspace, {f".git/hooks/{name}": trap for name in hooks})
    lay(
        workspace,
        {
            "a": "1",
            ".git/config": f"[core]\n\tfsmonitor = touch {tmp_path}/sprung\n"
            f'[filter "evil"]\n\tclean = touch {tmp_path}/sprung\n',
            ".git/HEAD": "ref: refs/heads/main\n",
            ".git/objects/x": "",
            ".git/refs/x": "",
            ".gitattributes": "* filter=evil\n",
            "nested/.git/HEAD": "ref: refs/heads/main\n",
            "nested/b": "2",
            "worktree/.git": f"gitdir: {tmp_path}\n",
            "worktree/c": "3",
        },
    )
    for hook in (workspace / ".git" / "hooks").iterdir():
        hook.chmod(0o755)
    publish.run({"repoUrl": "shop"}, context)
    names = sh(root / "shop.git", "ls-tree", "-r", "--name-only", "main").split()
    assert names == [".gitattributes", "a", "nested/b", "worktree/c"]
    assert not (tmp_path / "sprung").exists()
    assert "fsmonitor" not in (root / "shop.git" / "config").read_text()


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../outside/secret", "../outside", "nowhere", "loop"]
)
def test_links_are_refused(publish, context, workspace, root, tmp_path, target):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    lay(workspace, {"a": "1", "d/b": "2"})
    (workspace / "d" / "loop").symlink_to(target)
    with pytest.raises(Invalid, match="it is a link") as caught:
        publish.run({"repoUrl": "shop"}, context)
    assert caught.value.problems[0].place.file == "d/loop"
    assert not (root / "shop.git").exists()
    assert list((root / ".tmp").iterdir()) == []


def test_special_files_are_refused(publish, context, workspace, root):
    os.mkfifo(workspace / "pipe")
    with pytest.raises(Invalid, match="it is no file"):
        publish.run({"repoUrl": "shop"}, context)
    (workspace / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(workspace / "s"))
        with pytest.raises(Invalid, match="it is no file"):
            publish.run({"repoUrl": "shop"}, context)
    assert not (root / "shop.git").exists()


@pytest.mark.parametrize(
    "name", [".GIT/config", "d/.Git", "git~1", ".git.", ".g\u200cit", "a\nb", "a\x1bb", "x\udcff"]
)
def test_names_that_mean_another_thing_are_refused(publish, context, workspace, root, name):
    lay(workspace, {name: "x"})
    with pytest.raises(Invalid) as caught:
        publish.run({"repoUrl": "shop"}, context)
    assert str(caught.value).isprintable()
    assert not (root / "shop.git").exists()


@pytest.mark.parametrize(
    "path", ["../outside", "/etc", "link", "link/x", "d/../../outside", "a\0b"]
)
def test_hostile_source_paths(publish, context, workspace, root, tmp_path, path):
    (tmp_path / "outside" / "x").mkdir(parents=True)
    (workspace / "link").symlink_to(tmp_path / "outside")
    (workspace / "d").mkdir()
    with pytest.raises(Invalid):
        publish.run({"repoUrl": "shop", "sourcePath": path}, context)
    assert not (root / "shop.git").exists()


def test_a_missing_source_path_is_not_found(publish, context, workspace):
    lay(workspace, {"file": "1"})
    with pytest.raises(NotFound):
        publish.run({"repoUrl": "shop", "sourcePath": "nope"}, context)
    with pytest.raises(Invalid):
        publish.run({"repoUrl": "shop", "sourcePath": "file"}, context)


def test_the_one_who_runs_the_template_is_the_author(publish, workspace, root, sh):
    profile = {"displayName": "Ada <Lovelace>\n", "email": "ada@example.com"}
    ada = Entity("v1", "User", {"name": "ada", "namespace": "default"}, {"profile": profile})
    context = RecordingContext(workspace, entities={"user:default/kit": ada})
    lay(workspace, {"a": "1"})
    publish.run({"repoUrl": "shop"}, context)
    shown = sh(root / "shop.git", "log", "-1", "--format=%an|%ae|%cn|%s|%at", "main")
    author, email, committer, subject, at = shown.split("|")
    assert (author, email) == ("Ada Lovelace", "ada@example.com")
    assert (committer, subject) == ("Towpath", "initial commit")
    assert abs(int(at) - time.time()) < 120


def test_an_author_of_nothing_but_odd_characters_is_nobody(publish, workspace, root, sh):
    profile = {"displayName": "<>\n", "email": "\x1b"}
    odd = Entity("v1", "User", {"name": "odd", "namespace": "default"}, {"profile": profile})
    context = RecordingContext(workspace, entities={"user:default/kit": odd})
    publish.run({"repoUrl": "shop"}, context)
    shown = sh(root / "shop.git", "log", "-1", "--format=%an <%ae>", "main")
    assert shown == "Towpath <nobody@towpath.invalid>"


@pytest.mark.parametrize(
    ("user", "given", "author"),
    [
        ("user:default/kit", {}, "kit <nobody@towpath.invalid>"),
        ("", {}, "Towpath <nobody@towpath.invalid>"),
        ("user:default/kit", {"gitAuthorName": "Bob"}, "Bob <nobody@towpath.invalid>"),
        ("", {"gitAuthorName": "Bob", "gitAuthorEmail": "b@x"}, "Bob <b@x>"),
    ],
)
def test_authors(publish, context, workspace, root, sh, user, given, author):
    context.user_ref = user
    lay(workspace, {"a": "1"})
    publish.run(
        {"repoUrl": "shop", "gitCommitMessage": "Größe\n\ndata 5\nreset refs/heads/x", **given},
        context,
    )
    assert sh(root / "shop.git", "log", "-1", "--format=%an <%ae>", "main") == author
    assert sh(root / "shop.git", "log", "-1", "--format=%s", "main") == "Größe"
    assert sh(root / "shop.git", "for-each-ref", "--format=%(refname)") == "refs/heads/main"


@pytest.mark.parametrize(
    "given",
    [
        {"gitAuthorName": "Eve\ncommitter Root <r@x> 0 +0000"},
        {"gitAuthorName": "a <b>"},
        {"gitAuthorEmail": "a>b"},
        {"gitAuthorEmail": "x" * 300},
        {"gitCommitMessage": ""},
        {"gitCommitMessage": "a\0b"},
        {"gitCommitMessage": "x" * 70_000},
        {"defaultBranch": "--output=x"},
        {"defaultBranch": "a..b"},
        {"defaultBranch": "main\nreset refs/heads/evil"},
        {"defaultBranch": ""},
        {"repoUrl": 5},
        {"repoUrl": "../../escaped"},
        {"repoUrl": "acme/.git"},
        {"repoUrl": "-x"},
        {"repoUrl": "h?owner=..&repo=x"},
        {"repoUrl": "a\nb"},
    ],
)
def test_hostile_input_makes_nothing(publish, context, workspace, root, given):
    lay(workspace, {"a": "1"})
    with pytest.raises(Invalid):
        publish.run({"repoUrl": "shop", **given}, context)
    assert [path.name for path in root.iterdir() if path.name != ".tmp"] == []
    assert not (root / ".tmp").exists() or list((root / ".tmp").iterdir()) == []


def test_repo_urls_of_a_picker(publish, context, workspace, root):
    outputs = publish.run({"repoUrl": "github.com?owner=acme&repo=shop"}, context)
    assert outputs["remoteUrl"] == f"file://{root}/acme/shop.git"


def test_another_step_s_repository_is_a_conflict(publish, workspace, root, sh):
    first = publish.run({"repoUrl": "acme/shop"}, RecordingContext(workspace, key="a:1"))
    for _ in range(2):
        with pytest.raises(Conflict, match=r"acme/shop\.git"):
            publish.run({"repoUrl": "acme/shop"}, RecordingContext(workspace, key="b:1"))
    again = publish.run({"repoUrl": "acme/shop"}, RecordingContext(workspace, key="a:1"))
    assert again == first
    sh(root, "init", "-q", "--bare", "theirs.git")
    (root / "file.git").write_text("x")
    (root / "hollow.git").mkdir()
    (root / "link.git").symlink_to(root / "acme" / "shop.git")
    for name in ("theirs", "file", "hollow", "link"):
        with pytest.raises(Conflict):
            publish.run({"repoUrl": name}, RecordingContext(workspace, key="a:1"))


@pytest.mark.parametrize("name", ["ACME/shop", "acme/Shop"])
def test_names_that_differ_in_case_are_a_conflict(publish, workspace, name):
    publish.run({"repoUrl": "acme/shop"}, RecordingContext(workspace, key="a:1"))
    with pytest.raises(Conflict):
        publish.run({"repoUrl": name}, RecordingContext(workspace, key="b:1"))


def test_an_owner_s_folder_that_leads_out_is_forbidden(publish, context, root, tmp_path):
    (tmp_path / "outside").mkdir()
    (root / "acme").symlink_to(tmp_path / "outside")
    with pytest.raises(Forbidden):
        publish.run({"repoUrl": "acme/shop"}, context)
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_repeated_step_answers_even_when_the_workspace_is_gone(publish, context, workspace):
    lay(workspace, {"source/a": "1"})
    given = {"repoUrl": "shop", "sourcePath": "source"}
    first = publish.run(given, context)
    (workspace / "source" / "a").unlink()
    (workspace / "source").rmdir()
    assert publish.run(given, context) == first


def test_a_dry_run_checks_and_makes_nothing(publish, workspace, root):
    context = RecordingContext(workspace, dry_run=True)
    lay(workspace, {"a": "1"})
    outputs = publish.run({"repoUrl": "acme/shop"}, context)
    assert outputs["commitHash"] == "0" * 40
    assert list(root.iterdir()) == []
    (workspace / "link").symlink_to("/etc")
    with pytest.raises(Invalid):
        publish.run({"repoUrl": "acme/shop"}, context)


def test_a_cancelled_run_publishes_nothing(publish, workspace, root):
    context = RecordingContext(workspace)
    lay(workspace, {"a": "1"})
    context.cancel()
    with pytest.raises(Cancelled):
        publish.run({"repoUrl": "acme/shop"}, context)
    assert list((root / ".tmp").iterdir()) == []
    assert not (root / "acme").exists()


def test_quotas(publish, context, workspace, root, monkeypatch):
    lay(workspace, {f"f{number}": "x" * 50 for number in range(6)})
    for name, value in (("MAX_FILES", 5), ("MAX_FILE_BYTES", 49), ("MAX_TOTAL_BYTES", 299)):
        with monkeypatch.context() as patch:
            patch.setattr(limits, name, value)
            with pytest.raises(LimitExceeded, match=str(value)):
                publish.run({"repoUrl": "shop"}, context)
    (workspace / "/".join(["d"] * 70)).mkdir(parents=True)
    with pytest.raises(LimitExceeded, match="deeper"):
        publish.run({"repoUrl": "shop"}, context)
    assert not (root / "shop.git").exists()


def test_a_root_that_is_not_there_is_made(tmp_path, context, workspace):
    lay(workspace, {"a": "1"})
    action = PublishGit(tmp_path / "new" / "root", Git(StepFailed))
    action.run({"repoUrl": "shop"}, context)
    assert (tmp_path / "new" / "root" / "shop.git" / "HEAD").is_file()


def test_a_root_that_cannot_be_used_fails_the_step(tmp_path, context):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StepFailed) as caught:
        PublishGit(tmp_path / "file", Git(StepFailed)).run({"repoUrl": "shop"}, context)
    assert str(tmp_path) not in str(caught.value)
