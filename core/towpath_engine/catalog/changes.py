"""Changes of the catalog as watchers see them, read from the revisions in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, lateral, select, true

from towpath_engine.catalog.finals import final_form
from towpath_engine.catalog.index import CatalogIndex
from towpath_engine.catalog.passing import Found, asks_for_relations, found_by, passes
from towpath_engine.catalog.past import PRUNED, edges_of
from towpath_engine.catalog.preconditions import content_tag
from towpath_engine.catalog.query import Filter
from towpath_engine.catalog.tables import MARKS, REVISIONS
from towpath_engine.store.database import Transaction

__all__ = ("Change", "effect", "kept", "read_changes")


class Change(msgspec.Struct, dict=True):
    """One revision, as every watcher shares it.

    Attributes:
        seq: its number.
        ref: the entity.
        uid: the entity's id.
        actor: who made it.
        source: where the content came from.
        at: when.
        final: the entity as readers get it; None where it was removed.
        before: the entity before it, or None where there was none.
        unknown: what was before is not kept any more.
        shown: what a gateway made of it, once for all who watch.
    """

    seq: int
    ref: str
    uid: UUID
    actor: str
    source: str
    at: datetime
    final: bytes | None
    before: bytes | None
    unknown: bool
    shown: bytes | None = None

    @cached_property
    def size(self) -> int:
        """How many bytes it holds, about."""
        return len(self.final or b"") + len(self.before or b"")

    @cached_property
    def found_now(self) -> Found:
        """What the entity is found by."""
        return found_by(msgspec.json.decode(self.final)) if self.final else {}

    @cached_property
    def found_before(self) -> Found:
        """What the entity before it is found by."""
        return found_by(msgspec.json.decode(self.before)) if self.before else {}


def effect(change: Change, filter: Filter) -> str | None:
    """What a change means to one who watches through a filter: `put`, `delete`, or nothing.

    An entity that passes no longer is deleted for that watcher. Where it cannot be told whether it
    passed before, it is deleted too: removing what is not there does no harm.
    """
    if change.final is not None and passes(filter, change.found_now):
        return "put"
    if change.unknown or (change.before is not None and asks_for_relations(filter)):
        return "delete"
    if change.before is not None and passes(filter, change.found_before):
        return "delete"
    return None


async def kept(transaction: Transaction) -> tuple[int, int]:
    """Up to which number revisions were pruned, and the newest number."""
    mark = select(MARKS.c.seq).where(MARKS.c.name == PRUNED)
    pruned = (await transaction.execute(mark)).scalar_one_or_none() or 0
    query = select(func.coalesce(func.max(REVISIONS.c.seq), 0))
    newest = (await transaction.execute(query)).scalar_one()
    return pruned, max(newest, pruned)


async def read_changes(
    transaction: Transaction,
    index: CatalogIndex,
    after: int,
    *,
    upto: int | None = None,
    limit: int,
) -> Sequence[Change]:
    """Changes with a higher number than `after`, in order, at most `limit`.

    What is the newest of an entity has all relations that the index knows; what was replaced
    since then has those that it stated itself.
    """
    c, older = REVISIONS.c, REVISIONS.alias("older")
    before = lateral(
        select(older.c.action, older.c.uid, older.c.body, older.c.edges)
        .where(older.c.ref == c.ref, older.c.seq < c.seq)
        .order_by(older.c.seq.desc())
        .limit(1)
    ).alias("before")
    query = (
        select(
            c.seq, c.ref, c.uid, c.revision, c.action, c.body, c.edges, c.actor, c.source, c.at,
            before.c.action.label("was"), before.c.uid.label("was_uid"),
            before.c.body.label("was_body"), before.c.edges.label("was_edges"),
        )
        .select_from(REVISIONS.outerjoin(before, true()))
        .where(c.seq > after)
        .order_by(c.seq)
        .limit(limit)
    )  # fmt: skip
    if upto is not None:
        query = query.where(c.seq <= upto)
    rows = (await transaction.execute(query)).all()
    return [_change(row, index) for row in rows]


def _change(row: Any, index: CatalogIndex) -> Change:
    return Change(
        seq=row.seq,
        ref=row.ref,
        uid=row.uid,
        actor=row.actor,
        source=row.source,
        at=row.at,
        final=_final(row, index) if row.action == "put" else None,
        before=_own(row.was_body, row.was_uid, row.was_edges, row.ref)
        if row.was == "put"
        else None,
        unknown=row.was is None and row.revision > 1,
    )


def _final(row: Any, index: CatalogIndex) -> bytes:
    entry = index.by_ref(row.ref)
    if entry is not None:
        known: Mapping[str, Any] = msgspec.json.decode(entry.final)
        same = known["metadata"]["uid"] == str(row.uid)
        if same and content_tag(known) == content_tag(msgspec.json.decode(row.body)):
            return entry.final
    return _own(row.body, row.uid, row.edges, row.ref)


def _own(body: str, uid: UUID, edges: str | None, ref: str) -> bytes:
    """An entity with the relations that it states itself."""
    stated = {(type, target) for source, type, target in edges_of(edges) if source == ref}
    return final_form(body, str(uid), sorted(stated))[0]
