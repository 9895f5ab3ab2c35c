"""Takes runs up again that have ended: where they failed, or where somebody looked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec
from sqlalchemy import case, select, update

from towpath_core.errors import Conflict, Invalid
from towpath_core.identity import Principal
from towpath_engine import audit
from towpath_engine.idempotency import Request, recall, remember
from towpath_engine.runs.deciding import check_may_write, check_reason, decision, note, own_run
from towpath_engine.runs.family import undo_of
from towpath_engine.runs.journal import CLOCK, Event
from towpath_engine.runs.queue import requeue
from towpath_engine.runs.records import RunInfo
from towpath_engine.runs.restarting import again, reset_steps, unknown_step
from towpath_engine.runs.service import RunService
from towpath_engine.runs.tables import RUNS, STEPS
from towpath_engine.secrets import mask
from towpath_engine.store.database import Database, Transaction

__all__ = ("Door", "Guard", "Reopen", "Resuming")

Reopen = Callable[[Transaction, Mapping[Any, Any]], Awaitable[None]]
"""Writes what it means for our tables that a run goes on, or refuses that with a `Conflict`."""

Guard = Callable[[Transaction], Awaitable[None]]
"""Raises where something that was decided before does not hold any more."""

_AGAIN = frozenset({"failed", "cancelled", "unknown"})


class Door(Protocol):
    """What accepted a run, and judges what it is to go on with."""

    async def again(
        self,
        principal: Principal,
        row: Mapping[Any, Any],
        input: Mapping[str, Any] | None,
        secrets: Mapping[str, str] | None,
    ) -> Any:
        """The input a run goes on with, as it is stored.

        Raises:
            Invalid: input or secrets do not fit, or some secrets are missing.
            Forbidden: a policy denies it.
        """
        ...


class Resuming:
    """What takes runs up again.

    Args:
        database: holds the journal.
        runs: shows them.
        door: judges new input.
        reopening: by kind, what it means that a run goes on.
    """

    def __init__(
        self,
        database: Database,
        runs: RunService,
        door: Door,
        reopening: Mapping[str, Reopen] | None = None,
    ) -> None:
        self._database = database
        self._runs = runs
        self._door = door
        self._reopening = reopening or {}

    async def retry(
        self,
        principal: Principal,
        run_id: UUID,
        *,
        input: Mapping[str, Any] | None = None,
        secrets: Mapping[str, str] | None = None,
        reason: str | None = None,
        key: str | None = None,
    ) -> RunInfo:
        """Take a run up again at the step that it ended with; what was done before stays done.

        Args:
            principal: who asks; the run goes on with the rights of the one who started it.
            run_id: a run that failed, was cancelled, or is unknown. Of an unknown one, the step
                that nobody recorded is repeated or looked for only as its plugin allows.
            input: instead of its input, the whole, judged as when it was accepted.
            secrets: all that it had, which were wiped at its end.
            reason: for its events and the audit.
            key: idempotency key.

        Raises:
            NotFound: there is no such run that the asker may see.
            Conflict: it is open, has succeeded, was rolled back, or cannot go on.
            Invalid: input or secrets do not fit; says which secrets are missing.
            Forbidden: it is another's, a policy denies it, or the credentials lack `runs:write`.
        """
        check_may_write(principal)
        check_reason(reason)
        body = [str(run_id), input, sorted(secrets or {})]
        request = Request.of(principal, key, "retry", body)
        await self._take_up(principal, run_id, input, secrets, reason, request=request)
        return await self._runs.get(principal, run_id)

    async def take_up(
        self,
        principal: Principal,
        run_id: UUID,
        *,
        input: Mapping[str, Any],
        secrets: Mapping[str, str] | None,
        guard: Guard,
    ) -> None:
        """Do what `retry` does for a child, whose parent was taken up again.

        Args:
            principal: the parent's.
            run_id: the child.
            input: what the parent gives it now.
            secrets: likewise.
            guard: called in the transaction, with the child's row locked; raises where the parent
                has no say any more.
        """
        why = "The run that started it was taken up again."
        await self._take_up(principal, run_id, input, secrets, why, guard=guard)

    async def _take_up(
        self,
        principal: Principal,
        run_id: UUID,
        input: Mapping[str, Any] | None,
        secrets: Mapping[str, str] | None,
        reason: str | None,
        *,
        request: Request | None = None,
        guard: Guard | None = None,
    ) -> None:
        async with self._database.begin() as transaction:
            before = await own_run(transaction, principal, run_id)
            if await recall(transaction, request) is not None:
                return
        wanted = before["input"]
        if before["state"] in _AGAIN:
            wanted = await self._door.again(principal, before, input, secrets)
        async with self._database.begin() as transaction:
            row = await own_run(transaction, principal, run_id)
            if await recall(transaction, request) is not None:
                return
            if guard is not None:
                await guard(transaction)
            await self._check_ended(transaction, row, before)
            is_new = wanted != row["input"]
            events = await reset_steps(
                transaction, row, only_bad=row["kind"] == "undo", ask_again=is_new
            )
            changed = _masked(row["input"], secrets) if is_new else None
            told = decision(principal, "retry", reason, previousInput=changed)
            detail = {"reason": reason, "previousInput": changed}
            values = {"input": wanted, **self._sealed(run_id, secrets)}
            await self._go_on(transaction, principal, row, [told, *events], values, detail)
            await remember(transaction, request, str(run_id))

    def _sealed(self, run_id: UUID, secrets: Mapping[str, str] | None) -> dict[str, Any]:
        sealed = self._runs.sealed(run_id, secrets)
        return {"secrets": sealed, "secret_names": sorted(secrets or ())}

    async def resolve(
        self,
        principal: Principal,
        run_id: UUID,
        *,
        happened: bool,
        reason: str,
        output: Any = None,
        secrets: Mapping[str, str] | None = None,
    ) -> RunInfo:
        """Say what became of the step of an unknown run that nobody recorded; the run goes on.

        Args:
            principal: who looked.
            run_id: the run.
            happened: the step was done, and is recorded so; else it is done again.
            reason: how one knows, for the events and the audit.
            output: JSON that the step came to, where it happened.
            secrets: all that the run had, which were wiped at its end.

        Raises:
            NotFound: there is no such run that the asker may see.
            Conflict: it is not unknown; or the step is one whose result only a retry can record.
            Invalid: there is no reason, or secrets are missing.
            Forbidden: it is another's, a policy denies it, or the credentials lack `runs:write`.
        """
        check_may_write(principal)
        check_reason(reason)
        if not reason.strip():
            raise Invalid("Say how you know.", next="Give a reason.")
        async with self._database.begin() as transaction:
            before = await own_run(transaction, principal, run_id)
        if before["state"] == "unknown":
            await self._door.again(principal, before, None, secrets)
        async with self._database.begin() as transaction:
            row = await own_run(transaction, principal, run_id)
            if row["state"] != "unknown":
                raise Conflict(f"Run {run_id} is {row['state']}, not unknown.")
            await self._check_ended(transaction, row, before)
            step, events = await self._settle_unknown(transaction, row, happened, output)
            told = decision(principal, "resolve", reason, step=step, happened=happened)
            values = self._sealed(run_id, secrets)
            detail = {"reason": reason, "step": step, "happened": happened}
            await self._go_on(transaction, principal, row, [told, *events], values, detail)
        return await self._runs.get(principal, run_id)

    async def _check_ended(
        self, transaction: Transaction, row: Mapping[str, Any], before: Mapping[str, Any]
    ) -> None:
        if row["state"] not in _AGAIN:
            done = row["state"] == "succeeded"
            what = "has succeeded" if done else f"is {row['state']}"
            raise Conflict(
                f"Run {row['id']} {what}; it cannot be taken up again.",
                next="Start a new one." if done else "Wait until it has ended, or cancel it.",
            )
        if (row["attempt"], row["last_event"]) != (before["attempt"], before["last_event"]):
            raise Conflict(f"Run {row['id']} has gone on meanwhile.", next="Look at it again.")
        if await undo_of(transaction, row["id"]):
            raise Conflict(
                f"What run {row['id']} did is taken back, or was; it cannot be taken up again.",
                next="Start a new one.",
            )

    async def _settle_unknown(
        self, transaction: Transaction, row: Mapping[str, Any], happened: bool, output: Any
    ) -> tuple[str | None, Sequence[Event]]:
        """Write what became of the open step; its key, and the events that tell of it."""
        query = select(STEPS).where(STEPS.c.run_id == row["id"]).order_by(STEPS.c.seq)
        steps = [dict(step) for step in (await transaction.execute(query)).mappings()]
        step = unknown_step(steps)
        if step is None:
            return None, await reset_steps(transaction, row)
        if not happened:
            event = await again(transaction, row["id"], step, looked=True)
        elif row["kind"] in self._reopening and "/" not in step["key"]:
            raise Conflict(
                f"What {step['name']!r} came to can be recorded by the step itself only.",
                why="It writes to the platform's own tables as well.",
                next="Take the run up again: it finishes what was begun. towpath runs retry",
            )
        else:
            event = await _record(transaction, row["id"], step, output)
        others = [one for one in steps if one["state"] == "unknown" and one is not step]
        rest = [await again(transaction, row["id"], one) for one in others]
        return step["key"], [event, *rest]

    async def _go_on(
        self,
        transaction: Transaction,
        principal: Principal,
        row: Mapping[str, Any],
        events: Sequence[Event],
        values: Mapping[str, Any],
        detail: Mapping[str, Any],
    ) -> None:
        """Queue a run again that has ended."""
        run_id, c = row["id"], RUNS.c
        if (reopen := self._reopening.get(row["kind"])) is not None:
            await reopen(transaction, row)
        queued = Event("state", {"state": "queued"})
        await note(transaction, row, [*events, queued])
        # A deadline that is over is set again, as long after now as it was after the acceptance.
        later = case((c.deadline <= CLOCK, CLOCK + (c.deadline - c.created_at)), else_=c.deadline)
        cleared: dict[str, Any] = dict.fromkeys(
            ("output", "error", "cancel_by", "wake_at", "held", "finished_at")
        )
        change = update(RUNS).where(c.id == run_id)
        await transaction.execute(
            change.values(
                state="queued",
                cancel_requested=False,
                crashes=0,
                deadline=later,
                **cleared,
                **values,
            )
        )
        await requeue(transaction, [run_id])
        what = "runs:" + events[0].body["decision"]
        told = {name: value for name, value in detail.items() if value is not None}
        await audit.record(transaction, principal, what, str(run_id), run_id=run_id, detail=told)


async def _record(
    transaction: Transaction, run_id: UUID, step: Mapping[Any, Any], output: Any
) -> Event:
    change = update(STEPS).where(STEPS.c.run_id == run_id, STEPS.c.seq == step["seq"])
    values = {"state": "succeeded", "output": output, "error": None, "finished_at": CLOCK}
    await transaction.execute(change.values(**values))
    return Event("step", {"key": step["key"], "name": step["name"], "state": "succeeded"})


def _masked(value: Any, secrets: Mapping[str, str] | None) -> Any:
    text = mask(msgspec.json.encode(value).decode(), (secrets or {}).values())
    return msgspec.json.decode(text)
