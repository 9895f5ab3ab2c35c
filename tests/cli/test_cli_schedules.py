"""The commands of schedules: what they ask of the platform and what they print."""

from __future__ import annotations

import json

from contract_server import Platform as Served


def add(run, *more: str):
    return run("schedules", "add", "nightly", "move-database", "--cron", "30 2 * * *", *more)


def test_a_schedule_is_added_with_an_input_of_the_kinds_types(run, served: Served) -> None:
    done = add(
        run,
        "--zone",
        "Europe/Amsterdam",
        "-p",
        "database=orders",
        "-p",
        "rows=5",
        "--deadline",
        "2h",
    )
    assert done.exit_code == 0, done.output
    [asked] = served.calls("POST", "/api/v1/schedules")
    assert asked.body["input"] == {"database": "orders", "rows": 5}
    assert (asked.body["timeZone"], asked.body["deadlineSeconds"]) == ("Europe/Amsterdam", 7200)
    assert "2026-11-28 02:30+01:00" in done.stdout
    assert "30 2 * * * (Europe/Amsterdam)" in done.stdout


def test_what_the_kind_wants_and_is_not_said_is_named(run, served: Served) -> None:
    done = add(run)
    assert done.exit_code == 2
    assert "database" in done.stderr
    assert served.schedules == {}


def test_schedules_are_listed_with_their_trouble(run, served: Served) -> None:
    add(run, "-p", "database=orders", "--paused")
    [one] = served.schedules.values()
    one["trouble"] = {"at": one["createdAt"], "code": "forbidden", "message": "Not allowed."}
    rows = [line.split() for line in run("schedules", "ls").stdout.splitlines()]
    assert rows[0] == ["NAME", "CRON", "NEXT", "LAST", "TROUBLE"]
    assert rows[1] == ["nightly", "30", "2", "*", "*", "*", "paused", "-", "Not", "allowed."]
    [told] = json.loads(run("schedules", "ls", "-o", "json").stdout)
    assert told["name"] == "nightly" and told["trouble"]["code"] == "forbidden"
    assert "Not allowed." in run("schedules", "show", "nightly").stdout


def test_it_is_paused_resumed_run_and_removed(run, served: Served) -> None:
    add(run, "-p", "database=orders")
    assert "paused" in run("schedules", "pause", "nightly").stderr
    started = run("schedules", "run", "nightly")
    assert started.stdout.strip() == next(iter(served.runs))
    assert "2026-11-28 02:30+01:00" in run("schedules", "resume", "nightly").stderr
    times = run("schedules", "next", "nightly", "--count", "2").stdout.splitlines()
    assert times == ["2026-11-28 02:30+01:00", "2026-11-29 02:30+01:00"]
    assert run("schedules", "rm", "nightly").exit_code == 0
    assert served.schedules == {}
    assert run("schedules", "show", "nightly").exit_code == 3
