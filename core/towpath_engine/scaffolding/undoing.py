"""Takes back that a golden path registered a location."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from towpath_core.errors import Forbidden
from towpath_core.runs import Undo
from towpath_engine.audit import actor_of
from towpath_engine.catalog.service import CatalogService
from towpath_engine.catalog.tables import LOCATIONS
from towpath_engine.runs.context import RunContext
from towpath_engine.runs.journal import ErrorInfo
from towpath_engine.runs.tools import RunStepTools
from towpath_engine.store.database import Transaction

__all__ = ("UNREGISTER", "UnregisterLocation", "undo_of_registration")

UNREGISTER = "unregister-location"


def undo_of_registration(run: RunContext, type: str, target: str) -> Undo:
    """How the registration of a location that was not there before is taken back."""
    return Undo(UNREGISTER, {"type": type, "target": target, "by": actor_of(run.principal)})


class UnregisterLocation:
    """Removes a location with its entities, if it is still the one that the run registered."""

    def __init__(self, catalog: CatalogService) -> None:
        self._catalog = catalog

    async def undo(self, run: RunContext, data: Mapping[str, Any], tools: RunStepTools) -> None:
        """Remove it with the rights of who takes the run back.

        Raises:
            Forbidden: they lack `catalog:write`, or a policy denies it.
        """
        if not run.principal.has("catalog:write"):
            raise Forbidden(
                f"{data['target']} cannot be unregistered.",
                why="The token that started this run does not have the scope catalog:write.",
                next="Take the run back with a token that has it.",
            )
        c = LOCATIONS.c
        mine = (c.type == data["type"], c.target == data["target"], c.created_by == data["by"])
        async with run.database.begin() as transaction:
            query = select(c.id).where(*mine)
            location_id = (await transaction.execute(query)).scalar_one_or_none()
        if location_id is None:
            tools.log(f"{data['target']} is not registered any more, or by somebody else.")
            return
        await self._catalog.unregister(run.principal, location_id)

    async def commit(self, transaction: Transaction, run: RunContext, data: Any) -> None:
        """Nothing more: the catalog has written it."""

    async def failed(
        self, transaction: Transaction, run: RunContext, data: Any, error: ErrorInfo
    ) -> None:
        """Nothing: it is registered as before."""
