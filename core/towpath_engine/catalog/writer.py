"""Writes entities, their relations and their revisions, in a transaction of the caller.

The only code that writes these tables. Knows neither where entities come from nor the index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    Text,
    case,
    cast,
    column,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from towpath_engine.catalog.conflicts import claims_on, pass_on
from towpath_engine.catalog.drafts import Draft, Outcome, same_content
from towpath_engine.catalog.feed import CHANNEL
from towpath_engine.catalog.keeping import TOMBSTONE_DAYS
from towpath_engine.catalog.tables import ENTITIES, FILES, REVISIONS
from towpath_engine.catalog.tombstones import bury, prune, unbury
from towpath_engine.catalog.weighing import Rows, Weighed, weigh
from towpath_engine.clock import now
from towpath_engine.store.bulk import insert_rows
from towpath_engine.store.database import Transaction

__all__ = ("Draft", "Outcome", "delete_entities", "put_entities", "serialise", "write_weighed")

_LOCK = 0x70_77_70_02
_BATCH = 1000
_CHANGING = (
    "kind",
    "body",
    "edges",
    "hash",
    "origin",
    "file",
    "line",
    "location_id",
    "revision",
    "updated_at",
)


async def serialise(transaction: Transaction) -> None:
    """Wait for other writers of the catalog; holds until the transaction ends.

    Revision numbers are in order of commit because of this; the change feed relies on it.
    """
    lock = text("SELECT pg_advisory_xact_lock(:key)")
    await transaction.execute(lock, {"key": _LOCK})


async def put_entities(
    transaction: Transaction,
    drafts: Sequence[Draft],
    *,
    actor: str,
    source: str,
    location_id: UUID | None = None,
    reason: str | None = None,
) -> Outcome:
    """Write entities that are new or have changed, each with a revision.

    Idempotent: an entity that is there already, word for word, is left alone. A reference that
    another origin holds is left alone too and reported. One that was removed not long ago comes
    back with its uid and its history. No reference may be there twice.

    Args:
        transaction: the caller's.
        drafts: what is to be there.
        actor: who writes.
        source: where it comes from.
        location_id: the registered location they were read from, where there is one.
        reason: why, in one word, where it is not simply written.
    """
    await serialise(transaction)
    weighed = await weigh(transaction, drafts, location_id)
    return await write_weighed(transaction, weighed, actor=actor, source=source, reason=reason)


async def write_weighed(
    transaction: Transaction,
    weighed: Weighed,
    *,
    actor: str,
    source: str,
    reason: str | None = None,
) -> Outcome:
    """Write what was weighed in the same transaction, under the catalog's lock."""
    await insert_rows(transaction, ENTITIES, weighed.fresh)
    await _renew(transaction, weighed.renewed)
    await _shift(transaction, weighed.shifted)
    if weighed.returned:
        await unbury(transaction, weighed.returned)
    rows = (*weighed.fresh, *weighed.renewed)
    seq = await _log_puts(
        transaction, [row["uid"] for row in rows], weighed.returned, actor, source, reason
    )
    return Outcome(
        added=[row["ref"] for row in weighed.fresh],
        changed=[row["ref"] for row in weighed.renewed],
        unchanged=weighed.unchanged,
        conflicts=weighed.conflicts,
        seq=seq,
    )


async def delete_entities(
    transaction: Transaction,
    uids: Iterable[UUID],
    *,
    actor: str,
    source: str,
    reason: str = "deleted",
    days: int = TOMBSTONE_DAYS,
) -> Outcome:
    """Remove entities and what they state, each with a revision; missing ones are left out.

    They are kept as tombstones. One that another origin states too passes to that one at once:
    with its uid where both say the same.

    Args:
        transaction: the caller's.
        uids: what is to go.
        actor: who removes it.
        source: on behalf of what.
        reason: `vanished`, `unregistered` and the like where the origin lets go of it. What is
            `deleted` while the location it was read from still has it comes back with that.
        days: how long tombstones are kept.
    """
    await serialise(transaction)
    wanted = list(uids)
    if not wanted:
        return Outcome()
    claims = await claims_on(transaction, wanted, let_go=reason != "deleted")
    same = {uid for uid, heir in claims.items() if same_content(heir["body"], heir["held"])}
    wanted = [uid for uid in wanted if uid not in same]
    await prune(transaction)
    await bury(transaction, wanted, actor=actor, reason=reason, days=days)
    outcome = await _remove(transaction, wanted, actor, source, reason)
    if claims:
        handed = await _hand_over(transaction, claims, same, actor, source)
        outcome.deleted = [ref for ref in outcome.deleted if ref not in handed.handed]
        outcome.take(handed)
    return outcome


