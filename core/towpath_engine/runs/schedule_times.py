"""When a schedule comes: a cron expression on the clock of a time zone. Asks nobody, keeps nothing.

Where the hour field names hours (`30 2 * * *`), the times are those of the wall clock: one that
is left out when the clocks go forward comes at the moment they do, once; one that is there twice
when they go back comes the first time only. Where it begins with a star (`*/15 * * * *`), the
schedule is about time that passes: what the wall clock leaves out is left out, and what it shows
twice comes twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from towpath_core.errors import Invalid, Place, Problem

__all__ = ("Times", "times_of")

_LONGEST = 100
_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS = 5
_MARKS = re.compile(r"[0-9A-Za-z*/,#\- ]+", re.ASCII)
_DAY, _NONE = timedelta(days=1), timedelta(0)
_HOUR, _INSTANT = timedelta(hours=1), timedelta(microseconds=1)
_MANY = 200
_NEXT = "Write five fields, such as 30 2 * * mon-fri, or one of " + ", ".join(_WORDS) + "."


class Times:
    """The times of one schedule. Made by `times_of`; may be used by many threads.

    Args:
        fields: five fields that were read once already.
        zone: whose clock they mean.
    """

    def __init__(self, fields: str, zone: ZoneInfo) -> None:
        self.zone = zone
        self._fields = fields
        self._passing = fields.split()[1].startswith("*")

    def next(self, after: datetime) -> datetime | None:
        """The first time later than a moment, in UTC; None where there is none for 50 years."""
        after = after.astimezone(UTC)
        local = after.astimezone(self.zone)
        wall = local.replace(tzinfo=None, fold=0)
        best: datetime | None = None
        # Walls that were there once may come again: the first that comes need not be the next.
        for candidate in self._walls(wall - self._fall(after) if self._passing else wall):
            for moment in self._moments(candidate):
                if moment > after and (best is None or moment < best):
                    best = moment
            if best is not None and candidate > wall:
                break
        return best

    def upcoming(self, after: datetime, count: int) -> list[datetime]:
        """The next times later than a moment, in order and on the zone's clock."""
        found: list[datetime] = []
        moment = self.next(after)
        while moment is not None and len(found) < count:
            found.append(moment.astimezone(self.zone))
            moment = self.next(moment)
        return found

    def last(self, first: datetime, until: datetime, count: int) -> list[datetime]:
        """The newest times from `first` to `until`, both included, at most `count`, in order.

        Costs what those few cost, however many there were.
        """
        found: list[datetime] = []
        end = until
        while len(found) < count and (newest := self._newest(first, end)):
            found = newest + found
            end = newest[0] - _INSTANT
        return found[-count:]

    def _newest(self, first: datetime, end: datetime) -> list[datetime]:
        """Some of the times from `first` to `end`, the newest, in order; none where there are none.

        Looks at some hundred times at the most.
        """
        back = _HOUR
        while True:
            begin = max(first, end - back)
            found = list(islice(self._between(begin, end), _MANY))
            if len(found) == _MANY:
                return list(self._between(self._shortly_before(begin, end), end))
            if found or begin == first:
                return found
            back *= 4

    def _shortly_before(self, begin: datetime, end: datetime) -> datetime:
        """A moment after which times come up to `end`, all of them within an hour."""
        while end - begin > _HOUR:
            middle = begin + (end - begin) / 2
            moment = self.next(middle)
            if moment is not None and moment <= end:
                begin = middle
            else:
                end = middle
        return begin

    def _between(self, first: datetime, until: datetime) -> Iterator[datetime]:
        moment = self.next(first - _INSTANT)
        while moment is not None and moment <= until:
            yield moment
            moment = self.next(moment)

    def _walls(self, after: datetime) -> Iterator[datetime]:
        """What a clock that is never set shows at the times, later than `after`."""
        return iter(CronSim(self._fields, after))

    def _moments(self, wall: datetime) -> list[datetime]:
        """When a wall clock's time is, as far as this schedule counts it."""
        first, second = (
            wall.replace(tzinfo=self.zone, fold=fold).astimezone(UTC) for fold in (0, 1)
        )
        if first <= second:
            return [first, second] if self._passing else [first]
        # It is left out: with the offset of before it lies after the change, and the other way.
        return [] if self._passing else [self._change(second, first)]

    def _change(self, before: datetime, after: datetime) -> datetime:
        """The second at which the offset changes between two moments."""
        offset = after.astimezone(self.zone).utcoffset()
        low, high = int(before.timestamp()), int(after.timestamp())
        while high - low > 1:
            middle = (low + high) // 2
            if datetime.fromtimestamp(middle, self.zone).utcoffset() == offset:
                high = middle
            else:
                low = middle
        return datetime.fromtimestamp(high, UTC)

    def _fall(self, after: datetime) -> timedelta:
        """How far the clocks go back within a day; no zone does it twice in one."""
        now, then = (moment.astimezone(self.zone).utcoffset() for moment in (after, after + _DAY))
        return max(now - then, _NONE) if now is not None and then is not None else _NONE


@lru_cache(maxsize=1024)
def times_of(expression: str, zone: str) -> Times:
    """Read a cron expression and the name of a zone.

    Args:
        expression: five fields with names, lists, ranges and steps, `L` and `#`, or a word such
            as `@daily`. Where days of the month and days of the week are both named, either
            counts; where one of them begins with a star, both must hold. As Debian's cron.
        zone: as the IANA database has it, such as `Europe/Amsterdam` or `UTC`.

    Raises:
        Invalid: one of them cannot be read, or the time never comes.
    """
    times = Times(_fields(expression), _zone(zone))
    if times.next(datetime.now(UTC)) is None:
        raise _wrong("cron", "such a day never comes", _NEXT)
    return times


def _fields(expression: str) -> str:
    text = expression.strip()
    if len(text) > _LONGEST:
        raise _wrong("cron", f"a cron expression has at most {_LONGEST} characters", _NEXT)
    fields = _WORDS.get(text.lower(), text)
    if not _MARKS.fullmatch(fields) or len(fields.split()) != _FIELDS:
        raise _wrong("cron", f"{text!r} is no cron expression of five fields", _NEXT)
    try:
        CronSim(fields, datetime(2026, 1, 1))
    except CronSimError as error:
        raise _wrong("cron", f"{text!r} is no cron expression: {error}", _NEXT) from error
    return fields


def _zone(name: str) -> ZoneInfo:
    # The list first: a name that is none of it would be looked for as a file.
    if name not in _zones():
        next = "Write a name of the IANA database, such as Europe/Amsterdam, or UTC."
        raise _wrong("timeZone", f"{name[:_LONGEST]!r} is no time zone", next)
    return ZoneInfo(name)


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    # Some systems have files beside the database's: the machine's own zone, and a placeholder.
    return frozenset(available_timezones()) - {"localtime", "Factory"}


def _wrong(field: str, why: str, next: str) -> Invalid:
    problem = Problem("invalid", why, Place(pointer=f"/{field}"))
    return Invalid("The schedule is wrong.", why=why + ".", next=next, problems=[problem])
