"""Schedules: made, changed, paused, run at once and removed, by both twins."""

from __future__ import annotations

from datetime import timedelta

import pytest
from contract_server import Platform as Served

from towpath_sdk import BadArgument, Conflict, Invalid, NotFound, Platform, Schedule


def nightly(platform: Platform, **more: object) -> Schedule:
    return platform.schedules.create("nightly", "clean", cron="30 2 * * *", **more)  # type: ignore[arg-type]


def test_a_schedule_is_made_with_all_that_can_be_said(platform: Platform, served: Served) -> None:
    made = nightly(
        platform,
        input={"folder": "/srv"},
        time_zone="Europe/Amsterdam",
        title="Clean up",
        catch_up="all",
        catch_up_limit=3,
        overlap="queue",
        queue="slow",
        priority=-5,
        deadline=3600,
        paused=True,
    )
    [asked] = served.calls("POST", "/api/v1/schedules")
    assert asked.body == {
        "name": "nightly",
        "kind": "clean",
        "cron": "30 2 * * *",
        "input": {"folder": "/srv"},
        "timeZone": "Europe/Amsterdam",
        "title": "Clean up",
        "catchUp": "all",
        "catchUpLimit": 3,
        "overlap": "queue",
        "queue": "slow",
        "priority": -5,
        "deadlineSeconds": 3600,
        "paused": True,
    }
    assert (made.paused, made.next, made.deadline_seconds) == (True, (), 3600)


def test_a_lost_answer_makes_one_schedule(platform: Platform, served: Served) -> None:
    served.fail("POST", "/api/v1/schedules", done=True)
    made = nightly(platform)
    assert list(served.schedules) == [made.id]
    assert made.next[0].utcoffset() == timedelta(hours=1)


def test_schedules_are_walked_and_read_by_name(platform: Platform) -> None:
    for name in ("c", "a", "b"):
        platform.schedules.create(name, "clean", cron="@daily")
    assert [one.name for one in platform.schedules.list(page_size=2)] == ["a", "b", "c"]
    assert platform.schedules.get("b").name == "b"
    with pytest.raises(NotFound):
        platform.schedules.get("d")


def test_what_is_not_said_stays_and_what_is_cleared_goes(
    platform: Platform, served: Served
) -> None:
    made = nightly(platform, title="Clean up")
    changed = platform.schedules.change(
        "nightly", cron="@hourly", clear=("title",), if_match=made.etag
    )
    [asked] = served.calls("PATCH", "/api/v1/schedules/nightly")
    assert asked.body == {"cron": "@hourly", "title": None}
    assert (changed.cron, changed.title, changed.time_zone) == ("@hourly", None, "UTC")
    with pytest.raises(Conflict) as caught:
        platform.schedules.change("nightly", overlap="allow", if_match=made.etag)
    assert caught.value.code == "precondition-failed"
    with pytest.raises(BadArgument):
        platform.schedules.change("nightly")
    with pytest.raises(BadArgument):
        platform.schedules.change("nightly", clear=("cron",))


def test_it_is_paused_resumed_run_and_removed(platform: Platform, served: Served) -> None:
    made = nightly(platform)
    assert platform.schedules.pause("nightly").paused
    served.fail("POST", "/api/v1/schedules/nightly/run", done=True)
    run = platform.schedules.run("nightly")
    assert list(served.runs) == [run.id]
    assert run.schedule == made.id
    assert not platform.schedules.resume(made.id).paused
    assert len(platform.schedules.next("nightly", count=4)) == 4
    with pytest.raises(Conflict):
        platform.schedules.remove("nightly", if_match=made.etag)
    served.fail("DELETE", "/api/v1/schedules/nightly", done=True)
    platform.schedules.remove("nightly")
    assert list(platform.schedules.list()) == []


def test_what_is_wrong_is_told_with_its_place(platform: Platform) -> None:
    with pytest.raises(Invalid) as caught:
        platform.schedules.create("nightly", "clean", cron="every night")
    assert caught.value.problems[0].pointer == "/cron"
    nightly(platform)
    with pytest.raises(Conflict):
        nightly(platform)
