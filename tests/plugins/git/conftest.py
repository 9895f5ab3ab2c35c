"""Real repositories for the tests of the git plugin, made by plain git."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from towpath_core.errors import StepFailed, Unavailable
from towpath_git.git import Git
from towpath_git.publish import PublishGit
from towpath_git.source import GitSource

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[2] / "engine")]

_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
}


@pytest.fixture
def children() -> Callable[[], set[int]]:
    """Which processes this one has, those that ended unnoticed too; other tests may have some."""

    def look() -> set[int]:
        asked = ["ps", "-o", "pid=", "--ppid", str(os.getpid())]
        with subprocess.Popen(asked, stdout=subprocess.PIPE, text=True) as process:
            found = process.communicate()[0]
        return {int(pid) for pid in found.split()} - {process.pid}

    return look


@pytest.fixture
def sh() -> Callable[..., str]:
    """Plain git, as a user at a terminal has it, in a folder."""

    def run(folder: Path, *arguments: str, given: bytes = b"") -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            env=_ENVIRONMENT,
            input=given,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode(errors="surrogateescape").strip()

    return run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of all repositories."""
    root = tmp_path / "root"
    root.mkdir()
    return root


def _stream(entries: Iterable[tuple[str, str, bytes]], branch: str, onto: bool) -> bytes:
    """A commit of these entries (mode, path, content), in the words of git fast-import."""
    stream = f"commit refs/heads/{branch}\ncommitter A <a@b> 0 +0000\ndata 4\nseed\n".encode()
    stream += f"from refs/heads/{branch}^0\n".encode() if onto else b""
    for mode, path, content in entries:
        if mode == "160000":
            stream += f'M {mode} {"1" * 40} "{path}"\n'.encode()
        else:
            stream += f'M {mode} inline "{path}"\ndata {len(content)}\n'.encode() + content + b"\n"
    return stream + b"\n"


@pytest.fixture
def raw(root: Path, sh: Callable[..., str]) -> Callable[..., Path]:
    """Make a bare repository of entries, also such as git itself would not write."""

    def make(
        *entries: tuple[str, str, bytes], name: str = "raw/evil.git", branch: str = "main"
    ) -> Path:
        bare = root / name
        if not bare.exists():
            bare.parent.mkdir(parents=True, exist_ok=True)
            sh(root, "init", "-q", "--bare", "--template=", "--initial-branch=main", str(bare))
        onto = (bare / "refs" / "heads" / branch).exists()
        sh(bare, "fast-import", "--quiet", given=_stream(entries, branch, onto))
        return bare

    return make


@pytest.fixture
def seed(raw: Callable[..., Path]) -> Callable[..., Path]:
    """Make a bare repository with these files on a branch, or add a commit to it."""

    def make(files: dict[str, str | bytes], branch: str = "main") -> Path:
        entries = (
            ("100644", path, content if isinstance(content, bytes) else content.encode())
            for path, content in files.items()
        )
        return raw(*entries, name="acme/shop.git", branch=branch)

    return make


@pytest.fixture
def source(root: Path) -> GitSource:
    """The source, allowed to read below the root."""
    return GitSource([root], Git(Unavailable))


@pytest.fixture
def publish(root: Path) -> PublishGit:
    """The action, publishing below the root."""
    return PublishGit(root, Git(StepFailed))
