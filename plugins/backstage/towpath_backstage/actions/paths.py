"""The workspace on the disk, reached through directory descriptors so that no link is followed.

Every call walks from the open root, name by name, and looks at what it opened: nothing that was
checked earlier is trusted, and no text of a path is ever handed to the system as a whole. Knows
nothing of actions, and takes only paths that `names` has read.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import msgspec

from towpath_backstage.actions.names import MAX_DEPTH, SCRATCH, Parts, show
from towpath_core.errors import Conflict, Invalid, LimitExceeded, NotFound, StepFailed, TowpathError

__all__ = ("Entry", "Kind", "WorkTree")

Kind = Literal["file", "folder", "link", "other"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not blocking: opening a pipe that nobody writes to would wait for ever.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Entry(msgspec.Struct, frozen=True):
    """Something in the tree; `size` in bytes, 0 for what is no file."""

    path: Parts
    kind: Kind
    size: int = 0
    executable: bool = False


class WorkTree:
    """A folder and what is below it. Open it with `with`; not safe to share between threads.

    Every method may raise:
        Invalid: a part of the path is a link, or not what it should be.
        StepFailed: the file system refuses (full, read-only, ...).
    """

    def __init__(self, root: Path) -> None:
        self._path = root
        self._root = -1

    def __enter__(self) -> Self:
        """Open the root."""
        with _explained(()):
            self._root = os.open(self._path, _FOLDER)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the root."""
        os.close(self._root)
        self._root = -1

    def kind(self, path: Parts) -> Kind | None:
        """What is there; None where nothing is. A link is a link, wherever it leads."""
        if not path:
            return "folder"
        try:
            with self._folder(path[:-1]) as folder:
                return _kind(os.stat(path[-1], dir_fd=folder, follow_symlinks=False).st_mode)
        except (FileNotFoundError, NotFound):
            return None

    def entries(self, below: Parts = ()) -> Iterator[Entry]:
        """All below a folder, folders before what is in them, ordered by name; without scratch.

        Links are listed and not entered.

        Raises:
            NotFound: there is no such folder.
            LimitExceeded: a folder is nested deeper than any real project.
        """
        waiting = [below]
        while waiting:
            here = waiting.pop()
            if len(here) - len(below) > MAX_DEPTH:
                raise LimitExceeded(f"{show(here)} is nested deeper than {MAX_DEPTH} folders.")
            found = self._list(here)
            if not here:
                found = [entry for entry in found if entry.path[0] != SCRATCH]
            yield from found
            waiting += [entry.path for entry in reversed(found) if entry.kind == "folder"]

    def read(self, path: Parts, *, limit: int) -> bytes:
        """The content of a file.

        Raises:
            NotFound: there is none.
            LimitExceeded: it holds more than `limit` bytes.
        """
        with self._folder(path[:-1]) as folder, _explained(path):
            descriptor = os.open(path[-1] if path else ".", _READ, dir_fd=folder)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise Invalid(f"{show(path)} is not a file.")
                with os.fdopen(descriptor, "rb", closefd=False) as file:
                    content = file.read(limit + 1)
            finally:
                os.close(descriptor)
        if len(content) > limit:
            raise LimitExceeded(f"{show(path)} is larger than {limit} bytes.")
        return content

    def write(self, path: Parts, content: bytes, *, executable: bool = False) -> None:
        """Put a file in place at once, instead of one that is there; folders are made.

        Raises:
            Conflict: a folder is in its place.
        """
        with self.scratch() as scratch:
            staged = (*scratch, "file")
            self.write_new(staged, content, executable=executable)
            self.move(staged, path)

    def write_new(self, path: Parts, content: bytes, *, executable: bool = False) -> None:
        """Write a file where none is; folders are made. It is not atomic: stage it in scratch."""
        with self._folder(path[:-1], create=True) as folder, _explained(path):
            descriptor = os.open(path[-1], _NEW, 0o600, dir_fd=folder)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                os.fchmod(descriptor, 0o755 if executable else 0o644)

    def set_executable(self, path: Parts, executable: bool) -> None:
        """Give a file the mode 0755 or 0644; all other bits are gone."""
        with self._folder(path[:-1]) as folder, _explained(path):
            descriptor = os.open(path[-1], _READ, dir_fd=folder)
            try:
                os.fchmod(descriptor, 0o755 if executable else 0o644)
            finally:
                os.close(descriptor)

    def make_folder(self, path: Parts) -> None:
        """Make a folder and those above it; harmless where it is there."""
        with self._folder(path, create=True):
            pass

    def move(self, source: Parts, target: Parts) -> None:
        """Rename within the tree, at once. A file replaces a file; folders above are made.

        Raises:
            NotFound: `source` is not there.
            Conflict: a folder, or something of another kind, is in the place of `target`.
        """
        with (
            self._folder(source[:-1]) as old,
            self._folder(target[:-1], create=True) as new,
            _explained(target),
        ):
            os.rename(source[-1], target[-1], src_dir_fd=old, dst_dir_fd=new)

    def remove(self, path: Parts) -> None:
        """Remove a file, a link itself, or a folder with all below it; harmless where none is.

        The path names something below the root.
        """
        kind = self.kind(path)
        if kind is None:
            return
        if kind == "folder":
            with self._folder(path) as folder, _explained(path):
                _empty(folder)
        with self._folder(path[:-1]) as folder, _explained(path):
            if kind == "folder":
                os.rmdir(path[-1], dir_fd=folder)
            else:
                os.unlink(path[-1], dir_fd=folder)

    @contextmanager
    def scratch(self) -> Iterator[Parts]:
        """A folder of the workspace to work in, empty now and removed afterwards."""
        here = (SCRATCH,)
        self.remove(here)
        self.make_folder(here)
        try:
            yield here
        finally:
            self.remove(here)

    @contextmanager
    def _folder(self, path: Parts, *, create: bool = False) -> Iterator[int]:
        current = os.dup(self._root)
        try:
            for depth, name in enumerate(path, 1):
                with _explained(path[:depth]):
                    inner = _enter(current, name, create=create)
                os.close(current)
                current = inner
            yield current
        finally:
            os.close(current)

    def _list(self, path: Parts) -> list[Entry]:
        with self._folder(path) as folder, _explained(path), os.scandir(folder) as found:
            entries = []
            for item in found:
                status = item.stat(follow_symlinks=False)
                kind = _kind(status.st_mode)
                size = status.st_size if kind == "file" else 0
                executable = kind == "file" and bool(status.st_mode & stat.S_IXUSR)
                entries.append(Entry((*path, item.name), kind, size, executable))
        return sorted(entries, key=lambda entry: entry.path)


