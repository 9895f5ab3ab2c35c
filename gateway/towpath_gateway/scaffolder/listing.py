"""The list of tasks, which pages by offset and counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from towpath_core.errors import Invalid
from towpath_engine.runs.listing import Order, RunFilter
from towpath_gateway.ask import Ask
from towpath_gateway.scaffolder.wire import STATUS, TaskList, TaskWire, states_of

__all__ = ("MOST_COUNTED", "listed", "read_order")

MOST_COUNTED = 10_000
"""How many tasks are counted; of more it is told that there are so many."""

_FIELDS = {"created_at": "created_at", "status": "state", "created_by": "created_by"}


def read_order(texts: Sequence[str]) -> list[Order]:
    """Read what tasks are to be ordered by, such as `desc:created_at`.

    Raises:
        Invalid: it is no such text.
    """
    found = []
    for text in texts:
        direction, _, name = text.partition(":")
        if direction not in ("asc", "desc") or name not in _FIELDS:
            raise Invalid(
                f"Invalid order parameter {text[:80]!r}.",
                next="Expected asc or desc, a colon, and created_at, status or created_by.",
            )
        found.append(Order(cast(Any, _FIELDS[name]), direction == "desc"))
    return found


async def listed(
    request: Ask,
    created_by: Sequence[str],
    statuses: Sequence[str],
    order: Sequence[Order],
    *,
    limit: int,
    offset: int,
) -> TaskList:
    """Tasks of certain people in certain states, and how many there are.

    A status that no task ever has lets none through.
    """
    states = tuple(state for status in statuses for state in states_of(status))
    if statuses and not states:
        return TaskList([], 0)
    wanted = RunFilter(kind="scaffold", states=states, created_by=tuple(created_by))
    runs, total = await request.platform.runs.page(
        request.principal,
        wanted,
        order,
        STATUS,
        limit=limit,
        offset=offset,
        most=MOST_COUNTED,
    )
    return TaskList([TaskWire.of(run) for run in runs], total)
