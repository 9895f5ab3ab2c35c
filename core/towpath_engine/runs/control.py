"""Runs under somebody's hand: stopped, taken up again, resolved, told something.

Each act locks the run's row, so that it and the run's worker see each other; each is audited and
stands among the run's events, with its reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec
from sqlalchemy import case, func, insert, select, text, update

from towpath_core.errors import Conflict, Invalid, LimitExceeded
from towpath_core.identity import Principal
from towpath_core.runs import RUN_ENDED
from towpath_engine import audit
from towpath_engine.idempotency import Request, recall, remember
from towpath_engine.runs.deciding import check_may_write, check_reason, decision, note, own_run
from towpath_engine.runs.family import open_children, parent_stops, undo_of
from towpath_engine.runs.journal import CLOCK, Event
from towpath_engine.runs.queue import requeue
from towpath_engine.runs.records import RunInfo
from towpath_engine.runs.restarting import again, reset_steps, unknown_step
from towpath_engine.runs.service import RunService
from towpath_engine.runs.stopping import Stopping, ended_by_force
from towpath_engine.runs.sweeping import CANCEL_CHANNEL
from towpath_engine.runs.tables import RUNS, SIGNALS, STEPS
from towpath_engine.runs.waits import lock_run, settle, wait_of
from towpath_engine.secrets import mask
from towpath_engine.store.database import Database, Transaction

__all__ = ("Door", "Reopen", "RunControl")

Reopen = Callable[[Transaction, Mapping[Any, Any]], Awaitable[None]]
"""Writes what it means for our tables that a run goes on, or refuses that with a `Conflict`."""

_AGAIN = frozenset({"failed", "cancelled", "unknown"})
_MOST_SIGNALS = 100
_MOST_BYTES = 64 * 1024
_MOST_NAME = 200
_MOST_GRACE = 86_400.0


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


class RunControl:
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
        self._database = database
        self._runs = runs
        self._stopping = stopping
        self._door = door
        self._reopening = reopening or {}

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
            force: end it now, from outside, whatever its worker does.
            grace_seconds: from now; it is ended from outside if it has not ended by then. Without
                it the run takes its time.
            reason: for its events and the audit.

        Raises:
            NotFound: there is no such run of the asker's.
            Conflict: it has ended otherwise.
            Invalid: the grace or the reason is too long.
        """
        check_reason(reason)
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
                await self._ask(transaction, principal, row, force, grace_seconds, reason)
        for child in await open_children(self._database, run_id):
            await self._cancel_child(principal, child, force, grace_seconds, reason)
        return await self._runs.get(principal, run_id)

    async def _ask(
        self,
        transaction: Transaction,
        principal: Principal,
        row: Mapping[str, Any],
        force: bool,
        grace_seconds: float | None,
        reason: str | None,
    ) -> None:
        running, asked = row["state"] == "running", row["cancel_requested"]
        if asked and running and not force and grace_seconds is None:
            return
        detail = {"force": force or None, "graceSeconds": grace_seconds, "reason": reason}
        told = decision(principal, "cancel", reason, force=force or None)
        await audit.record(
            transaction,
            principal,
            "runs:cancel",
            str(row["id"]),
            run_id=row["id"],
            detail={name: value for name, value in detail.items() if value is not None},
        )
        change = update(RUNS).where(RUNS.c.id == row["id"])
        values: dict[str, Any] = {"cancel_requested": True}
        if running and not force:
            if not asked:
                await note(transaction, row, [told])
            if grace_seconds is not None:
                ends = CLOCK + func.make_interval(0, 0, 0, 0, 0, 0, grace_seconds)
                values["cancel_by"] = func.least(RUNS.c.cancel_by, ends)
            await transaction.execute(change.values(**values))
        else:
            await transaction.execute(change.values(**values))
            error = ended_by_force() if running else None
            await self._stopping.stop(transaction, row, error=error, events=[told])
        note_of = text("SELECT pg_notify(:c, :p)")
        await transaction.execute(note_of, {"c": CANCEL_CHANNEL, "p": str(row["id"])})

    async def _cancel_child(
        self,
        principal: Principal,
        child: UUID,
        force: bool,
        grace_seconds: float | None,
        reason: str | None,
    ) -> None:
        async with self._database.begin() as transaction:
            row = await lock_run(transaction, child)
            if row is None or row["state"] in RUN_ENDED:
                return
            # Its parent may have been taken up again meanwhile.
            if await parent_stops(transaction, row):
                await self._ask(transaction, principal, row, force, grace_seconds, reason)
        for next in await open_children(self._database, child):
            await self._cancel_child(principal, next, force, grace_seconds, reason)

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
            NotFound: there is no such run of the asker's.
            Conflict: it is open, has succeeded, was rolled back, or cannot go on.
            Invalid: input or secrets do not fit; says which secrets are missing.
            Forbidden: a policy denies it, or the credentials lack `runs:write`.
        """
        check_may_write(principal)
        check_reason(reason)
        async with self._database.begin() as transaction:
            before = await own_run(transaction, principal, run_id)
        body = [str(run_id), input, sorted(secrets or {})]
        request = Request.of(principal, key, "retry", body)
        if before["state"] in _AGAIN:
            wanted = await self._door.again(principal, before, input, secrets)
        async with self._database.begin() as transaction:
            if await recall(transaction, request) is None:
                row = await own_run(transaction, principal, run_id)
                await self._check_ended(transaction, row, before)
                events = await reset_steps(transaction, row, only_bad=row["kind"] == "undo")
                sealed = {
                    "input": wanted,
                    "secrets": self._runs.sealed(run_id, secrets),
                    "secret_names": sorted(secrets or ()),
                }
                changed = _masked(row["input"], secrets) if input is not None else None
                told = decision(principal, "retry", reason, previousInput=changed)
                detail = {"reason": reason, "previousInput": changed}
                await self._go_on(transaction, principal, row, [told, *events], sealed, detail)
                await remember(transaction, request, str(run_id))
        return await self._runs.get(principal, run_id)

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
            NotFound: there is no such run of the asker's.
            Conflict: it is not unknown; or the step is one whose result only a retry can record.
            Invalid: there is no reason, or secrets are missing.
            Forbidden: a policy denies it, or the credentials lack `runs:write`.
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
            sealed = {
                "secrets": self._runs.sealed(run_id, secrets),
                "secret_names": sorted(secrets or ()),
            }
            detail = {"reason": reason, "step": step, "happened": happened}
            await self._go_on(transaction, principal, row, [told, *events], sealed, detail)
        return await self._runs.get(principal, run_id)

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
            NotFound: there is no such run of the asker's.
            Conflict: it has ended.
            Invalid: the name cannot be one, or the body is too large.
            LimitExceeded: 100 signals wait already.
            Forbidden: the credentials lack `runs:write`.
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
        if step and wait["type"] == "signal" and wait["event"] == name:
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

    async def _check_ended(
        self, transaction: Transaction, row: Mapping[str, Any], before: Mapping[str, Any]
    ) -> None:
        if row["state"] not in _AGAIN:
            what = "has succeeded" if row["state"] == "succeeded" else f"is {row['state']}"
            raise Conflict(f"Run {row['id']} {what}; it cannot be taken up again.")
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
