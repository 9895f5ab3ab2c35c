"""The journal's writes: every one under the fence of the attempt that makes it.

A run's `attempt` is its fence. A worker that was paused while another took over finds its attempt
outdated and writes nothing. Each function works inside a transaction that the caller holds, so
that a step's result, its event and what it changed commit together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from towpath_core.errors import Problem, TowpathError
from towpath_core.runs import RunState, StepState
from towpath_engine.clock import now
from towpath_engine.runs.tables import EVENTS, RUNS, STEPS
from towpath_engine.store.database import Transaction

__all__ = (
    "CHANNEL",
    "ErrorInfo",
    "Event",
    "Fence",
    "FenceLost",
    "StepInfo",
    "add_events",
    "begin_attempt",
    "end_run",
    "load_steps",
    "write_step",
)

CHANNEL = "towpath_runs"
"""Notified with a run's id whenever it has new events."""


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
    """A step as the journal has it."""

    seq: int
    key: str
    name: str
    state: StepState
    attempts: int
    output: Any
    error: ErrorInfo | None


class Event(msgspec.Struct, frozen=True):
    """Something to add to a run's events."""

    type: str
    body: Mapping[str, Any]


async def begin_attempt(transaction: Transaction, run_id: UUID) -> Mapping[str, Any] | None:
    """Take the fence of a run and mark it as running; None when it has ended or is unknown.

    Returns the run's row, with the new `attempt`.
    """
    c = RUNS.c
    statement = (
        update(RUNS)
        .where(c.id == run_id, c.state.in_(("queued", "running")))
        .values(
            attempt=c.attempt + 1,
            state="running",
            started_at=text("coalesce(started_at, :moment)").bindparams(moment=now()),
        )
        .returning(RUNS)
    )
    row = (await transaction.execute(statement)).mappings().one_or_none()
    return dict(row) if row is not None else None


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
    moment = now()
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
    return {
        row["key"]: StepInfo(
            row["seq"],
            row["key"],
            row["name"],
            row["state"],
            row["attempts"],
            row["output"],
            msgspec.convert(row["error"], ErrorInfo) if row["error"] else None,
        )
        for row in rows
    }


async def write_step(transaction: Transaction, fence: Fence, step: StepInfo) -> None:
    """Write a step's new state and its event.

    Raises:
        FenceLost: the attempt is not the current one; nothing is written.
    """
    body: dict[str, Any] = {"key": step.key, "name": step.name, "state": step.state}
    if step.error is not None:
        body["error"] = step.error.message
    await add_events(transaction, fence, [Event("step", body)])
    moment = now()
    ended = step.state != "running"
    values = {
        "state": step.state,
        "attempts": step.attempts,
        "output": step.output,
        "error": msgspec.to_builtins(step.error) if step.error else None,
        "finished_at": moment if ended else None,
    }
    key = {"run_id": fence.run_id, "seq": step.seq}
    first = {"key": step.key, "name": step.name, "started_at": moment}
    statement = upsert(STEPS).values(**key, **first, **values)
    await transaction.execute(
        statement.on_conflict_do_update(index_elements=["run_id", "seq"], set_=values)
    )


async def end_run(
    transaction: Transaction,
    fence: Fence,
    state: RunState,
    *,
    output: Any = None,
    error: ErrorInfo | None = None,
) -> None:
    """End a run, wipe its secrets and write the last event.

    Raises:
        FenceLost: the attempt is not the current one; nothing is written.
    """
    body: dict[str, Any] = {"state": state}
    if error is not None:
        body["error"] = msgspec.to_builtins(error)
    await add_events(transaction, fence, [Event("state", body)])
    await transaction.execute(
        update(RUNS)
        .where(RUNS.c.id == fence.run_id)
        .values(
            state=state,
            output=output,
            error=msgspec.to_builtins(error) if error else None,
            secrets=None,
            finished_at=now(),
        )
    )
