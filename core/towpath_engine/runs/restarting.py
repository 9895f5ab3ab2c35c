"""From where a run that ended goes on: which of its steps are done again.

Steps keep their numbers, and with them their idempotency keys. A step that is done again `waits`
until the run comes to it. One of which nobody knows whether it was done is `running`, as after
the death of its worker: whether it may be repeated, or must be looked for first, is its own to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from towpath_core.runs import StepState
from towpath_engine.runs.journal import Event
from towpath_engine.runs.tables import STEPS
from towpath_engine.store.database import Transaction

__all__ = ("again", "reset_steps", "unknown_step")

Step = Mapping[Any, Any]

_ENDED_BADLY = frozenset({"failed", "cancelled", "unknown", "running", "waiting"})


async def reset_steps(
    transaction: Transaction,
    row: Mapping[Any, Any],
    *,
    only_bad: bool = False,
    ask_again: bool = False,
) -> list[Event]:
    """Have the step that a run ended with, and all after it, done again.

    Args:
        transaction: holds the lock of the run's row.
        row: the run, which has ended.
        only_bad: what was done after it stays, where steps do not build on each other.
        ask_again: every yes that was given is asked for again: it was given to another input.

    Returns:
        The events that tell of it.
    """
    query = select(STEPS).where(STEPS.c.run_id == row["id"]).order_by(STEPS.c.seq)
    steps = [dict(step) for step in (await transaction.execute(query)).mappings()]
    chosen = _to_reset(steps, row["error"], only_bad=only_bad)
    if ask_again:
        chosen |= _approved(steps)
    return [await again(transaction, row["id"], step) for step in steps if step["seq"] in chosen]


async def again(
    transaction: Transaction, run_id: UUID, step: Step, *, looked: bool = False
) -> Event:
    """Have one step done again, and return the event that tells of it.

    Args:
        transaction: holds the lock of the run's row.
        run_id: the run.
        step: its row.
        looked: somebody made sure that it was not done, so that nothing looks for it again.
    """
    state: StepState = "running" if step["state"] == "unknown" and not looked else "waiting"
    # Counted here: to go on with a step that waits is no further attempt.
    attempts = 1 if looked else step["attempts"] + (state == "waiting")
    values = {"output": None, "error": None, "wait": None, "finished_at": None}
    change = update(STEPS).where(STEPS.c.run_id == run_id, STEPS.c.seq == step["seq"])
    await transaction.execute(change.values(state=state, attempts=attempts, **values))
    return Event("step", {"key": step["key"], "name": step["name"], "state": state})


def unknown_step(steps: Sequence[Step]) -> Step | None:
    """The step of which nobody knows whether it was done: the innermost, of several the first."""
    bad = [step for step in steps if step["state"] == "unknown"]
    inner = [step for step in bad if not _inside(bad, step)]
    visible = [step for step in inner if step["effect"] == "external"]
    return next(iter(visible or inner), None)


def _to_reset(steps: Sequence[Step], error: Any, *, only_bad: bool) -> set[int]:
    """The numbers of the steps that are done again."""
    done = [step for step in steps if step["state"] == "succeeded" and not _came_badly(step)]
    # What went wrong inside a step that was done all the same was dealt with there.
    live = [step for step in steps if not any(_contains(outer, step) for outer in done)]
    bad = [step for step in live if step["state"] in _ENDED_BADLY or _came_badly(step)]
    inner = [step for step in bad if not _inside(bad, step)]
    blamed = _to_blame(inner, steps, error)
    if blamed is None:
        return set()
    first = blamed["seq"]
    around = [step for step in bad if any(_contains(step, one) for one in _after(live, first))]
    chosen = {step["seq"] for step in around}
    chosen |= {step["seq"] for step in _after(bad if only_bad else live, first)}
    return chosen


def _approved(steps: Sequence[Step]) -> set[int]:
    """The numbers of the steps in which somebody said yes, and of those around them."""
    given = [
        step
        for step in steps
        if step["wait"] and step["wait"]["type"] == "approval" and step["state"] == "succeeded"
    ]
    around = [step for step in steps if _inside(given, step)]
    return {step["seq"] for step in (*given, *around)}


def _after(steps: Sequence[Step], first: int) -> list[Step]:
    return [step for step in steps if step["seq"] >= first and step["state"] != "skipped"]


def _to_blame(inner: Sequence[Step], steps: Sequence[Step], error: Any) -> Step | None:
    """The step that the run ended with; the first bad one where that cannot be told.

    A plugin may have dealt with a step that failed before, and gone on in another way.
    """

    def first(*states: str) -> Step | None:
        return next((step for step in inner if step["state"] in states), None)

    if (lost := first("unknown")) is not None or error is None:
        return lost or first("cancelled", "running", "waiting")
    for step in inner:
        if step["error"] and step["error"]["message"] == error["message"]:
            return step
    waits = [step for step in inner if step["state"] == "succeeded"]
    if waits and (waits[-1]["seq"] == steps[-1]["seq"] or _matches(waits[-1], error)):
        return waits[-1]
    return first("failed") or next(iter(inner), None)


def _matches(step: Step, error: Any) -> bool:
    outcome = step["output"]["outcome"]
    codes = {"timed-out": "timed-out", "rejected": "rejected", "ended": "step-failed"}
    return bool(error) and error["code"] == codes[outcome]


def _came_badly(step: Step) -> bool:
    """Whether a step is a wait for something that did not come, or not as it was wanted."""
    if step["state"] != "succeeded" or not step["wait"] or not step["output"]:
        return False
    outcome = step["output"]["outcome"]
    ended = outcome == "ended" and step["output"]["state"] != "succeeded"
    return ended or outcome in ("timed-out", "rejected")


def _inside(steps: Sequence[Step], outer: Step) -> bool:
    return any(_contains(outer, step) for step in steps)


def _contains(outer: Step, step: Step) -> bool:
    inside: bool = step["key"].startswith(f"{outer['key']}/")
    return inside
