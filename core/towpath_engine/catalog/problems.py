"""What was wrong when locations were last read: kept, and looked over once it is taken in.

A reference that leads nowhere is a warning: nothing is wrong with an entity that names another
too early.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, text

from towpath_core.errors import Place, Problem
from towpath_engine.catalog.findings import FoundProblem, Level
from towpath_engine.catalog.tables import LOCATIONS, PROBLEMS
from towpath_engine.clock import now
from towpath_engine.store.database import Database, Transaction

__all__ = ("MOST_WARNINGS", "look_over", "store_problems")

MOST_WARNINGS = 1000

_DANGLING = text(
    """
    SELECT e.ref, e.file, e.line, edge.value->>2 AS target,
        string_agg(DISTINCT edge.value->>1, ', ') AS types
    FROM entities AS e CROSS JOIN LATERAL json_array_elements(e.edges::json) AS edge(value)
    WHERE e.location_id = :location AND edge.value->>0 = e.ref
        AND NOT EXISTS (SELECT 1 FROM entities AS other WHERE other.ref = edge.value->>2)
    GROUP BY e.ref, e.file, e.line, edge.value->>2
    ORDER BY e.file, e.line, e.ref, target LIMIT :most
    """
)


async def look_over(database: Database, location_id: UUID) -> list[FoundProblem]:
    """Look for references of a location that lead nowhere, and keep these as its warnings.

    In a transaction of its own: nobody who writes waits for it. Gives them in order of their
    places, at most `MOST_WARNINGS` and one that says that there are more.
    """
    async with database.begin() as transaction:
        # Of two who look at once, one waits, and none adds to what the other found.
        there = (
            select(LOCATIONS.c.id)
            .where(LOCATIONS.c.id == location_id)
            .with_for_update(key_share=True)
        )
        if (await transaction.execute(there)).one_or_none() is None:
            return []
        found = await _dangling(transaction, location_id)
        await store_problems(transaction, location_id, "warning", found)
        return found


async def store_problems(
    transaction: Transaction, location_id: UUID, level: Level, problems: Sequence[FoundProblem]
) -> None:
    """Keep the problems of a location, in place of all that it had of that level."""
    c = PROBLEMS.c
    before = delete(PROBLEMS).where(c.location_id == location_id, c.level == level)
    await transaction.execute(before)
    moment = now()
    rows: list[dict[str, Any]] = [
        {
            "location_id": location_id,
            "level": level,
            "code": found.problem.code,
            "message": found.problem.message.replace("\0", "\\0"),
            "file": found.problem.place.file,
            "line": found.problem.place.line,
            "column": found.problem.place.column,
            "pointer": found.problem.place.pointer,
            "entity_ref": found.entity_ref,
            "target": found.target,
            "at": moment,
        }
        for found in problems
    ]
    if rows:
        await transaction.execute(insert(PROBLEMS), rows)


async def _dangling(transaction: Transaction, location_id: UUID) -> list[FoundProblem]:
    given = {"location": location_id, "most": MOST_WARNINGS + 1}
    found = []
    for row in await transaction.execute(_DANGLING, given):
        what = f"{row.ref} says {row.types} {row.target}, which is not in the catalog"
        problem = Problem("dangling", what, Place(row.file, row.line))
        found.append(FoundProblem(problem, row.ref, "warning", row.target))
    if len(found) > MOST_WARNINGS:
        more = Problem("dangling", f"there are more than {MOST_WARNINGS} such references")
        found[MOST_WARNINGS:] = [FoundProblem(more, level="warning")]
    return found
