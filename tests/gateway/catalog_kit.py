"""A gateway over a platform of the test's own, in this process, asked over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from towpath_core import hookimpl
from towpath_core.identity import Principal
from towpath_core.plugins import PluginConfig, PluginHost
from towpath_core.policy import Allow, Decision, Deny, PolicyRequest
from towpath_engine.platform import Platform, assemble
from towpath_engine.secrets import Sealer
from towpath_engine.settings import EngineSettings
from towpath_engine.store.database import Database
from towpath_gateway.app import create_app
from towpath_gateway.places import free_port
from towpath_gateway.serve import listening

WRITER = ("catalog:read", "catalog:write")
V1 = "/api/v1/catalog"


def component(name: str, *, owner: str = "group:tolls", **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": name, **metadata},
        "spec": {"type": "service", "lifecycle": "production", "owner": owner},
    }


def address(name: str, kind: str = "component") -> str:
    return f"{V1}/entities/{kind}/default/{name}"


class OwnersOnly:
    """A policy: only who owns an entity may write it."""

    name = "owners-only"

    def decide(self, request: PolicyRequest) -> Decision:
        owner = request.context.get("owner")
        if request.action != "catalog:write" or request.principal.is_admin:
            return Allow()
        if owner is None or request.principal.owns(owner):
            return Allow()
        return Deny((f"{owner} owns it",))


class OwnersPlugin:
    @hookimpl
    def towpath_policies(self) -> Iterable[Any]:
        return [OwnersOnly()]


class Gateway:
    def __init__(self, platform: Platform, url: str, stop: Callable[[], None]) -> None:
        self.platform = platform
        self.url = url
        self.stop = stop
        self.token_id: Any = None

    async def client(
        self,
        subject: str = "ada",
        scopes: Iterable[str] = WRITER,
        groups: Iterable[str] = (),
    ) -> httpx.AsyncClient:
        who = Principal(
            issuer="towpath",
            subject=subject,
            kind="user",
            entity_ref=f"user:default/{subject}",
            groups=frozenset(groups),
            scopes=frozenset(scopes),
        )
        made = await self.platform.tokens.create(who, "test", list(scopes))
        self.token_id = made.id
        headers = {"authorization": f"Bearer {made.token}"}
        limits = httpx.Limits(max_connections=None)
        return httpx.AsyncClient(base_url=self.url, headers=headers, limits=limits, timeout=60)


@asynccontextmanager
async def serving(url: str, home: Path, *plugins: Any) -> AsyncIterator[Gateway]:
    """A gateway with Backstage's kinds, files of `home`, and plugins of the test's own."""
    settings = {"backstage": {"roots": [str(home)]}}
    config = PluginConfig(only=("backstage",), settings=settings, strict=True)
    host = PluginHost.load(config, extra={f"own-{n}": p for n, p in enumerate(plugins)})
    port = free_port("127.0.0.1", 0)
    async with AsyncExitStack() as stack:
        stack.callback(host.close)
        database = await stack.enter_async_context(Database(url))
        engine = EngineSettings(home=home, database_url=url)
        platform = await stack.enter_async_context(
            assemble(engine, database, host, Sealer(bytes(range(32))))
        )
        app = create_app(platform)
        await stack.enter_async_context(listening(app, "127.0.0.1", port, asyncio.Event()))
        yield Gateway(platform, f"http://127.0.0.1:{port}", app.close)


class Frames:
    """The events of a stream, one after the other."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def next(self, seconds: float = 60) -> dict[str, Any]:
        """The next event, with its `event`, `id` and `data`; comments are passed over."""
        found: dict[str, Any] = {}
        async with asyncio.timeout(seconds):
            while line := await anext(self._lines, None):
                if line.startswith(":"):
                    assert await anext(self._lines) == ""
                    continue
                while line:
                    name, _, value = line.partition(": ")
                    found[name] = json.loads(value) if name == "data" else value
                    line = await anext(self._lines)
                return found
        raise EOFError

    async def rest(self) -> None:
        """See that nothing comes any more."""
        with contextlib.suppress(EOFError):
            raise AssertionError(await self.next())


@asynccontextmanager
async def watching(
    client: httpx.AsyncClient, *, last: int | str | None = None, **params: Any
) -> AsyncIterator[Frames]:
    headers = {} if last is None else {"last-event-id": str(last)}
    async with client.stream("GET", f"{V1}/watch", params=params, headers=headers) as answer:
        if answer.status_code != 200:
            await answer.aread()
        assert answer.status_code == 200, answer.text
        yield Frames(answer)
