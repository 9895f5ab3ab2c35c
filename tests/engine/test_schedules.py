"""Schedules as people have them: whose they are, what they may, and what is refused."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from engine_kit import ADA, ADMIN, BOB, principal
from schedule_kit import Room, months_ago

from towpath_core.errors import Conflict, Forbidden, Invalid, LimitExceeded, NotFound
from towpath_engine.idempotency import IdempotencyMismatch
from towpath_engine.runs import schedule_rows
from towpath_engine.runs.schedule_records import (
    ScheduleChange,
    ScheduleChanged,
    ScheduleSpec,
    no_schedule,
)
from towpath_engine.runs.schedule_tables import SCHEDULES
from towpath_engine.runs.tables import RUNS

pytestmark = pytest.mark.anyio

NARROW = principal("ada", groups=["group:default/a-team"], scopes=["runs:read"])


@pytest.fixture
async def room(database):
    found = Room(database)
    yield found
    found.close()


async def test_a_schedule_comes_at_the_next_time_of_its_zones_clock(room):
    made = await room.make(cron="30 2 * * *", zone="Europe/Amsterdam", title="Clean up")
    assert made.created_by == "towpath/ada"
    assert len(made.next) == 3
    for one, other in zip(made.next, made.next[1:], strict=False):
        assert (one.hour, one.minute) in ((2, 30), (3, 0))
        assert timedelta(hours=22) < other.astimezone(UTC) - one.astimezone(UTC)
    assert made.next[0] == (await room.row())["next_at"]
    assert datetime.now(UTC) < made.next[0] < datetime.now(UTC) + timedelta(hours=26)
    assert await room.acts() == ["schedules:create"]
    # What was tried to see whether it can be started has left nothing.
    assert await room.rows(RUNS) == [] == await room.jobs()


async def test_what_could_not_be_started_is_refused(room):
    with pytest.raises(NotFound, match="no runs of kind"):
        await room.schedules.create(
            ADA, ScheduleSpec(name="a", kind="mars", input={}, cron="@daily")
        )
    with pytest.raises(Forbidden):
        await room.make(who=NARROW)
    assert await room.rows(SCHEDULES) == [] == await room.acts()


@pytest.mark.parametrize(
    ("pointer", "wrong"),
    [
        ("/name", {"name": "Nightly"}),
        ("/name", {"name": "a" * 64}),
        ("/name", {"name": "ab3c1d2e-0000-4000-8000-00000000000a"}),
        ("/title", {"title": ""}),
        ("/title", {"title": "a\nb"}),
        ("/input", {"input": {"x": "y" * 70_000}}),
        ("/catchUpLimit", {"catch_up_limit": 0}),
        ("/catchUpLimit", {"catch_up_limit": 101}),
        ("/priority", {"priority": 101}),
        ("/deadlineSeconds", {"deadline_seconds": 0}),
        ("/cron", {"cron": "every day"}),
        ("/timeZone", {"zone": "Europe/Atlantis"}),
    ],
)
async def test_what_is_wrong_is_told_with_its_place(room, pointer, wrong):
    said = {"name": "nightly", "kind": "test", "input": {}, "cron": "@daily", **wrong}
    with pytest.raises(Invalid) as caught:
        await room.schedules.create(ADA, ScheduleSpec(**said))
    assert [problem.place.pointer for problem in caught.value.problems] == [pointer]


async def test_the_same_request_makes_one_schedule(room):
    spec = ScheduleSpec(name="nightly", kind="test", input={}, cron="@daily")
    made = await room.schedules.create(ADA, spec, key="k")
    again = await room.schedules.create(ADA, spec, key="k")
    assert again.id == made.id
    with pytest.raises(IdempotencyMismatch):
        await room.schedules.create(ADA, spec, paused=True, key="k")
    assert len(await room.rows(SCHEDULES)) == 1


async def test_a_name_is_had_by_one_also_of_two_at_once(room):
    done = await asyncio.gather(
        *(room.make("same", who=who) for who in (ADA, BOB) * 3), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in done) == ["Conflict"] * 5 + ["ScheduleInfo"]
    other = await room.make("other")
    with pytest.raises(Conflict):
        await room.schedules.change(ADMIN, str(other.id), ScheduleChange(name="same"))


async def test_nobody_has_more_than_so_many(room, monkeypatch):
    monkeypatch.setattr(schedule_rows, "_MOST", 2)
    done = await asyncio.gather(
        *(room.make(f"s{number}") for number in range(5)), return_exceptions=True
    )
    assert [type(one) for one in done].count(LimitExceeded) == 3
    await room.make("of-bob", who=BOB)


async def test_others_see_nothing_of_it_and_administrators_all(room):
    made = await room.make()
    schedules = room.schedules
    for which in ("nightly", str(made.id)):
        for act in (
            schedules.get(BOB, which),
            schedules.upcoming(BOB, which, 3),
            schedules.change(BOB, which, ScheduleChange(cron="@daily")),
            schedules.pause(BOB, which),
            schedules.resume(BOB, which),
            schedules.run_now(BOB, which),
            schedules.remove(BOB, which),
        ):
            with pytest.raises(NotFound) as caught:
                await act
            assert str(caught.value) == str(no_schedule(which))
        assert (await schedules.get(ADMIN, which)).id == made.id
    assert await schedules.list(BOB) == []
    assert [one.id for one in await schedules.list(ADMIN)] == [made.id]
    assert await room.acts() == ["schedules:create"]


async def test_lists_go_by_name_page_by_page(room):
    for name in ("c", "a", "d", "b"):
        await room.make(name)
    first = await room.schedules.list(ADA, limit=3)
    rest = await room.schedules.list(ADA, after=first[-1].spec.name)
    assert [one.spec.name for one in (*first, *rest)] == ["a", "b", "c", "d"]


async def test_a_change_is_made_to_what_was_seen(room):
    made = await room.make()
    tags = (made.tag,)
    changed = await room.schedules.change(ADA, "nightly", ScheduleChange(cron="@hourly"), tags)
    assert changed.spec.cron == "@hourly"
    assert changed.next[0] - datetime.now(UTC) < timedelta(hours=1)
    assert changed.tag.partition("-")[0] == "2"
    for act in (
        room.schedules.change(ADA, "nightly", ScheduleChange(cron="@daily"), tags),
        room.schedules.pause(ADA, "nightly", tags),
        room.schedules.resume(ADA, "nightly", tags),
        room.schedules.remove(ADA, "nightly", tags),
    ):
        with pytest.raises(ScheduleChanged):
            await act
    same = await room.schedules.change(ADA, "nightly", ScheduleChange(cron="@hourly"), ("*",))
    assert same.tag == changed.tag
    assert await room.acts() == ["schedules:create", "schedules:change"]


async def test_a_run_in_between_is_no_change_for_a_writer(room):
    made = await room.make(overlap="allow")
    await room.due("nightly", months_ago(0))
    assert await room.firing().fire_due() == 1
    seen = await room.schedules.get(ADA, "nightly")
    assert seen.tag != made.tag
    await room.schedules.change(ADA, "nightly", ScheduleChange(overlap="skip"), (made.tag,))


async def test_what_only_changes_words_leaves_the_next_time(room):
    await room.make()
    at = months_ago(0)
    await room.due("nightly", at)
    await room.schedules.change(ADA, "nightly", ScheduleChange(title="Clean", priority=5))
    row = await room.row()
    assert (row["next_at"], row["title"], row["priority"]) == (at, "Clean", 5)
    cleared = await room.schedules.change(ADA, "nightly", ScheduleChange(title=None))
    assert cleared.spec.title is None


async def test_runs_have_the_rights_of_the_maker_at_the_last_change(room):
    await room.make()
    richer = principal("ada", scopes=["runs:read", "runs:write", "catalog:read"])
    await room.schedules.change(richer, "nightly", ScheduleChange(priority=1))
    assert sorted((await room.row())["principal"]["scopes"]) == sorted(richer.scopes)
    # One who could not start such a run cannot change what an earlier self may run.
    for act in (
        room.schedules.change(NARROW, "nightly", ScheduleChange(input={"n": 2})),
        room.schedules.run_now(NARROW, "nightly"),
    ):
        with pytest.raises(Forbidden):
            await act
    assert (await room.row())["input"] == {"n": 1}
    # An administrator's change gives the runs no administrator's rights.
    await room.schedules.change(ADMIN, "nightly", ScheduleChange(input={"n": 3}))
    row = await room.row()
    assert (row["principal"]["subject"], row["created_by"]) == ("ada", "towpath/ada")
    run_id = await room.schedules.run_now(ADMIN, "nightly")
    assert (await room.runs.get(ADA, run_id)).created_by == "towpath/ada"


async def test_a_paused_one_comes_never_and_what_passed_is_not_made_up_for(room):
    await room.make(catch_up="all")
    await room.due("nightly", months_ago(2))
    paused = await room.schedules.pause(ADA, "nightly")
    assert (paused.paused, paused.next) == (True, ())
    assert await room.firing().fire_due() == 0
    assert len(await room.schedules.upcoming(ADA, "nightly", 4)) == 4
    resumed = await room.schedules.resume(ADA, "nightly")
    assert resumed.next[0] > datetime.now(UTC)
    assert await room.firing().fire_due() == 0
    # Again changes nothing.
    assert (await room.schedules.resume(ADA, "nightly")).tag == resumed.tag
    assert await room.acts() == ["schedules:create", "schedules:pause", "schedules:resume"]


async def test_it_is_run_now_paused_or_not(room):
    made = await room.make(paused=True)
    run_id = await room.schedules.run_now(ADA, "nightly", key="k")
    assert await room.schedules.run_now(ADA, "nightly", key="k") == run_id
    [run] = await room.started()
    assert (run["id"], run["schedule_id"], run["title"]) == (run_id, made.id, "nightly")
    assert await room.jobs() == [run_id]
    with pytest.raises(Conflict, match="open"):
        await room.schedules.run_now(ADA, "nightly")
    await room.end(run_id)
    await room.schedules.run_now(ADA, "nightly")
    assert (await room.acts())[-1] == "schedules:run"


async def test_a_removed_one_leaves_its_runs(room):
    await room.make()
    run_id = await room.schedules.run_now(ADA, "nightly")
    await room.schedules.remove(ADA, "nightly")
    assert [run["id"] for run in await room.started()] == [run_id]
    with pytest.raises(NotFound):
        await room.schedules.get(ADA, "nightly")
