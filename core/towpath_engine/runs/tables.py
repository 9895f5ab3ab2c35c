"""Tables of the journal: run, step, event, signal and undo.

What hangs on a run has no foreign key to it: it is read through its run alone, written under the
run's fence, and taken away in batches after the run.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    Index,
    Integer,
)
from sqlmodel import Field, SQLModel

from towpath_engine.store.columns import data, identifier, json, table_of, text, time

__all__ = (
    "EVENTS",
    "RUNS",
    "SIGNALS",
    "STEPS",
    "UNDOS",
    "RunEventRow",
    "RunRow",
    "RunSignalRow",
    "RunStepRow",
    "RunUndoRow",
)

OPEN = "state IN ('queued', 'running', 'waiting')"
ENDED = "state IN ('succeeded', 'failed', 'cancelled')"


class RunRow(SQLModel, table=True):
    """Work that was accepted. `attempt` is the fence: only its holder may write.

    Attributes:
        turn: number of its latest job; a job of an earlier turn does nothing.
        last_event: numbers the events without gaps.
        concurrency_key: only one run of a key is under way, from its first step to its end;
            `holds_key` says which.
        held: why a queued run has no job: its key or its queue is busy.
        crashes: workers that died on it since it last got on; too many park it.
        takeovers: workers that died on it in all.
        secrets: sealed, wiped when the run ends; `secret_names` stays.
        cancel_by: when a run that was asked to stop is ended from outside.
        wake_at: when a waiting run is woken, unless something comes before.
        parent_step: key of the step of the parent that waits for it.
        undoes: the run whose effects this one takes back.
    """

    __tablename__ = "runs"
    __table_args__ = (
        Index("runs_created", "created_at", "id"),
        Index("runs_parent", "parent_id", postgresql_where="parent_id IS NOT NULL"),
        # Workers look for unfinished runs all the time; the finished ones are many.
        Index("runs_open", "id", postgresql_where=OPEN),
        # The database itself sees to it that a key has one holder.
        Index("runs_key_holder", "concurrency_key", unique=True, postgresql_where="holds_key"),
        Index(
            "runs_key",
            "concurrency_key",
            postgresql_where=f"concurrency_key IS NOT NULL AND {OPEN}",
        ),
        Index("runs_held", "queue", postgresql_where="held IS NOT NULL"),
        Index("runs_finished", "finished_at", postgresql_where=ENDED),
        Index("runs_undoes", "undoes", postgresql_where="undoes IS NOT NULL"),
        Index("runs_schedule", "schedule_id", postgresql_where="schedule_id IS NOT NULL"),
    )

    id: UUID = Field(sa_column=identifier(primary=True))
    kind: str = Field(sa_column=text())
    title: str = Field(sa_column=text())
    state: str = Field(sa_column=text())
    attempt: int = Field(sa_column=Column(Integer, nullable=False))
    turn: int = Field(sa_column=Column(Integer, nullable=False))
    queue: str = Field(sa_column=text())
    priority: int = Field(sa_column=Column(Integer, nullable=False))
    concurrency_key: str | None = Field(default=None, sa_column=text(null=True))
    holds_key: bool = Field(sa_column=Column(Boolean, nullable=False))
    held: str | None = Field(default=None, sa_column=text(null=True))
    input: Any = Field(sa_column=json())
    output: Any = Field(default=None, sa_column=json(null=True))
    error: Any = Field(default=None, sa_column=json(null=True))
    principal: Any = Field(sa_column=json())
    created_by: str = Field(sa_column=text())
    secrets: bytes | None = Field(default=None, sa_column=data(null=True))
    secret_names: Any = Field(sa_column=json())
    cancel_requested: bool = Field(sa_column=Column(Boolean, nullable=False))
    cancel_by: datetime | None = Field(default=None, sa_column=time(null=True))
    deadline: datetime | None = Field(default=None, sa_column=time(null=True))
    wake_at: datetime | None = Field(default=None, sa_column=time(null=True))
    crashes: int = Field(sa_column=Column(Integer, nullable=False))
    takeovers: int = Field(sa_column=Column(Integer, nullable=False))
    parent_id: UUID | None = Field(default=None, sa_column=identifier(null=True))
    parent_step: str | None = Field(default=None, sa_column=text(null=True))
    schedule_id: UUID | None = Field(default=None, sa_column=identifier(null=True))
    undoes: UUID | None = Field(default=None, sa_column=identifier(null=True))
    last_event: int = Field(sa_column=Column(BigInteger, nullable=False))
    created_at: datetime = Field(sa_column=time())
    started_at: datetime | None = Field(default=None, sa_column=time(null=True))
    finished_at: datetime | None = Field(default=None, sa_column=time(null=True))


class RunStepRow(SQLModel, table=True):
    """A step of a run, in the order of first execution; its output is written once.

    `wait` says what a step waits for that is a wait: its type (`time`, `signal`, `approval`,
    `child`) and what belongs to it.
    """

    __tablename__ = "run_steps"

    run_id: UUID = Field(sa_column=identifier(primary=True))
    seq: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    key: str = Field(sa_column=text())
    name: str = Field(sa_column=text())
    state: str = Field(sa_column=text())
    attempts: int = Field(sa_column=Column(Integer, nullable=False))
    effect: str = Field(sa_column=text())
    wait: Any = Field(default=None, sa_column=json(null=True))
    output: Any = Field(default=None, sa_column=json(null=True))
    error: Any = Field(default=None, sa_column=json(null=True))
    started_at: datetime | None = Field(default=None, sa_column=time(null=True))
    finished_at: datetime | None = Field(default=None, sa_column=time(null=True))


class RunEventRow(SQLModel, table=True):
    """What happened in a run, numbered from 1 without gaps."""

    __tablename__ = "run_events"

    run_id: UUID = Field(sa_column=identifier(primary=True))
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    type: str = Field(sa_column=text())
    body: Any = Field(sa_column=json())
    at: datetime = Field(sa_column=time())


class RunSignalRow(SQLModel, table=True):
    """A signal that came before the run waited for it; taken in the order of `id`, once."""

    __tablename__ = "run_signals"
    __table_args__ = (Index("run_signals_run", "run_id", "name", "id"),)

    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    run_id: UUID = Field(sa_column=identifier())
    name: str = Field(sa_column=text())
    body: Any = Field(sa_column=json(null=True))
    by: str = Field(sa_column=text())
    at: datetime = Field(sa_column=time())


class RunUndoRow(SQLModel, table=True):
    """How to take an effect of a step back; `owner` is whose code does it.

    `state` is `ready`, `done` or `failed`; `undone_by` the run that did it.
    """

    __tablename__ = "run_undos"

    run_id: UUID = Field(sa_column=identifier(primary=True))
    seq: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    step_seq: int = Field(sa_column=Column(Integer, nullable=False))
    step_key: str = Field(sa_column=text())
    owner: str = Field(sa_column=text())
    name: str = Field(sa_column=text())
    data: str = Field(sa_column=text())
    state: str = Field(sa_column=text())
    error: Any = Field(default=None, sa_column=json(null=True))
    undone_by: UUID | None = Field(default=None, sa_column=identifier(null=True))
    at: datetime = Field(sa_column=time())


RUNS = table_of(RunRow)
STEPS = table_of(RunStepRow)
EVENTS = table_of(RunEventRow)
SIGNALS = table_of(RunSignalRow)
UNDOS = table_of(RunUndoRow)
