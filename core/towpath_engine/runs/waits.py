"""What a run waits for, and what becomes of it: the step of the wait is settled, the run woken.

A wait is a step of the run. Whoever brings what it waits for writes the outcome as the step's
output, in one transaction with the run's new job. The caller holds the lock of the run's row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import delete, select, update

from towpath_core.runs import RUN_ENDED
from towpath_engine.runs.journal import CLOCK, Event, insert_events
from towpath_engine.runs.queue import requeue
from towpath_engine.runs.tables import RUNS, SIGNALS, STEPS
from towpath_engine.store.database import Transaction

__all__ = ("already_there", "ended_child", "lock_run", "settle", "wait_of", "wake", "write_outcome")


async def lock_run(transaction: Transaction, run_id: UUID) -> Mapping[Any, Any] | None:
    """The row of a run, locked until the transaction ends; None where there is none."""
    query = select(RUNS).where(RUNS.c.id == run_id).with_for_update()
    row = (await transaction.execute(query)).mappings().one_or_none()
    return dict(row) if row is not None else None


async def wait_of(transaction: Transaction, run_id: UUID) -> Mapping[Any, Any] | None:
    """The row of the step that a run waits at; None where it waits for nothing."""
    c = STEPS.c
    query = select(STEPS).where(c.run_id == run_id, c.state == "waiting", c.wait.is_not(None))
    found = (await transaction.execute(query.order_by(c.seq.desc()).limit(1))).mappings().first()
    return dict(found) if found is not None else None


async def settle(
    transaction: Transaction, row: Mapping[Any, Any], step: Mapping[Any, Any], outcome: Any
) -> None:
    """Write the outcome of a wait and wake the run: it is queued, with a job.

    Args:
        transaction: holds the lock of the run's row.
        row: the run, which waits.
        step: the step of the wait.
        outcome: JSON with `outcome`: `came`, `passed`, `timed-out`, `approved`, `rejected` or
            `ended`.
    """
    await wake(transaction, row, [await write_outcome(transaction, row["id"], step, outcome)])


async def write_outcome(
    transaction: Transaction, run_id: UUID, step: Mapping[Any, Any], outcome: Mapping[str, Any]
) -> Event:
    """Write the outcome of a wait as its step's output, and return the event that tells of it."""
    change = update(STEPS).where(STEPS.c.run_id == run_id, STEPS.c.seq == step["seq"])
    await transaction.execute(change.values(state="succeeded", output=outcome, finished_at=CLOCK))
    told = {"key": step["key"], "type": step["wait"]["type"], "outcome": outcome["outcome"]}
    told |= {name: outcome[name] for name in ("by", "reason", "run") if outcome.get(name)}
    return Event("wait", told)


async def wake(
    transaction: Transaction, row: Mapping[Any, Any], events: Sequence[Event] = ()
) -> None:
    """Queue a run that waits, with a job, whatever it waited for."""
    every = [*events, Event("state", {"state": "queued"})]
    change = update(RUNS).where(RUNS.c.id == row["id"])
    await transaction.execute(
        change.values(state="queued", wake_at=None, last_event=row["last_event"] + len(every))
    )
    await insert_events(transaction, row["id"], row["last_event"] + 1, every)
    await requeue(transaction, [row["id"]])


async def already_there(transaction: Transaction, run_id: UUID, wait: Mapping[str, Any]) -> Any:
    """What a wait that begins waits for, where it came before; None where it has not.

    A signal is taken: the next wait for that name gets the next one.
    """
    if wait["type"] == "signal":
        c = SIGNALS.c
        query = select(c.id).where(c.run_id == run_id, c.name == wait["event"])
        first = (await transaction.execute(query.order_by(c.id).limit(1))).scalar_one_or_none()
        if first is None:
            return None
        taken = delete(SIGNALS).where(c.id == first).returning(c.body, c.by, c.at)
        row = (await transaction.execute(taken)).one()
        at = msgspec.to_builtins(row.at)
        return {"outcome": "came", "body": row.body, "by": row.by, "at": at}
    if wait["type"] == "child":
        query = select(RUNS).where(RUNS.c.id == UUID(wait["run"]))
        child = (await transaction.execute(query)).mappings().one_or_none()
        return ended_child(child) if child is None or child["state"] in RUN_ENDED else None
    return None


def ended_child(child: Mapping[Any, Any] | None) -> Any:
    """The outcome of a wait for a run that has ended, or is not there any more."""
    if child is None:
        return {"outcome": "ended", "state": "failed", "output": None, "error": None}
    return {
        "outcome": "ended",
        "run": str(child["id"]),
        "state": child["state"],
        "output": child["output"],
        "error": child["error"],
    }
