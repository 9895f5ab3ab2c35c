"""Schedules that come due: one run for a time, whatever else goes on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from engine_kit import ADA, ADMIN, until
from msgspec.structs import replace
from schedule_kit import CRON, Room, months_ago
from sqlalchemy import text, update

from towpath_core.errors import Forbidden, Unavailable
from towpath_engine.runs import firing
from towpath_engine.runs.firing import Schedules, firing_id
from towpath_engine.runs.schedule_records import ScheduleChange
from towpath_engine.runs.schedule_tables import SCHEDULES
from towpath_engine.runs.schedule_times import times_of
from towpath_engine.runs.tables import RUNS
from towpath_engine.store.database import DatabaseUnavailable
from towpath_engine.store.tables import AUDIT
from towpath_engine.tokens import TokenService

pytestmark = pytest.mark.anyio

SCRIPT = Path(__file__).with_name("crash_firing.py")


@pytest.fixture
async def room(database):
    found = Room(database)
    yield found
    found.close()


def minute() -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0)


async def test_a_time_gives_a_run_a_moved_row_and_an_audit_row(room):
    made = await room.make(priority=7, deadline_seconds=60, title="Clean up", queue="slow")
    at = months_ago(0)
    await room.due("nightly", at)
    assert await room.firing().fire_due() == 1
    assert await room.firing().fire_due() == 0
    [run] = await room.started()
    assert run["id"] == firing_id(made.id, at)
    assert (run["title"], run["queue"], run["priority"]) == ("Clean up", "slow", 7)
    assert (run["schedule_id"], run["created_by"]) == (made.id, "towpath/ada")
    assert timedelta(0) < run["deadline"] - datetime.now(UTC) < timedelta(seconds=61)
    assert await room.jobs() == [run["id"]]
    row = await room.row()
    assert (row["last_at"], row["last_run"], row["trouble"]) == (at, run["id"], None)
    assert row["next_at"] == times_of(CRON, "UTC").next(datetime.now(UTC))
    fired = (await room.rows(AUDIT))[-1]
    assert (fired["action"], fired["subject"]) == ("schedules:fire", str(made.id))
    assert (fired["run_id"], fired["actor"]) == (run["id"], "towpath/ada")
    assert datetime.fromisoformat(fired["detail"]["at"]) == at
    shown = await room.schedules.get(ADA, "nightly")
    assert (shown.last_at, shown.last_run) == (at, run["id"])


async def test_many_processes_start_one_run(room):
    for number in range(10):
        await room.make(f"s{number}")
        await room.due(f"s{number}", months_ago(0))
    counts = await asyncio.gather(*(room.firing().fire_due() for _ in range(5)))
    assert sum(counts) == 10
    assert len({run["schedule_id"] for run in await room.started()}) == 10
    assert len(await room.started()) == 10 == len(await room.jobs())


async def test_a_time_that_gave_a_run_gives_no_other(room):
    """As after a clock that was set back, or a row that was restored from a backup."""
    made = await room.make()
    at = months_ago(0)
    for _ in range(3):
        await room.due("nightly", at)
        assert await room.firing().fire_due() == 1
    assert [run["id"] for run in await room.started()] == [firing_id(made.id, at)]
    assert (await room.acts()).count("schedules:fire") == 1


async def test_what_lies_too_far_ahead_after_a_clock_went_back_is_brought_forward(
    room, monkeypatch
):
    monkeypatch.setattr(firing, "_PAGE", 2)
    await room.make()
    for name in ("a", "b", "c", "other"):
        await room.make(name)
    usual = (await room.row())["next_at"]
    await room.due("nightly", usual + timedelta(days=400))
    assert await room.firing().mend() == 1
    assert (await room.row())["next_at"] == usual == (await room.row("other"))["next_at"]
    assert await room.firing().mend() == 0


class TestCatchingUp:
    """Times at which nobody was there."""

    async def fired(self, room, **rules):
        made = await room.make(overlap="allow", **rules)
        await room.due("nightly", months_ago(4))
        await room.firing().fire_due()
        ids = {firing_id(made.id, months_ago(n)): n for n in range(5)}
        return [ids[run["id"]] for run in await room.started()]

    async def test_one_for_all(self, room):
        assert await self.fired(room, catch_up="one") == [0]

    async def test_none(self, room):
        assert await self.fired(room, catch_up="skip") == []
        assert (await room.row())["next_at"] > datetime.now(UTC)

    async def test_each_oldest_first(self, room):
        assert await self.fired(room, catch_up="all") == [4, 3, 2, 1, 0]

    async def test_the_newest_of_too_many(self, room):
        assert await self.fired(room, catch_up="all", catch_up_limit=2) == [1, 0]

    async def test_a_time_of_just_now_was_not_missed(self, room):
        await room.make(cron="* * * * *", catch_up="skip")
        await room.due("nightly", minute() - timedelta(minutes=3))
        await room.firing().fire_due()
        [run] = await room.started()
        assert (await room.row())["last_at"] >= minute() - timedelta(minutes=1)
        assert run["id"] == (await room.row())["last_run"]

    async def test_of_a_very_long_time_no_more_than_so_many(self, room):
        await room.make(cron="* * * * *", catch_up="all", catch_up_limit=100, overlap="queue")
        await room.due("nightly", minute() - timedelta(days=3000))
        await room.firing().fire_due()
        assert len(await room.started()) == 100


class TestOverlapping:
    """Times at which a run of before is open."""

    async def twice(self, room, overlap):
        made = await room.make(overlap=overlap, catch_up="all")
        await room.due("nightly", months_ago(1))
        await room.firing().fire_due()
        return made

    async def test_is_skipped_and_says_so(self, room):
        await self.twice(room, "skip")
        [run] = await room.started()
        trouble = (await room.schedules.get(ADA, "nightly")).trouble
        assert (trouble.error.code, trouble.at) == ("conflict", months_ago(0))
        # What waits for somebody is open too; what has ended is not.
        await room.execute(update(RUNS).values(state="waiting"))
        await room.due("nightly", months_ago(0))
        await room.firing().fire_due()
        assert len(await room.started()) == 1
        await room.end(run["id"], "failed")
        await room.due("nightly", months_ago(0))
        await room.firing().fire_due()
        assert len(await room.started()) == 2
        assert (await room.row())["trouble"] is None

    async def test_is_queued_by_a_key(self, room):
        made = await self.twice(room, "queue")
        keys = [run["concurrency_key"] for run in await room.started()]
        assert keys == [f"schedule:{made.id}"] * 2

    async def test_is_allowed_up_to_a_limit(self, room):
        await self.twice(room, "allow")
        keys = [run["concurrency_key"] for run in await room.started()]
        assert keys == [None, None]
        for _ in range(98):
            await room.schedules.run_now(ADA, "nightly")
        await room.due("nightly", months_ago(3))
        await room.firing().fire_due()
        assert len(await room.started()) == 100
        assert (await room.row())["trouble"]["error"]["code"] == "limit-exceeded"


class TestTrouble:
    """Runs that cannot be started."""

    async def test_is_told_leaves_nothing_and_ends_with_the_next_run(self, room):
        await room.make()
        await room.due("nightly", months_ago(1))
        room.starter.fault = Forbidden("Not by night.", why="policy curfew denies it")
        assert await room.firing().fire_due() == 1
        assert await room.started() == [] == await room.jobs()
        shown = await room.schedules.get(ADA, "nightly")
        assert (shown.trouble.error.code, shown.trouble.error.why) == (
            "forbidden",
            "policy curfew denies it",
        )
        assert shown.next[0] > datetime.now(UTC)
        assert "schedules:fire" not in await room.acts()
        room.starter.fault = None
        await room.due("nightly", months_ago(0))
        await room.firing().fire_due()
        assert (await room.schedules.get(ADA, "nightly")).trouble is None

    async def test_what_nobody_expected_tells_nothing_and_stops_no_other(self, room):
        await room.make("a")
        await room.make("b")
        await room.due("a", months_ago(1))
        await room.due("b", months_ago(0))
        room.starter.fault = ValueError("secret-canary")
        assert await room.firing().fire_due() == 2
        error = (await room.row("a"))["trouble"]["error"]
        assert error["code"] == "internal"
        assert "secret-canary" not in str(error)

    async def test_what_does_not_answer_is_asked_again_for_some_minutes(self, room):
        await room.make("a", cron="* * * * *")
        await room.make("b")
        at = minute()
        await room.due("a", at)
        await room.due("b", months_ago(0))
        room.starter.fault = Unavailable("The policies do not answer.")
        assert await room.firing().fire_due() == 1
        row = await room.row("a")
        assert (row["next_at"], row["trouble"]) == (at, None)
        # Too late for the other: it says so, and goes on.
        assert (await room.row("b"))["trouble"]["error"]["code"] == "unavailable"
        room.starter.fault = None
        assert await room.firing().fire_due() == 1
        assert len(await room.started()) == 1

    async def test_a_lost_database_loses_no_time(self, room):
        await room.make()
        await room.due("nightly", months_ago(0))
        room.starter.fault = DatabaseUnavailable("The database does not answer.")
        with pytest.raises(DatabaseUnavailable):
            await room.firing().fire_due()
        assert (await room.row())["next_at"] == months_ago(0)
        room.starter.fault = None
        assert await room.firing().fire_due() == 1

    async def test_a_zone_that_is_no_more_pauses(self, room):
        await room.make()
        await room.due("nightly", months_ago(0))
        await room.execute(update(SCHEDULES).values(zone="Europe/Atlantis"))
        assert await room.firing().fire_due() == 1
        row = await room.row()
        assert (row["paused"], row["next_at"]) == (True, None)
        assert row["trouble"]["error"]["code"] == "invalid"


class TestRights:
    """Tokens that are gone."""

    async def test_a_revoked_token_pauses_until_the_maker_resumes(self, room):
        tokens = TokenService(room.database)
        made = await tokens.create(ADA, "ci", ["runs:read", "runs:write"])
        maker = replace(ADA, token_id=made.id, scopes=frozenset(["runs:read", "runs:write"]))
        await room.make(who=maker)
        await room.due("nightly", months_ago(1))
        assert await room.firing().fire_due() == 1
        [run] = await room.started()
        await room.end(run["id"])
        await tokens.revoke(ADA, made.id)
        await room.due("nightly", months_ago(0))
        assert await room.firing().fire_due() == 1
        shown = await room.schedules.get(ADA, "nightly")
        assert (shown.paused, shown.next, len(await room.started())) == (True, (), 1)
        assert (shown.trouble.error.code, shown.trouble.at) == ("forbidden", months_ago(0))
        # Nobody else gives the rights back that were taken.
        for act in (
            room.schedules.resume(ADMIN, "nightly"),
            room.schedules.run_now(ADMIN, "nightly"),
            room.schedules.change(ADMIN, "nightly", ScheduleChange(priority=1)),
        ):
            with pytest.raises(Forbidden, match="revoked"):
                await act
        resumed = await room.schedules.resume(ADA, "nightly")
        assert (resumed.paused, resumed.trouble) == (False, None)
        assert (await room.row())["principal"]["token_id"] is None

    async def test_an_expired_token_stops_nothing(self, room):
        tokens = TokenService(room.database)
        made = await tokens.create(ADA, "ci", ["runs:write"])
        await room.make(who=replace(ADA, token_id=made.id))
        await room.execute(text("UPDATE tokens SET expires_at = now() - interval '1 day'"))
        await room.due("nightly", months_ago(0))
        await room.firing().fire_due()
        assert len(await room.started()) == 1


async def test_the_loop_starts_what_comes_due_and_outlives_a_lost_database(room):
    await room.make()
    room.starter.fault = DatabaseUnavailable("The database does not answer.")
    tasks = [asyncio.create_task(room.firing(poll_seconds=0.02).run()) for _ in range(3)]
    try:
        await room.due("nightly", months_ago(0))
        await until(lambda: room.starter.asked > 4)
        room.starter.fault = None
        await until(room.started)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert len(await room.started()) == 1


async def test_the_loop_looks_when_the_next_time_comes(room):
    assert await room.firing(poll_seconds=1000.0)._pause() == 1000.0
    await room.make()
    clock = text("UPDATE schedules SET next_at = clock_timestamp() + interval '500 s'")
    await room.execute(clock)
    assert 0.02 <= await room.firing(poll_seconds=1000.0)._pause() <= 500.0
    # What is due and another is at makes nobody hurry.
    await room.due("nightly", months_ago(0))
    assert await room.firing(poll_seconds=1000.0)._pause() == 1000.0


@contextmanager
def process(room, point):
    """A process that starts runs; killed at the end of the block if it still lives."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TOWPATH")}
    started = subprocess.Popen(
        [sys.executable, str(SCRIPT), room.database.url, point],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait()
        started.stdout.close()


@pytest.mark.parametrize("point", ["before", "after"])
async def test_a_process_that_is_killed_in_the_middle_leaves_one_run(room, point):
    """Killed with -9 after it wrote the run and before it committed, or right after that."""
    made = await room.make()
    at = months_ago(0)
    await room.due("nightly", at)
    with process(room, point) as firing:
        await asyncio.to_thread(_there, firing)
        if point == "before":
            # It holds the row: nobody else is held up, or starts another run.
            assert await room.firing().fire_due() == 0
        firing.send_signal(signal.SIGKILL)
        firing.wait()
        count = 1 if point == "before" else 0
        await until(lambda: _fires(room.firing(), count))
    assert [run["id"] for run in await room.started()] == [firing_id(made.id, at)]
    assert await room.jobs() == [firing_id(made.id, at)]
    assert (await room.acts()).count("schedules:fire") == 1
    assert (await room.row())["last_at"] == at


async def test_processes_that_are_killed_at_any_time_leave_one_run_for_each_time(room):
    """Three start 300 runs beside each other; each is killed with -9 in the middle of its work."""
    wanted = set()
    for number in range(30):
        made = await room.make(f"s{number}", overlap="queue", catch_up="all")
        await room.due(f"s{number}", months_ago(9))
        wanted |= {firing_id(made.id, months_ago(month)) for month in range(10)}
    with process(room, "loop") as a, process(room, "loop") as b, process(room, "loop") as c:
        for number, killed in enumerate((a, b, c), start=1):
            await asyncio.to_thread(_there, killed)
            least = number * 50
            await until(lambda least=least: _as_many(room, least), seconds=60)
            killed.send_signal(signal.SIGKILL)
            killed.wait()
    # What the dead had begun is free as soon as the database has noticed.
    await until(lambda: _all_fired(room))
    assert {run["id"] for run in await room.started()} == wanted
    assert len(await room.jobs()) == 300 == (await room.acts()).count("schedules:fire")


def _there(process: subprocess.Popen[str]) -> None:
    for line in process.stdout:
        if line == "there\n":
            return
    raise AssertionError("the process ended")


async def _fires(clock: Schedules, count: int) -> bool:
    return await clock.fire_due() == count


async def _as_many(room, least: int) -> bool:
    return len(await room.started()) >= least


async def _all_fired(room) -> bool:
    await room.firing().fire_due()
    return all(row["next_at"] > datetime.now(UTC) for row in await room.rows(SCHEDULES))
