"""Performs one phase from an empty folder to what became of it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from checker import Violation, check
from facts import Facts, gather
from history import History
from network import Network
from phases import Phase
from postgres import Postgres, SmallDisk
from programs import fake_clock
from scene import Scene, Size
from stage import Stage
from takeovers import attempts, takeover_seconds
from workload import Workload, orders

__all__ = ("Result", "Skipped", "perform")

GATEWAYS = 2
DISK_MEGABYTES = 24
_END_SECONDS = 150.0
"""After the last fault; runs wait for a dead worker, for children, and for retries."""
_BACK_SECONDS = 60.0
_CLOCKS = ("+86400", "-86400", "+0")


class Skipped(Exception):
    """The phase cannot be had on this machine; the text says why."""


class Result(msgspec.Struct, kw_only=True):
    """What became of a phase.

    Attributes:
        runs: that were accepted, children included.
        faults: that were made.
        deaths: of processes, whatever the cause.
        takeovers: attempts that followed on one that was cut off.
        slowest: seconds from a worker's end to the next attempt at one of its runs.
        effects, calls: of the provider.
        events: that were shown, and compared.
        violations: what must not be.
    """

    phase: str
    seconds: float
    runs: int
    faults: int
    deaths: int
    takeovers: int
    slowest: float | None
    effects: int
    calls: int
    events: int
    again: int
    violations: list[str]
    notes: list[str]


async def perform(
    name: str, phase: Phase, size: Size, folder: Path, network: Network, seed: int
) -> Result:
    """Perform a phase.

    Args:
        name: of the phase; with the seed it decides what is broken when.
        phase: what is broken.
        size: how often, and over how many runs.
        folder: empty, and short; what is left in it is for who looks into a violation.
        network: where processes run.
        seed: the same gives the same runs and the same faults; not the same moments.

    Raises:
        Skipped: it cannot be had here.
    """
    began = time.monotonic()
    chance = random.Random(f"{name} {seed}")
    async with _staged(phase, folder, network) as stage, _disk(phase, stage) as disk:
        history = History()
        work = Workload(stage.clients, stage.approvers, history, stage.provider.has)
        scene = Scene(stage, work, chance, size, phase.within, disk=disk)
        in_time = await _break(scene, phase, seed)
        facts = await asyncio.to_thread(
            gather, stage.postgres.inside(), stage.provider, work.asked, history.shown
        )
    found = [str(one) for one in check(facts)]
    found += [str(Violation(phase.title, text)) for text in scene.found]
    found += [str(Violation("shown", text)) for text in history.wrong]
    found += [str(Violation("refused", text)) for text in work.refused]
    if not in_time:
        found.append(str(Violation("never ended", f"not all in {_END_SECONDS:.0f} s")))
    waited = takeover_seconds(history.seen, scene.strikes)
    return Result(
        phase=name,
        seconds=time.monotonic() - began,
        runs=len(facts.runs),
        faults=scene.faults,
        deaths=sum(len(one.deaths) for one in (*stage.workers, *stage.gateways)),
        takeovers=_takeovers(facts, history),
        slowest=max(waited, default=None),
        effects=len(facts.effects),
        calls=len(facts.calls),
        events=sum(map(len, history.shown.values())),
        again=work.again + history.broken,
        violations=found,
        notes=[*scene.notes, *work.parked, *_deaths(stage)],
    )


async def _break(scene: Scene, phase: Phase, seed: int) -> bool:
    """Have work done and break things meanwhile; says whether all of it ended in time."""
    stream = orders(random.Random(seed), phase.mix)
    size = scene.size
    working = asyncio.create_task(scene.work.run(stream, parallel=size.parallel, most=size.runs))
    breaking = asyncio.create_task(phase.strike(scene, size.faults))
    try:
        await asyncio.wait({working, breaking}, return_when=asyncio.FIRST_COMPLETED)
        await breaking
        scene.work.stop()
        await asyncio.wait({working}, timeout=_END_SECONDS)
        if working.done():
            await working
        scene.found += await _missing(scene.stage)
        return working.done()
    finally:
        for task in (working, breaking):
            task.cancel()
        await asyncio.gather(working, breaking, return_exceptions=True)


async def _missing(stage: Stage) -> list[str]:
    """What has not come back by itself, some time after the last fault."""
    over = time.monotonic() + _BACK_SECONDS
    while (missing := await stage.missing()) and time.monotonic() < over:  # noqa: ASYNC110
        await asyncio.sleep(0.5)
    return missing


@asynccontextmanager
async def _staged(phase: Phase, folder: Path, network: Network) -> AsyncIterator[Stage]:
    clocks: list[dict[str, str]] = []
    if phase.clocks:
        for number, offset in enumerate(_CLOCKS):
            says = folder / f"clock-{number}"
            says.write_text(f"{offset}\n")
            moved = fake_clock(says)
            if moved is None:
                raise Skipped("libfaketime is not installed: apt-get install faketime")
            clocks.append(moved)
    stage = Stage(
        folder,
        network,
        gateways=GATEWAYS,
        workers=phase.workers,
        takeover=phase.takeover,
        proxied=phase.proxied,
        clocks=clocks,
    )
    try:
        await stage.start()
        yield stage
    finally:
        await stage.stop()


@asynccontextmanager
async def _disk(phase: Phase, stage: Stage) -> AsyncIterator[SmallDisk | None]:
    if not phase.small_disk:
        yield None
        return
    disk = SmallDisk(stage.folder / "small", DISK_MEGABYTES)
    try:
        space = await asyncio.to_thread(disk.mount)
        await asyncio.to_thread(_move_events, stage.postgres, space)
        yield disk
    finally:
        with contextlib.suppress(OSError):
            disk.clear()
        # The server goes first: it has files open there.
        await stage.stop()
        disk.unmount()


def _move_events(postgres: Postgres, space: Path) -> None:
    with postgres.session() as session:
        session.execute(f"CREATE TABLESPACE small LOCATION '{space}'")
        session.execute("ALTER TABLE run_events SET TABLESPACE small")
        session.execute("ALTER INDEX run_events_pkey SET TABLESPACE small")


def _deaths(stage: Stage) -> list[str]:
    """How processes ended that were not killed, which nobody had asked them to."""
    return [
        f"{one.name} ended with status {status}"
        for one in (*stage.workers, *stage.gateways)
        for status in one.deaths
        if status != -signal.SIGKILL
    ]


def _takeovers(facts: Facts, history: History) -> int:
    """Attempts that did not follow on a wait or a new beginning."""
    count = 0
    for run in facts.runs:
        tries = attempts(history.seen.get(run.id, ()))
        count += sum(before.over is None for before in tries[:-1])
    return count
