"""Runs under somebody's hand: stopped, taken up again, resolved, told something.

Each act locks the run's row, so that it and the run's worker see each other; each is audited and
stands among the run's events, with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, insert, select

from towpath_core.errors import Conflict, Invalid, LimitExceeded
from towpath_core.identity import Principal
from towpath_core.runs import RUN_ENDED
from towpath_engine import audit
from towpath_engine.idempotency import Request, recall, remember
from towpath_engine.runs.cancelling import Cancelling
from towpath_engine.runs.deciding import check_may_write, is_over, own_run
from towpath_engine.runs.journal import CLOCK
from towpath_engine.runs.records import RunInfo
from towpath_engine.runs.resuming import Door, Reopen, Resuming
from towpath_engine.runs.service import RunService
from towpath_engine.runs.stopping import Stopping
from towpath_engine.runs.tables import SIGNALS
from towpath_engine.runs.waits import settle, wait_of
from towpath_engine.store.database import Database, Transaction

__all__ = ("RunControl",)

_MOST_SIGNALS = 100
_MOST_BYTES = 64 * 1024
_MOST_NAME = 200


class RunControl(Cancelling, Resuming):
    """Decisions about runs.

    Args:
        database: holds the journal.
        runs: shows them.
        stopping: ends them from outside.
        door: judges new input.
        reopening: by kind, what it means that a run goes on.
    """

    def __init__(
        self,
        database: Database,
        runs: RunService,
        stopping: Stopping,
        door: Door,
        reopening: Mapping[str, Reopen] | None = None,
    ) -> None:
        Cancelling.__init__(self, database, runs, stopping)
        Resuming.__init__(self, database, runs, door, reopening)

    async def signal(
        self,
        principal: Principal,
        run_id: UUID,
        name: str,
        body: Any = None,
        *,
        key: str | None = None,
    ) -> RunInfo:
        """Tell a run something: a step that waits for it has it, else it is kept for one.

        Args:
            principal: who tells it.
            run_id: the run.
            name: of the signal.
            body: JSON of at most 64 KiB, without secrets.
            key: idempotency key.

        Raises:
            NotFound: there is no such run that the asker may see.
            Conflict: it has ended.
            Invalid: the name cannot be one, or the body is too large.
            LimitExceeded: 100 signals wait already.
            Forbidden: it is another's, or the credentials lack `runs:write`.
        """
        check_may_write(principal)
        if not (0 < len(name) <= _MOST_NAME and name.isprintable()):
            raise Invalid(f"A name is printable text of at most {_MOST_NAME} characters.")
        if len(msgspec.json.encode(body)) > _MOST_BYTES:
            raise Invalid(f"The body of a signal has at most {_MOST_BYTES:,} bytes.")
        request = Request.of(principal, key, "signal", [str(run_id), name, body])
        async with self._database.begin() as transaction:
            row = await own_run(transaction, principal, run_id)
            if await recall(transaction, request) is None:
                await self._tell(transaction, principal, row, name, body)
                await remember(transaction, request, str(run_id))
        return await self._runs.get(principal, run_id)

    async def _tell(
        self,
        transaction: Transaction,
        principal: Principal,
        row: Mapping[str, Any],
        name: str,
        body: Any,
    ) -> None:
        if row["state"] in RUN_ENDED:
            raise Conflict(f"Run {row['id']} has ended already: {row['state']}.")
        run_id, by = row["id"], principal.entity_ref
        detail = {"name": name}
        await audit.record(
            transaction, principal, "runs:signal", str(run_id), run_id=run_id, detail=detail
        )
        step = await wait_of(transaction, run_id) if row["state"] == "waiting" else None
        wait = step["wait"] if step is not None else {}
        meant = step is not None and wait["type"] == "signal" and wait["event"] == name
        if step is not None and meant and not await is_over(transaction, wait):
            moment = (await transaction.execute(select(CLOCK))).scalar_one()
            at = msgspec.to_builtins(moment)
            outcome = {"outcome": "came", "body": body, "by": by, "at": at}
            await settle(transaction, row, step, outcome)
            return
        kept = select(func.count()).where(SIGNALS.c.run_id == run_id)
        if (await transaction.execute(kept)).scalar_one() >= _MOST_SIGNALS:
            raise LimitExceeded(f"Run {run_id} has {_MOST_SIGNALS} signals that it has not taken.")
        values = {"run_id": run_id, "name": name, "body": body, "by": by, "at": CLOCK}
        await transaction.execute(insert(SIGNALS).values(**values))
