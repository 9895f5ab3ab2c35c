"""Weighs drafts against what is stored: which are new, changed, there already, or held by others.

Reads only. A plan shows what it says, the writer does it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import func, select

from towpath_engine.catalog.drafts import Draft, belongs
from towpath_engine.catalog.tables import ENTITIES
from towpath_engine.catalog.tombstones import Grave, returning
from towpath_engine.clock import now
from towpath_engine.store.database import Transaction

__all__ = ("Rows", "Weighed", "weigh")

Rows = list[dict[str, Any]]

_MANY = 200


class Weighed(msgspec.Struct):
    """What writing drafts would do.

    Attributes:
        fresh: rows of entities that are new, or come back.
        renewed: rows of entities that are there and change.
        shifted: lines of entities that only stand elsewhere in their file, by uid.
        unchanged: references of what is there already, word for word.
        conflicts: who holds the references that others have.
        returned: uids of the fresh that were removed before.
    """

    fresh: Rows = []
    renewed: Rows = []
    shifted: dict[UUID, int] = {}
    unchanged: list[str] = []
    conflicts: dict[str, str] = {}
    returned: list[UUID] = []


async def weigh(
    transaction: Transaction,
    drafts: Sequence[Draft],
    location_id: UUID | None = None,
    known: Mapping[str, Any] | None = None,
) -> Weighed:
    """Tell what writing drafts would do. No reference may be there twice.

    Args:
        transaction: the caller's, with the catalog's lock where the answer must still hold later.
        drafts: what is to be there.
        location_id: the registered location they were read from, where there is one.
        known: what `stored_as` gave for them, if it was asked already.
    """
    if known is None:
        known = await stored_as(transaction, [draft.ref for draft in drafts])
    new = [draft for draft in drafts if draft.ref not in known]
    graves = await returning(transaction, new) if new else {}
    if len(drafts) < _MANY:
        return _sorted(drafts, location_id, known, graves)
    return await asyncio.to_thread(_sorted, drafts, location_id, known, graves)


async def stored_as(transaction: Transaction, refs: Sequence[str]) -> Mapping[str, Any]:
    """How references are stored, without their bodies; those that nobody holds are missing."""
    c = ENTITIES.c
    names = (c.ref, c.uid, c.hash, c.revision, c.origin, c.file, c.line, c.location_id)
    query = select(*names).where(c.ref == func.any(list(refs)))
    return {row.ref: row for row in await transaction.execute(query)}


def _sorted(
    drafts: Sequence[Draft],
    location_id: UUID | None,
    known: Mapping[str, Any],
    graves: Mapping[str, Grave],
) -> Weighed:
    weighed, moment = Weighed(), now()
    for draft in drafts:
        old = known.get(draft.ref)
        if old is None:
            row = draft.row(location_id)
            _born(row, graves.get(draft.ref), moment)
            weighed.fresh.append(row)
            if draft.ref in graves:
                weighed.returned.append(row["uid"])
        elif not belongs(old.origin, draft.origin):
            weighed.conflicts[draft.ref] = old.origin
        elif draft.lacking or _is_there(draft, old, location_id):
            weighed.unchanged.append(draft.ref)
            if draft.line is not None and draft.line != old.line and not draft.lacking:
                weighed.shifted[old.uid] = draft.line
        else:
            fixed = {"uid": old.uid, "revision": old.revision + 1, "updated_at": moment}
            weighed.renewed.append(draft.row(location_id) | fixed)
    return weighed


def _is_there(draft: Draft, old: Any, location_id: UUID | None) -> bool:
    same_place = old.file == draft.file and old.location_id == location_id
    return bool(same_place and old.hash == draft.hash and old.origin == draft.origin)


def _born(row: dict[str, Any], grave: Grave | None, moment: Any) -> None:
    row["uid"] = grave.uid if grave is not None else uuid4()
    row["revision"] = grave.revision + 1 if grave is not None else 1
    row["created_at"] = grave.created_at if grave is not None else moment
    row["updated_at"] = moment
