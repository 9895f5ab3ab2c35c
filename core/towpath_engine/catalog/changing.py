"""Carries out changes that callers wish for: permission, condition, guard, one transaction.

What is wished for is checked already (`stating`). Policies are asked before the catalog's lock is
taken; when what they were asked about has changed by then, they are asked again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from towpath_core.errors import Conflict, Problem
from towpath_core.identity import Principal
from towpath_engine import audit
from towpath_engine.catalog.drafts import belongs
from towpath_engine.catalog.feed import Follower
from towpath_engine.catalog.keeping import Keeping, digest_of
from towpath_engine.catalog.preconditions import Condition
from towpath_engine.catalog.standing import Holder, Standing, owner_of, standing
from towpath_engine.catalog.writer import (
    Draft,
    Outcome,
    delete_entities,
    put_entities,
    serialise,
)
from towpath_engine.policy import PolicyGate
from towpath_engine.store.database import Database, Transaction

__all__ = ("ChangePlan", "Changes", "VanishingRefused", "Wish")

_ATTEMPTS = 5
_NAMED = 100

Need = tuple[str, str | None]
"""A reference, and an owner that it has or is to have."""


class VanishingRefused(Conflict):
    """More would vanish than a slip may take; nothing was changed."""

    code = "vanishing"


class Wish(msgspec.Struct, frozen=True):
    """What is to be.

    Attributes:
        act: what the audit calls it, such as `catalog:put`.
        subject: what it is done to: a reference or an origin.
        origin: who is to hold the entities.
        drafts: the entities.
        whole: these are all that the origin has; others that it holds go.
        condition: what must be true of the one entity.
        consent: the digest of what may go, however much it is.
        source: where the content comes from, for the history; the origin where it is empty.
        reason: why, in one word, where it is not simply written.
        removes: entities that are to go, whoever holds them.
    """

    act: str
    subject: str
    origin: str
    drafts: Sequence[Draft] = ()
    whole: bool = False
    condition: Condition = Condition()
    consent: str | None = None
    source: str = ""
    reason: str | None = None
    removes: tuple[str, ...] = ()


class ChangePlan(msgspec.Struct, frozen=True):
    """What a wish would change: references, in order.

    Attributes:
        added: not there yet.
        changed: there with another content.
        unchanged: there already, as wished.
        deleted: what would go.
        handed: what went to another who states it, too; only known when it is done.
        conflicts: who holds what, of references that others hold.
        digest: of what would go; says that just this may go. Empty where nothing would.
        guarded: whether so much would go that this must be said.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    handed: tuple[str, ...] = ()
    conflicts: Mapping[str, Holder] = {}
    digest: str = ""
    guarded: bool = False


class Changes:
    """Plans wishes and makes them true."""

    def __init__(
        self, database: Database, feed: Follower, policy: PolicyGate, keeping: Keeping
    ) -> None:
        self._database = database
        self._feed = feed
        self._policy = policy
        self._keeping = keeping

    async def plan(self, principal: Principal, wish: Wish) -> ChangePlan:
        """What a wish would change, for one who may; writes nothing.

        Raises:
            Forbidden: a policy denies a part of it.
            PreconditionFailed: its condition does not hold.
        """
        there = await self.there(wish)
        _check_condition(wish, there)
        permits: set[Need] = set()
        await self._ask(principal, _needs(wish, there), permits)
        return _planned(wish, there, self._keeping)

    async def there(self, wish: Wish) -> Mapping[str, Standing]:
        """What is stored now of all that a wish is about."""
        async with self._database.begin() as transaction:
            return await _there(transaction, wish)

    async def carry_out(self, principal: Principal, wish: Wish) -> Outcome:
        """Make a wish true, all or nothing; readable when this returns.

        Idempotent: what is there already is left alone.

        Raises:
            Forbidden: a policy denies a part of it, by the old owner or by the new one.
            PreconditionFailed: its condition does not hold.
            VanishingRefused: much would go, and it was not said that just this may.
            Conflict: others hold some of it, or it changed again and again meanwhile.
        """
        permits: set[Need] = set()
        there = await self.there(wish)
        for _ in range(_ATTEMPTS):
            _check_condition(wish, there)
            _refuse(wish, there, self._keeping)
            await self._ask(principal, _needs(wish, there), permits)
            async with self._database.begin() as transaction:
                await serialise(transaction)
                there = await _there(transaction, wish)
                if not _needs(wish, there) <= permits:
                    continue
                outcome = await _write(transaction, principal, wish, there, self._keeping)
            await self._feed.catch_up(outcome.seq)
            return outcome
        raise Conflict(f"{wish.subject} changes all the time.", next="Try again.")

    async def _ask(self, principal: Principal, needs: set[Need], permits: set[Need]) -> None:
        for need in sorted(needs - permits, key=str):
            ref, owner = need
            await self._policy.check(principal, "catalog:write", ref, {"owner": owner})
            permits.add(need)


