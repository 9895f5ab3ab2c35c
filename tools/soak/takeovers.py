"""Who worked at which run when, as followers saw it, and how long takeovers took."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from history import Seen
from towpath_soak.kinds import ATTEMPT, WORK

__all__ = ("Attempt", "Strike", "attempts", "takeover_seconds")


class Strike(NamedTuple):
    """A fault that a worker does not survive, or not in time, and when it came."""

    worker: str
    at: float


class Attempt(NamedTuple):
    """One attempt at a run; `over` when it gave the run up by itself."""

    number: int
    began: float
    worker: str | None
    over: float | None


def attempts(seen: Sequence[Seen]) -> list[Attempt]:
    """The attempts that a run's events tell of, in order."""
    found: list[Attempt] = []
    for event in seen:
        if event.type == "state":
            if event.body.get("state") == "running":
                found.append(Attempt(event.body.get("attempt", 0), event.at, None, None))
            elif found and found[-1].over is None:
                found[-1] = found[-1]._replace(over=event.at)
        elif event.type in (ATTEMPT, WORK) and found:
            found[-1] = found[-1]._replace(worker=event.body["worker"])
    return found


def takeover_seconds(seen: Mapping[str, Sequence[Seen]], strikes: Sequence[Strike]) -> list[float]:
    """How long each run whose worker was struck waited for its next attempt."""
    struck = {strike.worker: strike.at for strike in strikes}
    waited = []
    for events in seen.values():
        tries = attempts(events)
        for before, after in itertools.pairwise(tries):
            at = struck.get(before.worker or "")
            if at is not None and before.over is None and before.began < at < after.began:
                waited.append(after.began - at)
    return waited
