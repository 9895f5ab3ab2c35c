"""When schedules come: hand-made tables, real zones' changes, and every minute looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towpath_core.errors import Invalid
from towpath_engine.runs import schedule_times
from towpath_engine.runs.schedule_times import times_of

MINUTE = timedelta(minutes=1)
WINDOW = 400


def at(text: str, zone: str = "UTC") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def told(expression: str, after: str, count: int, zone: str = "UTC") -> list[str]:
    found = times_of(expression, zone).upcoming(at(after, zone), count)
    return [moment.isoformat(" ", "minutes") for moment in found]


TABLE = [
    ("*/15 * * * *", "2026-01-01 00:00", ["01-01 00:15", "01-01 00:30", "01-01 00:45"]),
    ("5-10/2 3 * * *", "2026-01-01 03:05", ["01-01 03:07", "01-01 03:09", "01-02 03:05"]),
    ("10/20 * * * *", "2026-01-01 00:00", ["01-01 00:10", "01-01 00:30", "01-01 00:50"]),
    ("0 9 * * mon-fri", "2026-11-27 09:00", ["11-30 09:00", "12-01 09:00"]),
    ("0 9 * JAN,jul Sun", "2026-01-25 09:00", ["07-05 09:00", "07-12 09:00"]),
    ("0 0 * * 7", "2026-11-27 00:00", ["11-29 00:00", "12-06 00:00"]),
    ("0 0 * * 0", "2026-11-27 00:00", ["11-29 00:00", "12-06 00:00"]),
    ("0 0 * * 5-7", "2026-11-27 00:00", ["11-28 00:00", "11-29 00:00", "12-04 00:00"]),
    # Either day counts where both are named, and both must hold where one begins with a star.
    ("0 0 13 * 5", "2026-11-27 00:00", ["12-04 00:00", "12-11 00:00", "12-13 00:00"]),
    ("0 0 */2 * 1", "2026-11-01 00:00", ["11-09 00:00", "11-23 00:00"]),
    ("0 0 1 * */2", "2026-11-01 00:00", ["12-01 00:00"]),
    ("0 0 31 * *", "2026-01-31 00:00", ["03-31 00:00", "05-31 00:00", "07-31 00:00"]),
    ("0 0 L * *", "2026-02-01 00:00", ["02-28 00:00", "03-31 00:00"]),
    ("0 0 * * mon#1", "2026-11-01 00:00", ["11-02 00:00", "12-07 00:00"]),
    ("0 0 * * 5L", "2026-11-01 00:00", ["11-27 00:00", "12-25 00:00"]),
    ("@hourly", "2026-01-01 00:00", ["01-01 01:00", "01-01 02:00"]),
    ("@DAILY", "2026-01-01 00:00", ["01-02 00:00", "01-03 00:00"]),
    ("@midnight", "2026-01-01 00:00", ["01-02 00:00"]),
    ("@weekly", "2026-01-01 00:00", ["01-04 00:00", "01-11 00:00"]),
    ("@monthly", "2026-01-01 00:00", ["02-01 00:00"]),
    (" 0  0 1 1 *  ", "2025-06-01 00:00", ["01-01 00:00"]),
    ("@yearly", "2025-06-01 00:00", ["01-01 00:00"]),
    ("@annually", "2025-06-01 00:00", ["01-01 00:00"]),
]


@pytest.mark.parametrize(("expression", "after", "wanted"), TABLE)
def test_a_table_worked_out_by_hand(expression, after, wanted):
    assert told(expression, after, len(wanted)) == [f"2026-{one}+00:00" for one in wanted]


def test_days_that_are_rare_are_found():
    assert told("0 0 29 2 *", "2026-01-01 00:00", 2) == [
        "2028-02-29 00:00+00:00",
        "2032-02-29 00:00+00:00",
    ]


@pytest.mark.parametrize(
    "expression",
    ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *",
     "* * * 13 *", "* * * * 8", "*/0 * * * *", "-1 * * * *", "5-1 * * * *", "a * * * *",
     "1,,2 * * * *", "H * * * *", "R * * * *", "@reboot", "@every 5m", "0 0 30 2 *",
     "0 0 31 4,6 *", "0 0 */31 * 1#5", "? * * * *", "1/2/3 * * * *", "٣ * * * *",
     "0 0 * * mon-", "0 0 * * 1#6", "+5 * * * *", "1_0 * * * *", "1.5 * * * *",
     "0 0 * * *\n; rm", "9" * 90 + " * * * *", "1," * 5000 + "1 * * * *"],
)  # fmt: skip
def test_what_is_no_expression_or_never_comes_is_refused(expression):
    with pytest.raises(Invalid) as caught:
        times_of(expression, "UTC")
    (problem,) = caught.value.problems
    assert problem.place.pointer == "/cron"


@pytest.mark.parametrize(
    "zone",
    ["", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "localtime", "Factory", "+02"],
)
def test_what_is_no_zone_is_refused(zone):
    with pytest.raises(Invalid) as caught:
        times_of("@daily", zone)
    (problem,) = caught.value.problems
    assert problem.place.pointer == "/timeZone"


class TestWhenTheClocksChange:
    """New York: 2026-03-08 2:00 becomes 3:00; 2026-11-01 2:00 becomes 1:00."""

    zone = "America/New_York"

    def test_an_hour_that_is_left_out_comes_at_the_moment_of_the_change_once(self):
        assert told("30 2 * * *", "2026-03-07 00:00", 3, self.zone) == [
            "2026-03-07 02:30-05:00",
            "2026-03-08 03:00-04:00",
            "2026-03-09 02:30-04:00",
        ]
        # Twelve times of it, and the one that is there anyway, are one.
        assert told("*/5 2,3 * * *", "2026-03-08 01:00", 2, self.zone) == [
            "2026-03-08 03:00-04:00",
            "2026-03-08 03:05-04:00",
        ]

    def test_an_hour_that_is_there_twice_comes_the_first_time(self):
        assert told("30 1 * * *", "2026-10-31 12:00", 2, self.zone) == [
            "2026-11-01 01:30-04:00",
            "2026-11-02 01:30-05:00",
        ]
        # Also for one who asks during the second time.
        later = datetime(2026, 11, 1, 6, 10, tzinfo=UTC)
        found = times_of("30 1 * * *", self.zone).next(later)
        assert found == datetime(2026, 11, 2, 6, 30, tzinfo=UTC)

    def test_what_comes_every_so_often_follows_the_time_that_passes(self):
        assert told("15,45 * * * *", "2026-11-01 01:00", 5, self.zone) == [
            "2026-11-01 01:15-04:00",
            "2026-11-01 01:45-04:00",
            "2026-11-01 01:15-05:00",
            "2026-11-01 01:45-05:00",
            "2026-11-01 02:15-05:00",
        ]
        assert told("30 */1 * * *", "2026-03-08 01:00", 2, self.zone) == [
            "2026-03-08 01:30-05:00",
            "2026-03-08 03:30-04:00",
        ]

    def test_zones_that_change_by_half_an_hour_or_at_midnight(self):
        assert told("10 2 * * *", "2026-10-03 12:00", 2, "Australia/Lord_Howe") == [
            "2026-10-04 02:30+11:00",
            "2026-10-05 02:10+11:00",
        ]
        assert told("@daily", "2026-03-07 12:00", 2, "America/Havana") == [
            "2026-03-08 01:00-04:00",
            "2026-03-09 00:00-04:00",
        ]
        assert told("@daily", "2026-10-31 12:00", 2, "America/Havana") == [
            "2026-11-01 00:00-04:00",
            "2026-11-02 00:00-05:00",
        ]


class Field:
    """A field of a cron expression as a set, written in one of the ways it can be."""

    def __init__(self, text: str, values: set[int]) -> None:
        self.text = text
        self.values = values

    def __repr__(self) -> str:
        return f"{self.text!r}"


def named(low: int, high: int) -> st.SearchStrategy[Field]:
    """Fields that name what they mean: lists and ranges."""
    value = st.integers(low, high)
    return st.one_of(
        st.sets(value, min_size=1, max_size=4).map(
            lambda found: Field(",".join(map(str, sorted(found))), found)
        ),
        st.tuples(value, value)
        .map(sorted)
        .map(lambda ends: Field(f"{ends[0]}-{ends[1]}", set(range(ends[0], ends[1] + 1)))),
    )


def starred(low: int, high: int) -> st.SearchStrategy[Field]:
    """Fields that begin with a star."""
    return st.one_of(
        st.just(Field("*", set(range(low, high + 1)))),
        st.integers(1, high).map(lambda n: Field(f"*/{n}", set(range(low, high + 1, n)))),
    )


def fields(low: int, high: int) -> st.SearchStrategy[Field]:
    return st.one_of(starred(low, high), named(low, high))


ZONES = {
    "UTC": "2026-11-27 00:00",
    "America/New_York": "2026-03-08 07:00",
    "Europe/Berlin": "2026-10-25 01:00",
    "Australia/Lord_Howe": "2026-04-04 15:00",
    "America/Havana": "2026-11-01 05:00",
    "Pacific/Chatham": "2026-09-26 14:00",
    "America/St_Johns": "2026-03-08 05:30",
}
"""A change of each in 2026, in UTC."""


def every_minute(minute: Field, hour: Field, days: set[int], zone: ZoneInfo, begin: datetime, n):
    """All times within `n` minutes, found by looking at each: by what the wall clock shows."""
    shown: set[datetime] = set()
    found = []
    wall = (begin - MINUTE).astimezone(zone).replace(tzinfo=None)
    # What was shown before the window began counts as shown.
    for back in range(1, 180):
        shown.add((begin - back * MINUTE).astimezone(zone).replace(tzinfo=None))
    for step in range(n):
        moment = begin + step * MINUTE
        last, wall = wall, moment.astimezone(zone).replace(tzinfo=None)
        fits = [_fits(wall, minute, hour, days)]
        if not hour.text.startswith("*"):
            fits = [fits[0] and wall not in shown]
            skipped = last + MINUTE
            while skipped < wall:
                fits.append(_fits(skipped, minute, hour, days))
                skipped += MINUTE
        shown.add(wall)
        if any(fits):
            found.append(moment)
    return found


def _fits(wall: datetime, minute: Field, hour: Field, days: set[int]) -> bool:
    there = wall.minute in minute.values and wall.hour in hour.values
    return there and wall.isoweekday() % 7 in days


@settings(deadline=None)
@given(
    minute=fields(0, 59),
    hour=st.one_of(fields(0, 23), named(0, 4)),
    weekday=fields(0, 6),
    zone=st.sampled_from(sorted(ZONES)),
    before=st.integers(0, 300),
    odd=st.integers(0, 59),
)
def test_every_minute_is_what_looking_at_every_minute_finds(
    minute, hour, weekday, zone, before, odd
):
    begin = at(ZONES[zone]) - before * MINUTE
    wanted = every_minute(minute, hour, weekday.values, ZoneInfo(zone), begin, WINDOW)
    times = times_of(f"{minute.text} {hour.text} * * {weekday.text}", zone)
    found, moment = [], begin - timedelta(seconds=1 + odd)
    while (moment := _later(times, moment)) < begin + WINDOW * MINUTE:
        found.append(moment)
    assert found == wanted
    if wanted:
        newest = times.last(begin, wanted[-1], 5)
        assert newest == wanted[-5:]
        assert times.last(begin, begin + WINDOW * MINUTE - MINUTE, 1000) == wanted


def _later(times, moment: datetime) -> datetime:
    found = times.next(moment)
    assert found is not None
    assert found > moment
    assert (found.tzinfo, found.second, found.microsecond) == (UTC, 0, 0)
    return found


@settings(deadline=None)
@given(
    minute=fields(0, 59),
    hour=fields(0, 23),
    weekday=fields(0, 6),
    count=st.integers(1, 12),
    hours=st.integers(0, 24 * 9),
)
def test_the_newest_are_what_looking_back_at_every_minute_finds(
    minute, hour, weekday, count, hours
):
    until = at("2026-11-27 12:34")
    first = until - hours * 60 * MINUTE
    wanted, moment = [], until
    while moment >= first and len(wanted) < count:
        if _fits(moment, minute, hour, weekday.values):
            wanted.insert(0, moment)
        moment -= MINUTE
    times = times_of(f"{minute.text} {hour.text} * * {weekday.text}", "UTC")
    # So that few are many: what is dense is not looked at as a whole.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedule_times, "_MANY", 4)
        assert times.last(first, until, count) == wanted


def test_the_newest_of_very_many_cost_no_more_than_themselves():
    times = times_of("* * * * *", "Europe/Amsterdam")
    until = at("2026-11-27 12:00")
    newest = times.last(at("2006-01-01 00:00"), until, 3)
    assert newest == [until - 2 * MINUTE, until - MINUTE, until]
    assert times.last(until + MINUTE, until, 3) == []
