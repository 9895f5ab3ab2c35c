"""Many rows at once, by PostgreSQL's COPY, in a transaction of the caller.

Some ten times faster than one INSERT a row. What the driver raises becomes what `Database.begin`
makes of the same fault elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import Table, insert

from towpath_core.errors import Invalid
from towpath_engine.store.database import DatabaseUnavailable, Transaction

__all__ = ("insert_rows",)

_FEW = 20
_BREATH = 200


async def insert_rows(
    transaction: Transaction, table: Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Insert rows, in order. All must have the same columns; JSON columns are not for this.

    Raises:
        Invalid: a value cannot be stored, such as a text with a NUL character.
        DatabaseUnavailable: the connection was lost.
    """
    if not rows:
        return
    if len(rows) <= _FEW:
        await transaction.execute(insert(table), list(rows))
        return
    names = list(rows[0])
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, names))
    )
    raw = await transaction.get_raw_connection()
    connection: psycopg.AsyncConnection[Any] = raw.driver_connection  # type: ignore[assignment]
    try:
        async with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for number, row in enumerate(rows):
                await copy.write_row([row[name] for name in names])
                if number % _BREATH == 0:
                    # Others use the loop too; ten thousand rows take a while.
                    await asyncio.sleep(0)
    except (psycopg.DataError, UnicodeEncodeError) as error:
        raise Invalid(
            "A value cannot be stored.",
            why="It is no text or number that the database takes, such as a NUL character.",
        ) from error
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(
            "The database does not answer.",
            why=str(error).strip().partition("\n")[0] or None,
            next="See that PostgreSQL runs and that TOWPATH_DATABASE_URL is right; then try again.",
        ) from error
