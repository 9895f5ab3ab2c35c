"""Connections and transactions on one PostgreSQL database, and its notifications.

Knows no table. Everything that must hold together is done in one `begin()` block.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, LiteralString, NoReturn, Self

import msgspec
import psycopg
import structlog
from psycopg import sql
from sqlalchemy import event
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from towpath_core.errors import Invalid, Unavailable
from towpath_engine.store.address import driver_url
from towpath_engine.store.direct import Direct
from towpath_engine.store.patience import patience, patient

__all__ = (
    "HOLD_SECONDS",
    "Database",
    "DatabaseUnavailable",
    "Listener",
    "Transaction",
    "stop_tasks",
)

Transaction = AsyncConnection
"""A connection inside a transaction that commits when its `begin()` block ends."""

log = structlog.get_logger(__name__)

_BEAT_SECONDS = 15.0
_ANSWER_SECONDS = 10.0
HOLD_SECONDS = 60.0
"""How long a transaction may be left alone before the server ends it."""
_CANCEL_SECONDS = 1.0
_FIRST_DELAY, _LAST_DELAY = 0.1, 2.0


class DatabaseUnavailable(Unavailable):
    """Our own database does not answer, or gave a transaction up; nothing of it was written."""


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


class Database:
    """A pool of connections to one database.

    Args:
        url: a libpq URL.
        pool_size: how many connections are kept; twice as many may be open.
        hold_seconds: a transaction in which nothing is asked for so long is ended by the server.
            So a process that was paused or cut off keeps nothing locked for the others.
    """

    def __init__(
        self, url: str, *, pool_size: int = 10, hold_seconds: float = HOLD_SECONDS
    ) -> None:
        self.url = url.replace("postgresql+psycopg://", "postgresql://", 1)
        self._engine: AsyncEngine = create_async_engine(
            driver_url(url),
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=True,
            connect_args=patience(self.url),
            json_serializer=_encode,
            json_deserializer=msgspec.json.decode,
        )
        self._direct = Direct(self.url, size=pool_size)

        @event.listens_for(self._engine.sync_engine, "connect")
        def limit(connection: Any, record: Any) -> None:
            cursor = connection.cursor()
            milliseconds = round(hold_seconds * 1000)
            cursor.execute(f"SET idle_in_transaction_session_timeout = {milliseconds}")
            cursor.close()
            connection.commit()

    async def one(self, query: LiteralString, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """Do one statement in a transaction of its own and return its first row, if it has any.

        Much quicker than `begin()`; for what is written many hundred times a second.

        Args:
            query: SQL with placeholders in psycopg's form, `%(name)s`.
            values: what they stand for.

        Raises:
            DatabaseUnavailable: the database does not answer, or gave the statement up.
            Invalid: a value cannot be stored, such as a text with a NUL character.
        """
        try:
            return await self._direct.one(query, values)
        except (psycopg.Error, UnicodeEncodeError) as error:
            _translate_driver(error)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        """Open a transaction that commits at the end of the block and rolls back on an error.

        Raises:
            DatabaseUnavailable: the database does not answer, or no connection is free.
            Invalid: a value cannot be stored, such as a text with a NUL character.
        """
        try:
            async with self._engine.begin() as transaction:
                yield transaction
        except (DBAPIError, PoolTimeoutError, UnicodeEncodeError) as error:
            _translate(error)

    async def close(self) -> None:
        """Give all connections back."""
        await self._direct.close()
        await self._engine.dispose()

    async def __aenter__(self) -> Self:
        """Give the pool itself."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        await self.close()


def _translate(error: DBAPIError | PoolTimeoutError | UnicodeEncodeError) -> NoReturn:
    if isinstance(error, DataError | UnicodeEncodeError):
        _refuse(error)
    if isinstance(error, DBAPIError):
        if not isinstance(error, OperationalError) and not error.connection_invalidated:
            raise error
        _miss(error, str(error.orig))
    _miss(error, "All connections are in use.")


def _translate_driver(error: psycopg.Error | UnicodeEncodeError) -> NoReturn:
    if isinstance(error, psycopg.DataError | UnicodeEncodeError):
        _refuse(error)
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        raise error
    _miss(error, str(error))


def _refuse(error: Exception) -> NoReturn:
    raise Invalid(
        "A value cannot be stored.",
        why="It is no text or number that the database takes, such as a NUL character.",
    ) from error


def _miss(error: Exception, text: str) -> NoReturn:
    why = text.strip().partition("\n")[0]
    raise DatabaseUnavailable(
        "The database does not answer.",
        why=why or None,
        next="See that PostgreSQL runs and that TOWPATH_DATABASE_URL is right; then try again.",
    ) from error


OnNotify = Callable[[str], Awaitable[None]]


class Listener:
    """Follows PostgreSQL notifications on a connection of its own.

    A handler gets the payload of each notification of its channel, and an empty payload once
    after every (re)connect: what was missed meanwhile must be looked up then. A connection that
    is silent is asked for a sign of life, so that one which died unnoticed is made again.
    """

    def __init__(
        self,
        url: str,
        handlers: Mapping[str, OnNotify],
        *,
        beat_seconds: float = _BEAT_SECONDS,
    ) -> None:
        self._url = patient(url)
        self._beat = beat_seconds
        self._handlers = dict(handlers)
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    async def start(self, *, seconds: float = 10.0) -> None:
        """Begin to listen; returns when the first connection stands, or after `seconds`."""
        self._task = asyncio.create_task(self._run(), name="database-listener")
        try:
            await asyncio.wait_for(self._ready.wait(), seconds)
        except TimeoutError:
            log.warning("listener.slow", seconds=seconds)

    @property
    def connected(self) -> bool:
        """Whether notifications arrive at the moment."""
        return self._ready.is_set()

    async def stop(self) -> None:
        """Stop listening; harmless when it never began."""
        if self._task is not None:
            await stop_tasks(self._task)
            self._task = None

    async def _run(self) -> None:
        delay = _FIRST_DELAY
        while True:
            try:
                await self._follow()
            except (psycopg.Error, OSError) as error:
                log.warning("listener.lost", error=str(error).strip(), retry_seconds=delay)
            if self._ready.is_set():
                delay = _FIRST_DELAY
            self._ready.clear()
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LAST_DELAY)

    async def _follow(self) -> None:
        connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        async with connection:
            for channel in self._handlers:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            for channel in self._handlers:
                await self._hand(channel, "")
            self._ready.set()
            while True:
                async for notice in connection.notifies(timeout=self._beat):
                    await self._hand(notice.channel, notice.payload)
                await _see_that_it_lives(connection)

    async def _hand(self, channel: str, payload: str) -> None:
        try:
            await self._handlers[channel](payload)
        except Exception:
            # A handler's fault must not end the feed of all the others.
            log.exception("listener.handler", channel=channel)


async def stop_tasks(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until they are over; what they raise is not told.

    Once is not enough: `asyncio.wait_for`, which the driver waits with, may lose a cancellation
    that comes together with what it waits for (before Python 3.12).
    """
    left: set[asyncio.Task[Any]] = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_CANCEL_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)


async def _see_that_it_lives(connection: psycopg.AsyncConnection[Any]) -> None:
    asking = asyncio.create_task(connection.execute("SELECT 1"))
    try:
        await asyncio.wait({asking}, timeout=_ANSWER_SECONDS)
        if asking.done():
            await asking
            return
        # Closed first: to cancel the query would mean to wait for the dead connection again.
        await connection.close()
        raise TimeoutError("The connection gives no sign of life.")
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
