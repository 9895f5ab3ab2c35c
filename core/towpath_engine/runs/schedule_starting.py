"""Starts a run of a schedule, where its runs of before let it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import func, select

from towpath_core.errors import Conflict, Forbidden, LimitExceeded
from towpath_core.identity import Principal
from towpath_engine.runs.tables import RUNS
from towpath_engine.runs.terms import USUAL, Terms
from towpath_engine.store.database import Transaction
from towpath_engine.store.tables import TOKENS

__all__ = ("AcceptsRuns", "check_open", "check_token", "start_run")

_MOST_OPEN = 100
"""Runs of one schedule that are open at a time."""
_OPEN = ("queued", "running", "waiting")


class AcceptsRuns(Protocol):
    """What accepts runs of any kind; checks the kind, the input, the rights and the policies."""

    async def accept(
        self,
        transaction: Transaction,
        principal: Principal,
        kind: str,
        input: Mapping[str, Any],
        *,
        title: str | None = None,
        terms: Terms = USUAL,
    ) -> UUID:
        """Accept a run in the caller's transaction, with the principal's rights.

        With an id in its terms that is known, nothing is done.

        Raises:
            NotFound, Invalid, Forbidden: it cannot be started.
        """
        ...


async def start_run(
    transaction: Transaction,
    starter: AcceptsRuns,
    row: Mapping[Any, Any],
    principal: Principal,
    run_id: UUID,
    moment: datetime,
) -> UUID:
    """Start a run of a schedule at a moment, whatever is open; with an id that is known, none."""
    seconds = row["deadline_seconds"]
    terms = Terms(
        id=run_id,
        queue=row["queue"] or USUAL.queue,
        priority=row["priority"],
        key=f"schedule:{row['id']}" if row["overlap"] == "queue" else None,
        deadline=moment + timedelta(seconds=seconds) if seconds is not None else None,
        schedule=row["id"],
    )
    title = row["title"] or row["name"]
    return await starter.accept(
        transaction, principal, row["kind"], row["input"], title=title, terms=terms
    )


async def check_open(transaction: Transaction, row: Mapping[Any, Any]) -> None:
    """See that one more run of a schedule may be started.

    Raises:
        Conflict: a run of before is open, and the schedule has no two at a time.
        LimitExceeded: as many are open as may be.
    """
    count = await _open_runs(transaction, row["id"])
    if count and row["overlap"] == "skip":
        raise Conflict(
            f"A run of {row['name']} is open.",
            why="The schedule has no two at a time (overlap: skip).",
            next="Wait until it has ended, or cancel it.",
        )
    if count >= _MOST_OPEN:
        raise LimitExceeded(f"{_MOST_OPEN} runs of {row['name']} are open.")


async def check_token(transaction: Transaction, row: Mapping[Any, Any]) -> None:
    """See that the token that a schedule has its rights from was not taken back.

    That it has expired is no matter: schedules outlive tokens.

    Raises:
        Forbidden: it was.
    """
    token_id = row["principal"].get("token_id")
    query = select(TOKENS.c.revoked_at).where(TOKENS.c.id == token_id)
    if token_id and (await transaction.execute(query)).scalar_one_or_none() is not None:
        raise Forbidden(
            "The token that the schedule has its rights from was revoked.",
            next="Its maker resumes it with another; its runs have the rights of that one then.",
        )


async def _open_runs(transaction: Transaction, schedule_id: UUID) -> int:
    """How many runs of a schedule have not ended, counted to the most there may be."""
    c = RUNS.c
    found = select(c.id).where(c.schedule_id == schedule_id, c.state.in_(_OPEN)).limit(_MOST_OPEN)
    count = select(func.count()).select_from(found.subquery())
    return int((await transaction.execute(count)).scalar_one())
