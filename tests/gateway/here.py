"""An application in this process, over HTTP, on a platform without a worker: runs wait for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import insert, update

from towpath_core.identity import SCOPES, Principal
from towpath_core.plugins import PluginConfig
from towpath_engine.platform import Platform, open_platform
from towpath_engine.runs.journal import Event, insert_events
from towpath_engine.runs.tables import RUNS, STEPS
from towpath_engine.runs.terms import Terms
from towpath_engine.runs.waits import lock_run
from towpath_engine.settings import EngineSettings
from towpath_gateway.app import create_app
from towpath_gateway.serve import free_port, listening


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
        return httpx.AsyncClient(base_url=self.url, headers=headers, limits=limits, timeout=30)

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


@asynccontextmanager
async def opened(
    database_url: str, home: Path, *, plugins: tuple[str, ...] = ("backstage",)
) -> AsyncIterator[Here]:
    """The application, listening until the block ends."""
    settings = EngineSettings(
        home=home, database_url=database_url, plugins=PluginConfig(only=plugins)
    )
    port = free_port("127.0.0.1", 0)
    at_once = asyncio.Event()
    async with open_platform(settings) as platform:
        token = (await platform.tokens.create(ADMIN, "test", ["platform:admin"])).token
        app = create_app(platform)
        async with listening(app, "127.0.0.1", port, at_once):
            yield Here(platform, f"http://127.0.0.1:{port}", token, app.close)


async def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)
