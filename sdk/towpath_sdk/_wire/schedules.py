"""Shapes of schedules: runs that start by the clock; and the calls that change them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from towpath_sdk._wire.calls import Call, keyed, route, written
from towpath_sdk._wire.errors import BadArgument
from towpath_sdk._wire.writes import matching

__all__ = ("Schedule", "ScheduleTrouble", "change_schedule", "schedule_path", "schedule_verb")

_BASE = "/api/v1/schedules"
_CLEARED = {"title": "title", "queue": "queue", "deadline": "deadlineSeconds"}


class ScheduleTrouble(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Why the newest time of a schedule gave no run; tell reasons apart by `code`."""

    at: datetime
    code: str
    message: str
    why: str | None = None
    next: str | None = None


class Schedule(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """Runs that start by the clock.

    Attributes:
        etag: the tag of its state, to be sent as `if_match`.
        cron: five fields, or a word such as `@daily`.
        time_zone: whose clock they mean.
        catch_up: what becomes of times that nobody was there for: `skip`, `one` or `all`.
        catch_up_limit: with `all`, how many runs at the most.
        overlap: what becomes of a time at which a run of before is open: `skip`, `queue`, `allow`.
        next: its next three times, on the clock of its zone; none while it is paused.
        last_at: the newest time that gave a run, and `last_run` that run.
        trouble: why the newest time gave none.
    """

    id: str
    etag: str
    name: str
    kind: str
    input: dict[str, Any]
    cron: str
    time_zone: str
    catch_up: str
    catch_up_limit: int
    overlap: str
    priority: int
    paused: bool
    created_by: str
    created_at: datetime
    updated_at: datetime
    next: tuple[datetime, ...]
    title: str | None = None
    queue: str | None = None
    deadline_seconds: int | None = None
    last_at: datetime | None = None
    last_run: str | None = None
    trouble: ScheduleTrouble | None = None


def schedule_path(which: str, *more: str) -> str:
    """The address of a schedule, by id or name."""
    return route(_BASE, which, *more)


def change_schedule(
    which: str, said: Mapping[str, Any], clear: Sequence[str], if_match: str | None
) -> Call:
    """The call that changes some fields of a schedule.

    Raises:
        BadArgument: nothing is changed, or a field cannot be cleared.
    """
    if wrong := [name for name in clear if name not in _CLEARED]:
        raise BadArgument(f"{wrong[0]!r} cannot be cleared; {', '.join(_CLEARED)} can.")
    body = {name: value for name, value in said.items() if value is not None}
    body |= {_CLEARED[name]: None for name in clear}
    if not body:
        raise BadArgument("Say what is to be changed.")
    headers = tuple(matching(if_match))
    return Call("PATCH", schedule_path(which), body=written(body), headers=headers)


def schedule_verb(which: str, verb: str, key: str | None, if_match: str | None = None) -> Call:
    """The call that has something done to a schedule."""
    headers = (*keyed(key), *matching(if_match))
    return Call("POST", schedule_path(which, verb), body=b"{}", headers=headers)
