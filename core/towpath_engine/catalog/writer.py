"""Writes entities, their relations and their revisions, in a transaction of the caller.

The only code that writes these tables. Knows neither where entities come from nor the index.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import bindparam, delete, func, insert, select, text, update

from towpath_core.entities import Entity, Relation
from towpath_engine.catalog.feed import CHANNEL
from towpath_engine.catalog.tables import ENTITIES, REVISIONS
from towpath_engine.clock import now
from towpath_engine.store.database import Transaction

__all__ = ("Draft", "Outcome", "delete_entities", "put_entities", "serialise")

_LOCK = 0x70_77_70_02
_Rows = list[dict[str, Any]]


class Draft(msgspec.Struct, frozen=True):
    """An entity to be written.

    Attributes:
        entity: checked, with all its annotations.
        body: the same as JSON text.
        relations: what it states, both directions.
        origin: who holds the reference; another origin cannot take it over.
        file: the file it stands in.
        lacking: files that it names could not be read. It is written where nothing is there yet,
            and otherwise what is there stays.
    """

    entity: Entity
    body: bytes
    relations: tuple[Relation, ...]
    origin: str
    file: str | None = None
    lacking: bool = False

    @property
    def ref(self) -> str:
        """The canonical reference."""
        return str(self.entity.ref)


class Outcome(msgspec.Struct):
    """What became of drafts: references by what was done, and who holds those that conflict."""

    added: list[str] = []
    changed: list[str] = []
    unchanged: list[str] = []
    deleted: list[str] = []
    conflicts: dict[str, str] = {}
    seq: int = 0


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
) -> Outcome:
    """Write entities that are new or have changed, each with a revision.

    Idempotent: an entity that is there already, word for word, is left alone. A reference that
    another origin holds is left alone too and reported. No reference may be there twice.

    Args:
        transaction: the caller's.
        drafts: what is to be there.
        actor: who writes.
        source: where it comes from.
        location_id: the registered location they were read from, where there is one.
    """
    await serialise(transaction)
    outcome = Outcome()
    known = await _known(transaction, [draft.ref for draft in drafts])
    fresh, renewed = _Rows(), _Rows()
    for draft in drafts:
        row, old = _row(draft, location_id), known.get(draft.ref)
        if old is not None and old.origin != draft.origin:
            outcome.conflicts[draft.ref] = old.origin
        elif old is not None and _is_there(draft, row, old):
            outcome.unchanged.append(draft.ref)
        else:
            row["uid"] = old.uid if old is not None else uuid4()
            row["revision"] = old.revision + 1 if old is not None else 1
            (renewed if old is not None else fresh).append(row)
            (outcome.changed if old is not None else outcome.added).append(draft.ref)
    await _write(transaction, fresh, renewed)
    rows = [_revision(row, "put", actor, source) for row in (*fresh, *renewed)]
    outcome.seq = await _log(transaction, rows)
    return outcome


async def delete_entities(
    transaction: Transaction, uids: Iterable[UUID], *, actor: str, source: str
) -> Outcome:
    """Remove entities and what they state, each with a revision; missing ones are left out."""
    await serialise(transaction)
    c = ENTITIES.c
    statement = delete(ENTITIES).where(c.uid == func.any(list(uids)))
    gone = (await transaction.execute(statement.returning(c.uid, c.ref, c.revision))).all()
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
            "at": now(),
        }
        for row in gone
    ]
    return Outcome(deleted=[row.ref for row in gone], seq=await _log(transaction, rows))


async def _known(transaction: Transaction, refs: list[str]) -> Mapping[str, Any]:
    c = ENTITIES.c
    query = select(c.ref, c.uid, c.hash, c.revision, c.origin, c.file).where(
        c.ref == func.any(refs)
    )
    return {row.ref: row for row in await transaction.execute(query)}


def _is_there(draft: Draft, row: Mapping[str, Any], old: Any) -> bool:
    return draft.lacking or (old.hash == row["hash"] and old.file == draft.file)


def _row(draft: Draft, location_id: UUID | None) -> dict[str, Any]:
    stated = sorted({(r.source, r.type, r.target) for r in draft.relations})
    edges = msgspec.json.encode(stated)
    moment = now()
    return {
        "ref": draft.ref,
        "kind": draft.entity.kind.lower(),
        "body": draft.body.decode(),
        "edges": edges.decode(),
        "hash": hashlib.sha256(draft.body + b"\n" + edges).hexdigest(),
        "origin": draft.origin,
        "file": draft.file,
        "location_id": location_id,
        "created_at": moment,
        "updated_at": moment,
    }


async def _write(
    transaction: Transaction,
    fresh: list[dict[str, Any]],
    renewed: list[dict[str, Any]],
) -> None:
    if fresh:
        await transaction.execute(insert(ENTITIES), fresh)
    if renewed:
        names = ("kind", "body", "edges", "hash", "file", "location_id", "revision", "updated_at")
        statement = (
            update(ENTITIES)
            .where(ENTITIES.c.uid == bindparam("b_uid"))
            .values({name: bindparam(f"b_{name}") for name in names})
        )
        rows = [{f"b_{name}": row[name] for name in (*names, "uid")} for row in renewed]
        await transaction.execute(statement, rows)


def _revision(row: Mapping[str, Any], action: str, actor: str, source: str) -> dict[str, Any]:
    return {
        "uid": row["uid"],
        "ref": row["ref"],
        "revision": row["revision"],
        "action": action,
        "body": row["body"],
        "edges": row["edges"],
        "actor": actor,
        "source": source,
        "at": row["updated_at"],
    }


async def _log(transaction: Transaction, rows: list[dict[str, Any]]) -> int:
    if not rows:
        return 0
    await transaction.execute(insert(REVISIONS), rows)
    query = select(func.max(REVISIONS.c.seq))
    seq: int = (await transaction.execute(query)).scalar_one()
    note = text("SELECT pg_notify(:c, :p)")
    await transaction.execute(note, {"c": CHANNEL, "p": str(seq)})
    return seq
