"""One database file from the inside: it is made, stamped, looked at and changed here.

The stamp is a table of one row that says which resource the file is. `application_id` marks the
file for tools such as file(1); `user_version` is left at 0, as it belongs to the application.
Knows nothing of folders or names.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import msgspec

from towpath_core.errors import StepFailed
from towpath_sqlite.offering import JournalMode, Wish

__all__ = (
    "APPLICATION_ID",
    "BUSY_SECONDS",
    "Stamped",
    "build",
    "change",
    "inspect",
    "setup_sql",
    "uri_of",
)

APPLICATION_ID = 0x544F5750
"""`TOWP`, in the header of every file that was made here."""

BUSY_SECONDS = 2.0
"""How long somebody else's lock on a database is waited for."""

# Also for SQLite 3.26, which knows no STRICT tables.
_CREATE = """
CREATE TABLE _towpath (
    resource_id TEXT NOT NULL,
    max_size_mib INTEGER NOT NULL CHECK (typeof(max_size_mib) = 'integer'),
    only_row INTEGER NOT NULL UNIQUE DEFAULT 1 CHECK (only_row = 1)
)
"""


class Stamped(msgspec.Struct, frozen=True):
    """What a database says of itself."""

    resource_id: str
    max_size_mib: int
    journal_mode: str
    size_bytes: int

    def meets(self, wish: Wish) -> bool:
        """Whether it is as a request wants it."""
        return (self.max_size_mib, self.journal_mode) == (wish.max_size_mib, wish.journal_mode)


def build(file: Path, resource_id: str, wish: Wish) -> None:
    """Make a database in a file that does not exist yet. Not atomic: publish it when it is done.

    Raises:
        sqlite3.Error: it cannot be made.
        StepFailed: the disk cannot do the journal mode.
    """
    with _opened(file, "rwc") as database:
        _keep_journal(database, wish.journal_mode)
        database.execute("BEGIN IMMEDIATE")
        _pragma(database, f"application_id = {APPLICATION_ID}")
        database.execute(_CREATE)
        database.execute(
            "INSERT INTO _towpath (resource_id, max_size_mib) VALUES (?, ?)",
            (resource_id, wish.max_size_mib),
        )
        database.execute("COMMIT")


def inspect(file: Path) -> Stamped | None:
    """Read the stamp; None for a database without one. Changes nothing.

    Raises:
        sqlite3.Error: it is in use, unreadable, or no database.
    """
    # Opened for writing, so that SQLite takes the side files of its WAL away again.
    with _opened(file, "rw") as database:
        _pragma(database, "query_only = 1")
        known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '_towpath'"
        if database.execute(known).fetchone() is None:
            return None
        row = database.execute("SELECT resource_id, max_size_mib FROM _towpath").fetchone()
        if row is None:
            return None
        size = _pragma(database, "page_count") * _pragma(database, "page_size")
        return Stamped(str(row[0]), int(row[1]), str(_pragma(database, "journal_mode")), size)


def change(file: Path, wish: Wish) -> None:
    """Bring a stamped database to a wish; harmless when it is there already.

    Raises:
        sqlite3.Error: it is in use, or cannot be written.
        StepFailed: the disk cannot do the journal mode.
    """
    with _opened(file, "rw") as database:
        if _pragma(database, "journal_mode") != wish.journal_mode:
            _keep_journal(database, wish.journal_mode)
        database.execute("UPDATE _towpath SET max_size_mib = ?", (wish.max_size_mib,))


def setup_sql(file: Path, max_size_mib: int) -> str:
    """The SQL that holds a connection to the largest size; SQLite keeps the limit nowhere.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    with _opened(file, "rw") as database:
        page_size = int(_pragma(database, "page_size"))
    return f"PRAGMA max_page_count = {max_size_mib * 1024 * 1024 // page_size};"


def uri_of(file: Path, mode: str = "rw") -> str:
    """A file as a SQLite URI; `rw` opens for writing and never creates."""
    return f"{file.as_uri()}?mode={mode}"


@contextmanager
def _opened(file: Path, mode: str) -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(
        uri_of(file, mode), uri=True, timeout=BUSY_SECONDS, isolation_level=None
    )
    try:
        yield database
    finally:
        database.close()


def _keep_journal(database: sqlite3.Connection, mode: JournalMode) -> None:
    got = _pragma(database, f"journal_mode = {mode}")
    if got != mode:  # SQLite answers with another mode where the disk cannot do it
        raise StepFailed(
            f"The journal mode {mode} cannot be had here; SQLite keeps {got}.",
            next="Ask for the other journal mode, or keep the databases on a local disk.",
        )


def _pragma(database: sqlite3.Connection, statement: str) -> Any:
    row = cast("tuple[Any] | None", database.execute(f"PRAGMA {statement}").fetchone())
    return None if row is None else row[0]
