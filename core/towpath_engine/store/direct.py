"""Single statements straight to the driver: each is a transaction of its own, made in one go.

For the few statements that are asked hundreds of times a second; all else goes through
`Database.begin()`. Knows no table.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg.types.json import set_json_loads

from towpath_engine.store.patience import patient

__all__ = ("Direct",)

_IDLE = psycopg.pq.TransactionStatus.IDLE

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


class Direct:
    """A few connections that commit every statement by itself.

    They are opened as they are needed and used again in the order that keeps few of them busy.
    One that the server has closed meanwhile is noticed before it is used, without asking.

    Args:
        url: a libpq URL.
        size: how many statements may be under way at a time; others wait.
    """

    def __init__(self, url: str, *, size: int) -> None:
        self._url = patient(url)
        self._idle: list[Connection] = []
        self._turns = asyncio.Semaphore(size)
        self._closed = False

    async def one(self, query: LiteralString, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Do one statement and return its first row, if it has any; committed when it returns.

        Raises:
            psycopg.Error: nothing was written, or the connection was lost on the way.
        """
        async with self._turns:
            connection = self._take() or await self._connect()
            try:
                cursor = await connection.execute(query, values, prepare=True)
                row = await cursor.fetchone()
            finally:
                await self._give_back(connection)
            return row

    async def close(self) -> None:
        """Close the connections; those in use when their statement is over."""
        self._closed = True
        while self._idle:
            await self._idle.pop().close()

    def _take(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            try:
                # What a server says when it goes is read first, that it is gone after it.
                connection.pgconn.consume_input()
                connection.pgconn.consume_input()
            except psycopg.OperationalError:
                connection.pgconn.finish()
            else:
                return connection
        return None

    async def _connect(self) -> Connection:
        connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        set_json_loads(msgspec.json.decode, connection)
        return connection

    async def _give_back(self, connection: Connection) -> None:
        """Keep a connection where it can be used again."""
        if connection.pgconn.transaction_status == _IDLE and not self._closed:
            self._idle.append(connection)
        else:
            await connection.close()
