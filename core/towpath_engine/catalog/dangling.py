"""Looks over the edges of a location for references that lead nowhere.

Nothing is wrong with an entity that names another too early, so these are warnings.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text

from towpath_core.errors import Place, Problem
from towpath_engine.catalog.findings import FoundProblem
from towpath_engine.store.database import Transaction

__all__ = ("MOST_WARNINGS", "dangling")

MOST_WARNINGS = 1000

_QUERY = text(
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


async def dangling(transaction: Transaction, location_id: UUID) -> list[FoundProblem]:
    """What entities of a location name that is not in the catalog, in order of their places."""
    given = {"location": location_id, "most": MOST_WARNINGS + 1}
    found = []
    for row in await transaction.execute(_QUERY, given):
        what = f"{row.ref} says {row.types} {row.target}, which is not in the catalog"
        problem = Problem("dangling", what, Place(row.file, row.line))
        found.append(FoundProblem(problem, row.ref, "warning", row.target))
    if len(found) > MOST_WARNINGS:
        more = Problem("dangling", f"there are more than {MOST_WARNINGS} such references")
        found[MOST_WARNINGS:] = [FoundProblem(more, level="warning")]
    return found
