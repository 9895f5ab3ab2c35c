"""What a step or a wait came to, as the code that asked for it gets it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from towpath_core.errors import StepFailed, restored
from towpath_core.runs import Approval, Rejected, Retry, TimedOut
from towpath_engine.runs.journal import StepInfo

__all__ = ("Wait", "approved", "as_before", "came", "child_output", "pause")


class Wait(msgspec.Struct, frozen=True):
    """A wait that a run comes to: its step, what for, and how long at most.

    Attributes:
        key: of its step.
        name: for people.
        what: JSON with `type` and what belongs to it.
        seconds: until it is over by itself, from now.
        until: instead of `seconds`, the moment.
    """

    key: str
    name: str
    what: Mapping[str, Any]
    seconds: float | None = None
    until: datetime | None = None


def as_before(step: StepInfo) -> Any:
    """What a step came to that was done: its output, or the error that it failed with.

    The error is of the class it was of, so that code which catches it goes the same way.
    """
    if (error := step.error) is not None:
        raise restored(
            error.code, error.message, why=error.why, next=error.next, problems=error.problems
        )
    return step.output


def came(outcome: Mapping[str, Any], event: str) -> Any:
    """The body of the signal that was waited for.

    Raises:
        TimedOut: it did not come in time.
    """
    if outcome["outcome"] == "timed-out":
        raise TimedOut(f"The signal {event!r} did not come in time.")
    return outcome["body"]


def approved(outcome: Mapping[str, Any], question: str) -> Approval:
    """The yes that was waited for.

    Raises:
        Rejected: somebody said no.
        TimedOut: nobody answered in time.
    """
    if outcome["outcome"] == "timed-out":
        raise TimedOut(f"Nobody has answered in time: {question}")
    if outcome["outcome"] == "rejected":
        raise Rejected(f"{outcome['by']} said no: {question}", why=outcome.get("reason"))
    at = msgspec.convert(outcome["at"], datetime)
    return Approval(outcome["by"], at, outcome.get("reason"))


def child_output(outcome: Mapping[str, Any], kind: str) -> Any:
    """The output of a child run.

    Raises:
        StepFailed: it did not succeed.
    """
    if outcome["state"] == "succeeded":
        return outcome["output"]
    error = outcome.get("error") or {}
    which = f"{kind} run {outcome['run']}" if outcome.get("run") else f"{kind} run"
    raise StepFailed(
        f"The {which} ended as {outcome['state']}.",
        why=error.get("message"),
        next=error.get("next"),
    )


def pause(retry: Retry, attempt: int) -> float:
    """How long to wait after a failed attempt, counted from 1, in seconds."""
    # Full jitter: runs that failed together must not come back together.
    longest = min(retry.most_seconds, retry.first_seconds * 2 ** (attempt - 1))
    return random.uniform(0, longest)  # noqa: S311
