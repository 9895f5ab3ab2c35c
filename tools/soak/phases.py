"""What is broken, phase by phase. Each is given a stage on which work goes on, and breaks it."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import msgspec
import psycopg
from postgres import Postgres, SmallDisk
from programs import Program
from stage import Stage
from takeovers import Strike
from tcp_proxy import MODES
from workload import BLIND, MIX, Workload

__all__ = ("PHASES", "USUAL", "Phase", "Scene", "Size")

_STILL_SECONDS = 25.0
_TRIES = 100
_STANDING = (
    "SELECT (pid, xact_start)::text FROM pg_stat_activity"
    " WHERE state = 'idle in transaction' AND backend_xid IS NOT NULL"
)


class Size(NamedTuple):
    """How much of everything a phase has."""

    faults: int
    runs: int
    parallel: int = 16


class Scene(msgspec.Struct):
    """What a phase works with, and what it finds.

    Attributes:
        stage: the platform.
        work: what goes on meanwhile.
        chance: decides what is broken when.
        size: how often.
        disk: holds the events, where the phase wants one that can be filled.
        strikes: workers that were taken out.
        faults: how many faults there were.
        found: what was not as it must be, besides what the checker finds.
        notes: what is good to know of it.
    """

    stage: Stage
    work: Workload
    chance: random.Random
    size: Size
    disk: SmallDisk | None = None
    strikes: list[Strike] = []
    faults: int = 0
    found: list[str] = []
    notes: list[str] = []

    def strike(self, worker: str) -> None:
        """Count a fault that takes a worker out."""
        self.strikes.append(Strike(worker, time.monotonic()))
        self.faults += 1

    async def some_worker(self, *, busy: bool = False) -> Program:
        """One that lives at the moment, and has begun a run where `busy` is asked for."""
        while True:
            living = [one for one in self.stage.workers if one.alive]
            if busy:
                # One that is killed as soon as it starts loses nothing, and proves nothing.
                living = [one for one in living if one.worker in self.work.history.workers]
            if living:
                return self.chance.choice(living)
            await asyncio.sleep(0.05)

    async def pause(self, least: float, most: float) -> None:
        """Wait for a while."""
        await asyncio.sleep(self.chance.uniform(least, most))


class Phase(NamedTuple):
    """One kind of fault.

    Attributes:
        title: for people.
        strike: breaks things; returns when it has done so often enough and all is whole again.
        full, quick: how much of it.
        workers: how many there are.
        takeover: seconds within which a dead worker's runs must go on.
        mix: kinds of run.
        proxied: whether proxies stand before the database.
        cables: whether it needs a network whose cables can be pulled.
        clocks: whether workers' clocks are moved.
        small_disk: whether events are kept on a disk that can be filled.
        dies: whether the provider may kill its caller.
    """

    title: str
    strike: Callable[[Scene, int], Coroutine[None, None, None]]
    full: Size
    quick: Size
    workers: int = 3
    takeover: float = 8.0
    mix: Sequence[str] = MIX
    proxied: bool = False
    cables: bool = False
    clocks: bool = False
    small_disk: bool = False
    dies: bool = True


async def kill(scene: Scene, faults: int) -> None:
    """kill -9 of workers at random moments."""
    for _ in range(faults):
        await scene.pause(0.4, 1.8)
        scene.strike((await scene.some_worker(busy=True)).kill())


async def stop_gently(scene: Scene, faults: int) -> None:
    """SIGTERM of workers: they hand back what they have, and end well."""
    for _ in range(faults):
        await scene.pause(0.5, 2.0)
        (await scene.some_worker()).terminate()
        scene.faults += 1
    await _until(lambda: all(one.alive for one in scene.stage.workers), 60)
    for one in scene.stage.workers:
        scene.found += [f"{one.name} ended with status {s}" for s in one.deaths if s not in (0, -9)]


async def zombies(scene: Scene, faults: int) -> None:
    """SIGSTOP for longer than a takeover takes, then SIGCONT."""
    for _ in range(faults):
        await scene.pause(0.5, 2.0)
        one = await scene.some_worker()
        worker = one.pause()
        if scene.chance.random() < 0.5:
            await _in_a_transaction(scene, one)
        scene.strike(worker)
        await _taken_over(scene, worker)
        one.resume()
    # What they would write they write now.
    await asyncio.sleep(2.0)


async def _in_a_transaction(scene: Scene, program: Program) -> None:
    """Let a paused worker go on until it is paused between a write and its commit."""
    for _ in range(_TRIES):
        if await asyncio.to_thread(_lasting_transactions, scene.stage.postgres):
            scene.notes.append(f"{program.worker} was paused in a transaction")
            return
        program.resume()
        await scene.pause(0.0, 0.05)
        program.pause()


def _lasting_transactions(postgres: Postgres) -> set[object]:
    """Transactions that stand still: those of a paused process, because others end soon."""
    found = []
    with postgres.session() as session:
        for _ in range(2):
            found.append({row[0] for row in session.execute(_STANDING)})
            time.sleep(0.05)
    return found[0] & found[1]


async def _taken_over(scene: Scene, worker: str) -> None:
    """Wait until all runs go on, while a worker can do nothing."""
    began, standing = time.monotonic(), await asyncio.to_thread(_open_runs, scene.stage.postgres)
    while standing:
        waited = time.monotonic() - began
        if waited > scene.stage.takeover + _STILL_SECONDS:
            scene.found.append(f"without {worker}, runs stand still: {sorted(standing)[:3]}")
            return
        await asyncio.sleep(0.2)
        now = await asyncio.to_thread(_open_runs, scene.stage.postgres)
        standing = {run: last for run, last in standing.items() if now.get(run) == last}
        if not standing and waited > scene.stage.takeover:
            scene.found.append(f"without {worker}, runs went on after {waited:.1f} s only")


def _open_runs(postgres: Postgres) -> dict[str, int]:
    """Runs that should be done now, and how many events each has."""
    with postgres.session() as session:
        rows = session.execute(
            "SELECT id::text, last_event FROM runs WHERE state IN ('queued', 'running')"
        )
        return dict(rows.fetchall())  # type: ignore[arg-type]


async def database(scene: Scene, faults: int) -> None:
    """Restarts of PostgreSQL: fast and immediate, in mid-run and in mid-claim."""
    postgres = scene.stage.postgres
    for _ in range(faults):
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
    for mode in itertools.islice(itertools.cycle(MODES), faults):
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
    await _taken_over(scene, program.worker)
    proxy.set("pass")
    await asyncio.sleep(2.0)
    scene.notes.append("hole x1")


async def cables(scene: Scene, faults: int) -> None:
    """Cables of workers and gateways pulled out of the network for a while."""
    places = [one.name for one in (*scene.stage.workers, *scene.stage.gateways)]
    for _ in range(faults):
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
    for _ in range(faults):
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
    for _ in range(faults):
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


async def _until(holds: Callable[[], bool], seconds: float) -> None:
    over = time.monotonic() + seconds
    while not holds() and time.monotonic() < over:  # noqa: ASYNC110 - of other processes
        await asyncio.sleep(0.1)


PHASES: Mapping[str, Phase] = {
    "kill": Phase(
        "kill -9 of workers",
        kill,
        Size(200, 600, 24),
        Size(8, 40),
        workers=4,
        takeover=15.0,
        mix=(*MIX, BLIND, BLIND),
    ),
    "stop": Phase("SIGTERM of workers", stop_gently, Size(15, 100), Size(3, 20), dies=False),
    "zombies": Phase("workers paused and woken", zombies, Size(5, 200), Size(1, 20), takeover=15.0),
    "database": Phase("PostgreSQL restarted", database, Size(12, 200), Size(2, 20)),
    "proxies": Phase("connections cut", proxies, Size(8, 200), Size(4, 20), proxied=True),
    "clocks": Phase("clocks moved", clocks, Size(8, 80), Size(2, 20), clocks=True),
    "disk": Phase("no room for events", full_disk, Size(3, 80), Size(1, 20), small_disk=True),
    "short": Phase("a little of everything", short, Size(5, 30), Size(5, 30), proxied=True),
    "nothing": Phase("nothing at all", nothing, Size(20, 100), Size(5, 20)),
    "cables": Phase("cables pulled", cables, Size(5, 150), Size(1, 20), cables=True),
}

USUAL = [name for name in PHASES if name not in ("short", "nothing")]
"""What is performed where no phase is asked for."""
