"""Runs that runs start: with the rights of their parent, once a step, and not without end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import select

from towpath_core.errors import Cancelled, LimitExceeded
from towpath_core.runs import RUN_ENDED
from towpath_engine.runs.context import RunContext
from towpath_engine.runs.control import RunControl
from towpath_engine.runs.family import depth_of, tree_of
from towpath_engine.runs.journal import FenceLost
from towpath_engine.runs.starting import Starters
from towpath_engine.runs.tables import RUNS
from towpath_engine.runs.terms import Terms
from towpath_engine.runs.waits import lock_run
from towpath_engine.store.database import Database, Transaction

__all__ = ("Children",)

_MOST_DEPTH = 8
_MOST_FAMILY = 1000


class Children:
    """Starts runs in the name of others; see `towpath_engine.runs.context.Starting`."""

    def __init__(self, database: Database, starters: Starters, control: RunControl) -> None:
        self._database = database
        self._starters = starters
        self._control = control

    async def start_child(
        self,
        parent: RunContext,
        step: str,
        kind: str,
        input: Mapping[str, Any],
        secrets: Mapping[str, str] | None,
    ) -> UUID:
        """Accept a run with the parent's rights; the same one when asked again for one step.

        Where the parent was taken up again at this step, the child is, with this input.

        Raises:
            FenceLost: another attempt goes on with the parent.
            Cancelled: the parent was asked to stop.
            LimitExceeded: too deep below the first run, or that has started too many.
            NotFound, Invalid, Forbidden: it cannot be started.
            Conflict: it cannot be taken up again.
        """
        run_id = uuid5(parent.id, step)
        plain = parent.buffer.plain(dict(input))
        query = select(RUNS.c.state).where(RUNS.c.id == run_id)
        async with self._database.begin() as transaction:
            state = (await transaction.execute(query)).scalar_one_or_none()
        if state is None:
            await self._start(parent, step, run_id, kind, plain, secrets)
        elif state != "succeeded" and state in RUN_ENDED and _is_done_again(parent, step):

            async def guard(transaction: Transaction) -> None:
                await _check_going(transaction, parent)

            await self._control.take_up(
                parent.principal, run_id, input=plain, secrets=secrets, guard=guard
            )
        return run_id

    async def _start(
        self,
        parent: RunContext,
        step: str,
        run_id: UUID,
        kind: str,
        input: Mapping[str, Any],
        secrets: Mapping[str, str] | None,
    ) -> None:
        prepared = await self._starters.prepare(parent.principal, kind, input, secrets=secrets)
        async with parent.writing() as transaction:
            row = await _check_going(transaction, parent)
            await _check_room(transaction, parent.id)
            terms = Terms(
                id=run_id,
                priority=row["priority"],
                deadline=row["deadline"],
                parent=(parent.id, step),
            )
            await self._starters.accept_prepared(
                transaction, parent.principal, prepared, terms=terms
            )


def _is_done_again(parent: RunContext, step: str) -> bool:
    """Whether the step waits to be done again, as one does of a run that was taken up again."""
    known = parent.known(step)
    return known is not None and known.state == "waiting" and known.wait is None


async def _check_going(transaction: Transaction, parent: RunContext) -> Mapping[Any, Any]:
    """The row of a parent, locked, whose attempt this still is.

    Raises:
        FenceLost: it is not.
        Cancelled: it was asked to stop, and with it its children.
    """
    row = await lock_run(transaction, parent.id)
    if row is None or row["attempt"] != parent.fence.attempt or row["state"] != "running":
        raise FenceLost(f"Run {parent.id} is no longer at attempt {parent.fence.attempt}.")
    if row["cancel_requested"]:
        raise Cancelled("The run was asked to stop.")
    return row


async def _check_room(transaction: Transaction, parent_id: UUID) -> None:
    """See that a run may start another: a run that starts its like must come to an end.

    Raises:
        LimitExceeded: it may not.
    """
    root, depth = await depth_of(transaction, parent_id, _MOST_DEPTH)
    if depth >= _MOST_DEPTH:
        raise LimitExceeded(f"Runs start runs to a depth of {_MOST_DEPTH}.")
    if len(await tree_of(transaction, root)) > _MOST_FAMILY:
        raise LimitExceeded(f"Run {root} and those below it have started {_MOST_FAMILY} runs.")
