"""Faults of what workers and gateways stand on: database, connections, network, clocks, disk."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
from programs import Program
from scene import Scene
from tcp_proxy import MODES
from worker_faults import taken_over

__all__ = ("cables", "clocks", "database", "full_disk", "proxies")


async def database(scene: Scene, faults: int) -> None:
    """Restarts of PostgreSQL: fast and immediate, in mid-run and in mid-claim."""
    postgres = scene.stage.postgres
    async for _ in scene.rounds(faults):
        await scene.pause(1.0, 4.0)
        immediate, claim = scene.chance.random() < 0.6, scene.chance.random() < 0.5
        down = scene.chance.choice((0.0, 0.0, 0.5, 3.0))
        if claim:
            await asyncio.to_thread(
                _hold_claims, postgres.inside(), immediate, postgres.restart, down
            )
        else:
            await asyncio.to_thread(postgres.restart, immediate=immediate, down=down)
        scene.faults += 1
        scene.notes.append(("immediate" if immediate else "fast") + (", in a claim" * claim))


def _hold_claims(url: str, immediate: bool, restart: Callable[..., None], down: float) -> None:
    """Let workers begin to claim jobs and come no further, and restart the server then."""
    # Closed only: its session ends with the server.
    with closing(psycopg.connect(url)) as connection:
        connection.execute("LOCK TABLE procrastinate_jobs IN ACCESS EXCLUSIVE MODE")
        time.sleep(1.2)
        restart(immediate=immediate, down=down)


async def proxies(scene: Scene, faults: int) -> None:
    """The connections to PostgreSQL: slow, reset, half closed, silent."""
    names = list(scene.stage.proxies)
    modes = itertools.cycle(MODES)
    async for _ in scene.rounds(faults):
        mode = next(modes)
        await scene.pause(0.5, 1.5)
        if mode == "hole":
            await _silence(scene, await scene.some_worker())
            continue
        hit = scene.chance.sample(names, scene.chance.randint(1, len(names)))
        for name in hit:
            scene.stage.proxies[name].set(mode)
        await scene.pause(0.5, 3.0)
        for name in hit:
            scene.stage.proxies[name].set("pass")
        scene.faults += 1
        scene.notes.append(f"{mode} x{len(hit)}")


async def _silence(scene: Scene, program: Program) -> None:
    """Have nothing of a worker arrive until its runs go on at others, and then all of it."""
    proxy = scene.stage.proxies[program.name]
    proxy.set("hole")
    scene.strike(program.worker)
    await taken_over(scene, program.worker)
    proxy.set("pass")
    await asyncio.sleep(2.0)
    scene.notes.append("hole x1")


async def cables(scene: Scene, faults: int) -> None:
    """Cables of workers and gateways pulled out of the network for a while."""
    places = [one.name for one in (*scene.stage.workers, *scene.stage.gateways)]
    async for _ in scene.rounds(faults):
        await scene.pause(1.0, 3.0)
        name, network = places[scene.faults % len(places)], scene.stage.network
        network.pull(name)
        scene.faults += 1
        try:
            await scene.pause(4.0, 10.0)
            if forgets := scene.faults % 2 == 1:
                await asyncio.to_thread(network.forget, name)
            await scene.pause(4.0, 10.0)
        finally:
            network.plug(name)
        scene.notes.append(f"{name}{' forgotten' * forgets}")


async def clocks(scene: Scene, faults: int) -> None:
    """Workers' clocks a day ahead, a day behind, and jumping between them."""
    jumping = scene.stage.folder / "clock-2"
    async for _ in scene.rounds(faults):
        await scene.pause(2.0, 4.0)
        _say_time(jumping, ("+86400", "-86400", "+0", "+3600")[scene.faults % 4])
        scene.faults += 1


def _say_time(file: Path, offset: str) -> None:
    partial = file.with_suffix(".new")
    partial.write_text(f"{offset}\n")
    partial.replace(file)


async def full_disk(scene: Scene, faults: int) -> None:
    """No room left for events, several times; and what is said about it meanwhile."""
    disk = scene.disk
    assert disk is not None
    async for _ in scene.rounds(faults):
        await scene.pause(1.0, 2.0)
        disk.fill()
        scene.faults += 1
        try:
            await scene.pause(6.0, 10.0)
            await _is_said(scene)
        finally:
            disk.clear()


async def _is_said(scene: Scene) -> None:
    ready = []
    for client in scene.stage.clients:
        answer = await client.get("/readyz", timeout=20)
        ready.append(answer.text)
    scene.notes.append(f"readyz: {ready[0][:200]}")
    if not any("space" in text or "disk" in text for text in ready):
        scene.found.append(f"readiness does not say that the disk is full: {ready[0][:300]}")
    if not scene.stage.logs(["No space left", "could not extend", "disk is full", "disk full"]):
        scene.found.append("no log says that the disk is full")
