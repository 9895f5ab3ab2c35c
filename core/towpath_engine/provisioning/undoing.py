"""Takes back that a run made a resource: deletes it, with its bindings and its entity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec

from towpath_core.errors import Conflict, Forbidden
from towpath_core.runs import Undo
from towpath_engine import audit
from towpath_engine.policy import PolicyGate
from towpath_engine.provisioning.backends import Backends
from towpath_engine.provisioning.marks import mark_resource
from towpath_engine.provisioning.records import facts_of
from towpath_engine.provisioning.rows import resource_row
from towpath_engine.runs.context import RunContext
from towpath_engine.runs.journal import ErrorInfo
from towpath_engine.runs.tools import RunStepTools
from towpath_engine.store.database import Transaction

__all__ = ("DELETE", "DeleteResource", "undo_of_resource")

DELETE = "delete-resource"


def undo_of_resource(resource_id: UUID) -> Undo:
    """How the making of a resource is taken back."""
    return Undo(DELETE, {"resource": str(resource_id)})


class DeleteResource:
    """Deletes a resource within the run that takes back the one that made it."""

    def __init__(self, backends: Backends, policy: PolicyGate) -> None:
        self._backends = backends
        self._policy = policy

    async def undo(self, run: RunContext, data: Mapping[str, Any], tools: RunStepTools) -> None:
        """Delete it with the rights of who takes the run back; one that is deleted is success.

        Raises:
            NotFound: it is not theirs.
            Forbidden: they lack `provision:write`, or a policy denies it.
            Conflict: another run is at it.
        """
        if not run.principal.has("provision:write"):
            raise Forbidden(
                "The resource cannot be deleted.",
                why="The token that started this run does not have the scope provision:write.",
                next="Take the run back with a token that has it.",
            )
        resource_id = UUID(data["resource"])
        async with run.database.begin() as transaction:
            row = await resource_row(transaction, run.principal, resource_id)
        if row["phase"] == "deleted":
            return
        await self._policy.check(run.principal, "provision:delete", row["offering"], facts_of(row))
        if await self._claim(run, resource_id):
            await self._backends.call(row, "delete", self._backends.handle(row), tools)

    async def commit(self, transaction: Transaction, run: RunContext, data: Any) -> None:
        """Show it as deleted."""
        row = await resource_row(transaction, run.principal, UUID(data["resource"]), lock=True)
        if row["phase"] != "deleted":
            await self._backends.deleted(transaction, run, row)

    async def failed(
        self, transaction: Transaction, run: RunContext, data: Any, error: ErrorInfo
    ) -> None:
        """Show it as failed, where it was begun; deleting can be tried again."""
        resource_id = UUID(data["resource"])
        plain = msgspec.to_builtins(ErrorInfo(error.code, error.message))
        if await self._backends.has(transaction, run, resource_id):
            await mark_resource(transaction, resource_id, phase="failed", error=plain)

    async def _claim(self, run: RunContext, resource_id: UUID) -> bool:
        """Take a resource for being deleted by this run; False where it is deleted already."""
        async with run.database.begin() as transaction:
            row = await resource_row(transaction, run.principal, resource_id, lock=True)
            if row["phase"] == "deleted":
                return False
            mine = row["phase"] == "deleting" and row["run_id"] == run.id
            if row["phase"] not in ("active", "failed") and not mine:
                raise Conflict(f"{row['entity_ref']} is {row['phase']}; it cannot be deleted now.")
            if not mine:
                values = {"phase": "deleting", "run_id": run.id}
                await mark_resource(transaction, resource_id, **values)
                ref = row["entity_ref"]
                await audit.record(
                    transaction, run.principal, "provision:delete", ref, run_id=run.id
                )
        return True
