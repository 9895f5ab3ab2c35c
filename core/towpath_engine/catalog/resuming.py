"""Where the index is between two runs of a gateway: in a file of its data folder.

A file is a help and nothing else: what does not work is left, and the index is built.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from towpath_core.errors import Unavailable
from towpath_engine.catalog.feed import CatalogFeed
from towpath_engine.catalog.index import CatalogIndex
from towpath_engine.catalog.snapshot import read_snapshot, write_snapshot

__all__ = ("LEAST", "Resuming")

log = structlog.get_logger(__name__)

LEAST = 500
"""A smaller index is built as fast as it is read."""
_MOST_GAPS = 0.25
"""Where a larger share of the numbers has no entity, they had better be given anew."""


class Resuming:
    """Reads an index before it is needed, and writes it when nobody changes it any more."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version: int | None = None

    async def read(self) -> tuple[CatalogIndex, dict[str, str]]:
        """The index that was written last, and what it had of the store; both empty without."""
        found = await asyncio.to_thread(read_snapshot, self._path)
        if found is None:
            return CatalogIndex(), {}
        self._version = found[0].version
        return found

    async def write(self, index: CatalogIndex, feed: CatalogFeed) -> None:
        """Write the index, where that is of use. Never raises."""
        if index.version == self._version or len(index) < LEAST:
            return
        try:
            if index.gaps > _MOST_GAPS:
                await asyncio.to_thread(self._path.unlink, missing_ok=True)
            elif (hashes := await feed.hashes()) is not None:
                await asyncio.to_thread(write_snapshot, self._path, index, hashes)
        except (Unavailable, OSError, LookupError) as error:
            log.warning("catalog.not_kept", why=type(error).__name__)
