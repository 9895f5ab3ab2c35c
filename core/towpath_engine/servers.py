"""The PostgreSQL servers that a platform on one machine brings along.

One holds the platform's own data, reachable by its unix socket only. The other is the provider
behind `postgres-database` when none is configured: apart from the first, on loopback, with
passwords, so that what developers are handed works with any client and reaches nothing of ours.
"""

from __future__ import annotations

import asyncio
import os

import msgspec
import structlog

from towpath_engine.settings import EngineSettings
from towpath_engine.store.embedded import EmbeddedServer

__all__ = ("Servers",)

log = structlog.get_logger(__name__)


class Servers:
    """Starts what is not configured, and stops it when no process uses it any more."""

    def __init__(self) -> None:
        self._running: list[EmbeddedServer] = []
        self._starting: asyncio.Task[EngineSettings] | None = None

    def begin(self, settings: EngineSettings) -> None:
        """Let what is missing start while the caller does something else; `start` waits for it."""
        self._starting = asyncio.create_task(self._start(settings))

    async def start(self, settings: EngineSettings) -> EngineSettings:
        """Start what is missing; returns the settings with the addresses filled in.

        What was begun already is waited for, with the settings that it was begun with.

        Raises:
            SettingsError: a data folder cannot be used.
            Unavailable: a server does not start.
        """
        if self._starting is None:
            self.begin(settings)
        assert self._starting is not None  # noqa: S101
        # Not to be left half done: a server that is starting could not be stopped.
        return await asyncio.shield(self._starting)

    async def _start(self, settings: EngineSettings) -> EngineSettings:
        if not settings.embedded:
            return settings
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
        store = EmbeddedServer(settings.home / "postgres", name="towpath")
        starting = [asyncio.to_thread(store.start)]
        postgres = settings.plugins.settings.get("postgres", {})
        provider: EmbeddedServer | None = None
        if "url" not in postgres and _loads(settings, "postgres"):
            provider = EmbeddedServer(
                settings.home / "databases", name="towpath-databases", listen=("127.0.0.1", 0)
            )
            starting.append(asyncio.to_thread(provider.start))
        self._running = [server for server in (store, provider) if server is not None]
        results = await asyncio.gather(*starting, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                await self._let_go()
                raise result
        plugins = settings.plugins
        if provider is not None:
            tables = {**plugins.settings, "postgres": {**postgres, "url": provider.admin_url()}}
            plugins = msgspec.structs.replace(plugins, settings=tables)
        return msgspec.structs.replace(settings, database_url=store.url(), plugins=plugins)

    async def stop(self) -> None:
        """Let go of the servers, once they have started; the last process that does ends them."""
        starting, self._starting = self._starting, None
        if starting is not None:
            await asyncio.gather(starting, return_exceptions=True)
        await self._let_go()

    async def _let_go(self) -> None:
        running, self._running = self._running, []
        for server in reversed(running):
            await asyncio.to_thread(server.stop)


def _loads(settings: EngineSettings, plugin: str) -> bool:
    config = settings.plugins
    return plugin not in config.disabled and (config.only is None or plugin in config.only)
