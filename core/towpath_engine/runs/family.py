"""Runs that belong together: a parent and its children, a run and those that take it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from towpath_core.runs import RUN_ENDED
from towpath_engine.runs.tables import RUNS, UNDOS
from towpath_engine.store.database import Database, Transaction

__all__ = ("depth_of", "forsaken", "open_children", "parent_stops", "tree_of", "undo_of")

_OPEN = ("queued", "running", "waiting")

_TREE = text(
    """
    WITH RECURSIVE family AS (
        SELECT CAST(:root AS uuid) AS id
        UNION SELECT r.id FROM runs r JOIN family f ON r.parent_id = f.id)
    SELECT id FROM family
    """
)

_ANCESTORS = text(
    """
    WITH RECURSIVE line AS (
        SELECT id, parent_id, 1 AS depth FROM runs WHERE id = :run
        UNION ALL
        SELECT r.id, r.parent_id, l.depth + 1 FROM runs r JOIN line l ON r.id = l.parent_id
        WHERE l.depth < :most)
    SELECT id, depth FROM line ORDER BY depth DESC LIMIT 1
    """
)

_FORSAKEN = text(
    """
    SELECT c.id FROM runs c JOIN runs p ON p.id = c.parent_id
    WHERE c.state IN ('queued', 'running', 'waiting') AND NOT c.cancel_requested
      AND (p.cancel_requested OR p.state IN ('succeeded', 'failed', 'cancelled', 'unknown'))
    ORDER BY c.id LIMIT 100
    """
)


async def open_children(database: Database, run_id: UUID) -> Sequence[UUID]:
    """The children of a run that have not ended."""
    query = select(RUNS.c.id).where(RUNS.c.parent_id == run_id, RUNS.c.state.in_(_OPEN))
    async with database.begin() as transaction:
        return list((await transaction.execute(query.order_by(RUNS.c.id))).scalars())


async def forsaken(database: Database) -> Sequence[UUID]:
    """Children whose parent has ended or was asked to stop, and that nobody has told; some."""
    async with database.begin() as transaction:
        return list((await transaction.execute(_FORSAKEN)).scalars())


async def parent_stops(transaction: Transaction, row: Mapping[Any, Any]) -> bool:
    """Whether the parent of a run has ended, or was asked to stop."""
    query = select(RUNS.c.state, RUNS.c.cancel_requested).where(RUNS.c.id == row["parent_id"])
    parent = (await transaction.execute(query)).one_or_none()
    return parent is None or parent.cancel_requested or parent.state in RUN_ENDED


async def tree_of(transaction: Transaction, run_id: UUID) -> Sequence[UUID]:
    """A run and all that it started, directly or through others."""
    return list((await transaction.execute(_TREE, {"root": run_id})).scalars())


async def depth_of(transaction: Transaction, run_id: UUID, most: int) -> tuple[UUID, int]:
    """The run that all began with, and how deep below a run is, itself counted; `most` at most."""
    row = (await transaction.execute(_ANCESTORS, {"run": run_id, "most": most})).one()
    return row.id, row.depth


async def undo_of(transaction: Transaction, run_id: UUID) -> bool:
    """Whether a run is being taken back, or was in part."""
    c = RUNS.c
    under_way = select(c.id).where(c.undoes == run_id, c.state.in_(_OPEN)).limit(1)
    mine = UNDOS.c.run_id == run_id
    begun = select(UNDOS.c.seq).where(mine, UNDOS.c.state != "ready").limit(1)
    for query in (under_way, begun):
        if (await transaction.execute(query)).first() is not None:
            return True
    return False
