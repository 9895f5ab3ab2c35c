"""Removes the folders of golden paths that have ended and were not taken up again."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from sqlalchemy import func, select

from towpath_core.runs import RUN_ENDED
from towpath_engine.runs.journal import CLOCK
from towpath_engine.runs.tables import RUNS
from towpath_engine.store.database import Database

__all__ = ("Tidying",)

_KEEP_SECONDS = 86_400.0
_PAUSE_SECONDS = 600.0
_MOST = 50
_GONE = "gone-"


class Tidying:
    """Looks through the workspaces of this machine now and then.

    Args:
        database: holds the journal.
        root: the folder of the workspaces.
        keep_seconds: how long after its end a run finds its files again.
        pause_seconds: between two looks.
    """

    def __init__(
        self,
        database: Database,
        root: Path,
        *,
        keep_seconds: float = _KEEP_SECONDS,
        pause_seconds: float = _PAUSE_SECONDS,
    ) -> None:
        self._database = database
        self._root = root
        self._keep = keep_seconds
        self._pause = pause_seconds
        self._looked = -pause_seconds

    async def tick(self) -> None:
        """Look, if the last look is long enough ago; a bounded part at a time.

        Raises:
            Unavailable: the database does not answer.
        """
        if time.monotonic() - self._looked < self._pause:
            return
        self._looked = time.monotonic()
        for folder in await asyncio.to_thread(self._old):
            if folder.name.startswith(_GONE) or await self._set_aside(folder):
                await asyncio.to_thread(shutil.rmtree, self._aside(folder), True)

    def _old(self) -> list[Path]:
        """Folders that nothing was made in for long enough, the oldest first."""
        found = [(made, folder) for made, folder in self._folders() if made < self._before()]
        return [folder for _, folder in sorted(found)[:_MOST]]

    def _folders(self) -> Iterator[tuple[float, Path]]:
        if not self._root.is_dir():
            return
        for folder in self._root.iterdir():
            try:
                yield folder.stat().st_mtime, folder
            except FileNotFoundError:
                continue

    def _before(self) -> float:
        return time.time() - self._keep

    async def _set_aside(self, folder: Path) -> bool:
        """Give the folder of a run that has ended another name; False where it may be needed."""
        try:
            run_id = UUID(folder.name)
        except ValueError:
            return False
        long_ago = CLOCK - func.make_interval(0, 0, 0, 0, 0, 0, self._keep)
        c = RUNS.c
        query = select(c.state.in_(RUN_ENDED) & (c.finished_at < long_ago)).where(c.id == run_id)
        async with self._database.begin() as transaction:
            # Locked: a run that is taken up again now must find its folder whole, or not at all.
            over = (await transaction.execute(query.with_for_update())).scalar_one_or_none()
            if over is False:
                return False
            try:
                await asyncio.to_thread(folder.rename, self._aside(folder))
            except FileNotFoundError:
                return False
        return True

    def _aside(self, folder: Path) -> Path:
        name = folder.name
        return folder if name.startswith(_GONE) else folder.with_name(f"{_GONE}{name}")
