"""Looks at what was removed, and brings it back as what it was.

What comes back though its source lacks it is held by `api:restored:` and the origin it had, so
that no reading removes it; the moment its source states it again it belongs to that as before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from towpath_core.errors import Conflict, NotFound
from towpath_core.identity import Principal
from towpath_engine import audit
from towpath_engine.catalog.drafts import RESTORED
from towpath_engine.catalog.feed import Follower
from towpath_engine.catalog.tables import ENTITIES, TOMBSTONES
from towpath_engine.catalog.tombstones import Buried, alive, tombstones
from towpath_engine.catalog.weighing import Weighed
from towpath_engine.catalog.writer import serialise, write_weighed
from towpath_engine.clock import now
from towpath_engine.policy import PolicyGate
from towpath_engine.store.database import Database, Transaction

__all__ = ("TombstoneService",)

_BACK = ("uid", "ref", "kind", "body", "edges", "hash", "file", "line", "created_at")


class TombstoneService:
    """What was removed from the catalog and can be brought back."""

    def __init__(self, database: Database, feed: Follower, policy: PolicyGate) -> None:
        self._database = database
        self._feed = feed
        self._policy = policy

    async def page(
        self,
        *,
        ref: str | None = None,
        before: tuple[datetime, UUID] | None = None,
        limit: int = 100,
    ) -> Sequence[Buried]:
        """What can still be brought back, the last removed first, at most `limit`.

        Args:
            ref: only that of a canonical reference.
            before: time and uid of the last that is known already.
            limit: how many at most.
        """
        async with self._database.begin() as transaction:
            return await tombstones(transaction, ref=ref, before=before, limit=limit)

    async def restore(self, principal: Principal, uid: UUID) -> str:
        """Bring an entity back with its uid and its history; readable when this returns.

        Returns:
            Its reference.

        Raises:
            NotFound: there is no such tombstone, or its time is over.
            Conflict: something else has its reference.
        """
        async with self._database.begin() as transaction:
            ref: str = (await _row(transaction, uid))["ref"]
        await self._policy.check(principal, "catalog:write", ref)
        async with self._database.begin() as transaction:
            await serialise(transaction)
            row = await _row(transaction, uid)
            await _refuse_taken(transaction, ref)
            actor = audit.actor_of(principal)
            outcome = await write_weighed(
                transaction,
                Weighed(fresh=[_back(row)], returned=[uid]),
                actor=actor,
                source="api",
                reason="restored",
            )
            await audit.record(transaction, principal, "catalog:restore", ref)
        await self._feed.catch_up(outcome.seq)
        return ref


async def _row(transaction: Transaction, uid: UUID) -> Any:
    query = select(TOMBSTONES).where(TOMBSTONES.c.uid == uid, alive())
    row = (await transaction.execute(query)).mappings().one_or_none()
    if row is None:
        raise NotFound(f"There is no tombstone of {uid}.")
    return row


async def _refuse_taken(transaction: Transaction, ref: str) -> None:
    c = ENTITIES.c
    holder = (await transaction.execute(select(c.origin).where(c.ref == ref))).scalar_one_or_none()
    if holder is not None:
        raise Conflict(
            f"{ref} is there already.", why=f"{holder} holds it.", next="Remove that one first."
        )


def _back(row: Any) -> dict[str, Any]:
    origin: str = row["origin"]
    # Who put it through the API has it as before; everybody else would remove it again.
    own = origin.startswith("api:")
    return {name: row[name] for name in _BACK} | {
        "origin": origin if own else f"{RESTORED}{origin}",
        "location_id": None,
        "revision": row["revision"] + 1,
        "updated_at": now(),
    }
