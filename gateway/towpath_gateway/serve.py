"""Serves the application with Granian, in this process, until it is told to stop.

On SIGTERM or SIGINT it takes no new connections, gives open requests a moment, and lets go of the
platform; a killed one leaves nothing that the next start does not mend.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from towpath_core.errors import Conflict, Unavailable
from towpath_core.identity import Principal
from towpath_engine.memory import look_for_garbage
from towpath_engine.platform import Platform, open_platform
from towpath_engine.servers import Servers
from towpath_engine.settings import EngineSettings
from towpath_gateway.app import Application, create_app
from towpath_gateway.ask import Demo
from towpath_gateway.places import DEMO_FOLDER
from towpath_gateway.signals import Stop, unless

__all__ = (
    "demo_of",
    "keeping_time",
    "listening",
    "serve",
    "watching",
    "work",
)

log = structlog.get_logger(__name__)

SYSTEM = Principal(
    issuer="towpath",
    subject="system",
    kind="service",
    entity_ref="user:default/admin",
    scopes=frozenset({"catalog:write"}),
)
DEMO_TEMPLATE = "template:default/python-service"
BACKLOG = 1024


def demo_of(settings: EngineSettings) -> Demo | None:
    """The demo, where its folder is among the catalog roots."""
    if DEMO_FOLDER in settings.catalog_roots:
        return Demo(location=str(DEMO_FOLDER / "all.yaml"), template=DEMO_TEMPLATE)
    return None


async def serve(
    settings: EngineSettings, host: str, port: int, *, servers: Servers, stop: Stop
) -> None:
    """Open the platform and answer requests until asked to stop.

    Args:
        settings: the configuration.
        host: address to listen on.
        port: port to listen on, free.
        servers: those of the configuration, which may have begun to start.
        stop: when to end.

    Raises:
        SettingsError: the configuration is wrong.
        Unavailable: the database does not answer.
    """
    async with open_platform(settings, servers=servers) as platform:
        demo = demo_of(settings)
        if demo is not None:
            await load_demo(platform, demo)
        app = create_app(platform, demo=demo)
        async with watching(platform), listening(app, host, port, stop.at_once) as serving:
            look_for_garbage()
            announce(f"http://{'[' + host + ']' if ':' in host else host}:{port}")
            await unless(stop.asked, asyncio.shield(serving))


@asynccontextmanager
async def listening(
    app: Application, host: str, port: int, at_once: asyncio.Event
) -> AsyncIterator[asyncio.Task[None]]:
    """Serve an application as long as the block lasts; the block begins when it can be asked.

    At the end streams are ended, and open requests are waited for, unless `at_once` is set.

    Raises:
        Unavailable: the server does not start.
    """
    server = _server(app, host, port)
    serving = asyncio.create_task(server.serve())
    try:
        await _answering(host, port, serving)
        yield serving
    finally:
        if not serving.done():
            app.close()
            server.stop()  # type: ignore[no-untyped-call]
            await unless(at_once, serving)


@asynccontextmanager
async def watching(platform: Platform) -> AsyncIterator[None]:
    """Have registered locations read again by themselves as long as the block lasts."""
    task = asyncio.create_task(platform.watch().run(), name="catalog-watch")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def keeping_time(platform: Platform) -> AsyncIterator[None]:
    """Have schedules start their runs as long as the block lasts."""
    task = asyncio.create_task(platform.clock().run(), name="schedules")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def load_demo(platform: Platform, demo: Demo) -> None:
    """Register the demo's catalog when nothing was ever registered."""
    if await platform.catalog.locations():
        return
    with contextlib.suppress(Conflict):
        report = await platform.catalog.register(SYSTEM, "file", demo.location)
        for found in report.problems:
            log.error("demo.problem", problem=str(found.problem))


async def work(
    settings: EngineSettings,
    concurrency: int,
    queues: Sequence[str] = (),
    *,
    servers: Servers,
    stop: Stop,
) -> None:
    """Do runs, from these queues or all, until asked to stop; those under way may end."""
    opening = open_platform(settings, index=False, servers=servers)
    async with opening as platform, keeping_time(platform):
        worker = platform.worker(concurrency=concurrency, queues=queues)
        working = asyncio.create_task(worker.run())
        look_for_garbage()
        announce("working")
        await unless(stop.asked, asyncio.shield(working))
        worker.stop()
        await unless(stop.at_once, working)


def announce(what: str) -> None:
    """Say on standard output that the process is ready, in one line that a program can read."""
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(f"ready {what}\n")
        sys.stdout.flush()


async def _answering(host: str, port: int, serving: asyncio.Task[None]) -> None:
    """Return when the port takes connections; the server itself does not tell.

    Raises:
        Unavailable: the server ended before it did.
    """
    while not serving.done():
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.005)
            continue
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return
    raise Unavailable(f"{host}:{port} cannot be served: {serving.exception()}.")


def _server(app: Application, host: str, port: int) -> Server:
    return Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        log_enabled=False,
    )
