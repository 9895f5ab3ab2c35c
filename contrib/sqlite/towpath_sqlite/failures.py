"""What SQLite and the disk complain of, as the errors a provisioner may raise.

Messages carry no path: those who ask for databases need not know the platform's disk.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from towpath_core.errors import StepFailed, TowpathError, Unavailable

__all__ = ("typed_failures",)

# What passes by itself, or once somebody makes room: the platform tries again.
_PASSING = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL})
_PASSING_ERRNO = frozenset(
    {errno.EAGAIN, errno.EBUSY, errno.EDQUOT, errno.EINTR, errno.EIO, errno.EMFILE}
    | {errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.ESTALE}
)


@contextmanager
def typed_failures(doing: str) -> Iterator[None]:
    """Turn errors of SQLite and the operating system into typed ones.

    Args:
        doing: what was going on, as in "The database could not be <doing>."

    Raises:
        Unavailable: the database is in use, or the disk is full or fails.
        StepFailed: it cannot be done as things are: no permission, or no database in the file.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _of_sqlite(doing, error) from error
    except OSError as error:
        raise _of_disk(doing, error) from error


def _of_sqlite(doing: str, error: sqlite3.Error) -> TowpathError:
    # The low byte is the kind; the rest tells variants apart.
    kind = getattr(error, "sqlite_errorcode", 0) & 0xFF
    what, why = f"The database could not be {doing}.", f"SQLite: {error}."
    if kind in _PASSING:
        return Unavailable(what, why=why, next="Try again when it is less busy or has room.")
    if kind == sqlite3.SQLITE_IOERR:
        return Unavailable(what, why=why, next="Look at the disk under the databases.")
    if kind in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return StepFailed(
            "The file in the database's place is damaged, or is none.",
            why=why,
            next="Look at it by hand; nothing was changed.",
        )
    return StepFailed(what, why=why, next=_CHECK_FOLDER)


def _of_disk(doing: str, error: OSError) -> TowpathError:
    what = f"The database could not be {doing}."
    why = f"The operating system: {os.strerror(error.errno) if error.errno else 'it failed'}."
    if error.errno in _PASSING_ERRNO:
        return Unavailable(what, why=why, next="Look at the disk under the databases.")
    return StepFailed(what, why=why, next=_CHECK_FOLDER)


_CHECK_FOLDER = "Check that the platform may write to the `folder` of [plugins.sqlite]."
