"""Which state of a run may follow which: the one table that all writes go by."""

from __future__ import annotations

from collections.abc import Mapping

from towpath_core.runs import RunState

__all__ = ("TRANSITIONS", "may_become")

TRANSITIONS: Mapping[RunState, frozenset[RunState]] = {
    # A worker takes it; somebody stops it first: then a step may be open that was handed back.
    "queued": frozenset({"running", "cancelled", "unknown"}),
    # It goes on at another worker (`running` again), is handed back, waits, or ends.
    "running": frozenset(
        {"running", "queued", "waiting", "succeeded", "failed", "cancelled", "unknown"}
    ),
    # What it waited for came; its time came, and a worker takes it at once; somebody stops it.
    "waiting": frozenset({"queued", "running", "cancelled"}),
    "succeeded": frozenset(),
    # Taken up again where it stopped.
    "failed": frozenset({"queued"}),
    "cancelled": frozenset({"queued"}),
    # Somebody looked, and said what became of the open step.
    "unknown": frozenset({"queued"}),
}


def may_become(before: RunState, after: RunState) -> bool:
    """Whether a run in one state may go to another."""
    return after in TRANSITIONS[before]
