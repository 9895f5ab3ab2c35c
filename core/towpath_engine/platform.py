"""Puts an engine together: store, plugins, index, and the services over them.

The one place that knows all fields. Everything else gets what it needs handed in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import UUID

import msgspec
import structlog

from towpath_core.errors import Unavailable
from towpath_core.plugins import PluginHost
from towpath_engine.catalog.analysis import CatalogAnalysis
from towpath_engine.catalog.ancestry import Ancestry
from towpath_engine.catalog.applying import Sets
from towpath_engine.catalog.changing import Changes
from towpath_engine.catalog.declaring import Declarations
from towpath_engine.catalog.feed import CHANNEL as CATALOG_CHANNEL
from towpath_engine.catalog.feed import CatalogFeed, Follower, NoIndex
from towpath_engine.catalog.file_watching import PLATFORM, CatalogWatch
from towpath_engine.catalog.history import History
from towpath_engine.catalog.index import CatalogIndex
from towpath_engine.catalog.past import Past
from towpath_engine.catalog.pruning import Pruner
from towpath_engine.catalog.reading import LocationReader
from towpath_engine.catalog.restoring import Restoring
from towpath_engine.catalog.resuming import Resuming
from towpath_engine.catalog.rules import CatalogRules
from towpath_engine.catalog.service import CatalogService
from towpath_engine.catalog.validation import Validator
from towpath_engine.catalog.visibility import Sight
from towpath_engine.catalog.watching import ChangeHub
from towpath_engine.egress.client import EgressClient
from towpath_engine.egress.handing import hand_over
from towpath_engine.memory import give_back
from towpath_engine.policy import PolicyGate
from towpath_engine.provisioning.backends import Backends
from towpath_engine.provisioning.bindings import BindingService
from towpath_engine.provisioning.executors import provisioning_executors
from towpath_engine.provisioning.marks import WHEN_STOPPED
from towpath_engine.provisioning.reopening import WHEN_RETRIED
from towpath_engine.provisioning.service import ProvisioningService
from towpath_engine.provisioning.undoing import DELETE, DeleteResource
from towpath_engine.runs.approvals import Approvals
from towpath_engine.runs.children import Children
from towpath_engine.runs.control import RunControl
from towpath_engine.runs.executing import Executor
from towpath_engine.runs.firing import Schedules
from towpath_engine.runs.journal import CHANNEL as RUNS_CHANNEL
from towpath_engine.runs.kinds import run_kind_executors
from towpath_engine.runs.metrics import RunMetrics, RunsState
from towpath_engine.runs.retention import Retention
from towpath_engine.runs.schedules import ScheduleService
from towpath_engine.runs.service import RunService
from towpath_engine.runs.starting import Starters
from towpath_engine.runs.stopping import Stopping
from towpath_engine.runs.trouble import CHANNEL as TROUBLE_CHANNEL
from towpath_engine.runs.trouble import Troubles
from towpath_engine.runs.undo_executor import UndoExecutor
from towpath_engine.runs.undoing import UNDO, Undoing, one_at_a_time
from towpath_engine.runs.worker import RunWorker, WorkerTimes
from towpath_engine.scaffolding.executor import ScaffoldExecutor
from towpath_engine.scaffolding.service import ScaffoldingService
from towpath_engine.scaffolding.tidying import Tidying
from towpath_engine.scaffolding.undoing import UNREGISTER, UnregisterLocation
from towpath_engine.secrets import Sealer
from towpath_engine.servers import Servers
from towpath_engine.settings import EngineSettings
from towpath_engine.store.database import HOLD_SECONDS, Database, Listener
from towpath_engine.store.migrate import migrate
from towpath_engine.tokens import TokenService

__all__ = ("Platform", "Readiness", "assemble", "open_platform")

log = structlog.get_logger(__name__)


class Readiness(msgspec.Struct, frozen=True):
    """Whether the platform can do its work, part by part; each value is `ok` or what is wrong.

    `runs` is what waits, and who would do it; None where that cannot be told.
    """

    database: str
    feed: str
    workers: str
    runs: RunsState | None = None

    @property
    def ready(self) -> bool:
        """Whether requests can be answered; a missing worker delays runs, but no answers."""
        return self.database == "ok" and self.feed == "ok"


class Platform:
    """An engine in working order. Made by `open_platform`."""

    def __init__(
        self,
        settings: EngineSettings,
        database: Database,
        host: PluginHost,
        sealer: Sealer,
        index: CatalogIndex,
        feed: Follower,
    ) -> None:
        self.settings = settings
        self.database = database
        self.host = host
        self.sealer = sealer
        self.index = index
        self.feed = feed
        self.troubles = Troubles()
        self.policy = PolicyGate(host)
        self.sight = Sight(index, self.policy)
        self.tokens = TokenService(database, sealer)
        self.runs = RunService(database, sealer)
        self.run_metrics = RunMetrics(database, settings.runs.takeover_seconds)
        rules = CatalogRules(settings.catalog_rules)
        self.reader = LocationReader(host, rules=rules)
        self.validator = Validator(host, rules=rules)
        self.catalog = CatalogService(
            database, index, feed, self.reader, self.policy, settings.keeping
        )
        self.ancestry = Ancestry(database, host, self.reader)
        self.analysis = CatalogAnalysis(database, host, self.reader, self.policy)
        changes = Changes(database, feed, self.policy, settings.keeping)
        kinds = self.reader.kinds
        self.declarations = Declarations(database, kinds, changes)
        self.sets = Sets(database, host, kinds, changes)
        self.history = History(database)
        self.past = Past(database)
        self.restoring = Restoring(database, self.history, self.declarations)
        self.hub = ChangeHub(database, index, feed)
        self.scaffolding = ScaffoldingService(database, host, index, self.runs, self.policy)
        self.provisioning = ProvisioningService(database, host, self.runs, self.policy)
        self.bindings = BindingService(database, self.provisioning, self.runs, self.policy, sealer)
        self.starters = Starters(database, host, self.runs, self.policy, self.scaffolding)
        self.schedules = ScheduleService(database, self.starters, self.policy)
        self.approvals = Approvals(database, self.policy, self_approval=settings.runs.self_approval)
        self.undoing = Undoing(database, self.runs, self.policy)
        self.control = RunControl(
            database,
            self.runs,
            Stopping(database, self._executors(), WHEN_STOPPED),
            self.starters,
            {**WHEN_RETRIED, UNDO: one_at_a_time},
        )
        self.listener: Listener | None = None

    def worker(
        self,
        *,
        concurrency: int = 8,
        queues: Sequence[str] = (),
        times: WorkerTimes | None = None,
    ) -> RunWorker:
        """A worker that does all kinds of run, from these queues; from all without any."""
        runs = self.settings.runs
        return RunWorker(
            self.database,
            self.sealer,
            self._executors(),
            concurrency=concurrency,
            queues=queues,
            limits=runs.queue_limits,
            times=times or WorkerTimes.of_takeover(runs.takeover_seconds, runs.grace_seconds),
            starting=Children(self.database, self.starters, self.control),
            max_crashes=runs.max_crashes,
            chores=(self.control.heal, Tidying(self.database, self._workspaces).tick),
        )

    @property
    def _workspaces(self) -> Path:
        return self.settings.home / "workspaces"

    def _executors(self) -> dict[str, Executor]:
        backends = Backends(self.database, self.host, self.provisioning, self.catalog, self.sealer)
        scaffold = ScaffoldExecutor(
            self.host, self.catalog, self.reader, self.policy, self._workspaces
        )
        return {
            "scaffold": scaffold,
            UNDO: UndoExecutor(
                self.host,
                {
                    DELETE: DeleteResource(backends, self.policy),
                    UNREGISTER: UnregisterLocation(self.catalog),
                },
            ),
            **provisioning_executors(backends),
            **run_kind_executors(self.host),
        }

    def clock(self) -> Schedules:
        """What has schedules start their runs; every worker runs one."""
        return Schedules(self.database, self.starters)

    def watch(self) -> CatalogWatch:
        """What reads registered locations again by itself; needs the index."""

        async def refresh(location_id: UUID) -> None:
            await self.catalog.refresh(PLATFORM, location_id)

        return CatalogWatch(
            self.database,
            self.host,
            self.reader,
            self.settings.watch,
            refresh,
            lambda: self.index.seq,
        )

    async def readiness(self) -> Readiness:
        """Look at each part; never raises."""
        feed = "ok"
        if self.listener is not None and not self.listener.connected:
            feed = "the connection that brings changes is lost; it is being made again"
        try:
            runs = await self.run_metrics.state()
        except Unavailable as error:
            return Readiness(error.why or error.what, feed, "unknown")
        return Readiness("ok", feed, self.troubles.now() or _workers_of(runs), runs)


def _workers_of(runs: RunsState) -> str:
    if not runs.workers:
        return "none is alive: runs wait; start one with towpath worker"
    if count := len(runs.deserted):
        return f"none takes runs from {count} of the queues that have some: they wait"
    return "ok"


@asynccontextmanager
async def open_platform(
    settings: EngineSettings, *, index: bool = True, servers: Servers | None = None
) -> AsyncIterator[Platform]:
    """Start servers that are missing, bring the schema up to date, load plugins and the index.

    Args:
        settings: the configuration.
        index: keep the catalog in memory; a worker needs no index.
        servers: those of the configuration, where they have begun to start; let go of at the end.

    Raises:
        SettingsError: the configuration is wrong, or plugins clash.
        Unavailable: the database does not answer.
    """
    async with AsyncExitStack() as stack:
        servers = servers or Servers()
        stack.push_async_callback(servers.stop)
        settings = await servers.start(settings)
        sealer = _sealer(settings)
        url = settings.database_url or ""
        migrating = asyncio.create_task(asyncio.to_thread(migrate, url))
        try:
            host = await asyncio.to_thread(PluginHost.load, settings.plugins)
            stack.callback(host.close)
        finally:
            await migrating
        for plugin in host.describe():
            if plugin.state not in ("active", "disabled"):
                log.warning("plugin.not_active", plugin=plugin.name, why=plugin.why)
        # A worker that sleeps in a transaction must not keep its runs from who takes them over.
        hold = HOLD_SECONDS if index else settings.runs.takeover_seconds / 2
        database = await stack.enter_async_context(Database(url, hold_seconds=hold))
        making = assemble(settings, database, host, sealer, index=index)
        yield await stack.enter_async_context(making)


@asynccontextmanager
async def assemble(
    settings: EngineSettings,
    database: Database,
    host: PluginHost,
    sealer: Sealer,
    *,
    index: bool = True,
) -> AsyncIterator[Platform]:
    """A platform over parts that are there already; they stay open when the block ends.

    Args:
        settings: the configuration.
        database: with its schema up to date.
        host: with its plugins loaded.
        sealer: opens what was sealed before.
        index: keep the catalog in memory, and current.
    """
    egress = EgressClient(settings.egress)
    try:
        await hand_over(host, egress)
        async with _assembled(settings, database, host, sealer, index=index) as platform:
            yield platform
    finally:
        egress.close()


@asynccontextmanager
async def _assembled(
    settings: EngineSettings,
    database: Database,
    host: PluginHost,
    sealer: Sealer,
    *,
    index: bool,
) -> AsyncIterator[Platform]:
    if not index:
        yield Platform(settings, database, host, sealer, CatalogIndex(), NoIndex())
        return
    resuming = Resuming(settings.home / "catalog.index")
    memory, known = await resuming.read()
    feed = CatalogFeed(database, memory)
    platform = Platform(settings, database, host, sealer, memory, feed)
    await feed.load(known)
    del known  # not needed as long as the platform is open
    await asyncio.to_thread(give_back)

    async def on_catalog(payload: str) -> None:
        await feed.on_notify(payload)
        await platform.hub.on_notify(payload)

    handlers = {
        CATALOG_CHANNEL: on_catalog,
        RUNS_CHANNEL: platform.runs.on_notify,
        TROUBLE_CHANNEL: platform.troubles.on_notify,
    }
    platform.listener = Listener(database.url, handlers)
    pruning = asyncio.gather(
        Pruner(database, settings.history_days).run(),
        Retention(database, settings.runs.keep_days).run(),
    )
    try:
        await platform.listener.start()
        yield platform
    finally:
        pruning.cancel()
        await asyncio.gather(pruning, return_exceptions=True)
        await platform.listener.stop()
        await platform.hub.close()
        await resuming.write(memory, feed)


def _sealer(settings: EngineSettings) -> Sealer:
    if settings.secret_key:
        return Sealer.from_text(settings.secret_key)
    return Sealer.from_file(settings.home / "secret.key")
