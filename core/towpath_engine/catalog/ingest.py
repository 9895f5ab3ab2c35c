"""Takes the reading of a location into the store: what is new, changed, gone, and wrong.

Works in a transaction of the caller, who has waited for other writers (`serialise`). Reads no
source.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from towpath_core.errors import Place, Problem
from towpath_core.identity import Principal
from towpath_engine import audit
from towpath_engine.catalog.locations import Location
from towpath_engine.catalog.reading import FoundProblem, Reading
from towpath_engine.catalog.tables import ENTITIES, LOCATIONS, PROBLEMS
from towpath_engine.catalog.writer import Outcome, delete_entities, put_entities
from towpath_engine.clock import now
from towpath_engine.store.database import Transaction

__all__ = ("take_in",)


async def take_in(
    transaction: Transaction,
    principal: Principal,
    location: Location,
    reading: Reading,
    begun: datetime,
) -> Outcome:
    """Make the store hold what a location led to, and keep its problems.

    Writes no entity where nothing changed. References that another origin holds are left alone
    and become problems. Nothing is removed that may still be there: what stood in a spoilt file,
    or anywhere behind one, or behind a source that could not be read to the end.

    Args:
        transaction: the caller's, with the catalog's lock.
        principal: who has it read.
        location: registered already.
        reading: what it led to.
        begun: when the reading began, by the database's clock. One that began before the last
            that was taken in is old news, and nothing is written.
    """
    newer = select(LOCATIONS.c.id).where(LOCATIONS.c.id == location.id, LOCATIONS.c.read_at > begun)
    if (await transaction.execute(newer)).one_or_none() is not None:
        return Outcome()
    actor, source = audit.actor_of(principal), location.origin
    drafts = [*reading.drafts.values(), location.draft]
    outcome = await put_entities(
        transaction, drafts, actor=actor, source=source, location_id=location.id
    )
    _note_conflicts(outcome, reading)
    gone = await _vanished(transaction, location, reading)
    removed = await delete_entities(transaction, gone, actor=actor, source=source)
    outcome.deleted, outcome.seq = removed.deleted, max(outcome.seq, removed.seq)
    await _store_problems(transaction, location.id, reading)
    done = update(LOCATIONS).where(LOCATIONS.c.id == location.id).values(read_at=begun)
    await transaction.execute(done)
    await _audit(transaction, principal, source, outcome)
    return outcome


async def _is_old_news(transaction: Transaction, location: Location, begun: datetime) -> bool:
    c = LOCATIONS.c
    newer = select(c.id).where(c.id == location.id, c.read_at > begun)
    return (await transaction.execute(newer)).one_or_none() is not None


def _note_conflicts(outcome: Outcome, reading: Reading) -> None:
    for ref, holder in outcome.conflicts.items():
        note = f"{ref} is held by {holder} already; this one is left out"
        place = Place(reading.drafts[ref].file) if ref in reading.drafts else Place()
        reading.problems.append(FoundProblem(Problem("conflict", note, place), ref))


async def _vanished(transaction: Transaction, location: Location, reading: Reading) -> list[UUID]:
    # A source that could not be read to the end says nothing about what is gone.
    if not reading.complete:
        return []
    c = ENTITIES.c
    query = select(c.uid, c.ref, c.kind, c.file).where(c.location_id == location.id)
    rows = (await transaction.execute(query)).all()
    missing = [
        row for row in rows if row.ref not in reading.drafts and row.ref != location.entity_ref
    ]
    # A location that was lost with a spoilt file led to files that nobody looked at this time.
    blind = any(row.kind == "location" and row.file in reading.spoilt for row in missing)
    return [
        row.uid
        for row in missing
        if row.file not in reading.spoilt and (row.file in reading.files or not blind)
    ]


async def _store_problems(transaction: Transaction, location_id: UUID, reading: Reading) -> None:
    await transaction.execute(delete(PROBLEMS).where(PROBLEMS.c.location_id == location_id))
    moment = now()
    rows: list[dict[str, Any]] = [
        {
            "location_id": location_id,
            "code": found.problem.code,
            "message": found.problem.message.replace("\0", "\\0"),
            "file": found.problem.place.file,
            "line": found.problem.place.line,
            "column": found.problem.place.column,
            "pointer": found.problem.place.pointer,
            "entity_ref": found.entity_ref,
            "at": moment,
        }
        for found in reading.problems
    ]
    if rows:
        await transaction.execute(insert(PROBLEMS), rows)


async def _audit(
    transaction: Transaction, principal: Principal, source: str, outcome: Outcome
) -> None:
    counts = {
        "added": len(outcome.added),
        "changed": len(outcome.changed),
        "deleted": len(outcome.deleted),
    }
    if any(counts.values()):
        await audit.record(transaction, principal, "catalog:ingest", source, detail=counts)
