"""Locks between processes on files: who may start a server, and who still uses it.

The kernel frees them when their process ends, however it ends, so nothing is left to count wrong.
Knows nothing of servers.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from towpath_core.errors import SettingsError, Unavailable

__all__ = ("UserLock", "exclusive")

POLL_SECONDS = 0.01


@contextlib.contextmanager
def exclusive(path: Path, *, seconds: float) -> Iterator[None]:
    """Hold a file for the block, alone among all processes and threads.

    Raises:
        SettingsError: the file cannot be made or opened.
        Unavailable: another holds it for longer than `seconds`.
    """
    descriptor = _open(path)
    try:
        until = time.monotonic() + seconds
        while not _take(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > until:
                raise Unavailable(
                    f"Another process works on {path.parent} since {seconds:g} s.",
                    next="Try again; if it stays so, end that process.",
                )
            time.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


class UserLock:
    """One user among many of what a file stands for; take and release it under `exclusive`."""

    def __init__(self, path: Path) -> None:
        self._descriptor = _open(path)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def is_last(self) -> bool:
        """Whether no other living process or object uses it; the lock is exclusive then.

        Where it answers False the lock may be gone: `release` is all that may follow.
        """
        # A child that is just being started by another thread holds our descriptors until it
        # runs its program, which takes milliseconds: hence more than one look.
        for _ in range(3):
            if _take(self._descriptor, fcntl.LOCK_EX):
                return True
            time.sleep(POLL_SECONDS)
        return False

    def share(self) -> None:
        """Be one among many again, after `is_last`."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def release(self) -> None:
        """Stop being a user."""
        # Closed, never unlocked: a forked child that has the descriptor, too, stays a user.
        os.close(self._descriptor)


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except OSError as error:
        raise SettingsError(
            f"The file {path} cannot be opened.",
            why=error.strerror,
            next="Set TOWPATH_HOME to a folder of your own, on a local disk.",
        ) from error


def _take(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