def _empty(folder: int) -> None:
    """Remove all that is in a folder.

    Folders are lifted to the top before they are emptied: others may have nested them deeper than
    recursion, or one descriptor a level, could follow.
    """
    lifted = f"{SCRATCH}.{secrets.token_hex(4)}"
    waiting = _unlink_files(folder)
    number = 0
    while waiting:
        name = waiting.pop()
        inner = os.open(name, _FOLDER, dir_fd=folder)
        try:
            for below in _unlink_files(inner):
                number += 1
                os.rename(below, f"{lifted}.{number}", src_dir_fd=inner, dst_dir_fd=folder)
                waiting.append(f"{lifted}.{number}")
        finally:
            os.close(inner)
        os.rmdir(name, dir_fd=folder)


def _unlink_files(folder: int) -> list[str]:
    """Remove all in a folder but its folders, and name those."""
    with os.scandir(folder) as found:
        items = list(found)
    for item in items:
        if not item.is_dir(follow_symlinks=False):
            os.unlink(item.name, dir_fd=folder)
    return [item.name for item in items if item.is_dir(follow_symlinks=False)]


def _enter(folder: int, name: str, *, create: bool) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        if not create:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, 0o755, dir_fd=folder)
    return os.open(name, _FOLDER, dir_fd=folder)


def _kind(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "link" if stat.S_ISLNK(mode) else "other"


@contextmanager
def _explained(path: Parts) -> Iterator[None]:
    """Turn what the system says into our errors, naming the path below the workspace only."""
    try:
        yield
    except OSError as error:
        raise _error(path, error) from None


def _error(path: Parts, error: OSError) -> TowpathError:
    shown = show(path)
    match error.errno:
        case errno.ENOENT:
            return NotFound(f"There is no {shown} in the workspace.")
        case errno.ELOOP | errno.ENOTDIR:
            return Invalid(f"{shown} is a link or not a folder; links are not followed.")
        case errno.EISDIR | errno.ENOTEMPTY | errno.EEXIST:
            return Conflict(f"Something is in the place of {shown}.")
        case errno.ENAMETOOLONG:
            return Invalid(f"The name {shown} is too long.")
        case _:
            return StepFailed(f"{shown} cannot be used: {os.strerror(error.errno or 0)}.")
