"""Stops runs: asks them to, ends those that do not, and stops what they started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, text, update

from towpath_core.errors import Conflict, Invalid
from towpath_core.identity import Principal
from towpath_core.runs import RUN_ENDED
from towpath_engine import audit
from towpath_engine.runs.deciding import check_reason, decision, note, own_run
from towpath_engine.runs.family import forsaken, open_children, parent_stops
from towpath_engine.runs.journal import CLOCK
from towpath_engine.runs.records import RunInfo
from towpath_engine.runs.service import RunService
from towpath_engine.runs.stopping import Stopping, ended_by_force
from towpath_engine.runs.sweeping import CANCEL_CHANNEL
from towpath_engine.runs.tables import RUNS
from towpath_engine.runs.waits import lock_run
from towpath_engine.store.database import Database, Transaction

__all__ = ("PLATFORM", "Cancelling")

_MOST_GRACE = 86_400.0
_HEALING_GRACE = 30.0
PLATFORM = Principal("towpath", "platform", "service", "user:default/towpath")
"""Who stops runs that nobody waits for any more."""


class How(msgspec.Struct, frozen=True):
    """In which way a run is stopped; see `Cancelling.cancel`."""

    force: bool = False
    grace_seconds: float | None = None
    reason: str | None = None

    @property
    def detail(self) -> dict[str, Any]:
        """What the audit says of it."""
        every = {
            "force": self.force or None,
            "graceSeconds": self.grace_seconds,
            "reason": self.reason,
        }
        return {name: value for name, value in every.items() if value is not None}


class Cancelling:
    """What stops runs."""

    def __init__(self, database: Database, runs: RunService, stopping: Stopping) -> None:
        self._database = database
        self._runs = runs
        self._stopping = stopping

    async def cancel(
        self,
        principal: Principal,
        run_id: UUID,
        *,
        force: bool = False,
        grace_seconds: float | None = None,
        reason: str | None = None,
    ) -> RunInfo:
        """Ask a run to stop, and its children; one that no worker is at ends at once.

        Repeating it changes nothing, but for `force` and a shorter grace.

        Args:
            principal: who asks.
            run_id: the run.
            force: end it now, from outside, whatever its worker does; with a grace, then.
            grace_seconds: from now; it is ended from outside if it has not ended by then. Without
                it and `force` the run takes its time.
            reason: for its events and the audit.

        Raises:
            NotFound: there is no such run that the asker may see.
            Forbidden: it is another's, who asked for a yes.
            Conflict: it has ended otherwise.
            Invalid: the grace or the reason is too long.
        """
        check_reason(reason)
        how = How(force and grace_seconds is None, grace_seconds, reason)
        if grace_seconds is not None and not 0 <= grace_seconds <= _MOST_GRACE:
            raise Invalid(f"A grace is 0 to {_MOST_GRACE:,.0f} seconds.")
        async with self._database.begin() as transaction:
            row = await own_run(transaction, principal, run_id)
            stopped = row["state"] == "cancelled" or (
                row["state"] == "unknown" and row["cancel_requested"]
            )
            if row["state"] in RUN_ENDED and not stopped:
                raise Conflict(f"Run {run_id} has ended already: {row['state']}.")
            if not stopped:
                await self._ask(transaction, principal, row, how)
        for child in await open_children(self._database, run_id):
            await self._cancel_child(principal, child, how)
        return await self._runs.get(principal, run_id)

    async def _ask(
        self,
        transaction: Transaction,
        principal: Principal,
        row: Mapping[str, Any],
        how: How,
    ) -> None:
        running, asked = row["state"] == "running", row["cancel_requested"]
        if asked and running and not how.force and how.grace_seconds is None:
            return
        told = decision(principal, "cancel", how.reason, force=how.force or None)
        await audit.record(
            transaction,
            principal,
            "runs:cancel",
            str(row["id"]),
            run_id=row["id"],
            detail=how.detail,
        )
        change = update(RUNS).where(RUNS.c.id == row["id"])
        values: dict[str, Any] = {"cancel_requested": True}
        if running and not how.force:
            if not asked:
                await note(transaction, row, [told])
            if how.grace_seconds is not None:
                ends = CLOCK + func.make_interval(0, 0, 0, 0, 0, 0, how.grace_seconds)
                values["cancel_by"] = func.least(RUNS.c.cancel_by, ends)
            await transaction.execute(change.values(**values))
        else:
            await transaction.execute(change.values(**values))
            error = ended_by_force() if running else None
            await self._stopping.stop(transaction, row, error=error, events=[told])
        note_of = text("SELECT pg_notify(:c, :p)")
        await transaction.execute(note_of, {"c": CANCEL_CHANNEL, "p": str(row["id"])})

    async def _cancel_child(self, principal: Principal, child: UUID, how: How) -> None:
        async with self._database.begin() as transaction:
            row = await lock_run(transaction, child)
            if row is None or row["state"] in RUN_ENDED:
                return
            # Its parent may have been taken up again meanwhile.
            if await parent_stops(transaction, row):
                await self._ask(transaction, principal, row, how)
        for next in await open_children(self._database, child):
            await self._cancel_child(principal, next, how)

    async def heal(self) -> None:
        """Stop the children of runs that have ended, or stop, without having told them.

        For a worker to call now and then: whoever cancels a run may die before its children know.
        """
        why = "The run that started it has ended, or was asked to stop."
        for child in await forsaken(self._database):
            await self._cancel_child(PLATFORM, child, How(False, _HEALING_GRACE, why))
