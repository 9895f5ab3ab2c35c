"""One of many: work that a single process of all those on a database does at a time.

The leader holds an advisory lock of its session. When its process dies, or its connection, the
database lets go of the lock and another takes over; it ends the session of one that is silent,
because its process stands still or its machine is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import psycopg
import structlog

from towpath_engine.store.patience import patient

__all__ = ("lead",)

log = structlog.get_logger(__name__)

_ANSWER_SECONDS = 10
_BEATS = 4  # signs of life in the time after which a silent leader is one no more
_FIRST_DELAY, _LAST_DELAY = 0.2, 5.0

Connection = psycopg.AsyncConnection[tuple[object, ...]]


async def lead(
    url: str,
    key: int,
    work: Callable[[], Awaitable[None]],
    *,
    retry_seconds: float = 1.0,
    silent_seconds: float = 20.0,
) -> None:
    """Do `work` as long as this process is the leader; wait and try again while it is not.

    Goes on until it is cancelled. Work that ends or raises is begun again after a pause; work
    whose connection is lost is cancelled. A process that stood still finds out only when it goes
    on, so for a moment two may be at work: it must be harmless to do twice.

    Args:
        url: of the database, for a connection of its own.
        key: names the work.
        work: runs until it is cancelled.
        retry_seconds: how often it is tried to become the leader.
        silent_seconds: a leader that gives no sign of life for so long is one no more.
    """
    delay = _FIRST_DELAY
    while True:
        try:
            connection = await psycopg.AsyncConnection.connect(patient(url), autocommit=True)
            async with connection:
                await _acquire(connection, key, retry_seconds)
                delay = _FIRST_DELAY
                await _lead_with(connection, work, silent_seconds)
        except (psycopg.Error, OSError, TimeoutError) as error:
            log.warning("leader.lost", key=key, error=str(error).strip())
        except Exception:
            log.exception("leader.failed", key=key)
        await asyncio.sleep(delay)
        delay = min(delay * 2, _LAST_DELAY)


async def _acquire(connection: Connection, key: int, retry_seconds: float) -> None:
    """Return when this session has the lock."""
    while True:
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", [key])
        row = await cursor.fetchone()
        if row is not None and row[0]:
            return
        await asyncio.sleep(retry_seconds)


async def _lead_with(
    connection: Connection, work: Callable[[], Awaitable[None]], silent_seconds: float
) -> None:
    """Work until it ends, or the connection does, and with it the lock."""
    # Without it a machine that is gone would keep the lock until TCP gives it up, in two hours.
    silent = str(round(silent_seconds * 1000))
    await connection.execute("SELECT set_config('idle_session_timeout', %s, false)", [silent])
    working = asyncio.ensure_future(work())
    try:
        while not working.done():
            await asyncio.wait({working}, timeout=silent_seconds / _BEATS)
            if not working.done():
                await asyncio.wait_for(connection.execute("SELECT 1"), _ANSWER_SECONDS)
        await working
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
