"""How it stands with resources and bindings, written in the transactions of runs.

Who ends a run writes here what that means: the worker for one that was begun, and whoever stops
one that still waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import case, update

from towpath_engine.clock import now
from towpath_engine.provisioning.tables import BINDINGS, RESOURCES
from towpath_engine.runs.stopping import Unbegun
from towpath_engine.runs.terms import Terms
from towpath_engine.store.database import Transaction

__all__ = (
    "WHEN_STOPPED",
    "binding_in",
    "mark_binding",
    "mark_resource",
    "resource_in",
    "terms_of",
)


def terms_of(resource_id: UUID) -> Terms:
    """How runs that change a resource are done: one after the other."""
    return Terms(queue="provision", key=f"resource:{resource_id}")


def resource_in(input: Mapping[str, Any]) -> UUID:
    """The resource that a run with this input is about."""
    return UUID(input["resourceId"])


def binding_in(input: Mapping[str, Any]) -> UUID:
    """The binding that a run with this input is about."""
    return UUID(input["bindingId"])


async def mark_resource(transaction: Transaction, resource_id: UUID, **values: Any) -> None:
    """Write how it stands with a resource."""
    change = update(RESOURCES).where(RESOURCES.c.id == resource_id)
    await transaction.execute(change.values(updated_at=now(), **values))


async def mark_binding(transaction: Transaction, binding_id: UUID, **values: Any) -> None:
    """Write how it stands with a binding."""
    await transaction.execute(update(BINDINGS).where(BINDINGS.c.id == binding_id).values(**values))


async def _not_provisioned(transaction: Transaction, input: Any) -> None:
    # No backend has heard of it, so there is nothing to delete, and its name is free.
    await mark_resource(transaction, resource_in(input), phase="deleted")


async def _not_deleted(transaction: Transaction, input: Any) -> None:
    made = RESOURCES.c.state.is_not(None)
    phase = case((made, "active"), else_="failed")
    await mark_resource(transaction, resource_in(input), phase=phase)


async def _not_bound(transaction: Transaction, input: Any) -> None:
    await mark_binding(transaction, binding_in(input), state="revoked")


async def _not_unbound(transaction: Transaction, input: Any) -> None:
    made = BINDINGS.c.unbind_state.is_not(None)
    state = case((made, "active"), else_="failed")
    await mark_binding(transaction, binding_in(input), state=state)


WHEN_STOPPED: Mapping[str, Unbegun] = {
    "provision": _not_provisioned,
    "delete": _not_deleted,
    "bind": _not_bound,
    "unbind": _not_unbound,
}
"""By kind of run: what it means that it was stopped before any step was begun."""
