"""`towpath up`: the platform's processes on one machine, started, watched and restarted.

Owns the processes only. A gateway or worker that dies is started again; when the supervisor is
killed, its processes notice and stop by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from towpath_core.errors import Unavailable
from towpath_engine.servers import Servers
from towpath_engine.settings import EngineSettings
from towpath_engine.token_text import NewToken
from towpath_gateway.beginning import read_in
from towpath_gateway.child import Child
from towpath_gateway.signals import Stop, unless

__all__ = ("Supervisor", "Up", "default_roots")

log = structlog.get_logger(__name__)

RESTART_SECONDS = 0.5
RESTART_MOST = 10.0


class Up(msgspec.Struct, frozen=True):
    """What is up: the address, and the administrator's token when this was the first start."""

    url: str
    token: NewToken | None


class Supervisor:
    """Runs a gateway and workers over one set of servers."""

    def __init__(
        self, settings: EngineSettings, *, host: str, port: int, workers: int = 1, log_level: str
    ) -> None:
        self._settings = settings
        self._servers = Servers()
        env = os.environ | {
            "TOWPATH_HOME": str(settings.home),
            "TOWPATH_CATALOG_ROOTS": os.pathsep.join(str(r) for r in settings.catalog_roots),
        }
        options = ("--log-level", log_level)
        command = (sys.executable, "-m", "towpath_gateway")
        serve = (*command, "serve", "--host", host, "--port", str(port), *options)
        self._children = [Child("gateway", serve, env)]
        self._children += [
            Child(f"worker {number}", (*command, "worker", *options), env)
            for number in range(1, workers + 1)
        ]
        self._lifeline = os.pipe()

    async def run(self, stop: Stop, welcome: Callable[[Up], None]) -> None:
        """Start everything, say so, and keep it up until asked to stop; then nothing is left.

        Args:
            stop: when to end, also in the middle of the start.
            welcome: called once, when everything answers.

        Raises:
            SettingsError: the configuration is wrong.
            Unavailable: a part does not start.
        """
        try:
            up = await unless(stop.asked, self._start())
            if up is not None:
                welcome(up)
                await unless(stop.asked, self._watch())
        finally:
            await self._end(stop)

    async def _start(self) -> Up:
        try:
            async with asyncio.TaskGroup() as group:
                # Side by side: the processes wait by themselves for the servers and the schema.
                starting = group.create_task(self._servers.start(self._settings))
                for child in self._children:
                    group.create_task(child.start(self._lifeline[0]))
                group.create_task(read_in("towpath_engine.tokens"))
        except BaseExceptionGroup as failed:
            # The first tells the cause; the others were stopped because of it.
            raise failed.exceptions[0] from failed
        # Last, so that it is shown: a start that failed must not have used it up.
        token = await _first_token(starting.result().database_url or "")
        return Up(self._children[0].ready, token)

    async def _watch(self) -> None:
        await asyncio.gather(*(self._keep(child) for child in self._children))

    async def _end(self, stop: Stop) -> None:
        await asyncio.gather(*(child.stop(stop.at_once) for child in self._children))
        for descriptor in self._lifeline:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        await self._servers.stop()

    async def _keep(self, child: Child) -> None:
        delay = RESTART_SECONDS
        while True:
            if child.process is not None:
                status = await child.process.wait()
                log.warning("supervisor.died", process=child.name, status=status)
            await asyncio.sleep(delay)
            try:
                await child.start(self._lifeline[0])
                log.info("supervisor.restarted", process=child.name)
                delay = RESTART_SECONDS
            except (Unavailable, OSError) as error:
                log.error("supervisor.restart_failed", process=child.name, error=str(error))
                delay = min(delay * 2, RESTART_MOST)


async def _first_token(url: str) -> NewToken | None:
    """The administrator's token, where this is the first start."""
    # Imported here because it takes as long as the other processes need to start.
    from towpath_engine.store.database import Database
    from towpath_engine.tokens import TokenService

    async with Database(url, pool_size=1) as database:
        return await TokenService(database).bootstrap()


def default_roots(demo: Path, folder: Path, home: Path) -> list[Path]:
    """Folders that `up` lets file locations be read from: the demo's, and where it was started.

    The root of the disk and a home folder are too much to open without being asked to.
    """
    return [demo] if folder in (home, Path("/")) else [demo, folder]
