"""A first commit, made of files that are streamed to git: no index, no checkout, no filters.

Owns how files, authors and messages become one commit in a new bare repository. Must not know
where the repository goes, nor for whom.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

from towpath_core.errors import Invalid, Place, Problem, StepFailed
from towpath_git.git import Git
from towpath_git.workspace import Folder, WorkspaceFile

__all__ = ("Author", "CommitPlan", "commit_folder", "make_repository")

_CHUNK = 256 * 1024
_MAX_MESSAGE_BYTES = 64 * 1024
_MAX_NAME = 200
_NOT_IN_IDENTITY = re.compile(r"[\x00-\x1f\x7f<>\u0085\u2028\u2029]")
_COMMITTER = "Towpath <towpath@towpath.invalid>"


class Author(msgspec.Struct, frozen=True):
    """Who a commit is by. Get one from `checked` or `cleaned`: git's format has no escapes."""

    name: str
    email: str

    def checked(self) -> Author:
        """The same author.

        Raises:
            Invalid: a name holds what would end it in git's format. Code `author`.
        """
        for field, text in (("gitAuthorName", self.name), ("gitAuthorEmail", self.email)):
            if _NOT_IN_IDENTITY.search(text) or len(text) > _MAX_NAME or not text.isprintable():
                message = f"{field} must be one line of at most {_MAX_NAME} letters without < or >."
                place = Place(pointer=f"/{field}")
                raise Invalid(message, problems=[Problem("author", message, place)])
        return self

    def cleaned(self) -> Author:
        """The author without such characters, for one whose name nobody typed for git."""
        name, email = (
            "".join(c for c in _NOT_IN_IDENTITY.sub("", text) if c.isprintable())[:_MAX_NAME]
            for text in (self.name, self.email)
        )
        return Author(name.strip(), email.strip())


class CommitPlan(msgspec.Struct, frozen=True):
    """What the commit says besides its files."""

    branch: str
    message: str
    author: Author


def make_repository(git: Git, folder: Path, branch: str) -> None:
    """Make an empty bare repository, without any hook, whose HEAD is that branch."""
    # Both values stand behind a `=` or a `--`, where they cannot be taken for options.
    options = ["--quiet", "--bare", "--template=", f"--initial-branch={branch}"]
    git.run(["init", *options, "--", str(folder)])


def commit_folder(
    git: Git, repository: Path, folder: Folder, plan: CommitPlan, check: Callable[[], None]
) -> str:
    """Commit the files of a folder that its `.gitignore` files do not leave out.

    Args:
        git: how git is called.
        repository: a bare repository without commits.
        folder: the files; `.git` folders in it are passed over.
        plan: branch, message and author.
        check: called between files; what it raises ends the work.

    Returns:
        The commit's id.

    Raises:
        Invalid: the message, a link or a name in the folder is refused.
        StepFailed: git fails, or a file changes while it is read.
    """
    message = _message(plan.message)
    files = _not_ignored(git, repository, folder, folder.files())
    now = int(time.time())
    head = (
        f"commit refs/heads/{plan.branch}\n"
        f"author {plan.author.name} <{plan.author.email}> {now} +0000\n"
        f"committer {_COMMITTER} {now} +0000\n"
        f"data {len(message)}\n"
    )
    with git.feed(["fast-import", "--quiet", "--done"], repository=repository) as pipe:
        pipe.write(head.encode() + message + b"\n")
        for file in files:
            check()
            _send(pipe, folder, file)
        pipe.write(b"\ndone\n")
    ref = f"refs/heads/{plan.branch}"
    found = git.run(["rev-parse", "--verify", "--end-of-options", ref], repository=repository)
    return found.output.decode().strip()


def _message(text: str) -> bytes:
    encoded = text.encode(errors="replace")
    if not text.strip() or "\0" in text or len(encoded) > _MAX_MESSAGE_BYTES:
        what = f"gitCommitMessage must be a text of at most {_MAX_MESSAGE_BYTES} bytes."
        place = Place(pointer="/gitCommitMessage")
        raise Invalid(what, problems=[Problem("message", what, place)])
    return encoded


def _not_ignored(
    git: Git, repository: Path, folder: Folder, files: list[WorkspaceFile]
) -> list[WorkspaceFile]:
    """Ask git what `.gitignore` says; there is no link that it could follow: `files` saw to it."""
    # With `./` in front, no name is taken for one of git's path patterns, such as `:(glob)`.
    answer = git.run(
        ["check-ignore", "--no-index", "-z", "--stdin"],
        repository=repository,
        work_tree=folder.path,
        given="".join(f"./{file.path}\0" for file in files).encode(),
        also_good=frozenset({1}),  # nothing is ignored
    )
    ignored = set(answer.output.decode().split("\0"))
    return [file for file in files if f"./{file.path}" not in ignored]


def _send(pipe: IO[bytes], folder: Folder, file: WorkspaceFile) -> None:
    mode = "100755" if file.executable else "100644"
    path = file.path.replace("\\", "\\\\").replace('"', '\\"')
    pipe.write(f'M {mode} inline "{path}"\ndata {file.size}\n'.encode())
    left = file.size
    with folder.open(file) as opened:
        while left and (chunk := opened.read(min(_CHUNK, left))):
            pipe.write(chunk)
            left -= len(chunk)
        if left or opened.read(1):
            raise StepFailed(f"{file.path!r} changed while it was read.")
    pipe.write(b"\n")
