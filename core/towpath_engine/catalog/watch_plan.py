"""What is to be watched: every registered location that can be, with all that it leads to.

Reads the store, and asks sources to join texts. Watches nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, select

from towpath_core.catalog import CatalogSource, WatchableSource
from towpath_core.errors import TowpathError
from towpath_core.plugins import Contribution, PluginHost
from towpath_engine.catalog.following import Stop
from towpath_engine.catalog.reading import LocationReader
from towpath_engine.catalog.tables import FILES, LOCATIONS
from towpath_engine.store.database import Database

__all__ = ("WatchPlan", "plan_watching")

_SECONDS = 30.0


class WatchPlan(msgspec.Struct):
    """What one source is to watch: the locations behind each target."""

    source: Contribution[CatalogSource]
    targets: dict[str, set[UUID]] = {}

    @property
    def locations(self) -> set[UUID]:
        """All locations that are watched so."""
        return {one for ids in self.targets.values() for one in ids}


async def plan_watching(
    database: Database, host: PluginHost, reader: LocationReader
) -> dict[str, WatchPlan]:
    """What each source is to watch, by the source's name, as things are in the store now.

    A location leads to its own target, the files it was read from with the folders of these,
    where what they pull in mostly lies, and the targets that they state.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    plans: dict[str, WatchPlan] = {}
    of: dict[UUID, WatchPlan] = {}
    async with database.begin() as transaction:
        rows = (await transaction.execute(select(LOCATIONS).order_by(LOCATIONS.c.id))).all()
        for row in rows:
            source = reader.source_for(row.type, row.target)
            if source is not None and isinstance(source.value, WatchableSource):
                plan = of[row.id] = plans.setdefault(source.name, WatchPlan(source))
                plan.targets.setdefault(row.target, set()).add(row.id)
        if not of:
            return plans
        c = FILES.c
        query = select(c.location_id, c.file, c.stops).where(c.location_id == func.any(list(of)))
        files = (await transaction.execute(query)).all()
    for plan in plans.values():
        ours = [row for row in files if of[row.location_id] is plan]
        folders = await _folders(host, plan, [row.file for row in ours])
        for row, folder in zip(ours, folders, strict=True):
            for target in (row.file, folder, *_stated(row.stops, reader, plan)):
                if target is not None:
                    plan.targets.setdefault(target, set()).add(row.location_id)
    return plans


def _stated(stops: Any, reader: LocationReader, plan: WatchPlan) -> Iterator[str]:
    """The targets among stops that the plan's own source reads."""
    for stop in msgspec.convert(stops or (), tuple[Stop, ...]):
        source = reader.source_for(stop.type, stop.target)
        if source is not None and source.name == plan.source.name:
            yield stop.target


async def _folders(host: PluginHost, plan: WatchPlan, files: Sequence[str]) -> Sequence[str | None]:
    """The folder of each file, as the source writes it; None where there is none."""

    def join(source: CatalogSource) -> list[str | None]:
        return [_folder(source, file) for file in files]

    try:
        answers: list[str | None] = await host.call(
            plan.source, join, seconds=_SECONDS, returns=list
        )
    except TowpathError:
        return [None] * len(files)
    return answers


def _folder(source: CatalogSource, file: str) -> str | None:
    try:
        return source.resolve(file, ".")
    except TowpathError:
        return None  # out of reach: nothing that this source could watch
