"""A yes or a no to runs that ask for one.

Who may answer is whom the question names, and administrators; not the one who started the run or
had it go on with something else, so that nobody's own word is enough.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import func, select

from towpath_core.errors import Conflict, Forbidden, Invalid
from towpath_core.identity import Principal
from towpath_engine import audit
from towpath_engine.policy import PolicyGate
from towpath_engine.runs.deciding import (
    check_may_write,
    check_reason,
    decision,
    is_over,
    note,
)
from towpath_engine.runs.journal import CLOCK
from towpath_engine.runs.records import RunInfo, info_of, may_see, no_run
from towpath_engine.runs.tables import EVENTS, RUNS, STEPS
from towpath_engine.runs.waits import lock_run, settle, wait_of
from towpath_engine.store.database import Database, Transaction

__all__ = ("Approvals", "Verdict")

Verdict = Literal["approved", "rejected"]


class Approvals:
    """Answers to approvals.

    Args:
        database: holds the journal.
        policy: may narrow who answers.
        self_approval: whether those who started a run may answer it, where they are named.
    """

    def __init__(
        self, database: Database, policy: PolicyGate, *, self_approval: bool = False
    ) -> None:
        self._database = database
        self._policy = policy
        self._self_approval = self_approval

    async def approve(
        self,
        principal: Principal,
        run_id: UUID,
        *,
        step: str | None = None,
        reason: str | None = None,
    ) -> RunInfo:
        """Say yes; the run goes on. The same answer again changes nothing.

        Args:
            principal: who answers.
            run_id: the run that asks.
            step: key of the step that asks; needed where the run has asked before.
            reason: for its events and the audit.

        Raises:
            NotFound: there is no such run that the asker may see, or that asks the asker.
            Conflict: it asks nothing, was answered otherwise, or the time for an answer is over.
            Forbidden: the asker is none of the approvers, or the one who started the run; a
                policy denies it; or the credentials lack `runs:write`.
        """
        return await self._answer(principal, run_id, "approved", step, reason)

    async def reject(
        self, principal: Principal, run_id: UUID, *, reason: str, step: str | None = None
    ) -> RunInfo:
        """Say no, with the reason; the run is told, and most end. Raises what `approve` does.

        Raises:
            Invalid: there is no reason.
        """
        if not reason.strip():
            raise Invalid("A no needs its reason.")
        return await self._answer(principal, run_id, "rejected", step, reason)

    async def _answer(
        self,
        principal: Principal,
        run_id: UUID,
        verdict: Verdict,
        key: str | None,
        reason: str | None,
    ) -> RunInfo:
        check_may_write(principal)
        check_reason(reason)
        async with self._database.begin() as transaction:
            row, step = await _asked(transaction, principal, run_id, key)
            own = await _is_own(transaction, principal, row)
        _check_named(principal, step["wait"])
        await self._check_policy(principal, row, step, own)
        async with self._database.begin() as transaction:
            row, step = await _asked(transaction, principal, run_id, step["key"])
            if step["state"] == "waiting" and row["state"] == "waiting":
                await self._settle(transaction, principal, row, step, verdict, reason)
            elif (step["output"] or {}).get("outcome") != verdict:
                raise _too_late(step)
            query = select(RUNS).where(RUNS.c.id == run_id)
            return info_of((await transaction.execute(query)).mappings().one())

    async def _check_policy(
        self, principal: Principal, row: Mapping[Any, Any], step: Mapping[Any, Any], own: bool
    ) -> None:
        facts = {
            "run": str(row["id"]),
            "step": step["key"],
            "startedBy": row["principal"]["entity_ref"],
            "subject": step["wait"].get("subject"),
        }
        if own:
            if not self._self_approval:
                raise Forbidden(
                    "You cannot answer a run that you have started or taken up again.",
                    why="An answer is somebody else's.",
                    next="Ask one of the approvers.",
                )
            await self._policy.check(principal, "run:approve-own", row["kind"], facts)
        await self._policy.check(principal, "run:approve", row["kind"], facts)

    async def _settle(
        self,
        transaction: Transaction,
        principal: Principal,
        row: Mapping[Any, Any],
        step: Mapping[Any, Any],
        verdict: Verdict,
        reason: str | None,
    ) -> None:
        if await is_over(transaction, step["wait"]):
            raise _too_late(step)
        run_id, key = row["id"], step["key"]
        moment = (await transaction.execute(select(CLOCK))).scalar_one()
        subject = msgspec.json.encode(step["wait"].get("subject"), order="deterministic")
        detail = {
            "step": key,
            "question": step["wait"]["question"],
            # What was judged: the subject itself is in the journal, which is not kept for ever.
            "subject": hashlib.sha256(subject).hexdigest(),
            "reason": reason,
        }
        action = "runs:approve" if verdict == "approved" else "runs:reject"
        await audit.record(
            transaction, principal, action, str(run_id), run_id=run_id, detail=detail
        )
        row = await note(transaction, row, [decision(principal, verdict, reason, step=key)])
        outcome = {
            "outcome": verdict,
            "by": principal.entity_ref,
            "reason": reason,
            "at": msgspec.to_builtins(moment),
        }
        await settle(transaction, row, step, outcome)


async def _asked(
    transaction: Transaction, principal: Principal, run_id: UUID, key: str | None
) -> tuple[Mapping[Any, Any], Mapping[Any, Any]]:
    """The row of a run, locked, and of its step that asks, or has asked.

    Raises:
        NotFound: there is no such run that the asker may see, or that has asked the asker.
        Conflict: it asks nothing; or it has asked before, and which question is meant is not said.
    """
    row = await lock_run(transaction, run_id)
    c = STEPS.c
    query = select(STEPS).where(c.run_id == run_id, c.wait.op("->>")("type") == "approval")
    asked = (await transaction.execute(query.order_by(c.seq))).mappings().all()
    mine = row is not None and may_see(principal, row)
    if row is None or not (mine or any(_is_named(principal, one["wait"]) for one in asked)):
        raise no_run(run_id)
    if key is not None:
        step = next((one for one in asked if one["key"] == key), None)
        if step is None:
            raise Conflict(f"Run {run_id} has asked nothing in a step {key!r}.")
        return row, step
    if not asked:
        raise Conflict(f"Run {run_id} asks nothing.")
    if len(asked) > 1:
        open = await wait_of(transaction, run_id)
        which = f" It asks in {open['key']!r} now." if open is not None else ""
        # An answer that is sent again must not answer the next question.
        raise Conflict(f"Run {run_id} has asked more than once.{which}", next="Name the step.")
    return row, asked[0]


def _check_named(principal: Principal, wait: Mapping[str, Any]) -> None:
    if not (principal.is_admin or _is_named(principal, wait)):
        names = ", ".join(wait["approvers"]) or "administrators"
        raise Forbidden("You are none of those who may answer.", why=f"Asked are: {names}.")


def _is_named(principal: Principal, wait: Mapping[str, Any]) -> bool:
    return any(principal.owns(ref) for ref in wait["approvers"])


async def _is_own(transaction: Transaction, principal: Principal, row: Mapping[Any, Any]) -> bool:
    """Whether somebody started a run, under whatever name, or took it up again."""
    ref = principal.entity_ref.lower()
    if row["created_by"] == audit.actor_of(principal):
        return True
    if row["principal"]["entity_ref"].lower() == ref:
        return True
    c = EVENTS.c
    by = func.lower(c.body.op("->>")("by"))
    what = c.body.op("->>")("decision").in_(("retry", "resolve"))
    query = select(c.seq).where(c.run_id == row["id"], c.type == "decision", what, by == ref)
    return (await transaction.execute(query.limit(1))).first() is not None


def _too_late(step: Mapping[Any, Any]) -> Conflict:
    outcome = step["output"] or {}
    by = f" by {outcome['by']}" if outcome.get("by") else ""
    if outcome.get("outcome") in ("approved", "rejected"):
        return Conflict(f"It was {outcome['outcome']} already{by}.")
    if outcome.get("outcome") == "timed-out" or step["state"] == "waiting":
        return Conflict("The time for an answer is over.")
    return Conflict(f"The run does not ask any more: the step was {step['state']}.")
