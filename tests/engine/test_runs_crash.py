"""Workers that are killed in the middle of their work, as processes, and those that take over."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from engine_kit import (
    ADA,
    BUCKET,
    SEALER,
    FileProvisioner,
    Plugin,
    ended,
    load_host,
    platform_of,
    silenced,
    until,
)

from towpath_engine.runs.journal import CHANNEL
from towpath_engine.runs.service import RunService
from towpath_engine.store.database import Listener

pytestmark = pytest.mark.anyio

SCRIPT = Path(__file__).with_name("crash_worker.py")


@contextmanager
def worker(url, folder, *more):
    """A worker process; killed at the end of the block if it still lives."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TOWPATH")}
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), url, str(folder), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
async def runs(database):
    service = RunService(database, SEALER)
    listener = Listener(database.url, {CHANNEL: service.on_notify})
    await listener.start()
    yield service
    await listener.stop()


class Watched:
    """What `ended` needs of a platform."""

    def __init__(self, runs):
        self.runs = runs


async def start(database, runs, steps):
    async with database.begin() as transaction:
        return await runs.create(transaction, ADA, "test", "t", {"steps": steps})


def lines(file):
    return file.read_text().splitlines() if file.exists() else []


def all_came_to(step, calls):
    return sum(line.startswith(f"{step} ") for line in lines(calls)) == 3


async def test_a_run_goes_on_at_the_step_that_was_open_when_its_worker_was_killed(
    database, runs, engine_url, tmp_path
):
    (tmp_path / "stop-1").touch()
    run_id = await start(database, runs, 3)
    with worker(engine_url, tmp_path) as first, worker(engine_url, tmp_path) as second:
        second.send_signal(signal.SIGSTOP)
        await until(lambda: len(lines(tmp_path / "calls")) == 2)
        first.kill()
        first.wait()
        await silenced(database)
        second.send_signal(signal.SIGCONT)
        await until(lambda: len(lines(tmp_path / "calls")) == 3)
        (tmp_path / "stop-1").unlink()
        info = await ended(Watched(runs), ADA, run_id)
    assert (info.state, info.output, info.attempt) == ("succeeded", 3, 2)
    keys = [f"{run_id}:{number}" for number in (1, 2, 2, 3)]
    assert lines(tmp_path / "calls") == [
        f"{number} {key}" for number, key in zip((0, 1, 1, 2), keys, strict=True)
    ]
    effects = sorted(path.name for path in tmp_path.glob("effect-*"))
    assert effects == [f"effect-{run_id}:{number}" for number in (1, 2, 3)]
    steps = await runs.steps(ADA, run_id)
    assert [(s.state, s.attempts) for s in steps] == [
        ("succeeded", 1),
        ("succeeded", 2),
        ("succeeded", 1),
    ]
    events = await runs.events(ADA, run_id)
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    assert [e.body["message"] for e in events if e.type == "log"] == ["did 0", "did 1", "did 2"]


async def test_a_worker_that_is_told_to_end_hands_its_run_back(
    database, runs, engine_url, tmp_path
):
    (tmp_path / "stop-1").touch()
    run_id = await start(database, runs, 2)
    with worker(engine_url, tmp_path) as process:
        await until(lambda: len(lines(tmp_path / "calls")) == 2)
        process.terminate()
        assert await asyncio.to_thread(process.wait, 60) == 0
    assert (await runs.get(ADA, run_id)).state == "queued"
    (tmp_path / "stop-1").unlink()
    with worker(engine_url, tmp_path):
        info = await ended(Watched(runs), ADA, run_id)
        assert (info.state, info.attempt) == ("succeeded", 2)
    assert not (tmp_path / "failed").exists()


async def test_workers_that_are_killed_again_and_again_lose_and_repeat_nothing(
    database, runs, engine_url, tmp_path
):
    steps, chance = 12, random.Random(7)
    run_ids = [await start(database, runs, steps) for _ in range(3)]
    for step in sorted(chance.sample(range(1, steps), 2)):
        # Every run comes to a halt at this step; there the worker is killed.
        (tmp_path / f"stop-{step}").touch()
        with worker(engine_url, tmp_path) as process:
            await until(partial(all_came_to, step, tmp_path / "calls"))
            process.kill()
            process.wait()
        await silenced(database)
        (tmp_path / f"stop-{step}").unlink()
    with worker(engine_url, tmp_path):
        for run_id in run_ids:
            info = await ended(Watched(runs), ADA, run_id)
            assert (info.state, info.output) == ("succeeded", steps)
            found = await runs.steps(ADA, run_id)
            assert [(s.seq, s.state) for s in found] == [
                (number, "succeeded") for number in range(1, steps + 1)
            ]
            events = await runs.events(ADA, run_id)
            assert [e.seq for e in events] == list(range(1, len(events) + 1))
            logs = [e.body["message"] for e in events if e.type == "log"]
            assert logs == [f"did {number}" for number in range(steps)]
    effects = {path.name for path in tmp_path.glob("effect-*")}
    assert effects == {f"effect-{r}:{n}" for r in run_ids for n in range(1, steps + 1)}
    # A step is called twice only where its worker was killed in it.
    assert len(lines(tmp_path / "calls")) == 3 * (steps + 2)


async def test_a_resource_is_made_once_though_its_worker_was_killed_in_the_apply(
    engine_url, tmp_path
):
    provisioner = FileProvisioner(tmp_path)
    host = load_host(
        Plugin(offerings=[BUCKET], provisioners=[provisioner]), installed=["backstage"]
    )
    (tmp_path / "slow").touch()
    async with platform_of(host, engine_url, tmp_path / "home") as platform:
        service = platform.provisioning
        plan = await service.plan(ADA, "bucket", "photos", {"region": "south"})
        accepted = await service.apply(ADA, plan.id, plan.hash)
        with worker(engine_url, tmp_path, "platform") as process:
            await until(lambda: len(provisioner.effects()) == 1)
            process.kill()
            process.wait()
        await silenced(platform.database)
        (tmp_path / "slow").unlink()
        with worker(engine_url, tmp_path, "platform"):
            info = await ended(platform, ADA, accepted.run_id)
        assert (info.state, info.attempt) == ("succeeded", 2)
        resource = await service.resource(ADA, plan.resource_id)
        assert resource.phase == "active"
    key = f"apply {accepted.run_id}:1"
    assert provisioner.effects() == [key, key]
    assert [path.name for path in tmp_path.glob("*.json")] == [f"{plan.resource_id}.json"]
