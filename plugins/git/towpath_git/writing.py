"""Files of a commit, written out: no links, no names that lead elsewhere, all or nothing."""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from towpath_core.errors import Conflict, Invalid, Place, Problem, Unavailable
from towpath_git.names import is_git_folder
from towpath_git.repository import TreeEntry

__all__ = ("write_file", "write_tree")

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_file(destination: Path, entry: TreeEntry, contents: Iterable[bytes]) -> None:
    """Write one file, the first of the contents, at a path where nothing is.

    Raises:
        Invalid: it is a link or a submodule.
        Conflict: something is there.
    """
    _check(entry)
    if os.path.lexists(destination):
        raise _taken(destination)
    with _whole(destination):
        _write(destination, entry, next(iter(contents)))


def write_tree(destination: Path, entries: Sequence[TreeEntry], contents: Iterable[bytes]) -> None:
    """Write a folder at a path where nothing is, or an empty folder.

    Args:
        destination: what the folder gets for its path.
        entries: files, with paths relative to the folder.
        contents: their contents, in the same order.

    Raises:
        Invalid: there is a link or a submodule, or a name that is not to be written. All are
            looked at before the first is written.
        Conflict: something is there.
    """
    for entry in entries:
        _check(entry)
    if os.path.lexists(destination) and not _is_empty_folder(destination):
        raise _taken(destination)
    with _whole(destination):
        destination.mkdir(parents=True, exist_ok=True)
        for entry, content in zip(entries, contents, strict=True):
            path = destination.joinpath(*entry.path.split("/"))
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, entry, content)


def _check(entry: TreeEntry) -> None:
    if entry.kind != "file":
        raise _refused(entry, f"is a {entry.kind}; only files are copied")
    for name in entry.path.split("/"):
        odd = any(unicodedata.category(c) in ("Cc", "Cs") for c in name)
        if odd or name in ("", ".", "..") or "\\" in name or is_git_folder(name):
            raise _refused(entry, "has a name that is not to be written")


def _refused(entry: TreeEntry, why: str) -> Invalid:
    path = entry.path[:200]
    shown = path if path.isprintable() else ascii(path)[1:-1]
    what = f"{shown!r} in the repository {why}."
    return Invalid(what, problems=[Problem("tree", what, Place(file=shown))])


def _is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and not any(path.iterdir())


def _taken(destination: Path) -> Conflict:
    return Conflict(f"Something is in the place of {destination.name}.")


def _write(path: Path, entry: TreeEntry, content: bytes) -> None:
    mode = 0o755 if entry.executable else 0o644
    with os.fdopen(os.open(path, _NEW, mode), "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)


@contextmanager
def _whole(destination: Path) -> Iterator[None]:
    """Take back what was written where not all of it could be."""
    try:
        yield
    except BaseException as error:
        if destination.is_dir():
            shutil.rmtree(destination)
        else:
            destination.unlink(missing_ok=True)
        if isinstance(error, OSError):
            why = os.strerror(error.errno or 0)
            raise Unavailable("The files cannot be written.", why=why) from None
        raise
