"""Entities that callers declare one by one: put, and removed with word of why they would return.

What a caller may state is checked in `stating`, what it may change in `changing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

import msgspec

from towpath_core.catalog import Document
from towpath_core.errors import Invalid, NotFound, Place, Problem
from towpath_core.identity import Principal
from towpath_core.refs import EntityRef
from towpath_engine.catalog.changing import Changes, Wish
from towpath_engine.catalog.judging import KindJudge
from towpath_engine.catalog.preconditions import Condition, content_tag
from towpath_engine.catalog.standing import (
    API_ORIGIN,
    Holder,
    claims,
    standing,
)
from towpath_engine.catalog.stating import Stated, Statement, drafts_of, stated
from towpath_engine.catalog.writer import Outcome
from towpath_engine.store.database import Database

__all__ = ("Declarations", "Declared", "Removed", "Returns")

Change = Literal["added", "changed", "unchanged"]


class Declared(msgspec.Struct, frozen=True):
    """What became of an entity that was put.

    Attributes:
        ref: the canonical reference.
        uid: the id that the catalog gave.
        revision: counts the changes of this entity; the number of the one that is there.
        change: what the put did.
        content: the part of its tag that tells its content.
    """

    ref: str
    uid: UUID
    revision: int
    change: Change
    content: str


class Returns(msgspec.Struct, frozen=True):
    """Who would bring a removed entity back, when, and what to do about it."""

    holder: Holder
    when: str
    next: str


class Removed(msgspec.Struct, frozen=True):
    """An entity that was removed, and who declares it still."""

    ref: str
    uid: UUID
    returns: Sequence[Returns] = ()


class Declarations:
    """Puts and removes single entities."""

    def __init__(self, database: Database, kinds: KindJudge, changes: Changes) -> None:
        self._database = database
        self._kinds = kinds
        self._changes = changes

    async def put(
        self,
        principal: Principal,
        ref: EntityRef,
        value: Any,
        condition: Condition | None = None,
    ) -> Declared:
        """Make the catalog hold an entity, as a whole; readable when this returns.

        Idempotent: the same content again changes nothing and makes no revision.

        Args:
            principal: who asks.
            ref: which entity.
            value: its envelope, as JSON data. `relations`, `status` and `metadata.etag` in it are
                passed over, so that what was read can be sent back.
            condition: what must be true of the entity now.

        Raises:
            Invalid: it is another entity than `ref`, not a good one, or sets what the catalog
                gives; `problems` have JSON pointers.
            PreconditionFailed: the condition does not hold.
            Conflict: a location, a set or the platform holds it; says which.
            Forbidden: a policy denies it, by the old owner or by the new one.
        """
        (one,) = stated([Statement(Document(value, 1))])
        _see_that_it_is(one, ref)
        return await self.write(principal, one, condition=condition, act="catalog:put")

    async def write(
        self,
        principal: Principal,
        one: Stated,
        *,
        origin: str = API_ORIGIN,
        condition: Condition | None = None,
        act: str,
        source: str = "",
        reason: str | None = None,
    ) -> Declared:
        """Write one stated entity for an origin; as `put` otherwise."""
        async with self._database.begin() as transaction:
            there = await standing(transaction, [one.ref])
        drafts = await drafts_of(self._kinds, [one], there, origin)
        wish = Wish(
            act,
            one.ref,
            origin,
            drafts,
            condition=condition or Condition(),
            source=source,
            reason=reason,
        )
        outcome = await self._changes.carry_out(principal, wish)
        return await self._declared(one.ref, outcome, drafts[0].body)

    async def remove(
        self, principal: Principal, ref: EntityRef, condition: Condition | None = None
    ) -> Removed:
        """Remove an entity, and say who would bring it back.

        Raises:
            NotFound: there is none.
            PreconditionFailed: the condition does not hold.
            Conflict: it stands for a resource of the platform.
            Forbidden: a policy denies it.
        """
        name = str(ref)
        wish = Wish(
            "catalog:delete",
            name,
            API_ORIGIN,
            condition=condition or Condition(),
            removes=(name,),
        )
        there = (await self._changes.there(wish)).get(name)
        async with self._database.begin() as transaction:
            others = await claims(transaction, name)
        outcome = await self._changes.carry_out(principal, wish)
        if there is None or not (outcome.deleted or outcome.handed):
            raise NotFound(f"There is no entity {name}.")
        if outcome.handed:
            async with self._database.begin() as transaction:
                heir = (await standing(transaction, [name])).get(name)
            others = [heir.holder] if heir is not None else []
            return Removed(name, there.uid, _returns(others, "at once: it states it, too"))
        return Removed(name, there.uid, _returns([there.holder, *others]))

    async def _declared(self, ref: str, outcome: Outcome, body: bytes) -> Declared:
        change: Change = "unchanged"
        if outcome.added:
            change = "added"
        elif outcome.changed:
            change = "changed"
        async with self._database.begin() as transaction:
            found = (await standing(transaction, [ref])).get(ref)
        if found is None:
            raise NotFound(f"{ref} was removed meanwhile.")
        content = content_tag(msgspec.json.decode(body))
        return Declared(ref, found.uid, found.revision, change, content)


def _see_that_it_is(one: Stated, ref: EntityRef) -> None:
    """See that an entity is the one that was named; compared without case, part by part."""
    entity, problems = one.entity, []
    parts = (
        ("/kind", entity.kind, ref.kind),
        ("/metadata/namespace", entity.namespace, ref.namespace),
        ("/metadata/name", entity.name, ref.name),
    )
    for pointer, said, named in parts:
        if said.lower() != named.lower():
            text = f"the address says {named[:80]!r}, the entity {said!r}"
            problems.append(Problem("mismatch", text, Place(pointer=pointer)))
    if problems:
        raise Invalid("The entity is not the one that the address names.", problems=problems)


def _returns(holders: Sequence[Holder], when: str | None = None) -> list[Returns]:
    found = []
    for holder in holders:
        if holder.type == "location":
            way = f"Take it out of {holder.place}, or unregister the location: {holder.release}."
            found.append(Returns(holder, when or "when the location is read again", way))
        elif holder.type == "set":
            way = "Take it out of what is applied."
            found.append(Returns(holder, when or "when the set is applied again", way))
    return found
