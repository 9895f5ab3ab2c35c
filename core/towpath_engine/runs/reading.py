"""A run as it is read: its row, who may see it, what it waits for, and its events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ColumnElement, Text, case, cast, func, or_, select
from sqlalchemy.dialects.postgresql import JSONB

from towpath_core.identity import Principal
from towpath_engine.runs.listing import APPROVAL, LISTED_BYTES, references_of
from towpath_engine.runs.records import RunEvent, RunWait, may_see
from towpath_engine.runs.tables import EVENTS, RUNS, STEPS
from towpath_engine.store.database import Transaction

__all__ = ("read_events", "row_of", "sees", "waits_of")

_MOST_BYTES = 8 * 1024 * 1024


async def row_of(
    transaction: Transaction, run_id: UUID, *, whole: bool = False
) -> Mapping[Any, Any] | None:
    """The row of a run, with `approvers`: all who were ever asked for a yes; None for no run.

    Its input and output are there only where it is asked for as a `whole`: they may be big.
    """
    asked = (
        select(func.json_agg(STEPS.c.wait.op("->")("approvers")))
        .where(STEPS.c.run_id == run_id, STEPS.c.wait.op("->>")("type") == APPROVAL)
        .scalar_subquery()
    )
    left_out = {"secrets"} if whole else {"secrets", "input", "output"}
    columns = (one for one in RUNS.c if one.name not in left_out)
    query = select(*columns, asked.label("approvers")).where(RUNS.c.id == run_id)
    return (await transaction.execute(query)).mappings().one_or_none()


def sees(principal: Principal, row: Mapping[Any, Any]) -> bool:
    """Whether a run that `row_of` read is the asker's own, asks the asker, or any for an admin."""
    if may_see(principal, row):
        return True
    names = references_of(principal)
    return any(ref.lower() in names for refs in row["approvers"] or () for ref in refs or ())


async def waits_of(
    transaction: Transaction, run_ids: Iterable[UUID], *, brief: bool = False
) -> Mapping[UUID, Sequence[RunWait]]:
    """What the steps of runs wait for, in the order of the steps; `brief`: no big subjects."""
    c = STEPS.c
    found: dict[UUID, list[RunWait]] = defaultdict(list)
    if not (ids := list(run_ids)):
        return found
    query = (
        select(c.run_id, c.key, c.name, _brief() if brief else c.wait)
        .where(c.run_id.in_(ids), c.state == "waiting", c.wait.is_not(None))
        .order_by(c.run_id, c.seq)
    )
    for row in await transaction.execute(query):
        found[row.run_id].append(RunWait.of(row.key, row.name, row.wait))
    return found


def _brief() -> ColumnElement[Any]:
    """A wait without its subject where that is big, such as a plan of a thousand lines."""
    whole = STEPS.c.wait
    without = cast(cast(whole, JSONB).op("-")(cast("subject", Text)), JSON)
    return case((func.octet_length(cast(whole, Text)) > LISTED_BYTES, without), else_=whole).label(
        "wait"
    )


async def read_events(
    transaction: Transaction, run_id: UUID, after: int, limit: int
) -> Sequence[RunEvent]:
    """Events with a higher number than `after`, in order: at most `limit`, and 8 MiB of bodies.

    Of more, the first ones; at least one, however big it is.
    """
    c = EVENTS.c
    page = (
        select(c.seq, c.type, c.body, c.at)
        .where(c.run_id == run_id, c.seq > after)
        .order_by(c.seq)
        .limit(limit)
        .subquery()
    )
    size = func.sum(func.octet_length(cast(page.c.body, Text))).over(order_by=page.c.seq)
    sized = select(page, size.label("size")).subquery()
    fits = or_(sized.c.size <= _MOST_BYTES, sized.c.seq == after + 1)
    query = select(sized.c.seq, sized.c.type, sized.c.body, sized.c.at).where(fits)
    rows = (await transaction.execute(query.order_by(sized.c.seq))).all()
    return [RunEvent(row.seq, row.type, row.body, row.at) for row in rows]
