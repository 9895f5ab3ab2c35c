"""What a phase works with, and what it finds."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from typing import NamedTuple

import msgspec
from postgres import SmallDisk
from programs import Program
from stage import Stage
from takeovers import Strike
from workload import Workload

__all__ = ("PATIENCE", "Scene", "Size")

PATIENCE = 40.0
"""How long at the most runs are waited for whose worker can do nothing, in seconds."""


class Size(NamedTuple):
    """How much of everything a phase has; `seconds` is the most time that faults may take."""

    faults: int
    runs: int
    seconds: float
    parallel: int = 16


class Scene(msgspec.Struct):
    """What a phase works with, and what it finds.

    Attributes:
        stage: the platform.
        work: what goes on meanwhile.
        chance: decides what is broken when.
        size: how often.
        within: seconds in which runs must go on whose worker can do nothing.
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
    within: float = PATIENCE
    disk: SmallDisk | None = None
    strikes: list[Strike] = []
    faults: int = 0
    found: list[str] = []
    notes: list[str] = []

    def strike(self, worker: str) -> None:
        """Count a fault that takes a worker out."""
        self.strikes.append(Strike(worker, time.monotonic()))
        self.faults += 1

    async def rounds(self, faults: int) -> AsyncIterator[int]:
        """Count faults, as long as there is time for them; one that there is none for is told."""
        over = time.monotonic() + self.size.seconds
        for number in range(faults):
            if time.monotonic() > over:
                self.found.append(f"{number} of {faults} faults in {self.size.seconds:.0f} s")
                return
            yield number

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

    async def some_gateway(self) -> Program:
        """One that lives at the moment, as soon as there is one."""
        while not (living := [one for one in self.stage.gateways if one.alive]):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return self.chance.choice(living)

    async def progress(self, steps: int, *, most: float) -> None:
        """Wait until followers were shown the end of so many more steps; `most` seconds long."""
        wanted, over = self.work.history.steps + steps, time.monotonic() + most
        while self.work.history.steps < wanted and time.monotonic() < over:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    async def pause(self, least: float, most: float) -> None:
        """Wait for a while."""
        await asyncio.sleep(self.chance.uniform(least, most))
