"""The files of a workspace as they go into a commit: found and read without following a link.

Knows nothing of git but which names are its own.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn

import msgspec

from towpath_core.errors import Invalid, LimitExceeded, NotFound, Place, Problem, StepFailed
from towpath_git.names import is_git_folder

__all__ = ("Folder", "WorkspaceFile", "open_folder")

MAX_FILES = 50_000
MAX_FILE_BYTES = 256 * 1024 * 1024
MAX_TOTAL_BYTES = 1024 * 1024 * 1024
_MAX_DEPTH = 64
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: opening a pipe that nobody writes to would wait for ever.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class WorkspaceFile(msgspec.Struct, frozen=True):
    """A file below the folder; `path` has `/` between names, `size` is in bytes."""

    path: str
    size: int
    executable: bool


class Folder:
    """An open folder of a workspace. Get one from `open_folder`.

    Attributes:
        path: where it is; to be named, not to be opened.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def files(self) -> list[WorkspaceFile]:
        """All files, ordered by path, without what `.git` folders hold.

        Raises:
            Invalid: there is a link, a special file, or a name that git must not have.
            LimitExceeded: they are too many, too large or nested too deep.
        """
        found: list[WorkspaceFile] = []
        total = 0
        for file in self._walk():
            found.append(file)
            total += file.size
            if len(found) > MAX_FILES:
                raise LimitExceeded(f"There are more than {MAX_FILES} files to publish.")
            if file.size > MAX_FILE_BYTES or total > MAX_TOTAL_BYTES:
                raise LimitExceeded(
                    f"The files to publish are too large: at most {MAX_FILE_BYTES} bytes each, "
                    f"{MAX_TOTAL_BYTES} together."
                )
        return sorted(found, key=lambda file: file.path)

    @contextmanager
    def open(self, file: WorkspaceFile) -> Iterator[BinaryIO]:
        """Open a file for reading.

        Raises:
            Invalid: it is no file any more.
        """
        *above, name = file.path.split("/")
        with _descend(self._descriptor, above) as folder:
            with _explained(file.path):
                descriptor = os.open(name, _READ, dir_fd=folder)
            with os.fdopen(descriptor, "rb") as opened:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise _refused(file.path, "it is not a file")
                yield opened

    def _walk(self) -> Iterator[WorkspaceFile]:
        walk = os.fwalk(".", onerror=_unreadable, dir_fd=self._descriptor)
        for here, folders, names, descriptor in walk:
            above = "" if here == "." else f"{here[2:]}/"
            if above.count("/") > _MAX_DEPTH:
                raise LimitExceeded(f"A folder is nested deeper than {_MAX_DEPTH}.")
            # `.git` is a folder, or the file that a worktree or submodule has in its place.
            folders[:] = [name for name in folders if name != ".git"]
            for name in (*folders, *names):
                if name != ".git":
                    status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    _check(f"{above}{name}", name, status.st_mode)
                    if stat.S_ISREG(status.st_mode):
                        executable = bool(status.st_mode & stat.S_IXUSR)
                        yield WorkspaceFile(f"{above}{name}", status.st_size, executable)


@contextmanager
def open_folder(workspace: Path, source_path: str) -> Iterator[Folder]:
    """Open a folder of the workspace, given as a relative path; empty is the workspace itself.

    Raises:
        Invalid: the path leaves the workspace or goes through a link.
        NotFound: there is no such folder.
    """
    names = [name for name in source_path.split("/") if name not in ("", ".")]
    if source_path.startswith("/") or ".." in names or "\0" in source_path:
        raise _refused(source_path, "it leaves the workspace", Place(pointer="/sourcePath"))
    with _explained("."):
        root = os.open(workspace, _FOLDER)
    try:
        with _descend(root, names) as descriptor:
            yield Folder(workspace.joinpath(*names), descriptor)
    finally:
        os.close(root)


@contextmanager
def _descend(folder: int, names: list[str]) -> Iterator[int]:
    current = os.dup(folder)
    try:
        for name in names:
            with _explained(name):
                inner = os.open(name, _FOLDER, dir_fd=current)
            os.close(current)
            current = inner
        yield current
    finally:
        os.close(current)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise NotFound(f"There is no {name[:200]!r} in the workspace.") from None
    except NotADirectoryError:
        raise _refused(name, "it is a link or not a folder") from None
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise StepFailed(f"{name[:200]!r} cannot be read.", why=why) from None


def _unreadable(error: OSError) -> NoReturn:
    raise StepFailed("A folder cannot be read.", why=os.strerror(error.errno or 0)) from None


def _check(path: str, name: str, mode: int) -> None:
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise _refused(path, "it is a link" if stat.S_ISLNK(mode) else "it is no file")
    if is_git_folder(name):
        raise _refused(path, "some systems take its name for .git")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise _refused(path, "its name holds a control character or is not UTF-8")


def _refused(path: str, why: str, place: Place | None = None) -> Invalid:
    shown = path[:200] if path.isprintable() else ascii(path[:200])[1:-1]
    what = f"{shown!r} cannot be published: {why}."
    return Invalid(what, problems=[Problem("path", what, place or Place(file=shown))])
