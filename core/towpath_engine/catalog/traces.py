"""What the store knows of one reference: gathered in one snapshot, for `explaining` to tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import and_, or_, select

from towpath_engine.catalog.following import Stop
from towpath_engine.catalog.reach import leads_to
from towpath_engine.catalog.tables import (
    CONFLICTS,
    ENTITIES,
    FILES,
    LOCATIONS,
    PROBLEMS,
    REVISIONS,
)
from towpath_engine.catalog.tombstones import Buried, tombstones
from towpath_engine.store.database import Database, Transaction

__all__ = ("Trace", "trace_of")

_MOST = 20
_MOST_FAULTS = 1000


class Trace(msgspec.Struct):
    """All that is known of a reference.

    Attributes:
        entity: its row, where it is there.
        locations: the registered locations that state it, hold it, or held it.
        files: what is remembered of the files that it stands in.
        problems: what was wrong with it, or with a file it stands in, when it was last read.
        claims: origins that state it while another holds it, the first first.
        revisions: the last changes, the newest first.
        tombstone: what can be brought back.
        named_by: entities that name it although it is not there.
        dangling: references that it names itself and that are not there.
        spoilt: how many files could not be parsed; it might stand in one of these.
        unread: what kept the file that it stands in from being read, when that was tried last.
    """

    ref: str
    entity: Any = None
    locations: dict[UUID, Any] = {}
    files: Sequence[Any] = ()
    problems: Sequence[Any] = ()
    claims: Sequence[Any] = ()
    revisions: Sequence[Any] = ()
    tombstone: Buried | None = None
    named_by: Sequence[str] = ()
    dangling: Sequence[str] = ()
    spoilt: int = 0
    unread: Any = None


async def trace_of(database: Database, ref: str) -> Trace:
    """Gather what is known of a canonical reference, in one snapshot."""
    async with database.begin() as transaction:
        mode = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
        await transaction.exec_driver_sql(mode)
        trace = Trace(ref)
        await _holding(transaction, trace)
        await _past(transaction, trace)
        await _problems(transaction, trace)
        await _unread(transaction, trace)
        await _places(transaction, trace)
        return trace


async def _holding(transaction: Transaction, trace: Trace) -> None:
    e, c = ENTITIES.c, CONFLICTS.c
    names = (e.uid, e.revision, e.origin, e.file, e.line, e.location_id, e.created_at, e.updated_at)
    query = select(*names).where(e.ref == trace.ref)
    trace.entity = (await transaction.execute(query)).one_or_none()
    claims = select(c.origin, c.location_id, c.file, c.line, c.at).where(c.ref == trace.ref)
    trace.claims = (await transaction.execute(claims.order_by(c.at).limit(_MOST))).all()


async def _past(transaction: Transaction, trace: Trace) -> None:
    r = REVISIONS.c
    names = (r.seq, r.uid, r.revision, r.action, r.actor, r.source, r.reason, r.at)
    query = select(*names).where(r.ref == trace.ref).order_by(r.seq.desc()).limit(_MOST)
    trace.revisions = (await transaction.execute(query)).all()
    trace.tombstone = next(iter(await tombstones(transaction, ref=trace.ref, limit=1)), None)


async def _problems(transaction: Transaction, trace: Trace) -> None:
    p = PROBLEMS.c
    about = p.entity_ref == trace.ref
    if trace.entity is not None and trace.entity.file is not None:
        same = (p.location_id == trace.entity.location_id, p.file == trace.entity.file)
        about = or_(about, p.entity_ref.is_(None) & same[0] & same[1])
    query = select(PROBLEMS).where(about, p.level == "error").order_by(p.id).limit(_MOST)
    trace.problems = (await transaction.execute(query)).all()
    named = select(p.entity_ref).where(p.target == trace.ref, p.entity_ref.is_not(None))
    if trace.entity is None:
        trace.named_by = list((await transaction.execute(named.distinct().limit(_MOST))).scalars())
    lost = select(p.target).where(p.entity_ref == trace.ref, p.target.is_not(None))
    lost = lost.where(p.target.not_in(select(ENTITIES.c.ref)))
    trace.dangling = list((await transaction.execute(lost.order_by(p.target))).scalars())
    unread = select(p.location_id, p.file).where(
        p.entity_ref.is_(None), p.level == "error", p.file.is_not(None)
    )
    trace.spoilt = len((await transaction.execute(unread.distinct().limit(1000))).all())


async def _unread(transaction: Transaction, trace: Trace) -> None:
    entity, p, f = trace.entity, PROBLEMS.c, FILES.c
    if entity is None or entity.file is None or entity.location_id is None:
        return
    stating = and_(f.location_id == p.location_id, f.file == p.file)
    query = (
        select(PROBLEMS, f.stops, LOCATIONS.c.target.label("root"))
        .select_from(PROBLEMS.join(LOCATIONS).outerjoin(FILES, stating))
        .where(p.location_id == entity.location_id, p.entity_ref.is_(None), p.level == "error")
        .order_by(p.id)
        .limit(_MOST_FAULTS)
    )
    faults = await transaction.execute(query)
    trace.unread = next((row for row in faults if _keeps_from(row, entity.file)), None)


def _keeps_from(fault: Any, file: str) -> bool:
    """Whether a problem is that the root could not be read, or a place that leads to the file."""
    if fault.line is None:
        return fault.file in (None, fault.root)
    stops = msgspec.convert(fault.stops or (), tuple[Stop, ...])
    places = ((stop, stop.stated_in) for stop in stops)
    return any(
        (place.line, place.pointer) == (fault.line, fault.pointer) and leads_to(stop.target, file)
        for stop, place in places
    )


async def _places(transaction: Transaction, trace: Trace) -> None:
    rows = [trace.entity, trace.tombstone, *trace.claims, *trace.problems]
    ids = {row.location_id for row in rows if row is not None and row.location_id is not None}
    c, f = LOCATIONS.c, FILES.c
    query = select(LOCATIONS).where(c.id.in_(ids))
    trace.locations = {row.id: row for row in await transaction.execute(query)}
    named = {row.file for row in rows if row is not None and row.file is not None}
    files = select(FILES).where(f.location_id.in_(ids), f.file.in_(named))
    trace.files = (await transaction.execute(files)).all()
