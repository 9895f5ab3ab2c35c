"""The phases: what is broken in each, how often, and on what platform."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import NamedTuple

from outer_faults import cables, clocks, database, full_disk, proxies
from scene import PATIENCE, Scene, Size
from worker_faults import kill, kill_gateways, stop_gently, zombies
from workload import BLIND, MIX

__all__ = ("PHASES", "USUAL", "Phase")


class Phase(NamedTuple):
    """One kind of fault.

    Attributes:
        title: for people.
        strike: breaks things; returns when it has done so often enough and all is whole again.
        full, quick: how much of it.
        workers: how many there are.
        takeover: what workers are told of how soon to take over, in seconds.
        within: seconds in which that is seen to happen; where it is not given, that it does.
        mix: kinds of run.
        proxied: whether proxies stand before the database.
        cables: whether it needs a network whose cables can be pulled.
        clocks: whether workers' clocks are moved.
        small_disk: whether events are kept on a disk that can be filled.
    """

    title: str
    strike: Callable[[Scene, int], Coroutine[None, None, None]]
    full: Size
    quick: Size
    workers: int = 3
    takeover: float = 8.0
    within: float = PATIENCE
    mix: Sequence[str] = MIX
    proxied: bool = False
    cables: bool = False
    clocks: bool = False
    small_disk: bool = False


async def short(scene: Scene, faults: int) -> None:
    """A little of everything that needs no time and no rights, for the tests."""
    await kill(scene, faults)
    await zombies(scene, 1)
    for number, proxy in enumerate(scene.stage.proxies.values()):
        proxy.set("half-close" if number % 2 else "reset")
    await scene.pause(0.2, 0.5)
    for proxy in scene.stage.proxies.values():
        proxy.set("pass")
    await scene.pause(0.5, 1.0)
    await asyncio.to_thread(scene.stage.postgres.restart, immediate=True)
    scene.faults += 2


async def nothing(scene: Scene, faults: int) -> None:
    """No fault: what the others are compared with."""
    await asyncio.sleep(faults)


PHASES: Mapping[str, Phase] = {
    "kill": Phase(
        "kill -9 of workers",
        kill,
        Size(200, 2000, 480, 24),
        Size(8, 100, 60),
        workers=4,
        takeover=15.0,
        mix=(*MIX, BLIND, BLIND),
    ),
    "gateways": Phase("kill -9 of gateways", kill_gateways, Size(15, 500, 60), Size(4, 100, 40)),
    "stop": Phase("SIGTERM of workers", stop_gently, Size(10, 200, 60), Size(3, 50, 40)),
    "zombies": Phase(
        "workers paused and woken",
        zombies,
        Size(4, 500, 120),
        Size(1, 100, 60),
        takeover=15.0,
        within=15.0,
    ),
    "database": Phase("PostgreSQL restarted", database, Size(10, 500, 90), Size(2, 100, 40)),
    "proxies": Phase("connections cut", proxies, Size(8, 500, 90), Size(4, 100, 60), proxied=True),
    "clocks": Phase("clocks moved", clocks, Size(6, 200, 60), Size(2, 50, 30), clocks=True),
    "disk": Phase(
        "no room for events", full_disk, Size(2, 200, 60), Size(1, 50, 40), small_disk=True
    ),
    "cables": Phase("cables pulled", cables, Size(4, 500, 100), Size(1, 100, 50), cables=True),
    "short": Phase("a little of everything", short, Size(5, 30, 60), Size(5, 30, 60), proxied=True),
    "nothing": Phase("nothing at all", nothing, Size(20, 100, 60), Size(5, 20, 60)),
}

USUAL = [name for name in PHASES if name not in ("short", "nothing")]
"""What is performed where no phase is asked for."""
