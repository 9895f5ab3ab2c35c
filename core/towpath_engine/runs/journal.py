"""The journal's writes: every one under the fence of the attempt that makes it.

A run's `attempt` is its fence. A worker that was paused while another took over finds its attempt
outdated and writes nothing. Each function works inside a transaction that the caller holds, so
that a step's result, its event and what it changed commit together. Times are the database's:
the clocks of workers may differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, insert, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from towpath_core.errors import Problem, TowpathError
from towpath_core.runs import Effect, StepState, Undo
from towpath_engine.runs.tables import EVENTS, RUNS, STEPS, UNDOS
from towpath_engine.store.database import Transaction

__all__ = (
    "CHANNEL",
    "CLOCK",
    "ErrorInfo",
    "Event",
    "Fence",
    "FenceLost",
    "StepInfo",
    "add_events",
    "add_undo",
    "insert_events",
    "load_steps",
    "write_step",
)

CHANNEL = "towpath_runs"
"""Notified with a run's id whenever it has new events."""

CLOCK: Any = func.clock_timestamp()
"""The database's time at which a statement is carried out."""


class FenceLost(TowpathError):
    """Another attempt of the run is under way, or it has ended; this one must stop, silently."""

    code = "fence-lost"


class Fence(msgspec.Struct, frozen=True):
    """The right to write for a run: its id and the number of the attempt."""

    run_id: UUID
    attempt: int


class ErrorInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a run or a step failed, as it is stored and shown."""

    code: str
    message: str
    why: str | None = None
    next: str | None = None
    problems: tuple[Problem, ...] = ()

    @classmethod
    def of(cls, error: TowpathError) -> ErrorInfo:
        """Describe an error that is meant to be shown."""
        return cls(error.code, error.what, error.why, error.next, error.problems)


class StepInfo(msgspec.Struct, frozen=True):
    """A step as the journal has it; `wait` says what one that is a wait waits for."""

    seq: int
    key: str
    name: str
    state: StepState
    attempts: int
    output: Any
    error: ErrorInfo | None
    effect: Effect = "external"
    wait: Any = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


class Event(msgspec.Struct, frozen=True):
    """Something to add to a run's events."""

    type: str
    body: Mapping[str, Any]


async def add_events(transaction: Transaction, fence: Fence, events: Sequence[Event]) -> None:
    """Append events to a run, in order, numbered without gaps.

    Raises:
        FenceLost: the attempt is not the current one.
    """
    if not events:
        return
    c = RUNS.c
    statement = (
        update(RUNS)
        .where(c.id == fence.run_id, c.attempt == fence.attempt, c.state == "running")
        .values(last_event=c.last_event + len(events))
        .returning(c.last_event)
    )
    last = (await transaction.execute(statement)).scalar_one_or_none()
    if last is None:
        raise FenceLost(f"Run {fence.run_id} is no longer at attempt {fence.attempt}.")
    await insert_events(transaction, fence.run_id, last - len(events) + 1, events)


async def insert_events(
    transaction: Transaction, run_id: UUID, first: int, events: Sequence[Event]
) -> None:
    """Write events whose numbers were taken from `last_event`, and notify who follows."""
    moment = (await transaction.execute(select(CLOCK))).scalar_one()
    rows = [
        {"run_id": run_id, "seq": first + i, "type": e.type, "body": dict(e.body), "at": moment}
        for i, e in enumerate(events)
    ]
    await transaction.execute(insert(EVENTS), rows)
    await transaction.execute(text("SELECT pg_notify(:c, :p)"), {"c": CHANNEL, "p": str(run_id)})


async def load_steps(transaction: Transaction, run_id: UUID) -> dict[str, StepInfo]:
    """All steps of a run that were ever begun, by key, in order."""
    query = select(STEPS).where(STEPS.c.run_id == run_id).order_by(STEPS.c.seq)
    rows = (await transaction.execute(query)).mappings()
    return {row["key"]: _step_of(row) for row in rows}


def _step_of(row: Mapping[Any, Any]) -> StepInfo:
    return StepInfo(
        row["seq"],
        row["key"],
        row["name"],
        row["state"],
        row["attempts"],
        row["output"],
        msgspec.convert(row["error"], ErrorInfo) if row["error"] else None,
        row["effect"],
        row["wait"],
        row["started_at"],
        row["finished_at"],
    )


def step_event(step: StepInfo) -> Event:
    """The event that tells of a step's state."""
    body: dict[str, Any] = {"key": step.key, "name": step.name, "state": step.state}
    if step.error is not None:
        body["error"] = step.error.message
    return Event("step", body)


async def write_step(transaction: Transaction, fence: Fence, step: StepInfo) -> None:
    """Write a step's new state and its event; one that got on counts as life of the run.

    Raises:
        FenceLost: the attempt is not the current one; nothing is written.
    """
    await add_events(transaction, fence, [step_event(step)])
    ended = step.state not in ("running", "waiting")
    values = {
        "state": step.state,
        "attempts": step.attempts,
        "output": step.output,
        "error": msgspec.to_builtins(step.error) if step.error else None,
        "wait": step.wait,
        "finished_at": CLOCK if ended else None,
    }
    key = {"run_id": fence.run_id, "seq": step.seq}
    first = {"key": step.key, "name": step.name, "effect": step.effect, "started_at": CLOCK}
    statement = upsert(STEPS).values(**key, **first, **values)
    await transaction.execute(
        statement.on_conflict_do_update(index_elements=["run_id", "seq"], set_=values)
    )
    if ended:
        got_on = update(RUNS).where(RUNS.c.id == fence.run_id, RUNS.c.crashes > 0)
        await transaction.execute(got_on.values(crashes=0))


async def add_undo(
    transaction: Transaction, fence: Fence, step: StepInfo, owner: str, undo: Undo
) -> None:
    """Write how to take back what a step does, once for one name and data.

    Raises:
        FenceLost: the attempt is not the current one; nothing is written.
    """
    body = {"step": step.key, "name": undo.name}
    await add_events(transaction, fence, [Event("undo", body)])
    c = UNDOS.c
    data = msgspec.json.encode(dict(undo.data)).decode()
    mine = c.run_id == fence.run_id
    same = select(c.seq).where(mine, c.step_seq == step.seq, c.name == undo.name, c.data == data)
    row = select(
        literal(fence.run_id).label("run_id"),
        select(func.coalesce(func.max(c.seq), 0) + 1).where(mine).scalar_subquery(),
        literal(step.seq),
        literal(step.key),
        literal(owner),
        literal(undo.name),
        literal(data),
        literal("ready"),
        CLOCK,
    ).where(~same.exists())
    names = ("run_id", "seq", "step_seq", "step_key", "owner", "name", "data", "state", "at")
    await transaction.execute(insert(UNDOS).from_select(list(names), row))