async def _remove(
    transaction: Transaction, uids: Sequence[UUID], actor: str, source: str, reason: str
) -> Outcome:
    c = ENTITIES.c
    statement = delete(ENTITIES).where(c.uid == func.any(list(uids)))
    given = statement.returning(c.uid, c.ref, c.revision, c.location_id, c.file)
    gone = (await transaction.execute(given)).all()
    if reason == "deleted":
        # What is still stated there must be read again, though the file has not changed.
        places = {(row.location_id, row.file) for row in gone if row.location_id and row.file}
        await read_again(transaction, places)
    moment = now()
    rows = [
        {
            "uid": row.uid,
            "ref": row.ref,
            "revision": row.revision + 1,
            "action": "delete",
            "body": None,
            "edges": None,
            "actor": actor,
            "source": source,
            "reason": reason,
            "at": moment,
        }
        for row in gone
    ]
    return Outcome(deleted=[row.ref for row in gone], seq=await _log(transaction, rows))


async def read_again(transaction: Transaction, places: Iterable[tuple[UUID, str]]) -> None:
    """See that files of locations are parsed at the next reading, changed or not."""
    c, found = FILES.c, list(places)
    for at in range(0, len(found), _BATCH):
        some = tuple_(c.location_id, c.file).in_(found[at : at + _BATCH])
        await transaction.execute(update(FILES).where(some).values(whole=False))


async def _hand_over(
    transaction: Transaction,
    claims: Mapping[UUID, dict[str, Any]],
    same: set[UUID],
    actor: str,
    source: str,
) -> Outcome:
    c, moment = ENTITIES.c, now()
    query = select(c.uid, c.revision).where(c.uid == func.any(list(same)))
    revisions = {row.uid: row.revision for row in await transaction.execute(query)}
    weighed = Weighed()
    for uid, heir in claims.items():
        row = {name: value for name, value in heir.items() if name != "held"}
        row["updated_at"] = moment
        if uid in same:
            weighed.renewed.append(row | {"revision": revisions[uid] + 1})
        else:
            row |= {"uid": uuid4(), "revision": 1, "created_at": moment}
            weighed.fresh.append(row)
    written = await write_weighed(
        transaction, weighed, actor=actor, source=source, reason="handed-over"
    )
    await pass_on(transaction, claims.values())
    return Outcome(handed=[*written.added, *written.changed], seq=written.seq)


async def _renew(transaction: Transaction, rows: Rows) -> None:
    """Change entities, many in one statement: their values come as arrays."""
    c = ENTITIES.c
    names = ("uid", *_CHANGING)
    for at in range(0, len(rows), _BATCH):
        some = rows[at : at + _BATCH]
        arrays = [_array(name, [row[name] for row in some]) for name in names]
        new = _table(names, arrays)
        values = {name: new.c[name] for name in _CHANGING}
        await transaction.execute(update(ENTITIES).where(c.uid == new.c.uid).values(values))


async def _shift(transaction: Transaction, lines: Mapping[UUID, int]) -> None:
    c, uids = ENTITIES.c, list(lines)
    for at in range(0, len(uids), _BATCH):
        some = uids[at : at + _BATCH]
        arrays = (_array("uid", some), _array("line", [lines[uid] for uid in some]))
        new = _table(("uid", "line"), arrays)
        moved = update(ENTITIES).where(c.uid == new.c.uid).values(line=new.c.line)
        await transaction.execute(moved)


def _table(names: Iterable[str], arrays: Iterable[Any]) -> Any:
    columns = [column(name, ENTITIES.c[name].type) for name in names]
    return func.unnest(*arrays).table_valued(*columns, name="new").render_derived()


def _array(name: str, values: list[Any]) -> Any:
    return cast(values, ARRAY(ENTITIES.c[name].type))


async def _log_puts(
    transaction: Transaction,
    uids: Sequence[UUID],
    returned: Sequence[UUID],
    actor: str,
    source: str,
    reason: str | None,
) -> int:
    """Note revisions of entities as they stand now, ordered by reference.

    The database copies the bodies itself: it has them already, and compressed.
    """
    if not uids:
        return 0
    c = ENTITIES.c
    why: Any = literal(reason, Text)
    if returned and reason is None:
        why = case((c.uid == func.any(list(returned)), literal("returned")), else_=None)
    values = {
        **{name: c[name] for name in ("uid", "ref", "revision", "body", "edges")},
        "action": literal("put"),
        "actor": literal(actor),
        "source": literal(source),
        "reason": why,
        "at": c.updated_at,
    }
    rows = select(*values.values()).where(c.uid == func.any(list(uids))).order_by(c.ref)
    await transaction.execute(insert(REVISIONS).from_select(list(values), rows))
    return await _notify(transaction)


async def _log(transaction: Transaction, rows: Rows) -> int:
    if not rows:
        return 0
    await insert_rows(transaction, REVISIONS, rows)
    return await _notify(transaction)


async def _notify(transaction: Transaction) -> int:
    query = select(func.max(REVISIONS.c.seq))
    seq: int = (await transaction.execute(query)).scalar_one()
    note = text("SELECT pg_notify(:c, :p)")
    await transaction.execute(note, {"c": CHANNEL, "p": str(seq)})
    return seq
