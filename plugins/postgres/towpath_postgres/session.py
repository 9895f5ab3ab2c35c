"""A session on the server: bounded in time, and every error told in the core's words.

Knows nothing of databases or roles as resources.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg import errors, sql

from towpath_core.errors import Invalid, StepFailed, TowpathError, Unavailable
from towpath_core.runs import StepTools
from towpath_postgres.settings import TABLE, PostgresSettings

__all__ = ("Session", "open_session")

CONNECT_SECONDS = 5
READ_SECONDS = 15.0
OLDEST = 150000

Query = LiteralString | sql.Composed

# What may pass by itself; the platform tries again.
_PASSING = (
    errors.AdminShutdown,
    errors.CannotConnectNow,
    errors.CrashShutdown,
    errors.DeadlockDetected,
    errors.DiskFull,
    errors.LockNotAvailable,
    errors.ObjectInUse,
    errors.OutOfMemory,
    errors.QueryCanceled,
    errors.SerializationFailure,
    errors.TooManyConnections,
)


class Session:
    """A connection that gives up in time. Each statement is a transaction of its own."""

    def __init__(self, connection: psycopg.Connection, tools: StepTools | None) -> None:
        self.connection = connection
        self._tools = tools
        self._deadline = tools.deadline if tools else time.monotonic() + READ_SECONDS

    @property
    def superuser(self) -> bool:
        """Whether the role of the url is one, for whom membership in roles is not needed."""
        return self.connection.info.parameter_status("is_superuser") == "on"

    def run(self, query: Query, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Do one statement and give its rows, if any.

        Raises:
            Cancelled: the run was asked to stop.
            LimitExceeded: its deadline has passed.
        """
        if self._tools:
            self._tools.check()
        self._limit()
        cursor = self.connection.execute(query, values or None)
        return cursor.fetchall() if cursor.description else []

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Have all statements of the block done, or none of them."""
        with self.connection.transaction():
            yield

    def _limit(self) -> None:
        left = max(1, math.floor((self._deadline - time.monotonic()) * 1000))
        query = "SELECT set_config('statement_timeout', %s, false)"
        self.connection.execute(query, [str(left)])


@contextlib.contextmanager
def open_session(
    settings: PostgresSettings, tools: StepTools | None = None, *, database: str | None = None
) -> Iterator[Session]:
    """Connect for the block, to the database of the url or to another of its server.

    Without `tools` the block has 15 seconds.

    Raises:
        Cancelled: the run was asked to stop.
        LimitExceeded: its deadline has passed.
        Unavailable: the server does not answer, or something that may pass came between.
        StepFailed: the role of the url lacks a right, or the server refuses for good.
    """
    if tools:
        tools.check()
    try:
        with _connect(settings, database) as connection:
            if connection.info.server_version < OLDEST:
                raise StepFailed(
                    f"The server runs PostgreSQL {connection.info.server_version // 10000}.",
                    next="PostgreSQL 15 or later is needed.",
                )
            yield Session(connection, tools)
    except psycopg.Error as error:
        if tools and isinstance(error, errors.QueryCanceled):
            tools.check()  # it was the deadline: say so
        raise _told(error) from error


def _connect(settings: PostgresSettings, database: str | None) -> psycopg.Connection:
    parts = settings.conninfo()
    if database is not None:
        parts["dbname"] = database
    # The owner of a database decides its defaults, and could lay traps with them.
    ours = (
        "-c search_path=pg_catalog -c default_transaction_read_only=off -c role=none"
        " -c local_preload_libraries="
    )
    parts["options"] = f"{parts.get('options') or ''} {ours}".strip()
    parts.setdefault("application_name", "towpath")
    parts["connect_timeout"] = CONNECT_SECONDS
    parts |= {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
    parts["tcp_user_timeout"] = 15000
    try:
        return psycopg.connect(**parts, autocommit=True, prepare_threshold=None)
    except psycopg.OperationalError as error:
        raise Unavailable(
            "The PostgreSQL server does not let us in.",
            why=_first_line(error),
            next=f"See that it runs, and that the url in {TABLE} is right.",
        ) from error


def _told(error: psycopg.Error) -> TowpathError:
    why = error.diag.message_primary or _first_line(error)
    if isinstance(error, errors.InsufficientPrivilege):
        return StepFailed(
            "The role of the url lacks a right on the PostgreSQL server.",
            why=why,
            next=f"Give it CREATEROLE and CREATEDB (ALTER ROLE ... CREATEROLE CREATEDB); an "
            f"extension that is not trusted needs a superuser. The url is in {TABLE}.",
        )
    lost = isinstance(error, psycopg.OperationalError) and error.sqlstate is None
    if lost or isinstance(error, _PASSING) or (error.sqlstate or "").startswith("08"):
        return Unavailable("PostgreSQL could not do it now.", why=why, next="Try again later.")
    if isinstance(error, errors.DataError):
        return Invalid("PostgreSQL refuses a value.", why=why)
    detail = error.diag.message_detail
    return StepFailed("PostgreSQL refused.", why=f"{why}: {detail}" if detail else why)


def _first_line(error: psycopg.Error) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
