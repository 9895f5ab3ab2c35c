"""Faults of processes: killed, told to end, paused; and a look at whether their runs go on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from postgres import Postgres
from programs import Program
from scene import PATIENCE, Scene

__all__ = ("kill", "kill_gateways", "stop_gently", "taken_over", "zombies")

_TRIES = 100
_STANDING = (
    "SELECT (pid, xact_start)::text FROM pg_stat_activity"
    " WHERE state = 'idle in transaction' AND backend_xid IS NOT NULL"
)


async def kill(scene: Scene, faults: int) -> None:
    """kill -9 of workers at random moments."""
    async for _ in scene.rounds(faults):
        await scene.pause(0.4, 1.8)
        # On a busy machine nothing would ever get on between two kills.
        await scene.progress(scene.chance.randint(1, 5), most=4.0)
        scene.strike((await scene.some_worker(busy=True)).kill())


async def kill_gateways(scene: Scene, faults: int) -> None:
    """kill -9 of gateways, which may have accepted what they cannot say any more."""
    async for _ in scene.rounds(faults):
        await scene.pause(0.2, 2.0)
        (await scene.some_gateway()).kill()
        scene.faults += 1


async def stop_gently(scene: Scene, faults: int) -> None:
    """SIGTERM of workers: they hand back what they have, and end well."""
    async for _ in scene.rounds(faults):
        await scene.pause(0.5, 2.0)
        (await scene.some_worker()).terminate()
        scene.faults += 1
    await _until(lambda: all(one.alive for one in scene.stage.workers), 60)
    for one in scene.stage.workers:
        scene.found += [f"{one.name} ended with status {s}" for s in one.deaths if s not in (0, -9)]


async def zombies(scene: Scene, faults: int) -> None:
    """SIGSTOP for longer than a takeover takes, then SIGCONT."""
    async for _ in scene.rounds(faults):
        await scene.pause(0.5, 2.0)
        one = await scene.some_worker()
        worker = one.pause()
        if scene.chance.random() < 0.5:
            await _in_a_transaction(scene, one)
        scene.strike(worker)
        await taken_over(scene, worker)
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


async def taken_over(scene: Scene, worker: str) -> None:
    """Wait until all runs go on, while a worker can do nothing."""
    began, standing = time.monotonic(), await asyncio.to_thread(_open_runs, scene.stage.postgres)
    while standing:
        waited = time.monotonic() - began
        if waited > PATIENCE:
            scene.found.append(f"without {worker}, runs stand still: {sorted(standing)[:3]}")
            return
        await asyncio.sleep(0.2)
        now = await asyncio.to_thread(_open_runs, scene.stage.postgres)
        standing = {run: last for run, last in standing.items() if now.get(run) == last}
        if not standing and waited > scene.within:
            scene.found.append(f"without {worker}, runs went on after {waited:.1f} s only")


def _open_runs(postgres: Postgres) -> dict[str, int]:
    """Runs that should be done now, so not those held by another, and how many events each has."""
    with postgres.session() as session:
        rows = session.execute(
            "SELECT concat_ws(' ', kind, id, state), last_event FROM runs"
            " WHERE state IN ('queued', 'running') AND held IS NULL"
        )
        return dict(rows.fetchall())  # type: ignore[arg-type]


async def _until(holds: Callable[[], bool], seconds: float) -> None:
    over = time.monotonic() + seconds
    while not holds() and time.monotonic() < over:  # noqa: ASYNC110 - of other processes
        await asyncio.sleep(0.1)
