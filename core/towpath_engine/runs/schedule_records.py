"""Schedules as people state them and as they are shown, and what a stated one must be like."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from towpath_core.errors import Invalid, NotFound, Place, Problem, TowpathError
from towpath_core.identity import Principal
from towpath_engine.runs.journal import ErrorInfo
from towpath_engine.runs.schedule_times import times_of

__all__ = (
    "CatchUp",
    "Overlap",
    "ScheduleChange",
    "ScheduleChanged",
    "ScheduleInfo",
    "ScheduleSpec",
    "Trouble",
    "check_spec",
    "no_schedule",
    "owner_of",
    "schedule_of",
    "spec_of",
)

CatchUp = Literal["skip", "one", "all"]
"""What becomes of times that nobody was there for: nothing, one run for all, or a run each."""
Overlap = Literal["skip", "queue", "allow"]
"""At a time at which a run of before is open: no run, one that waits for it, or one beside it."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)
_LONGEST_NAME = 63
_LONGEST_TITLE = 200
_MOST_BYTES = 64 * 1024
_MOST_CAUGHT_UP = 100
_PRIORITIES = range(-100, 101)
_MOST_SECONDS = 366 * 86_400
_SHOWN = 3


class ScheduleSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule as somebody states it.

    Attributes:
        name: unique, lower-case kebab-case.
        kind: of its runs.
        input: of its runs, JSON; must hold no secret.
        cron: five fields, or a word such as `@daily`.
        zone: whose clock they mean, as the IANA database names it.
        title: of its runs; the name without.
        catch_up: what becomes of times that nobody was there for.
        catch_up_limit: with `all`, how many runs at the most; the newest.
        overlap: what becomes of a time at which a run of before is open.
        queue: that its runs wait in; the kind's own without.
        priority: -100 to 100; higher ones begin first.
        deadline_seconds: how long a run may take in all.
    """

    name: str
    kind: str
    input: Mapping[str, Any]
    cron: str
    zone: str = "UTC"
    title: str | None = None
    catch_up: CatchUp = "one"
    catch_up_limit: int = 10
    overlap: Overlap = "skip"
    queue: str | None = None
    priority: int = 0
    deadline_seconds: int | None = None


class ScheduleChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be another of a schedule; what is not set stays. See `ScheduleSpec`."""

    name: str | UnsetType = UNSET
    input: Mapping[str, Any] | UnsetType = UNSET
    cron: str | UnsetType = UNSET
    zone: str | UnsetType = UNSET
    title: str | UnsetType | None = UNSET
    catch_up: CatchUp | UnsetType = UNSET
    catch_up_limit: int | UnsetType = UNSET
    overlap: Overlap | UnsetType = UNSET
    queue: str | UnsetType | None = UNSET
    priority: int | UnsetType = UNSET
    deadline_seconds: int | UnsetType | None = UNSET

    def applied(self, spec: ScheduleSpec) -> ScheduleSpec:
        """The schedule with the change."""
        said = {name: getattr(self, name) for name in self.__struct_fields__}
        chosen = {name: value for name, value in said.items() if value is not UNSET}
        return msgspec.structs.replace(spec, **chosen)


class Trouble(msgspec.Struct, frozen=True):
    """Why the newest time of a schedule gave no run."""

    at: datetime
    error: ErrorInfo


class ScheduleInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule as it stands.

    Attributes:
        spec: as it was stated.
        next: the next three times, on the clock of its zone; none while it is paused.
        last_at: the newest time that gave a run, and `last_run` that run.
        tag: of its present state; the part before the `-` is another after each change by people.
    """

    id: UUID
    spec: ScheduleSpec
    paused: bool
    created_by: str
    created_ref: str
    created_at: datetime
    updated_at: datetime
    next: tuple[datetime, ...]
    last_at: datetime | None
    last_run: UUID | None
    trouble: Trouble | None
    tag: str


class ScheduleChanged(TowpathError):
    """The schedule is not in the state that the writer has seen; nothing was changed."""

    code = "precondition-failed"


def no_schedule(which: str) -> NotFound:
    """The error for a schedule that is not there, or not the asker's."""
    return NotFound(
        f"There is no schedule {which[:100]}.", next="List yours with: towpath schedules ls"
    )


def owner_of(row: Mapping[Any, Any]) -> Principal:
    """The principal whose rights a schedule's runs have."""
    return msgspec.convert(row["principal"], Principal)


def schedule_of(row: Mapping[Any, Any], moment: datetime) -> ScheduleInfo:
    """A row as it is shown at a moment."""
    spec = spec_of(row)
    next: tuple[datetime, ...] = ()
    if row["next_at"] is not None:
        times = times_of(spec.cron, spec.zone)
        after = times.upcoming(max(row["next_at"], moment), _SHOWN)
        next = (row["next_at"].astimezone(times.zone), *after)[:_SHOWN]
    mark = msgspec.json.encode([row["last_at"], row["next_at"], row["trouble"]])
    return ScheduleInfo(
        id=row["id"],
        spec=spec,
        paused=row["paused"],
        created_by=row["created_by"],
        created_ref=row["principal"]["entity_ref"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        next=next,
        last_at=row["last_at"],
        last_run=row["last_run"],
        trouble=msgspec.convert(row["trouble"], Trouble) if row["trouble"] else None,
        tag=f"{row['version']}-{zlib.crc32(mark):08x}",
    )


def spec_of(row: Mapping[Any, Any]) -> ScheduleSpec:
    """A row as it was stated."""
    return ScheduleSpec(**{name: row[name] for name in ScheduleSpec.__struct_fields__})


def check_spec(spec: ScheduleSpec) -> None:
    """See that a schedule can be.

    Raises:
        Invalid: it cannot; says all that is wrong, but for a wrong time, which is said alone.
    """
    times_of(spec.cron, spec.zone)
    title = spec.title
    wrong = {
        "name": None if _is_name(spec.name) else "a name is kebab-case, 1 to 63 characters, no id",
        "title": None
        if title is None or (0 < len(title) <= _LONGEST_TITLE and title.isprintable())
        else f"a title has 1 to {_LONGEST_TITLE} printable characters",
        "input": None
        if len(msgspec.json.encode(spec.input)) <= _MOST_BYTES
        else f"an input has at most {_MOST_BYTES:,} bytes",
        "catchUpLimit": None
        if 1 <= spec.catch_up_limit <= _MOST_CAUGHT_UP
        else f"1 to {_MOST_CAUGHT_UP} are caught up with",
        "priority": None if spec.priority in _PRIORITIES else "a priority is -100 to 100",
        "deadlineSeconds": None
        if spec.deadline_seconds is None or 1 <= spec.deadline_seconds <= _MOST_SECONDS
        else "a run has between a second and a year",
    }
    problems = [
        Problem("invalid", why, Place(pointer=f"/{field}")) for field, why in wrong.items() if why
    ]
    if problems:
        why = "; ".join(problem.message for problem in problems)
        raise Invalid("The schedule is wrong.", why=f"{why}.", problems=problems)


def _is_name(name: str) -> bool:
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        return False
    try:
        UUID(name)
    except ValueError:
        return True
    return False
