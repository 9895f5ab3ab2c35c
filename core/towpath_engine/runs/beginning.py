"""How an attempt at a run begins: its job is checked, its key taken, its fence raised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, update

from towpath_engine.runs.admission import held_by, hold
from towpath_engine.runs.journal import CLOCK, Event, insert_events
from towpath_engine.runs.tables import RUNS
from towpath_engine.runs.waits import lock_run, wait_of, write_outcome
from towpath_engine.store.database import Transaction

__all__ = ("Suspect", "begin_attempt", "is_late")


class Suspect(Exception):
    """Workers died on a run again and again: another is not to begin it beside one like it."""


async def begin_attempt(
    transaction: Transaction,
    run_id: UUID,
    turn: int,
    limits: Mapping[str, int] | None = None,
    *,
    suspect: int | None = None,
) -> Mapping[str, Any] | None:
    """Take the fence of a run and mark it as running, with an event.

    A run that waits is begun where its time has come by the database's clock; its wait is settled
    then. One whose key or queue is busy is held.

    Args:
        transaction: in which the run is locked.
        run_id: the run.
        turn: of the job that was delivered.
        limits: by queue, how many of its runs may be under way.
        suspect: a run on which so many workers died is not begun.

    Returns:
        The run's row with the new `attempt`, and `late`: whether its deadline is over. None when
        there is nothing to do: it is held, has ended, waits on, is unknown, or the job is of an
        earlier turn.

    Raises:
        Suspect: so many workers died on the run; nothing was changed.
    """
    row = await lock_run(transaction, run_id)
    if row is None or row["turn"] != turn or row["state"] not in ("queued", "running", "waiting"):
        return None
    events: list[Event] = []
    if row["state"] == "waiting":
        if not await _is_due(transaction, run_id):
            return None
        events = await _time_is_up(transaction, run_id)
    late = await is_late(transaction, run_id)
    if not late and (why := await held_by(transaction, row, limits or {})) is not None:
        await hold(transaction, row, why)
        return None
    if suspect is not None and row["state"] == "running" and row["crashes"] + 1 >= suspect:
        raise Suspect
    return {**await _raise_fence(transaction, row, events, late=late), "late": late}


async def _raise_fence(
    transaction: Transaction, row: Mapping[str, Any], events: list[Event], *, late: bool
) -> Mapping[Any, Any]:
    """Mark a run as running under its next attempt, and tell of it after `events`."""
    died = row["state"] == "running"
    events.append(Event("state", {"state": "running", "attempt": row["attempt"] + 1}))
    change = (
        update(RUNS)
        .where(RUNS.c.id == row["id"])
        .values(
            attempt=row["attempt"] + 1,
            state="running",
            held=None,
            wake_at=None,
            holds_key=row["holds_key"] or (row["concurrency_key"] is not None and not late),
            crashes=row["crashes"] + died,
            takeovers=row["takeovers"] + died,
            last_event=row["last_event"] + len(events),
            started_at=text("coalesce(started_at, clock_timestamp())"),
        )
        .returning(RUNS)
    )
    begun: Mapping[Any, Any] = (await transaction.execute(change)).mappings().one()
    await insert_events(transaction, row["id"], row["last_event"] + 1, events)
    return begun


async def is_late(transaction: Transaction, run_id: UUID) -> bool:
    """Whether the deadline of a run is over by the database's clock; without one it never is."""
    query = select(RUNS.c.id).where(RUNS.c.id == run_id, RUNS.c.deadline <= CLOCK)
    return (await transaction.execute(query)).first() is not None


async def _is_due(transaction: Transaction, run_id: UUID) -> bool:
    c = RUNS.c
    query = select(c.id).where(c.id == run_id, (c.wake_at <= CLOCK) | (c.deadline <= CLOCK))
    return (await transaction.execute(query)).first() is not None


async def _time_is_up(transaction: Transaction, run_id: UUID) -> list[Event]:
    """Settle the wait whose time is over: a pause has passed, anything else did not come."""
    step = await wait_of(transaction, run_id)
    if step is None:
        return []
    outcome = "passed" if step["wait"]["type"] == "time" else "timed-out"
    return [await write_outcome(transaction, run_id, step, {"outcome": outcome})]
