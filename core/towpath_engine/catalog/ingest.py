"""Takes the reading of a location into the store: what is new, changed, gone, and wrong.

Works in a transaction of the caller, who has waited for other writers (`serialise`). Reads no
source. What is to be done is told by `diffing`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from towpath_core.identity import Principal
from towpath_engine import audit
from towpath_engine.catalog.conflicts import keep_claims
from towpath_engine.catalog.diffing import Diff, diff
from towpath_engine.catalog.files import known_files, remember_files
from towpath_engine.catalog.findings import Reading
from towpath_engine.catalog.keeping import Keeping
from towpath_engine.catalog.locations import Location
from towpath_engine.catalog.problems import store_problems
from towpath_engine.catalog.tables import LOCATIONS
from towpath_engine.catalog.writer import Outcome, delete_entities, write_weighed
from towpath_engine.clock import now
from towpath_engine.store.database import Transaction

__all__ = ("still_fits", "take_in")


async def take_in(
    transaction: Transaction,
    principal: Principal,
    location: Location,
    reading: Reading,
    begun: datetime,
    keeping: Keeping | None = None,
) -> Outcome:
    """Make the store hold what a location led to, and keep its problems.

    Writes no entity where nothing changed. References that another origin holds are left alone
    and become problems. What vanished in large numbers stays until somebody confirms.

    Args:
        transaction: the caller's, with the catalog's lock.
        principal: who has it read.
        location: registered already.
        reading: what it led to. Its problems are those of the store afterwards.
        begun: when the reading began, by the database's clock. One that began before the last
            that was taken in is old news, and nothing is written.
        keeping: when vanishing is not believed, and how long what was removed is kept.
    """
    if await _is_old_news(transaction, location, begun):
        return Outcome()
    keeping = keeping or Keeping()
    actor, source = audit.actor_of(principal), location.origin
    found = await diff(transaction, location, reading, keeping)
    outcome = await write_weighed(transaction, found.weighed, actor=actor, source=source)
    outcome.unchanged = [*outcome.unchanged, *found.kept]
    gone = [row.uid for row in found.gone]
    outcome.take(
        await delete_entities(
            transaction,
            gone,
            actor=actor,
            source=source,
            reason="vanished",
            days=keeping.tombstone_days,
        )
    )
    outcome.held = found.holding
    await keep_claims(transaction, location.id, found.lost, complete=reading.complete)
    await remember_files(transaction, location.id, reading, found.doubtful)
    reading.problems = found.problems
    await store_problems(transaction, location.id, "error", reading.problems)
    await _mark(transaction, location.id, begun, found)
    await _audit(transaction, principal, source, outcome)
    return outcome


async def still_fits(transaction: Transaction, location_id: UUID, reading: Reading) -> bool:
    """Whether the files that a reading kept are still known as they were when it began.

    Another reading may have been taken in meanwhile, or an entity removed that one of them states.
    """
    if not reading.kept:
        return True
    known = await known_files(transaction, location_id)
    files = reading.files
    return all(name in known and known[name].etag == files[name].etag for name in reading.kept)


async def _is_old_news(transaction: Transaction, location: Location, begun: datetime) -> bool:
    c = LOCATIONS.c
    newer = select(c.id).where(c.id == location.id, c.read_at > begun)
    return (await transaction.execute(newer)).one_or_none() is not None


async def _mark(transaction: Transaction, location_id: UUID, begun: datetime, found: Diff) -> None:
    c = LOCATIONS.c
    uids = sorted(str(row.uid) for row in found.held)
    query = select(c.held).where(c.id == location_id)
    before = (await transaction.execute(query)).scalar_one()
    values: dict[str, Any] = {"read_at": begun}
    if uids != (before or []):
        values |= {"held": uids or None, "held_at": now() if uids else None}
    await transaction.execute(update(LOCATIONS).where(c.id == location_id).values(values))


async def _audit(
    transaction: Transaction, principal: Principal, source: str, outcome: Outcome
) -> None:
    counts = {
        "added": len(outcome.added),
        "changed": len(outcome.changed),
        "deleted": len(outcome.deleted),
    }
    if any(counts.values()) or outcome.handed:
        if outcome.handed:
            counts["handed"] = len(outcome.handed)
        await audit.record(transaction, principal, "catalog:ingest", source, detail=counts)
