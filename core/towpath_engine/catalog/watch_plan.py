"""What is to be watched: every registered location that can be, with all that it leads to.

Reads the store, and asks sources to join texts. Watches nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, select

from towpath_core.catalog import CatalogSource, WatchableSource
from towpath_core.entities import Entity
from towpath_core.errors import TowpathError
from towpath_core.plugins import Contribution, PluginHost
from towpath_engine.catalog.following import stated_targets
from towpath_engine.catalog.reading import LocationReader
from towpath_engine.catalog.tables import ENTITIES, LOCATIONS, PROBLEMS
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


class _Stated(msgspec.Struct, frozen=True):
    location: UUID
    file: str
    target: str


async def plan_watching(
    database: Database, host: PluginHost, reader: LocationReader
) -> dict[str, WatchPlan]:
    """What each source is to watch, by the source's name, as things are in the store now.

    A location leads to its own target, the files its entities and problems stand in with the
    folders of these, and the targets that its Location entities state.

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
        chosen = list(of)
        files: set[tuple[UUID, str]] = set()
        for table in (ENTITIES, PROBLEMS):
            c = table.c
            query = select(c.location_id, c.file).distinct()
            query = query.where(c.location_id == func.any(chosen), c.file.is_not(None))
            files |= {(row.location_id, row.file) for row in await transaction.execute(query)}
        c = ENTITIES.c
        leading = select(c.location_id, c.file, c.body).where(
            c.kind == "location", c.location_id == func.any(chosen), c.file.is_not(None)
        )
        stated = list(_stated(await transaction.execute(leading)))
    for plan in plans.values():
        ours = {(id, file) for id, file in files if of[id] is plan}
        theirs = [one for one in stated if of[one.location] is plan]
        await _add(host, plan, ours, theirs)
    return plans


def _stated(rows: Iterable[Any]) -> Iterable[_Stated]:
    for row in rows:
        spec = msgspec.json.decode(row.body, type=Entity).spec
        for _, target in stated_targets(spec):
            yield _Stated(row.location_id, row.file, target)


async def _add(
    host: PluginHost, plan: WatchPlan, files: set[tuple[UUID, str]], stated: Sequence[_Stated]
) -> None:
    """Add files with their folders, and stated targets, as the source writes them."""
    asked = [(id, file, ".") for id, file in files]
    asked += [(one.location, one.file, one.target) for one in stated]

    def join(source: CatalogSource) -> list[str | None]:
        return [_resolved(source, file, relative) for _, file, relative in asked]

    try:
        answers = await host.call(plan.source, join, seconds=_SECONDS, returns=list)
    except TowpathError:
        answers = []
    for id, file in files:
        plan.targets.setdefault(file, set()).add(id)
    for (id, _, _), target in zip(asked, answers, strict=False):
        if isinstance(target, str):
            plan.targets.setdefault(target, set()).add(id)


def _resolved(source: CatalogSource, file: str, relative: str) -> str | None:
    try:
        return source.resolve(file, relative)
    except TowpathError:
        return None  # of another type, or out of reach: nothing that this source could watch
