"""The list of tasks: pages by offset over runs, which are kept in pages by time."""

from __future__ import annotations

from collections.abc import Sequence

from towpath_gateway.ask import Ask
from towpath_gateway.scaffolder.wire import TaskList, TaskWire, state_of

__all__ = ("MOST_COUNTED", "listed")

MOST_COUNTED = 2000
"""How far back tasks are looked at; older ones are neither listed nor counted here."""

_PAGE = 200


async def listed(
    request: Ask,
    created_by: Sequence[str],
    statuses: Sequence[str],
    *,
    limit: int,
    offset: int,
) -> TaskList:
    """Tasks of certain people in certain states, newest first, and how many there are.

    A status that no task ever has lets none through. Of the newest 2,000 runs at the most.
    """
    states = {state_of(status) for status in statuses}
    owners = {ref.lower() for ref in created_by}
    tasks: list[TaskWire] = []
    total = seen = 0
    before = None
    while seen < MOST_COUNTED:
        page = await request.platform.runs.list(
            request.principal, kind="scaffold", limit=_PAGE, before=before
        )
        for run in page:
            if (states and run.state not in states) or (
                owners and run.created_ref.lower() not in owners
            ):
                continue
            if offset <= total < offset + limit:
                tasks.append(TaskWire.of(run))
            total += 1
        seen += len(page)
        if len(page) < _PAGE:
            break
        before = (page[-1].created_at, page[-1].id)
    return TaskList(tasks, total)
