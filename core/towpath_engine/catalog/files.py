"""The files that locations led to, remembered so that what has not changed is not parsed again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from uuid import UUID

import msgspec
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from towpath_engine.catalog.findings import KnownFile, Reading
from towpath_engine.catalog.following import Stop
from towpath_engine.catalog.tables import FILES
from towpath_engine.store.database import Transaction

__all__ = ("known_files", "remember_files")


async def known_files(transaction: Transaction, location_id: UUID) -> Mapping[str, KnownFile]:
    """The files of a location that mean the same as long as they do not change, by name."""
    c = FILES.c
    query = select(c.file, c.etag, c.stops).where(c.location_id == location_id, c.whole)
    return {
        row.file: KnownFile(row.etag, msgspec.convert(row.stops or (), tuple[Stop, ...]))
        for row in await transaction.execute(query)
    }


async def remember_files(
    transaction: Transaction, location_id: UUID, reading: Reading, doubtful: Collection[str]
) -> None:
    """Keep the files of a reading.

    Args:
        transaction: the caller's.
        location_id: the location that was read.
        reading: what it led to. Files that it did not lead to are forgotten if it is complete.
        doubtful: files of which something that is stated was not taken in, or something is kept
            that is not stated any more: they are parsed again.
    """
    c, read = FILES.c, list(reading.files)
    if reading.complete:
        gone = c.file != func.all(read) if read else c.file.is_not(None)
        await transaction.execute(delete(FILES).where(c.location_id == location_id, gone))
    rows = [
        {
            "location_id": location_id,
            "file": name,
            "etag": file.etag,
            "whole": file.whole and name not in doubtful,
            "stops": msgspec.to_builtins(file.stops) or None,
        }
        for name, file in reading.files.items()
        if not file.kept or name in doubtful or not file.whole
    ]
    if rows:
        statement = insert(FILES)
        renewed = {name: statement.excluded[name] for name in ("etag", "whole", "stops")}
        statement = statement.on_conflict_do_update(
            index_elements=[c.location_id, c.file], set_=renewed
        )
        await transaction.execute(statement, rows)