async def _there(transaction: Transaction, wish: Wish) -> Mapping[str, Standing]:
    refs = [*wish.removes, *(draft.ref for draft in wish.drafts)]
    return await standing(transaction, refs, origin=wish.origin if wish.whole else None)


def _check_condition(wish: Wish, there: Mapping[str, Standing]) -> None:
    if wish.condition != Condition():
        known = there.get(wish.subject)
        wish.condition.check(wish.subject, known.document if known is not None else None)


def _leaving(wish: Wish, there: Mapping[str, Standing]) -> list[str]:
    stay = {draft.ref for draft in wish.drafts}
    found = {ref for ref in wish.removes if ref in there}
    if wish.whole:
        found |= {ref for ref, one in there.items() if one.holder.origin == wish.origin} - stay
    return sorted(found)


def _needs(wish: Wish, there: Mapping[str, Standing]) -> set[Need]:
    """What policies must allow: the old owner of what changes, and the new one."""
    needs: set[Need] = {(ref, there[ref].owner) for ref in _leaving(wish, there)}
    for draft in wish.drafts:
        known = there.get(draft.ref)
        if known is not None and known.body.encode() == draft.body:
            continue
        needs.add((draft.ref, owner_of(msgspec.json.decode(draft.body))))
        if known is not None:
            needs.add((draft.ref, known.owner))
    return needs


def _planned(wish: Wish, there: Mapping[str, Standing], keeping: Keeping) -> ChangePlan:
    added: list[str] = []
    changed: list[str] = []
    unchanged: list[str] = []
    conflicts: dict[str, Holder] = {}
    for draft in wish.drafts:
        known = there.get(draft.ref)
        if known is None:
            added.append(draft.ref)
        elif not belongs(known.holder.origin, wish.origin):
            conflicts[draft.ref] = known.holder
        else:
            same = known.body.encode() == draft.body
            (unchanged if same else changed).append(draft.ref)
    leaving = _leaving(wish, there)
    held = sum(1 for one in there.values() if one.holder.origin == wish.origin)
    waits = keeping.waits(len(leaving), held, empty=not wish.drafts)
    return ChangePlan(
        tuple(sorted(added)),
        tuple(sorted(changed)),
        tuple(sorted(unchanged)),
        tuple(leaving),
        (),
        conflicts,
        digest_of(leaving) if leaving else "",
        wish.whole and bool(leaving) and waits,
    )


def _refuse(wish: Wish, there: Mapping[str, Standing], keeping: Keeping) -> None:
    plan = _planned(wish, there, keeping)
    for ref in wish.removes:
        if ref in there and there[ref].holder.type == "platform":
            raise Conflict(f"{ref} stands for a resource.", next=there[ref].holder.way(ref))
    if plan.conflicts:
        problems = [
            Problem("conflict", f"{ref} is held by {holder.place}. {holder.way(ref)}")
            for ref, holder in sorted(plan.conflicts.items())
        ]
        ref, holder = min(plan.conflicts.items())
        raise Conflict(
            f"{ref} is not yours to write." if len(problems) == 1 else "Others hold some of it.",
            why=f"{holder.place} declares it.",
            next=holder.way(ref),
            problems=problems,
        )
    if plan.guarded and wish.consent != plan.digest:
        raise VanishingRefused(
            f"{len(plan.deleted)} entities of {wish.subject} would vanish.",
            why=f"That is more than a slip may take: more than {keeping.guard_percent} % and at "
            f"least {keeping.guard_least}, or all of them.",
            next=f"If that is what you want: --prune, or prune={plan.digest} through the API.",
            problems=[Problem("vanishing", ref) for ref in plan.deleted[:_NAMED]],
        )


async def _write(
    transaction: Transaction,
    principal: Principal,
    wish: Wish,
    there: Mapping[str, Standing],
    keeping: Keeping,
) -> Outcome:
    _check_condition(wish, there)
    _refuse(wish, there, keeping)
    actor, source = audit.actor_of(principal), wish.source or wish.origin
    outcome = await put_entities(
        transaction, wish.drafts, actor=actor, source=source, reason=wish.reason
    )
    uids = [there[ref].uid for ref in _leaving(wish, there)]
    if uids:
        # What its holder lets go of may pass to others who state it, too.
        why = "unlisted" if wish.whole else "deleted"
        outcome.take(
            await delete_entities(
                transaction,
                uids,
                actor=actor,
                source=source,
                reason=why,
                days=keeping.tombstone_days,
            )
        )
    counts = {
        name: len(refs)
        for name in ("added", "changed", "deleted", "handed")
        if (refs := getattr(outcome, name))
    }
    if counts:
        await audit.record(transaction, principal, wish.act, wish.subject, detail=counts)
    return outcome
