"""Reads registered locations again: at once where files change, else when they are due.

One process of all does it. Owns when; what a refresh is, and what it writes, is for the caller.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import func, or_, select

from towpath_core.catalog import CatalogSource, WatchableSource
from towpath_core.errors import TowpathError
from towpath_core.identity import Principal
from towpath_core.plugins import PluginHost
from towpath_engine.catalog.reading import LocationReader
from towpath_engine.catalog.refreshing import Refresh, Refreshes
from towpath_engine.catalog.tables import LOCATIONS
from towpath_engine.catalog.watch_plan import WatchPlan, plan_watching
from towpath_engine.catalog.watch_settings import WatchSettings
from towpath_engine.store.database import Database
from towpath_engine.store.leadership import lead

__all__ = ("PLATFORM", "CatalogWatch")

log = structlog.get_logger(__name__)

PLATFORM = Principal(
    issuer="towpath",
    subject="platform",
    kind="service",
    entity_ref="user:default/towpath",
    scopes=frozenset({"catalog:write"}),
)
"""Who reads locations again when nobody asked for it."""

_LOCK = 0x70_77_70_09
_LOOK_SECONDS = 0.2
_BEAT_SECONDS = 10.0
_CALL_SECONDS = 30.0
_RETRY_SECONDS = 5.0
_JITTER = 0.25


class CatalogWatch:
    """Watches what can be watched, and reads the rest again when it is old.

    Args:
        database: knows the locations.
        host: calls the sources.
        reader: knows which source reads a location.
        settings: what is switched on.
        refresh: reads one location again; what it raises is logged, and tried again later.
        seq: number of the last change of the catalog that this process has seen.
    """

    def __init__(
        self,
        database: Database,
        host: PluginHost,
        reader: LocationReader,
        settings: WatchSettings,
        refresh: Refresh,
        seq: Callable[[], int],
    ) -> None:
        self._database = database
        self._host = host
        self._reader = reader
        self._settings = settings
        self._seq = seq
        self._refreshes = Refreshes(refresh)
        self._watched: dict[str, set[UUID]] = {}

    @property
    def watched(self) -> frozenset[UUID]:
        """The locations whose files are watched by this process at the moment."""
        return frozenset(one for ids in self._watched.values() for one in ids)

    async def run(self) -> None:
        """Be one of the processes that could do it, until cancelled."""
        await lead(self._database.url, _LOCK, self._work)

    async def _work(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._refreshes.run())
                if self._settings.watch:
                    group.create_task(self._follow_plan())
                if self._settings.refresh_seconds:
                    group.create_task(self._keep_fresh())
        finally:
            self._watched.clear()

    async def _follow_plan(self) -> None:
        """Keep a watching task for each source, begun anew when its plan changes."""
        plans: dict[str, WatchPlan] = {}
        tasks: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                seen, begun = self._seq(), time.monotonic()
                try:
                    latest = await plan_watching(self._database, self._host, self._reader)
                except TowpathError as error:
                    log.warning("watch.no_plan", error=str(error))
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                for name in sorted({*latest, *plans}):
                    await self._replace(tasks, plans.get(name), latest.get(name))
                plans = latest
                # A large catalog that changes all the time must not be planned all the time.
                await asyncio.sleep(max(_LOOK_SECONDS, 10 * (time.monotonic() - begun)))
                await self._news(seen)
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    async def _news(self, seen: int) -> None:
        """Return when the catalog has changed since a number was seen."""
        while True:
            if self._seq() != seen:
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _replace(
        self,
        tasks: dict[str, asyncio.Task[None]],
        before: WatchPlan | None,
        plan: WatchPlan | None,
    ) -> None:
        """Watch by a new plan, and by the old one until the new has begun."""
        if plan is not None and before is not None and plan.targets == before.targets:
            return
        some = plan or before
        if some is None:
            return
        name = some.source.name
        old = tasks.get(name)
        if plan is not None:
            begun = asyncio.Event()
            known = before.locations if before is not None else set()
            tasks[name] = asyncio.create_task(self._watch(plan, plan.locations - known, begun))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(begun.wait(), _RETRY_SECONDS)
        elif old is not None:
            del tasks[name]
        if old is not None:
            old.cancel()
            await asyncio.gather(old, return_exceptions=True)

    async def _watch(self, plan: WatchPlan, unseen: set[UUID], begun: asyncio.Event) -> None:
        """Watch for one source until cancelled; a fault is logged, and tried again.

        Args:
            plan: what to watch.
            unseen: locations that may have changed before anybody looked: they are read once.
            begun: set when the watching has begun.
        """
        name, locations = plan.source.name, plan.locations
        while True:
            stop = threading.Event()
            try:
                async for changed in self._changes(plan, stop):
                    if not begun.is_set():
                        self._watched[name] = locations
                        self._refreshes.add(unseen)
                        begun.set()
                    found = (plan.targets.get(target, set()) for target in changed)
                    self._refreshes.add({id for ids in found for id in ids})
            except TowpathError as error:
                log.warning("watch.failed", source=name, error=str(error))
            finally:
                stop.set()
                if self._watched.get(name) is locations:
                    del self._watched[name]
            await asyncio.sleep(_RETRY_SECONDS)
            unseen = locations
            begun.clear()

    async def _changes(
        self, plan: WatchPlan, stop: threading.Event
    ) -> AsyncIterator[frozenset[str]]:
        targets = sorted(plan.targets)

        def begin(source: CatalogSource) -> Iterator[frozenset[str]]:
            if not isinstance(source, WatchableSource):
                return iter(())
            return iter(source.watch(targets, stop, seconds=_BEAT_SECONDS))

        answers = await self._host.call(plan.source, begin, seconds=_CALL_SECONDS)

        def following(_: CatalogSource) -> frozenset[str] | None:
            return next(answers, None)

        while True:
            changed = await self._host.call(
                plan.source, following, seconds=_CALL_SECONDS, returns=(frozenset, type(None))
            )
            if changed is None:
                return
            yield changed

    async def _keep_fresh(self) -> None:
        seconds = self._settings.refresh_seconds
        while True:
            try:
                self._refreshes.add(await self._due())
            except TowpathError as error:
                log.warning("watch.due_unknown", error=str(error))
            await asyncio.sleep(min(5.0, seconds / 10))

    async def _due(self) -> set[UUID]:
        """Locations that nobody watches and that were read too long ago.

        Each has a share of its own of the time on top, so that they do not all come at once.
        """
        seconds, c = self._settings.refresh_seconds, LOCATIONS.c
        age = func.clock_timestamp() - c.read_at
        query = select(c.id, age.label("age")).where(
            or_(c.read_at.is_(None), age > timedelta(seconds=seconds))
        )
        async with self._database.begin() as transaction:
            rows = (await transaction.execute(query)).all()
        watched = self.watched
        return {
            row.id
            for row in rows
            if row.id not in watched
            and (
                row.age is None
                or row.age.total_seconds() > seconds * (1 + _JITTER * (row.id.int % 1000) / 1000)
            )
        }
