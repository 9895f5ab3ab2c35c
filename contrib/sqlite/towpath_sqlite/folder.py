"""The folder of database files: names, the lock, and that files appear and go all at once.

A file is called `<slug>-<tag>.db`. The tag comes from the resource's id and finds the file; the
slug comes from its name and is for people. Files without our stamp are nobody's business here.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from towpath_core.errors import Invalid, Place, Problem, StepFailed
from towpath_core.runs import StepTools
from towpath_sqlite import database
from towpath_sqlite.database import Stamped
from towpath_sqlite.offering import Wish

__all__ = ("DatabaseFolder", "file_name")

_LOCK = ".towpath-sqlite.lock"
_LOCK_POLL_SECONDS = 0.02
_SIDE_SUFFIXES = ("-wal", "-shm", "-journal")
_RESOURCE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_MOST_SLUG = 40


def file_name(resource_id: str, name: str) -> str:
    """The name of a new file, safe whatever the resource is called.

    Raises:
        Invalid: the id is none that a platform makes.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower())[:_MOST_SLUG].strip("-")
    return f"{slug or 'db'}-{_tag(resource_id)}.db"


class DatabaseFolder:
    """The database files below one folder, which is made when the first of them is."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def locked(self, tools: StepTools) -> Iterator[None]:
        """Keep all other processes and threads from changing the folder. Makes the folder.

        Raises:
            Cancelled: the run was asked to stop before the lock was had.
            LimitExceeded: the deadline passed before it was had.
            OSError: the folder cannot be made or written.
        """
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            while not _taken(lock):
                tools.check()
                time.sleep(_LOCK_POLL_SECONDS)
            tools.check()
            yield
        finally:
            os.close(lock)  # which gives the lock back, as the end of the process does

    def exists(self) -> bool:
        """Whether the folder was made."""
        return self._root.is_dir()

    def find(self, resource_id: str) -> tuple[Path, Stamped] | None:
        """The file of a resource and its stamp, whatever the resource was called when made.

        Raises:
            Invalid: the id is none that a platform makes.
            OSError, sqlite3.Error: the folder or a file in it cannot be read.
        """
        for file in self._files(resource_id, ".db"):
            try:
                # A link may lead anywhere, so it is a stranger even where it leads to a stamp.
                regular = stat.S_ISREG(file.lstat().st_mode)
                found = database.inspect(file) if regular else None
            except (OSError, sqlite3.Error):
                if os.path.lexists(file):
                    raise
                continue  # deleted since the folder was listed
            if found is not None and found.resource_id == resource_id:
                return file, found
        return None

    def place(self, resource_id: str, name: str) -> Path:
        """Where a new file goes."""
        return self._root / file_name(resource_id, name)

    def create(self, resource_id: str, name: str, wish: Wish, tools: StepTools) -> Path:
        """Make a database under another name, and put it in its place in one step.

        Call it under the lock. Killed at any point, it leaves the whole file or none, and what
        the next call sweeps away.

        Raises:
            StepFailed: a stranger's file is in its place; it was left alone.
            Cancelled: the run was asked to stop; there is no file.
            OSError, sqlite3.Error: it cannot be written.
        """
        self._sweep(resource_id)
        place = self.place(resource_id, name)
        draft = place.with_name(f".{place.name}.new")
        try:
            database.build(draft, resource_id, wish)
            _sync(draft)
            tools.check()
            os.link(draft, place)  # fails where something is, as a rename would not
        except FileExistsError as error:
            raise StepFailed(
                "Another file is where the database would be.",
                next=f"Move {place.name} away, or ask for a database of another name.",
            ) from error
        finally:
            self._sweep(resource_id)  # SQLite may leave side files where it failed
        _sync(self._root)
        return place

    def remove(self, resource_id: str) -> None:
        """Remove the file of a resource with all that belongs to it. Call it under the lock.

        Raises:
            OSError, sqlite3.Error: it cannot be removed.
        """
        found = self.find(resource_id)
        if found is not None:
            found[0].unlink()
        self._sweep(resource_id)
        _sync(self._root)

    def _sweep(self, resource_id: str) -> None:
        """Remove drafts, and side files whose database is gone: SQLite would replay them."""
        for suffix in ("", *_SIDE_SUFFIXES):
            for draft in self._files(resource_id, f".db.new{suffix}"):
                if draft.name.startswith("."):
                    draft.unlink(missing_ok=True)
        for suffix in _SIDE_SUFFIXES:
            for side in self._files(resource_id, f".db{suffix}"):
                if not os.path.lexists(str(side).removesuffix(suffix)):
                    side.unlink(missing_ok=True)

    def _files(self, resource_id: str, ending: str) -> list[Path]:
        """Files of a resource by how their names end, in order; none where there is no folder."""
        wanted = f"-{_tag(resource_id)}{ending}"
        try:
            # Not Path.glob: it takes a folder that may not be read for an empty one.
            return sorted(file for file in self._root.iterdir() if file.name.endswith(wanted))
        except FileNotFoundError:
            return []


def _tag(resource_id: str) -> str:
    if not _RESOURCE_ID.fullmatch(resource_id):
        what = "a resource id has letters, digits and .:_- only, at most 128"
        problem = Problem("resource-id", what, Place(pointer="/resource_id"))
        raise Invalid("The resource id is not valid.", why=what, problems=[problem])
    # Not a piece of the id: ids that are made in the same minute begin alike.
    return hashlib.blake2s(resource_id.encode(), digest_size=4).hexdigest()


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync(path: Path) -> None:
    """Make sure that a file, or the names in a folder, outlive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
