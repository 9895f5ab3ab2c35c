"""Runs as people and programs see them: create, list, read, follow, cancel."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from towpath_core.errors import Conflict
from towpath_core.identity import Principal
from towpath_core.runs import RUN_ENDED
from towpath_engine import audit
from towpath_engine.clock import new_id
from towpath_engine.runs.ending import end_outside
from towpath_engine.runs.journal import CLOCK, Event, StepInfo, insert_events, load_steps
from towpath_engine.runs.queue import enqueue
from towpath_engine.runs.records import RunEvent, RunInfo, info_of, may_see, no_run
from towpath_engine.runs.sweeping import CANCEL_CHANNEL
from towpath_engine.runs.tables import EVENTS, RUNS
from towpath_engine.runs.terms import USUAL, Terms
from towpath_engine.runs.waits import lock_run
from towpath_engine.secrets import Sealer
from towpath_engine.store.database import Database, Transaction

__all__ = ("RunEvent", "RunInfo", "RunService", "secrets_purpose")

Stopped = Callable[[Transaction, Any], Awaitable[None]]
"""Writes what it means that a run with this input was stopped before it was begun."""

_PAGE = 1000


def secrets_purpose(run_id: UUID) -> str:
    """What a run's secrets are sealed for."""
    return f"runs.secrets:{run_id}"


def _is_end(event: RunEvent) -> bool:
    return event.type == "state" and event.body.get("state") in RUN_ENDED


class RunService:
    """Everything about runs but doing them."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer
        self._waiting: dict[UUID, set[asyncio.Event]] = defaultdict(set)
        self._stopped: dict[str, Stopped] = {}

    def when_stopped(self, kind: str, write: Stopped) -> None:
        """Have `write` called in the transaction that stops a run of a kind which still waits."""
        self._stopped[kind] = write

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
        """A run of the asker's own, or any for an administrator.

        Raises:
            NotFound: there is none that the asker may see.
        """
        async with self._database.begin() as transaction:
            query = select(RUNS).where(RUNS.c.id == run_id)
            row = (await transaction.execute(query)).mappings().one_or_none()
        if row is None or not may_see(principal, row):
            raise no_run(run_id)
        return info_of(row)

    async def steps(self, principal: Principal, run_id: UUID) -> Sequence[StepInfo]:
        """The steps of a run that were begun, in order."""
        await self.get(principal, run_id)
        async with self._database.begin() as transaction:
            return list((await load_steps(transaction, run_id)).values())

    async def list(
        self,
        principal: Principal,
        *,
        kind: str | None = None,
        state: str | None = None,
        created_by: str | None = None,
        limit: int = 50,
        before: tuple[datetime, UUID] | None = None,
    ) -> Sequence[RunInfo]:
        """Runs that the asker may see, newest first, at most `limit`, older than `before`."""
        c = RUNS.c
        query = select(RUNS).order_by(c.created_at.desc(), c.id.desc()).limit(limit)
        if not principal.is_admin:
            query = query.where(c.created_by == audit.actor_of(principal))
        for column, value in ((c.kind, kind), (c.state, state), (c.created_by, created_by)):
            if value is not None:
                query = query.where(column == value)
        if before is not None:
            query = query.where(tuple_(c.created_at, c.id) < tuple_(*before))
        async with self._database.begin() as transaction:
            return [info_of(row) for row in (await transaction.execute(query)).mappings()]

    async def events(
        self, principal: Principal, run_id: UUID, *, after: int = 0, limit: int = 1000
    ) -> Sequence[RunEvent]:
        """Events of a run with a higher number than `after`, in order."""
        await self.get(principal, run_id)
        return await self._events(run_id, after, limit)

    async def follow(
        self, principal: Principal, run_id: UUID, *, after: int = 0, beat_seconds: float = 15.0
    ) -> AsyncIterator[RunEvent | None]:
        """Yield events as they come, and None every `beat_seconds` without one.

        Ends after the event that says that the run ended, at once where that was seen before.

        Raises:
            NotFound: there is no such run that the asker may see.
        """
        await self.get(principal, run_id)
        bell = asyncio.Event()
        self._waiting[run_id].add(bell)
        try:
            while True:
                bell.clear()
                info = await self.get(principal, run_id)
                events = await self._events(run_id, after, _PAGE)
                for event in events:
                    after = event.seq
                    yield event
                if len(events) == _PAGE:
                    continue
                # The last one only: a run that was taken up again has ended before.
                if events and _is_end(events[-1]):
                    return
                if info.state in RUN_ENDED:
                    return
                try:
                    await asyncio.wait_for(bell.wait(), beat_seconds)
                except TimeoutError:
                    yield None
        finally:
            self._waiting[run_id].discard(bell)
            if not self._waiting[run_id]:
                del self._waiting[run_id]

    async def on_notify(self, payload: str) -> None:
        """Wake who follows the run named in a notification; all, when the feed was lost."""
        bells = (
            self._waiting.get(UUID(payload), set())
            if payload
            else {bell for group in self._waiting.values() for bell in group}
        )
        for bell in tuple(bells):
            bell.set()

    async def cancel(self, principal: Principal, run_id: UUID) -> RunInfo:
        """Ask a run to stop; one that waits ends at once. Repeating it changes nothing.

        Raises:
            NotFound: there is no such run that the asker may see.
            Conflict: it has ended otherwise.
        """
        async with self._database.begin() as transaction:
            row = await lock_run(transaction, run_id)
            if row is None or not may_see(principal, row):
                raise no_run(run_id)
            asked = row["state"] == "running" and row["cancel_requested"]
            if asked or row["state"] == "cancelled":
                return info_of(row)
            if row["state"] in RUN_ENDED:
                raise Conflict(f"Run {run_id} has ended already: {row['state']}.")
            await audit.record(transaction, principal, "runs:cancel", str(run_id), run_id=run_id)
            change = update(RUNS).where(RUNS.c.id == run_id)
            await transaction.execute(change.values(cancel_requested=True))
            if row["state"] != "running":
                await end_outside(transaction, row, "cancelled")
                if (write := self._stopped.get(row["kind"])) is not None:
                    await write(transaction, row["input"])
            note = text("SELECT pg_notify(:c, :p)")
            await transaction.execute(note, {"c": CANCEL_CHANNEL, "p": str(run_id)})
        return await self.get(principal, run_id)

    async def _events(self, run_id: UUID, after: int, limit: int) -> Sequence[RunEvent]:
        c = EVENTS.c
        query = (
            select(c.seq, c.type, c.body, c.at)
            .where(c.run_id == run_id, c.seq > after)
            .order_by(c.seq)
            .limit(limit)
        )
        async with self._database.begin() as transaction:
            rows = (await transaction.execute(query)).all()
        return [RunEvent(row.seq, row.type, row.body, row.at) for row in rows]
