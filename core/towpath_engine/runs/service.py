"""Runs as people and programs see them: create, list, read, follow, cancel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert

from towpath_core.identity import Principal
from towpath_core.runs import RUN_ENDED
from towpath_engine import audit
from towpath_engine.clock import new_id
from towpath_engine.runs.following import Following
from towpath_engine.runs.journal import CLOCK, Event, StepInfo, insert_events, load_steps
from towpath_engine.runs.listing import Mark, Order, RunFilter, count_of_runs, page_of_runs, runs_of
from towpath_engine.runs.queue import enqueue
from towpath_engine.runs.reading import read_events, row_of, sees, waits_of
from towpath_engine.runs.records import RunEvent, RunInfo, info_of, no_run
from towpath_engine.runs.tables import EVENTS, RUNS
from towpath_engine.runs.terms import USUAL, Terms
from towpath_engine.secrets import Sealer
from towpath_engine.store.database import Database, Transaction

__all__ = ("RunEvent", "RunInfo", "RunService", "secrets_purpose")


def secrets_purpose(run_id: UUID) -> str:
    """What a run's secrets are sealed for."""
    return f"runs.secrets:{run_id}"


class RunService:
    """Everything about runs but doing them."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer
        self.following = Following(database)

    async def create(
        self,
        transaction: Transaction,
        principal: Principal,
        kind: str,
        title: str,
        input: Any,
        *,
        secrets: Mapping[str, str] | None = None,
        terms: Terms = USUAL,
    ) -> UUID:
        """Accept a run: its row, its first event and its job, all in the caller's transaction.

        Args:
            transaction: also holds what the run is about, and the audit row.
            principal: who asks; the run acts with these rights.
            kind: which executor does it.
            title: for people.
            input: JSON; must hold no secret.
            secrets: sealed, given to the executor, wiped when the run ends.
            terms: its id, queue, priority, key, deadline, and what it belongs to. With an id that
                is taken nothing is written: the run was accepted before.
        """
        run_id = terms.id or new_id()
        row = {
            "id": run_id,
            "kind": kind,
            "title": title,
            "state": "queued",
            "attempt": 0,
            "turn": 1,
            "input": input,
            "principal": msgspec.to_builtins(principal),
            "created_by": audit.actor_of(principal),
            "secrets": self.sealed(run_id, secrets),
            "secret_names": sorted(secrets or ()),
            "cancel_requested": False,
            "holds_key": False,
            "crashes": 0,
            "takeovers": 0,
            "last_event": 1,
            "created_at": CLOCK,
            **terms.columns(),
        }
        accepted = upsert(RUNS).values(**row).on_conflict_do_nothing().returning(RUNS.c.id)
        if (await transaction.execute(accepted)).first() is None:
            return run_id
        await insert_events(transaction, run_id, 1, [Event("state", {"state": "queued"})])
        await enqueue(transaction, run_id, terms.queue, terms.priority, 1)
        return run_id

    def sealed(self, run_id: UUID, secrets: Mapping[str, str] | None) -> bytes | None:
        """A run's secrets as they are stored; None for none."""
        return self._sealer.seal(dict(secrets), secrets_purpose(run_id)) if secrets else None

    async def get(self, principal: Principal, run_id: UUID) -> RunInfo:
        """A run of the asker's own, one that asks the asker for a yes, or any for an administrator.

        Raises:
            NotFound: there is none that the asker may see.
        """
        async with self._database.begin() as transaction:
            return await self._get(transaction, principal, run_id, whole=True)

    async def steps(self, principal: Principal, run_id: UUID) -> Sequence[StepInfo]:
        """The steps of a run that were begun, in order.

        Raises:
            NotFound: there is no such run that the asker may see.
        """
        async with self._database.begin() as transaction:
            await self._get(transaction, principal, run_id)
            return list((await load_steps(transaction, run_id)).values())

    async def list(
        self,
        principal: Principal,
        wanted: RunFilter | None = None,
        *,
        limit: int = 50,
        before: Mark | None = None,
    ) -> Sequence[RunInfo]:
        """Runs that the asker may see, newest first, at most `limit`, older than `before`.

        Without their input, and without an output or the subject of a question above 16 KiB.
        """
        query = runs_of(principal, wanted or RunFilter(), limit=limit, before=before)
        async with self._database.begin() as transaction:
            rows = (await transaction.execute(query)).mappings().all()
            waiting = [row["id"] for row in rows if row["state"] == "waiting"]
            waits = await waits_of(transaction, waiting, brief=True)
        return [info_of(row, waits.get(row["id"], ())) for row in rows]

    async def page(
        self,
        principal: Principal,
        wanted: RunFilter,
        order: Sequence[Order],
        words: Mapping[str, str],
        *,
        limit: int,
        offset: int,
        most: int,
    ) -> tuple[Sequence[RunInfo], int]:
        """Runs that the asker may see, in some order, and how many there are, up to `most`."""
        chosen = page_of_runs(principal, wanted, order, words, limit=limit, offset=offset)
        async with self._database.begin() as transaction:
            rows = (await transaction.execute(chosen)).mappings().all()
            count = await transaction.execute(count_of_runs(principal, wanted, most))
            return [info_of(row) for row in rows], int(count.scalar_one())

    async def last_end(self, principal: Principal, run_id: UUID) -> int:
        """The number of the event that says how a run ended; 0 where it has not.

        A run that was taken up again has ended before; that end is none any more.
        """
        async with self._database.begin() as transaction:
            run = await self._get(transaction, principal, run_id)
            if run.state not in RUN_ENDED:
                return 0
            c = EVENTS.c
            states = select(c.seq).where(c.run_id == run_id, c.type == "state")
            last = await transaction.execute(states.order_by(c.seq.desc()).limit(1))
            return last.scalar_one_or_none() or 0

    async def events(
        self, principal: Principal, run_id: UUID, *, after: int = 0, limit: int = 1000
    ) -> Sequence[RunEvent]:
        """Events of a run with a higher number than `after`, in order; fewer where they are big.

        There are no more where there is none.

        Raises:
            NotFound: there is no such run that the asker may see.
        """
        async with self._database.begin() as transaction:
            await self._get(transaction, principal, run_id)
            return await read_events(transaction, run_id, after, limit)

    def follow(
        self, principal: Principal, run_id: UUID, *, after: int = 0, beat_seconds: float = 15.0
    ) -> AsyncIterator[RunEvent | None]:
        """Yield events as they come, and None every `beat_seconds` without one; see `Following`.

        Raises:
            NotFound: there is no such run that the asker may see.
        """
        return self.following.follow(principal, run_id, after=after, beat_seconds=beat_seconds)

    async def on_notify(self, payload: str) -> None:
        """Wake who follows the run named in a notification; all, when the feed was lost."""
        await self.following.on_notify(payload)

    async def _get(
        self, transaction: Transaction, principal: Principal, run_id: UUID, *, whole: bool = False
    ) -> RunInfo:
        row = await row_of(transaction, run_id, whole=whole)
        if row is None or not sees(principal, row):
            raise no_run(run_id)
        waits = await waits_of(transaction, [run_id] if row["state"] == "waiting" else [])
        return info_of(row, waits.get(run_id, ()))
