"""Times as people say them: how long something took, how long from now, since when."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from towpath_cli.failure import USAGE, Failed
from towpath_cli.text import line

__all__ = ("between", "left", "moment", "seconds_of", "spent")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LENGTH = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd]?)")


def spent(seconds: float) -> str:
    """A length of time in at most two units: `0.8s`, `1m 14s`, `2h 05m`, `3d 4h`."""
    whole = max(0, int(seconds))
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f}s"
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02}m"
    return f"{whole // 86400}d {whole % 86400 // 3600}h"


def between(begun: datetime | None, ended: datetime | None) -> str | None:
    """How long something took, or has taken until now; None where it has not begun."""
    if begun is None:
        return None
    return spent(((ended or datetime.now(UTC)) - begun).total_seconds())


def left(until: datetime | None) -> str | None:
    """How far away a time is: `in 2h 05m`, or `2h 05m ago`."""
    if until is None:
        return None
    seconds = (until - datetime.now(UTC)).total_seconds()
    return f"in {spent(seconds)}" if seconds >= 0 else f"{spent(-seconds)} ago"


def seconds_of(text: str, option: str) -> float:
    """Read a length of time: a number of seconds, or one with a unit such as `30m`.

    Raises:
        Failed: it is not one, or is 0.
    """
    match = _LENGTH.fullmatch(text.strip())
    seconds = float(match[1]) * _UNITS.get(match[2], 1) if match else 0.0
    if not seconds > 0:
        raise Failed(
            f"{option} {line(text)} is not a length of time.",
            next="Say seconds, or a number with a unit: 90, 30m, 2h, 7d.",
            code=USAGE,
        )
    return seconds


def moment(text: str | None, option: str) -> datetime | None:
    """Read a time: so long ago (`2h`), a date, or an RFC 3339 time; without a zone it is UTC.

    Raises:
        Failed: it is none of them.
    """
    if text is None:
        return None
    if _LENGTH.fullmatch(text.strip()):
        return datetime.now(UTC) - timedelta(seconds=seconds_of(text, option))
    try:
        read = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise Failed(
            f"{option} {line(text)} is not a time.",
            next="Say how long ago (30m, 2h, 7d), a date, or a time such as 2026-11-23T09:30:00Z.",
            code=USAGE,
        ) from error
    return read if read.tzinfo else read.replace(tzinfo=UTC)
