"""What people decide about runs: how it is written down, and who may decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select, update

from towpath_core.errors import Forbidden, Invalid
from towpath_core.identity import Principal
from towpath_engine.runs.journal import CLOCK, Event, insert_events
from towpath_engine.runs.reading import row_of, sees
from towpath_engine.runs.records import may_see, no_run
from towpath_engine.runs.tables import RUNS
from towpath_engine.runs.waits import lock_run
from towpath_engine.store.database import Transaction

__all__ = ("check_may_write", "check_reason", "decision", "is_over", "note", "own_run")

_MOST_REASON = 2000


def decision(principal: Principal, what: str, reason: str | None, **more: Any) -> Event:
    """The event that tells of a decision, by whom and why; what is None is left out."""
    body = {"decision": what, "by": principal.entity_ref, "reason": reason, **more}
    return Event("decision", {name: value for name, value in body.items() if value is not None})


def check_reason(reason: str | None) -> None:
    """See that a reason can be kept.

    Raises:
        Invalid: it is too long, or holds a NUL, which the journal could not be searched with.
    """
    if reason is not None and (len(reason) > _MOST_REASON or "\0" in reason):
        raise Invalid(f"A reason is text of at most {_MOST_REASON:,} characters, without NUL.")


def check_may_write(principal: Principal) -> None:
    """See that the credentials are good for more than looking.

    Raises:
        Forbidden: they are not.
    """
    if not principal.has("runs:write"):
        raise Forbidden(
            "This needs the scope runs:write.",
            next="Use a token that has it: towpath token create.",
        )


async def own_run(transaction: Transaction, principal: Principal, run_id: UUID) -> dict[str, Any]:
    """The row of a run that is the asker's to decide about, locked.

    Raises:
        NotFound: there is none that the asker may see.
        Forbidden: it is somebody else's, and asks or has asked the asker for a yes.
    """
    row = await lock_run(transaction, run_id)
    if row is not None and may_see(principal, row):
        return dict(row)
    seen = await row_of(transaction, run_id)
    if seen is None or not sees(principal, seen):
        raise no_run(run_id)
    owner = seen["principal"]["entity_ref"]
    raise Forbidden(
        "You may look at this run and answer what it asks you, and do no more to it.",
        why=f"It was started by {owner}.",
        next=f"Ask {owner}, or an administrator.",
    )


async def note(
    transaction: Transaction, row: Mapping[Any, Any], events: Sequence[Event]
) -> dict[str, Any]:
    """Add events to a run, whatever its state, and return its row with their number.

    Args:
        transaction: holds the lock of the run's row.
        row: the run.
        events: in order.
    """
    last = row["last_event"] + len(events)
    await transaction.execute(update(RUNS).where(RUNS.c.id == row["id"]).values(last_event=last))
    await insert_events(transaction, row["id"], row["last_event"] + 1, events)
    return {**row, "last_event": last}


async def is_over(transaction: Transaction, wait: Mapping[str, Any]) -> bool:
    """Whether the time of a wait is over by the database's clock, be it woken already or not."""
    if (until := wait.get("until")) is None:
        return False
    moment = (await transaction.execute(select(CLOCK))).scalar_one()
    return bool(msgspec.convert(until, datetime) <= moment)
