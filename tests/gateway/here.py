"""An application in this process, over HTTP, on a platform without a worker: runs wait for ever."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import insert, update

from towpath_core import hookimpl
from towpath_core.errors import SettingsError
from towpath_core.identity import SCOPES, Principal
from towpath_core.plugins import PluginConfig, PluginHost
from towpath_core.runs import StepTools
from towpath_engine.platform import Platform, assemble
from towpath_engine.runs.journal import Event, insert_events
from towpath_engine.runs.tables import RUNS, STEPS
from towpath_engine.runs.terms import Terms
from towpath_engine.runs.waits import lock_run
from towpath_engine.runs.worker import RunWorker, WorkerTimes
from towpath_engine.secrets import Sealer
from towpath_engine.settings import EngineSettings
from towpath_engine.store.database import Database
from towpath_engine.store.migrate import migrate
from towpath_gateway.app import create_app
from towpath_gateway.places import free_port
from towpath_gateway.serve import listening

FAST = WorkerTimes(heartbeat=0.1, stalled=20.0, sweep=0.1, grace=20.0, poll=0.05, retry=0.01)


def somebody(name: str, *scopes: str, groups: tuple[str, ...] = ()) -> Principal:
    """A user; with every scope but the administrator's, unless some are named."""
    every = [scope for scope in SCOPES if scope != "platform:admin"]
    return Principal(
        issuer="towpath",
        subject=name,
        kind="user",
        entity_ref=f"user:default/{name}",
        groups=frozenset(groups),
        scopes=frozenset(scopes or every),
    )


ADMIN = somebody("admin", "platform:admin")
ADA = somebody("ada")
BOB = somebody("bob", groups=("group:default/keepers",))


class Here:
    """The platform, its address, and an administrator's token."""

    def __init__(self, platform: Platform, url: str, token: str, stop: Callable[[], None]) -> None:
        self.platform = platform
        self.url = url
        self.token = token
        self.stop = stop

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=None)
        bearer = self.token if token is None else token
        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, limits=limits, timeout=60)

    async def known_as(self, who: Principal) -> httpx.AsyncClient:
        """A client of somebody, with all scopes that they have."""
        made = await self.platform.tokens.create(who, "test", sorted(who.scopes))
        return self.client(made.token)

    async def run(self, who: Principal = ADMIN, kind: str = "scaffold", **more: Any) -> str:
        """A run that nobody does; `more` are its terms, and columns such as its state."""
        terms = {name: more.pop(name) for name in ("queue", "parent", "schedule") if name in more}
        title, secrets = more.pop("title", "Wait"), more.pop("secrets", None)
        async with self.platform.database.begin() as transaction:
            id = await self.platform.runs.create(
                transaction, who, kind, title, {"n": 1}, secrets=secrets, terms=Terms(**terms)
            )
            if more:
                change = update(RUNS).where(RUNS.c.id == id).values(**more)
                await transaction.execute(change)
        return str(id)

    async def write(self, run_id: str, *events: Event, **columns: Any) -> None:
        """Add events to a run, as a worker would."""
        id = UUID(run_id)
        async with self.platform.database.begin() as transaction:
            row = await lock_run(transaction, id)
            values = {"last_event": row["last_event"] + len(events), **columns}
            await transaction.execute(update(RUNS).where(RUNS.c.id == id).values(**values))
            await insert_events(transaction, id, row["last_event"] + 1, events)

    async def ask(self, run_id: str, *approvers: str) -> None:
        """Have a run wait for a yes."""
        wait = {"type": "approval", "question": "May I?", "approvers": list(approvers)}
        row = {"run_id": UUID(run_id), "seq": 1, "key": "approval:go", "name": "May I?"}
        row |= {"attempts": 1, "effect": "pure", "state": "waiting", "wait": wait}
        async with self.platform.database.begin() as transaction:
            await transaction.execute(insert(STEPS).values(**row))
        told = Event("wait", {"key": "approval:go", "name": "May I?", **wait})
        await self.write(run_id, told, Event("state", {"state": "waiting"}), state="waiting")

    @property
    def followers(self) -> int:
        return len(self.platform.runs.following)


class Kind:
    """A kind of run that calls a function; `undone` keeps what it was told to take back."""

    title = "A kind"
    description = "Does what a test says."
    queue = "default"
    seconds = 30.0

    def __init__(
        self,
        name: str,
        do: Callable[[dict[str, Any], StepTools], Any],
        schema: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.do = do
        self.input_schema = schema or {"type": "object"}
        self.undone: list[tuple[str, dict[str, Any]]] = []

    def run(self, input: dict[str, Any], tools: StepTools) -> Mapping[str, Any]:
        found = self.do(input, tools)
        return found if isinstance(found, dict) else {"found": found}

    def undo(self, name: str, data: dict[str, Any], tools: StepTools) -> None:
        self.undone.append((name, data))


class Plugin:
    """A plugin of this process that offers kinds of run."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self.kinds = list(kinds)

    @hookimpl
    def towpath_run_kinds(self) -> Iterable[Kind]:
        return self.kinds


def _own_port() -> int:
    """A port that no other process of these tests takes: two may listen on one by mistake."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        try:
            return free_port("127.0.0.1", 20_000 + number * 500 + random.randrange(500))
        except SettingsError:
            continue


@asynccontextmanager
async def opened(
    database_url: str, home: Path, *, kinds: Iterable[Kind] = ()
) -> AsyncIterator[Here]:
    """The application, listening until the block ends."""
    config = PluginConfig(only=("backstage",), strict=True)
    settings = EngineSettings(home=home, database_url=database_url, plugins=config)
    port = _own_port()
    at_once = asyncio.Event()
    async with AsyncExitStack() as stack:
        await asyncio.to_thread(migrate, database_url)
        host = PluginHost.load(config, extra={"acme": Plugin(kinds)})
        stack.callback(host.close)
        database = await stack.enter_async_context(Database(database_url))
        making = assemble(settings, database, host, Sealer(bytes(range(32))))
        platform = await stack.enter_async_context(making)
        token = (await platform.tokens.create(ADMIN, "test", ["platform:admin"])).token
        app = create_app(platform)
        await stack.enter_async_context(listening(app, "127.0.0.1", port, at_once))
        yield Here(platform, f"http://127.0.0.1:{port}", token, app.close)


@asynccontextmanager
async def working(here: Here, **options: Any) -> AsyncIterator[RunWorker]:
    """A worker that works until the block ends."""
    worker = here.platform.worker(times=FAST, **options)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await task


async def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)
