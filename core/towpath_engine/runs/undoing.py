"""Takes back what a run did: a dry listing, and a run of its own that does it.

Effects are taken back in the reverse order of their registration, those of child runs among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select

from towpath_core.errors import Conflict, NotFound
from towpath_core.identity import Principal
from towpath_core.runs import RUN_ENDED
from towpath_engine import audit
from towpath_engine.idempotency import Request, recall, remember
from towpath_engine.policy import PolicyGate
from towpath_engine.runs.deciding import check_may_write, check_reason, decision, note, own_run
from towpath_engine.runs.family import tree_of
from towpath_engine.runs.journal import ErrorInfo
from towpath_engine.runs.reading import row_of, sees
from towpath_engine.runs.records import no_run
from towpath_engine.runs.service import RunService
from towpath_engine.runs.tables import RUNS, UNDOS
from towpath_engine.runs.terms import Terms
from towpath_engine.store.database import Database, Transaction

__all__ = ("UNDO", "UndoInfo", "Undoing", "one_at_a_time", "undos_of")

UNDO = "undo"
"""The kind of runs that take others back."""

_OPEN = ("queued", "running", "waiting")


class UndoInfo(msgspec.Struct, frozen=True):
    """How an effect is taken back.

    Attributes:
        run_id: the run whose effect it is: the one that is looked at, or one below it.
        seq: its number within that run.
        step: key of the step that registered it.
        step_seq: number of that step.
        owner: whose code takes it back: `kind:`, `action:` or `provisioner:` and a name, or
            `platform`.
        name: what the owner is told to do.
        data: what with, JSON.
        state: `ready`, `done` or `failed`.
        error: why it failed.
        undone_by: the run that took it back, or tried.
        at: when it was registered.
    """

    run_id: UUID
    seq: int
    step: str
    step_seq: int
    owner: str
    name: str
    data: dict[str, Any]
    state: str
    error: ErrorInfo | None
    undone_by: UUID | None
    at: datetime


class Undoing:
    """Lists what runs have registered to be taken back, and has it taken back."""

    def __init__(self, database: Database, runs: RunService, policy: PolicyGate) -> None:
        self._database = database
        self._runs = runs
        self._policy = policy

    async def listing(self, principal: Principal, run_id: UUID) -> Sequence[UndoInfo]:
        """What would be taken back, in the order in which it would be done; nothing is done.

        Raises:
            NotFound: there is no such run that the asker may see.
        """
        async with self._database.begin() as transaction:
            row = await row_of(transaction, run_id)
            if row is None or not sees(principal, row):
                raise no_run(run_id)
            return await undos_of(transaction, run_id)

    async def start(
        self,
        principal: Principal,
        run_id: UUID,
        *,
        reason: str | None = None,
        key: str | None = None,
    ) -> UUID:
        """Have a run's effects taken back by a run of kind `undo`, and return that run's id.

        It acts with the rights of who asks. While one is under way, asking again gives its id.
        It goes on where one effect cannot be taken back, and fails at its end then; taking it up
        again tries what is left.

        Raises:
            NotFound: there is no such run that the asker may see.
            Conflict: it, or a run below it, has not ended; or there is nothing to take back.
            Forbidden: it is another's, a policy denies it, or the credentials lack `runs:write`.
        """
        check_may_write(principal)
        check_reason(reason)
        async with self._database.begin() as transaction:
            row = await own_run(transaction, principal, run_id)
        await self._policy.check(principal, "run:undo", row["kind"], {"run": str(run_id)})
        request = Request.of(principal, key, "undo", str(run_id))
        async with self._database.begin() as transaction:
            if (answer := await recall(transaction, request)) is not None:
                return UUID(answer)
            row = await own_run(transaction, principal, run_id)
            undo_id = await _under_way(transaction, run_id)
            if undo_id is None:
                undo_id = await self._accept(transaction, principal, row, reason)
            await remember(transaction, request, str(undo_id))
        return undo_id

    async def _accept(
        self,
        transaction: Transaction,
        principal: Principal,
        row: Mapping[str, Any],
        reason: str | None,
    ) -> UUID:
        run_id = row["id"]
        await _check_ended(transaction, run_id)
        left = [undo for undo in await undos_of(transaction, run_id) if undo.state != "done"]
        if not left:
            raise Conflict(
                f"Run {run_id} has left nothing that can be taken back.",
                why="Nothing was registered for it, or all of it was taken back.",
            )
        terms = Terms(
            queue=row["queue"], priority=row["priority"], key=row["concurrency_key"], undoes=run_id
        )
        title = f"Take back: {row['title']}"
        undo_id = await self._runs.create(
            transaction, principal, UNDO, title, {"run": str(run_id)}, terms=terms
        )
        await note(transaction, row, [decision(principal, UNDO, reason, run=str(undo_id))])
        detail = {"run": str(undo_id)} | ({"reason": reason} if reason else {})
        await audit.record(
            transaction, principal, "runs:undo", str(run_id), run_id=run_id, detail=detail
        )
        return undo_id


async def undos_of(transaction: Transaction, run_id: UUID) -> Sequence[UndoInfo]:
    """What a run and those below it have registered, the last one first."""
    family = await tree_of(transaction, run_id)
    c = UNDOS.c
    query = select(UNDOS).where(c.run_id.in_(family))
    query = query.order_by(c.at.desc(), c.run_id, c.seq.desc())
    return [_undo_of(row) for row in (await transaction.execute(query)).mappings()]


async def one_at_a_time(transaction: Transaction, row: Mapping[Any, Any]) -> None:
    """See that no other run takes back what a run of kind `undo` is to go on with.

    Raises:
        Conflict: one does.
        NotFound: the run that it takes back is not kept any more.
    """
    query = select(RUNS.c.id).where(RUNS.c.id == row["undoes"]).with_for_update()
    if (await transaction.execute(query)).first() is None:
        raise NotFound("The run that was taken back is not kept any more.")
    other = await _under_way(transaction, row["undoes"])
    if other is not None:
        raise Conflict(f"Run {other} takes it back already.")


async def _under_way(transaction: Transaction, run_id: UUID) -> UUID | None:
    query = select(RUNS.c.id).where(RUNS.c.undoes == run_id, RUNS.c.state.in_(_OPEN))
    return (await transaction.execute(query.limit(1))).scalar_one_or_none()


async def _check_ended(transaction: Transaction, run_id: UUID) -> None:
    family = await tree_of(transaction, run_id)
    query = select(RUNS.c.id, RUNS.c.state).where(RUNS.c.id.in_(family))
    for row in await transaction.execute(query):
        if row.state not in RUN_ENDED:
            raise Conflict(
                f"Run {row.id} is {row.state}; what is under way cannot be taken back.",
                next="Wait until it has ended, or cancel it.",
            )


def _undo_of(row: Mapping[Any, Any]) -> UndoInfo:
    return UndoInfo(
        run_id=row["run_id"],
        seq=row["seq"],
        step=row["step_key"],
        step_seq=row["step_seq"],
        owner=row["owner"],
        name=row["name"],
        data=msgspec.json.decode(row["data"]),
        state=row["state"],
        error=msgspec.convert(row["error"], ErrorInfo) if row["error"] else None,
        undone_by=row["undone_by"],
        at=row["at"],
    )
