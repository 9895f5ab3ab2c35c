"""What a worker notes down for metrics: itself, and how long the steps took that it did.

Step times are added up in memory and written every few seconds, because a row for each would make
steps slower. A worker that is killed takes the last seconds of them along; what runs come to is
counted by the database itself, and exact.
"""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence

from sqlalchemy import insert, text
from sqlalchemy.dialects.postgresql import insert as upsert

from towpath_engine.runs.journal import CLOCK
from towpath_engine.runs.measure_tables import STEP_TIMES, WORKERS
from towpath_engine.store.database import Database, Transaction

__all__ = ("BOUNDS", "StepClock", "StepTimes", "fold_counts", "register_worker")

BOUNDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, math.inf)
"""Upper bounds of the buckets, in seconds. Stored by their place: only add to them with care."""

_MOST = 1000
"""Kinds of step that one worker tells apart; the rest count as one action."""

_REST = "other"
_FOLD_SECONDS = 60.0

_Label = tuple[str, str, str, int]

_GONE = text(
    "DELETE FROM run_workers w WHERE NOT EXISTS"
    " (SELECT 1 FROM procrastinate_workers p WHERE p.id = w.worker_id)"
)


_FOLD = text(
    """
    WITH gone AS (DELETE FROM run_counts RETURNING name, kind, label, amount)
    INSERT INTO run_counts (name, kind, label, amount)
    SELECT name, kind, label, sum(amount) FROM gone GROUP BY name, kind, label
    """
)


class StepTimes:
    """How long steps took since that was last written; may be added to from any thread."""

    def __init__(self) -> None:
        self._seen: dict[_Label, tuple[int, float]] = {}
        self._actions: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._fold_at = 0.0

    def add(self, kind: str, action: str, state: str, seconds: float) -> None:
        """Note a step that ended.

        Args:
            kind: of its run.
            action: what it did, one of few: the action of a template's step, not its name.
            state: what it came to.
            seconds: how long it took, tries and waits for them included.
        """
        with self._lock:
            if (kind, action) not in self._actions:
                if len(self._actions) >= _MOST:
                    action = _REST
                else:
                    self._actions.add((kind, action))
            self._put((kind, action, state, bisect_left(BOUNDS, seconds)), 1, max(0.0, seconds))

    async def write(self, database: Database) -> None:
        """Add what was noted to what all workers have noted, and begin anew.

        Raises:
            DatabaseUnavailable: it is kept for the next time.
        """
        with self._lock:
            seen, self._seen = self._seen, {}
        if not seen:
            return
        try:
            async with database.begin() as transaction:
                await transaction.execute(_ADD, _rows(seen))
                if time.monotonic() > self._fold_at:
                    self._fold_at = time.monotonic() + _FOLD_SECONDS
                    await fold_counts(transaction)
        except BaseException:
            with self._lock:
                for label, (steps, seconds) in seen.items():
                    self._put(label, steps, seconds)
            raise

    def _put(self, label: _Label, steps: int, seconds: float) -> None:
        before = self._seen.get(label, (0, 0.0))
        self._seen[label] = (before[0] + steps, before[1] + seconds)


class StepClock:
    """Takes the time of one run's steps; of steps within steps, that of the outer one."""

    def __init__(self, times: StepTimes, kind: str) -> None:
        self._times = times
        self._kind = kind
        self._open: dict[str, tuple[str, float]] = {}

    def begin(self, key: str, owner: str) -> None:
        """A step begins, or goes on after a wait; `owner` is whose code does it."""
        self._open[key] = (owner, time.monotonic())

    def end(self, key: str, state: str) -> None:
        """A step has ended; one that was not seen to begin does not count."""
        begun = self._open.pop(key, None)
        if begun is not None and key.rpartition("/")[0] not in self._open:
            action = begun[0].removeprefix("action:") or self._kind
            self._times.add(self._kind, action, state, time.monotonic() - begun[1])


async def fold_counts(transaction: Transaction) -> None:
    """Put what was counted together; what is counted meanwhile waits for nothing and is not lost.

    Two that do it at once take different rows, because a row is deleted once.
    """
    await transaction.execute(_FOLD)


async def register_worker(
    database: Database, worker_id: int, queues: Sequence[str] | None, concurrency: int
) -> None:
    """Note a worker that the queue knows by a number, and forget those that it knows no more.

    Args:
        database: the platform's.
        worker_id: of the queue.
        queues: that it takes runs from; None for all.
        concurrency: how many at a time.
    """
    row = {
        "worker_id": worker_id,
        "queues": None if queues is None else sorted(queues),
        "concurrency": concurrency,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started_at": CLOCK,
    }
    async with database.begin() as transaction:
        await transaction.execute(_GONE)
        await transaction.execute(insert(WORKERS).values(**row))


def _rows(seen: Mapping[_Label, tuple[int, float]]) -> list[dict[str, object]]:
    # In one order: two workers that write at once must not wait for each other in a circle.
    names = ("kind", "action", "state", "bucket")
    return [
        {**dict(zip(names, label, strict=True)), "steps": steps, "seconds": seconds}
        for label, (steps, seconds) in sorted(seen.items())
    ]


_NEW = upsert(STEP_TIMES)
_ADD = _NEW.on_conflict_do_update(
    index_elements=["kind", "action", "state", "bucket"],
    set_={
        "steps": STEP_TIMES.c.steps + _NEW.excluded.steps,
        "seconds": STEP_TIMES.c.seconds + _NEW.excluded.seconds,
    },
)
