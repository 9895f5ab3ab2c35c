"""A folder to build something in before it is renamed into its place, on the same disk.

Owns that builders never meet and that what a killed one left is cleared away. Each builder holds
the lock of its own folder; the system lets go of it when the process dies, however it dies.
Knows nothing of what is built.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from towpath_core.errors import StepFailed

__all__ = ("building",)

_FOLDER = ".tmp"
_LOCK = ".lock"
_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def building(root: Path) -> Iterator[Path]:
    """A path below `root` where nothing is yet; what is left there afterwards is removed.

    First removes what builders left that are dead. `root` is made where it is not there.

    Raises:
        StepFailed: the disk refuses.
    """
    try:
        aside = root / _FOLDER
        aside.mkdir(parents=True, exist_ok=True)
        _clear(aside)
        path, lock = _claim(aside)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise StepFailed("There is no place to build the repository in.", why=why) from None
    try:
        yield path
    finally:
        _remove(path)
        os.close(lock)


def _claim(aside: Path) -> tuple[Path, int]:
    """A new path with its lock held. The lock is there first, so that nobody clears the path."""
    while True:
        path = aside / secrets.token_hex(8)
        lock = _try_lock(_lock_of(path))
        if lock is not None:
            return path, lock


def _clear(aside: Path) -> None:
    # Not the locks alone: the git of a dead builder may make its folder after that was removed.
    names = {found.name.removesuffix(_LOCK) for found in aside.iterdir()}
    for path in (aside / name for name in sorted(names)):
        lock = _try_lock(_lock_of(path))
        if lock is not None:
            _remove(path)
            os.close(lock)


def _try_lock(path: Path) -> int | None:
    """The lock, held, or None where another process holds it or has just removed it."""
    lock = os.open(path, _OPEN, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_nlink:
            return lock
    except BlockingIOError:
        pass
    os.close(lock)
    return None


def _remove(path: Path) -> None:
    """Remove a path, and its lock once the path is gone; the lock must be held."""
    # A child of the dead builder may still be writing: then it is for the next one to clear.
    shutil.rmtree(path, ignore_errors=True)
    if not path.exists():
        _lock_of(path).unlink(missing_ok=True)


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}{_LOCK}")
