"""How a run gives its worker back while it waits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import func, select, update

from towpath_core.errors import Cancelled
from towpath_engine.runs.admission import make_room
from towpath_engine.runs.context import RunContext
from towpath_engine.runs.ending import hand_back
from towpath_engine.runs.journal import CLOCK, Event, StepInfo, add_events, write_step
from towpath_engine.runs.outcomes import Wait
from towpath_engine.runs.queue import requeue
from towpath_engine.runs.tables import RUNS, STEPS
from towpath_engine.runs.waits import already_there, lock_run
from towpath_engine.store.database import Transaction

__all__ = ("park",)


async def park(run: RunContext, wait: Wait) -> None:
    """Journal the wait and let go of the run; where what it waits for is there, queue it again.

    Raises:
        Cancelled: the run was asked to stop meanwhile.
        FenceLost: another attempt goes on with the run.
    """
    async with run.writing() as transaction:
        # Locked, or what it waits for could come unseen between the look and the wait.
        row = await lock_run(transaction, run.id)
        if row is not None and row["cancel_requested"] and row["attempt"] == run.fence.attempt:
            raise Cancelled("The run was asked to stop.")
        outcome = await already_there(transaction, run.id, wait.what)
        step = await _step_of(transaction, run, wait, outcome)
        await write_step(transaction, run.fence, step)
        c = STEPS.c
        around = update(STEPS).where(c.run_id == run.id, c.state == "running")
        await transaction.execute(around.values(state="waiting"))
        if outcome is not None:
            await hand_back(transaction, run.fence)
        else:
            await _wait(transaction, run, step)
        await make_room(transaction, row or {}, ended=False)


async def _step_of(transaction: Transaction, run: RunContext, wait: Wait, outcome: Any) -> StepInfo:
    before = run.known(wait.key)
    seq = run.next_seq(wait.key)
    what = dict(wait.what)
    if before is not None and before.state == "waiting" and before.wait:
        # It goes on waiting: its time began when it was first come to.
        what = before.wait
    elif wait.until is not None:
        what["until"] = msgspec.to_builtins(wait.until)
    elif wait.seconds is not None:
        ends = CLOCK + func.make_interval(0, 0, 0, 0, 0, 0, wait.seconds)
        moment = (await transaction.execute(select(ends))).scalar_one()
        what["until"] = msgspec.to_builtins(moment)
    state = "waiting" if outcome is None else "succeeded"
    return StepInfo(seq, wait.key, wait.name, state, 1, outcome, None, "pure", what)  # type: ignore[arg-type]


async def _wait(transaction: Transaction, run: RunContext, step: StepInfo) -> None:
    told = {"key": step.key, "name": step.name, **step.wait}
    events = [Event("wait", told), Event("state", {"state": "waiting"})]
    await add_events(transaction, run.fence, events)
    until = step.wait.get("until")
    change = update(RUNS).where(RUNS.c.id == run.id)
    wake_at = msgspec.convert(until, datetime) if until else None
    await transaction.execute(change.values(state="waiting", wake_at=wake_at, turn=RUNS.c.turn + 1))
    if wake_at is not None:
        await requeue(transaction, [run.id])
