"""Rows of schedules: found by whom they belong to, locked, changed and written down."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, update

from towpath_core.errors import Conflict, LimitExceeded
from towpath_core.identity import Principal
from towpath_engine import audit
from towpath_engine.runs.journal import CLOCK
from towpath_engine.runs.schedule_records import ScheduleChanged, no_schedule
from towpath_engine.runs.schedule_tables import SCHEDULES
from towpath_engine.store.database import Transaction

__all__ = (
    "check_number",
    "find_schedule",
    "lock_schedule",
    "moment_of",
    "record",
    "take_name",
    "update_schedule",
)

_MOST = 200
"""Schedules of one principal."""


async def moment_of(transaction: Transaction) -> datetime:
    """The database's time."""
    moment: datetime = (await transaction.execute(select(CLOCK))).scalar_one()
    return moment


async def check_number(transaction: Transaction, principal: Principal) -> None:
    """See that somebody may have one schedule more.

    Raises:
        LimitExceeded: there are as many as there may be.
    """
    # Two that are made at once must see each other.
    actor = audit.actor_of(principal)
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 8))")
    await transaction.execute(lock, {"name": actor})
    query = select(func.count()).where(SCHEDULES.c.created_by == actor)
    if (await transaction.execute(query)).scalar_one() >= _MOST:
        raise LimitExceeded(f"You have {_MOST} schedules; that is the most there may be.")


async def take_name(transaction: Transaction, name: str) -> None:
    """Have a name for oneself until the transaction ends.

    Raises:
        Conflict: a schedule has it.
    """
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 9))")
    await transaction.execute(lock, {"name": name})
    query = select(SCHEDULES.c.id).where(SCHEDULES.c.name == name)
    if (await transaction.execute(query)).first() is not None:
        raise Conflict(f"There is a schedule {name} already.", next="Choose another name.")


async def find_schedule(
    transaction: Transaction, principal: Principal, which: str, *, lock: bool = False
) -> Mapping[Any, Any]:
    """The row of a schedule, by id or name, optionally locked.

    Raises:
        NotFound: there is none that the asker may see.
    """
    c = SCHEDULES.c
    try:
        query = select(SCHEDULES).where(c.id == UUID(which))
    except ValueError:
        query = select(SCHEDULES).where(c.name == which)
    if lock:
        query = query.with_for_update()
    row = (await transaction.execute(query)).mappings().one_or_none()
    mine = row is not None and row["created_by"] == audit.actor_of(principal)
    if row is None or not (mine or principal.is_admin):
        raise no_schedule(which)
    return dict(row)


async def lock_schedule(
    transaction: Transaction, principal: Principal, which: str, match: tuple[str, ...] | None
) -> Mapping[Any, Any]:
    """The row of a schedule that is to be changed.

    Args:
        transaction: holds the lock.
        principal: who asks.
        which: id or name.
        match: tags of which it must have one, `*` for any; None where nothing is demanded.

    Raises:
        NotFound: there is none that the asker may see.
        ScheduleChanged: it has none of the tags.
    """
    row = await find_schedule(transaction, principal, which, lock=True)
    seen = {tag.partition("-")[0] for tag in match or ()}
    if match is not None and "*" not in match and str(row["version"]) not in seen:
        raise ScheduleChanged(
            f"{row['name']} is not what it was.",
            why="If-Match names another state of it.",
            next="Read it, look at what changed, and write with the ETag of now.",
        )
    return row


async def update_schedule(
    transaction: Transaction, row: Mapping[Any, Any], values: Mapping[str, Any]
) -> None:
    """Change a locked row, and count the change."""
    change = update(SCHEDULES).where(SCHEDULES.c.id == row["id"])
    counted = {**values, "version": row["version"] + 1, "updated_at": CLOCK}
    await transaction.execute(change.values(**counted))


async def record(
    transaction: Transaction,
    principal: Principal,
    verb: str,
    row: Mapping[Any, Any],
    *,
    run_id: UUID | None = None,
    **detail: Any,
) -> None:
    """Write down who does what to a schedule."""
    detail = {"name": row["name"], "kind": row["kind"], **detail}
    subject = str(row["id"])
    await audit.record(
        transaction, principal, f"schedules:{verb}", subject, run_id=run_id, detail=detail
    )
