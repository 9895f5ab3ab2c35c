"""How a run ends, by its worker or from outside, and whom that concerns: its key, its parent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import insert, update

from towpath_core.runs import RunState, StepState
from towpath_engine.runs.admission import make_room
from towpath_engine.runs.journal import (
    CLOCK,
    ErrorInfo,
    Event,
    Fence,
    add_events,
    insert_events,
)
from towpath_engine.runs.queue import drop_jobs, requeue
from towpath_engine.runs.tables import RUNS, STEPS
from towpath_engine.runs.transitions import may_become
from towpath_engine.runs.waits import ended_child, lock_run, settle, wait_of
from towpath_engine.store.database import Transaction
from towpath_engine.store.tables import AUDIT

__all__ = ("end_outside", "end_run", "hand_back")


async def end_run(
    transaction: Transaction,
    fence: Fence,
    state: RunState,
    *,
    output: Any = None,
    error: ErrorInfo | None = None,
) -> None:
    """End a run, wipe its secrets, write the last event, and wake whom it held up.

    Raises:
        FenceLost: the attempt is not the current one; nothing is written.
    """
    await add_events(transaction, fence, [_last_event(state, error)])
    await _end(transaction, fence.run_id, state, output, error)


async def end_outside(
    transaction: Transaction,
    row: Mapping[Any, Any],
    state: RunState,
    *,
    error: ErrorInfo | None = None,
    events: Sequence[Event] = (),
) -> None:
    """End a run in the place of its worker, which loses its fence and its job.

    Args:
        transaction: holds the lock of the run's row.
        row: the run.
        state: its last; the table of transitions allows it.
        error: why.
        events: to be written before the last one.
    """
    if not may_become(row["state"], state):
        raise ValueError(f"A run that is {row['state']} cannot become {state}.")
    every = [*events, _last_event(state, error)]
    change = update(RUNS).where(RUNS.c.id == row["id"])
    await transaction.execute(
        change.values(
            # A worker that just got it, or works at it, loses.
            attempt=row["attempt"] + 1,
            turn=row["turn"] + 1,
            last_event=row["last_event"] + len(every),
        )
    )
    await insert_events(transaction, row["id"], row["last_event"] + 1, every)
    await drop_jobs(transaction, row["id"])
    await _end(transaction, row["id"], state, None, error)


async def hand_back(transaction: Transaction, fence: Fence) -> None:
    """Queue a run again that its worker cannot end, with a new job.

    Raises:
        FenceLost: the attempt is not the current one; nothing is written.
    """
    await add_events(transaction, fence, [Event("state", {"state": "queued"})])
    await transaction.execute(update(RUNS).where(RUNS.c.id == fence.run_id).values(state="queued"))
    await requeue(transaction, [fence.run_id])


def _last_event(state: RunState, error: ErrorInfo | None) -> Event:
    body: dict[str, Any] = {"state": state}
    if error is not None:
        body["error"] = msgspec.to_builtins(error)
    return Event("state", body)


async def _end(
    transaction: Transaction, run_id: UUID, state: RunState, output: Any, error: ErrorInfo | None
) -> None:
    change = (
        update(RUNS)
        .where(RUNS.c.id == run_id)
        .values(
            state=state,
            output=output,
            error=msgspec.to_builtins(error) if error else None,
            secrets=None,
            wake_at=None,
            cancel_by=None,
            held=None,
            holds_key=False,
            finished_at=CLOCK,
        )
        .returning(RUNS)
    )
    row = (await transaction.execute(change)).mappings().one()
    await _close_steps(transaction, run_id, state)
    await _tell_audit(transaction, row, error)
    await make_room(transaction, row, ended=True)
    await _tell_parent(transaction, row)


async def _close_steps(transaction: Transaction, run_id: UUID, state: RunState) -> None:
    c = STEPS.c
    open: StepState = "unknown" if state == "unknown" else "cancelled"
    # A run that went on another way than before has not come by steps that waited for it.
    passed: StepState = "skipped" if state == "succeeded" else "cancelled"
    for before, after in (("running", open), ("waiting", passed)):
        change = update(STEPS).where(c.run_id == run_id, c.state == before)
        await transaction.execute(change.values(state=after, finished_at=CLOCK))


async def _tell_audit(
    transaction: Transaction, row: Mapping[Any, Any], error: ErrorInfo | None
) -> None:
    detail = {"kind": row["kind"], "state": row["state"], "attempt": row["attempt"]}
    if error is not None:
        detail["error"] = error.code
    await transaction.execute(
        insert(AUDIT).values(
            at=CLOCK,
            actor=row["created_by"],
            token_id=None,
            action="runs:end",
            subject=str(row["id"]),
            run_id=row["id"],
            detail=detail,
        )
    )


async def _tell_parent(transaction: Transaction, row: Mapping[Any, Any]) -> None:
    """Wake the parent where it waits for this run. One that is not there yet looks for itself."""
    if row["parent_id"] is None:
        return
    parent = await lock_run(transaction, row["parent_id"])
    if parent is None or parent["state"] != "waiting":
        return
    step = await wait_of(transaction, row["parent_id"])
    if step is not None and step["wait"].get("run") == str(row["id"]):
        await settle(transaction, parent, step, ended_child(row))
