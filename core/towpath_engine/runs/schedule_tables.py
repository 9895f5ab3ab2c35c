"""Tables of runs that start by the clock, and of runs that are being forgotten."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer
from sqlmodel import Field, SQLModel

from towpath_engine.store.columns import identifier, json, table_of, text, time

__all__ = ("LEFTOVERS", "SCHEDULES", "RunLeftoverRow", "ScheduleRow")


class ScheduleRow(SQLModel, table=True):
    """A run that starts again and again.

    Attributes:
        cron: five fields, or a word such as `@daily`.
        zone: whose clock they mean.
        catch_up: what becomes of times that nobody was there for; `all` up to `catch_up_limit`.
        overlap: what becomes of a time at which a run of before is still open.
        next_at: the next time; None while it is paused, or where there is none.
        last_at: the newest time that gave a run, and `last_run` that run.
        trouble: why the newest time gave no run; None where it did.
        principal: with whose rights its runs act.
        version: counts what people changed.
    """

    __tablename__ = "schedules"
    __table_args__ = (
        Index("schedules_due", "next_at", postgresql_where="next_at IS NOT NULL"),
        Index("schedules_of", "created_by", "name"),
    )

    id: UUID = Field(sa_column=identifier(primary=True))
    name: str = Field(sa_column=text(unique=True))
    title: str | None = Field(default=None, sa_column=text(null=True))
    kind: str = Field(sa_column=text())
    input: Any = Field(sa_column=json())
    queue: str | None = Field(default=None, sa_column=text(null=True))
    priority: int = Field(sa_column=Column(Integer, nullable=False))
    deadline_seconds: int | None = Field(default=None, sa_column=Column(Integer, nullable=True))
    cron: str = Field(sa_column=text())
    zone: str = Field(sa_column=text())
    catch_up: str = Field(sa_column=text())
    catch_up_limit: int = Field(sa_column=Column(Integer, nullable=False))
    overlap: str = Field(sa_column=text())
    paused: bool = Field(sa_column=Column(Boolean, nullable=False))
    principal: Any = Field(sa_column=json())
    created_by: str = Field(sa_column=text())
    next_at: datetime | None = Field(default=None, sa_column=time(null=True))
    last_at: datetime | None = Field(default=None, sa_column=time(null=True))
    last_run: UUID | None = Field(default=None, sa_column=identifier(null=True))
    trouble: Any = Field(default=None, sa_column=json(null=True))
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    created_at: datetime = Field(sa_column=time())
    updated_at: datetime = Field(sa_column=time())


class RunLeftoverRow(SQLModel, table=True):
    """A run that is gone, of which something is left over in other tables."""

    __tablename__ = "run_leftovers"

    run_id: UUID = Field(sa_column=identifier(primary=True))


LEFTOVERS = table_of(RunLeftoverRow)
SCHEDULES = table_of(ScheduleRow)
