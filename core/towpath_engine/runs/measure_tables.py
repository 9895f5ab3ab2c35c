"""Tables that metrics are read from: what was counted, how long steps took, who works.

What cannot be told from the runs themselves, because they are pruned, and retried.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Float, Identity, Index, Integer
from sqlmodel import Field, SQLModel

from towpath_engine.runs.tables import RUNS, STEPS
from towpath_engine.store.columns import json, table_of, text, time

__all__ = ("COUNTS", "STEP_TIMES", "WORKERS")


class RunCountRow(SQLModel, table=True):
    """Something that happened `amount` times to runs of a kind; the sum of all rows counts.

    The database adds a row in the transaction that it happens in (a trigger), so that none waits
    for another; now and then the rows are folded into one for each name, kind and label.
    """

    __tablename__ = "run_counts"

    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    name: str = Field(sa_column=text())
    kind: str = Field(sa_column=text())
    label: str = Field(sa_column=text())
    amount: int = Field(sa_column=Column(BigInteger, nullable=False))


class StepTimesRow(SQLModel, table=True):
    """How many steps of one action took as long as a bucket says, and how long in all."""

    __tablename__ = "run_step_times"

    kind: str = Field(sa_column=text(primary=True))
    action: str = Field(sa_column=text(primary=True))
    state: str = Field(sa_column=text(primary=True))
    bucket: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    steps: int = Field(sa_column=Column(BigInteger, nullable=False))
    seconds: float = Field(sa_column=Column(Float, nullable=False))


class RunWorkerRow(SQLModel, table=True):
    """A worker: what it takes runs from, and where it is; the queue's own table has its heartbeat.

    `queues` is null where it takes all.
    """

    __tablename__ = "run_workers"

    worker_id: int = Field(
        sa_column=Column(BigInteger, primary_key=True, autoincrement=False, nullable=False)
    )
    queues: Any = Field(default=None, sa_column=json(null=True))
    concurrency: int = Field(sa_column=Column(Integer, nullable=False))
    host: str = Field(sa_column=text())
    pid: int = Field(sa_column=Column(Integer, nullable=False))
    started_at: datetime = Field(sa_column=time())


COUNTS = table_of(RunCountRow)
STEP_TIMES = table_of(StepTimesRow)
WORKERS = table_of(RunWorkerRow)

# A page of one's own runs, and those that ask for a yes, without a look at everybody's.
Index("runs_owner", RUNS.c.created_by, RUNS.c.created_at, RUNS.c.id)
Index("run_steps_asking", STEPS.c.run_id, postgresql_where="wait ->> 'type' = 'approval'")
# Looked for at every scrape; there are few, and somebody must look at each.
Index("runs_unknown", RUNS.c.kind, postgresql_where="state = 'unknown'")
