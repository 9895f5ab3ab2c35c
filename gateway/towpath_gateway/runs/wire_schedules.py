"""Bodies of the API of schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from towpath_engine.runs.schedule_records import (
    CatchUp,
    Overlap,
    ScheduleChange,
    ScheduleInfo,
    ScheduleSpec,
    Trouble,
)
from towpath_gateway.wire import StrictBody, Wire

__all__ = ("ScheduleBody", "ScheduleChangeBody", "ScheduleTimesWire", "ScheduleWire", "TroubleWire")


class ScheduleBody(StrictBody, frozen=True, kw_only=True):
    """A schedule that is to be made; its runs have the rights of whoever makes it."""

    name: str
    kind: str
    input: dict[str, Any]
    cron: str
    time_zone: str = "UTC"
    title: str | None = None
    catch_up: CatchUp = "one"
    catch_up_limit: int = 10
    overlap: Overlap = "skip"
    queue: str | None = None
    priority: int = 0
    deadline_seconds: int | None = None
    paused: bool = False

    def spec(self) -> ScheduleSpec:
        """What the schedule is to be."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        del values["paused"]
        return ScheduleSpec(zone=values.pop("time_zone"), **values)


class ScheduleChangeBody(StrictBody, frozen=True, kw_only=True):
    """What is to be another of a schedule; what is not sent stays."""

    name: str | UnsetType = UNSET
    input: dict[str, Any] | UnsetType = UNSET
    cron: str | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET
    title: str | UnsetType | None = UNSET
    catch_up: CatchUp | UnsetType = UNSET
    catch_up_limit: int | UnsetType = UNSET
    overlap: Overlap | UnsetType = UNSET
    queue: str | UnsetType | None = UNSET
    priority: int | UnsetType = UNSET
    deadline_seconds: int | UnsetType | None = UNSET

    def change(self) -> ScheduleChange:
        """The same for the engine."""
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        return ScheduleChange(zone=values.pop("time_zone"), **values)


class TroubleWire(Wire, frozen=True):
    """Why the newest time of a schedule gave no run."""

    at: datetime
    code: str
    message: str
    why: str | None = None
    next: str | None = None

    @classmethod
    def of(cls, trouble: Trouble | None) -> TroubleWire | None:
        """Show it; None stays None."""
        if trouble is None:
            return None
        error = trouble.error
        return cls(trouble.at, error.code, error.message, error.why, error.next)


class ScheduleWire(Wire, frozen=True, kw_only=True):
    """A schedule; `next` are its next three times, on the clock of its zone."""

    id: UUID
    etag: str
    name: str
    kind: str
    input: dict[str, Any]
    cron: str
    time_zone: str
    catch_up: CatchUp
    catch_up_limit: int
    overlap: Overlap
    priority: int
    paused: bool
    created_by: str
    created_at: datetime
    updated_at: datetime
    next: list[datetime]
    title: str | None = None
    queue: str | None = None
    deadline_seconds: int | None = None
    last_at: datetime | None = None
    last_run: UUID | None = None
    trouble: TroubleWire | None = None

    @classmethod
    def of(cls, schedule: ScheduleInfo) -> ScheduleWire:
        """Show a schedule."""
        spec = msgspec.structs.asdict(schedule.spec)
        return cls(
            time_zone=spec.pop("zone"),
            **spec,
            id=schedule.id,
            etag=schedule.tag,
            paused=schedule.paused,
            created_by=schedule.created_ref,
            created_at=schedule.created_at,
            updated_at=schedule.updated_at,
            next=list(schedule.next),
            last_at=schedule.last_at,
            last_run=schedule.last_run,
            trouble=TroubleWire.of(schedule.trouble),
        )


class ScheduleTimesWire(Wire, frozen=True):
    """The next times of a schedule, on the clock of its zone."""

    times: list[datetime]
