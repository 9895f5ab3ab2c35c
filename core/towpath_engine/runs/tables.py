"""Tables of the journal: run, step and event."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer
from sqlmodel import Field, SQLModel

from towpath_engine.store.columns import data, identifier, json, table_of, text, time

__all__ = ("EVENTS", "RUNS", "STEPS", "RunEventRow", "RunRow", "RunStepRow")


class RunRow(SQLModel, table=True):
    """Work that was accepted. `attempt` is the fence: only its holder may write.

    `secrets` is sealed and wiped when the run ends. `last_event` numbers the events without gaps.
    """

    __tablename__ = "runs"
    __table_args__ = (
        Index("runs_created", "created_at", "id"),
        Index("runs_subject", "subject_ref"),
        # Workers look for unfinished runs all the time; the finished ones are many.
        Index("runs_open", "id", postgresql_where="state IN ('queued', 'running')"),
    )

    id: UUID = Field(sa_column=identifier(primary=True))
    kind: str = Field(sa_column=text())
    title: str = Field(sa_column=text())
    state: str = Field(sa_column=text())
    attempt: int = Field(sa_column=Column(Integer, nullable=False))
    input: Any = Field(sa_column=json())
    output: Any = Field(default=None, sa_column=json(null=True))
    error: Any = Field(default=None, sa_column=json(null=True))
    principal: Any = Field(sa_column=json())
    created_by: str = Field(sa_column=text())
    subject_ref: str | None = Field(default=None, sa_column=text(null=True))
    secrets: bytes | None = Field(default=None, sa_column=data(null=True))
    cancel_requested: bool = Field(sa_column=Column(Boolean, nullable=False))
    last_event: int = Field(sa_column=Column(BigInteger, nullable=False))
    created_at: datetime = Field(sa_column=time())
    started_at: datetime | None = Field(default=None, sa_column=time(null=True))
    finished_at: datetime | None = Field(default=None, sa_column=time(null=True))


class RunStepRow(SQLModel, table=True):
    """A step of a run, in the order of first execution; its output is written once."""

    __tablename__ = "run_steps"

    run_id: UUID = Field(sa_column=identifier(primary=True, to="runs.id", cascade=True))
    seq: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    key: str = Field(sa_column=text())
    name: str = Field(sa_column=text())
    state: str = Field(sa_column=text())
    attempts: int = Field(sa_column=Column(Integer, nullable=False))
    output: Any = Field(default=None, sa_column=json(null=True))
    error: Any = Field(default=None, sa_column=json(null=True))
    started_at: datetime | None = Field(default=None, sa_column=time(null=True))
    finished_at: datetime | None = Field(default=None, sa_column=time(null=True))


class RunEventRow(SQLModel, table=True):
    """What happened in a run, numbered from 1 without gaps."""

    __tablename__ = "run_events"

    run_id: UUID = Field(sa_column=identifier(primary=True, to="runs.id", cascade=True))
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    type: str = Field(sa_column=text())
    body: Any = Field(sa_column=json())
    at: datetime = Field(sa_column=time())


RUNS = table_of(RunRow)
STEPS = table_of(RunStepRow)
EVENTS = table_of(RunEventRow)
