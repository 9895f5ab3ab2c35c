"""Whether a run may begin now: its key must be free, and its queue below its limit.

A run that may not is held: it stays queued without a job, so that it costs no worker, until one
that ends or waits makes room for it. The key stays with a run from its first step to its end, also
while it waits; a place in its queue is given up while it waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select, text, tuple_, update

from towpath_engine.runs.queue import requeue
from towpath_engine.runs.tables import RUNS
from towpath_engine.store.database import Transaction

__all__ = ("held_by", "hold", "make_room", "release_all")

_LOCK = 0x70_77_70_06


async def held_by(
    transaction: Transaction, row: Mapping[Any, Any], limits: Mapping[str, int]
) -> str | None:
    """Why a run cannot begin, `key` or `queue`; None where it can, until the transaction ends.

    Args:
        transaction: in which it begins then.
        row: the run, locked.
        limits: by queue, how many of its runs may be under way; without limit where it is missing.
    """
    c = RUNS.c
    if (key := row["concurrency_key"]) is not None and not row["holds_key"]:
        await _alone(transaction, f"key:{key}")
        mine = (row["priority"], row["created_at"], row["id"])
        # In order: one that is urgent, or was accepted earlier, is not overtaken.
        first = (c.state == "queued") & (
            (c.priority > mine[0])
            | ((c.priority == mine[0]) & (tuple_(c.created_at, c.id) < tuple_(*mine[1:])))
        )
        before = select(c.id).where(c.concurrency_key == key, c.id != mine[2], c.holds_key | first)
        if (await transaction.execute(before.limit(1))).first() is not None:
            return "key"
    if (limit := limits.get(row["queue"])) is not None and row["state"] != "running":
        await _alone(transaction, f"queue:{row['queue']}")
        busy = select(func.count()).where(c.queue == row["queue"], c.state == "running")
        if (await transaction.execute(busy)).scalar_one() >= limit:
            return "queue"
    return None


async def hold(transaction: Transaction, row: Mapping[Any, Any], why: str) -> None:
    """Leave a run queued without a job."""
    await transaction.execute(
        update(RUNS).where(RUNS.c.id == row["id"]).values(held=why, turn=RUNS.c.turn + 1)
    )


async def make_room(transaction: Transaction, row: Mapping[Any, Any], *, ended: bool) -> None:
    """Give a job to the runs that were held for the one that ended, or waits now."""
    c = RUNS.c
    first = (
        select(c.id)
        .order_by(c.priority.desc(), c.created_at, c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    wanted = [first.where(c.queue == row["queue"], c.held == "queue")]
    if ended and row["concurrency_key"] is not None:
        mine = c.concurrency_key == row["concurrency_key"]
        wanted.append(first.where(mine, c.held == "key"))
    for query in wanted:
        await requeue(transaction, list((await transaction.execute(query)).scalars()))


async def release_all(transaction: Transaction, limits: Mapping[str, int]) -> None:
    """Give a job to every held run that could begin now; the sweep's part, for what was missed."""
    free = []
    for row in (await transaction.execute(_FREE)).mappings():
        room = limits[row["queue"]] - row["busy"] if row["queue"] in limits else row["place"]
        if row["held"] == "key" or row["place"] <= room:
            free.append(row["id"])
    await requeue(transaction, free)


_FREE = text(
    """
    SELECT id, queue, held, place, busy FROM (
        SELECT r.id, r.queue, r.held, r.priority, r.created_at,
            row_number() OVER (
                PARTITION BY r.held, CASE r.held WHEN 'key' THEN r.concurrency_key ELSE r.queue END
                ORDER BY r.priority DESC, r.created_at, r.id) AS place,
            (SELECT count(*) FROM runs b WHERE b.queue = r.queue AND b.state = 'running') AS busy,
            EXISTS (SELECT 1 FROM runs h
                WHERE h.concurrency_key = r.concurrency_key AND h.holds_key) AS taken
        FROM runs r WHERE r.held IS NOT NULL
    ) waiting
    WHERE held = 'queue' OR place = 1 AND NOT taken
    """
)


async def _alone(transaction: Transaction, what: str) -> None:
    # Two that begin at once must see each other.
    query = text("SELECT pg_advisory_xact_lock(:lock, hashtext(:what))")
    await transaction.execute(query, {"lock": _LOCK, "what": what})
