"""Whether a run that ended may go on, by what has become of its resource or binding since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from towpath_core.errors import Conflict
from towpath_engine.provisioning.marks import (
    binding_in,
    mark_binding,
    mark_resource,
    resource_in,
)
from towpath_engine.provisioning.tables import BINDINGS, RESOURCES
from towpath_engine.runs.resuming import Reopen
from towpath_engine.store.database import Transaction

__all__ = ("WHEN_RETRIED",)

Row = Mapping[Any, Any]


async def _provision(transaction: Transaction, run: Row) -> None:
    row = await _resource(transaction, run)
    _check_latest(row["entity_ref"], row, run)
    try:
        async with transaction.begin_nested():
            await mark_resource(transaction, row["id"], phase="provisioning", error=None)
    except IntegrityError as error:
        # It was never begun, and gave its name back when it was stopped.
        raise Conflict(
            f"{row['entity_ref']} is there already.", next="Ask for a new plan, with another name."
        ) from error


async def _delete(transaction: Transaction, run: Row) -> None:
    row = await _resource(transaction, run)
    _check_latest(row["entity_ref"], row, run)
    await mark_resource(transaction, row["id"], phase="deleting", error=None)


async def _bind(transaction: Transaction, run: Row) -> None:
    row = await _resource(transaction, run)
    if row["phase"] != "active":
        raise Conflict(f"{row['entity_ref']} is {row['phase']}, not active.")
    binding = await _binding(transaction, run)
    _check_latest("The binding", binding, run)
    await mark_binding(transaction, binding["id"], state="pending")


async def _unbind(transaction: Transaction, run: Row) -> None:
    binding = await _binding(transaction, run)
    _check_latest("The binding", binding, run)
    await mark_binding(transaction, binding["id"], state="revoking")


async def _resource(transaction: Transaction, run: Row) -> Row:
    query = select(RESOURCES).where(RESOURCES.c.id == resource_in(run["input"]))
    return (await transaction.execute(query.with_for_update())).mappings().one()


async def _binding(transaction: Transaction, run: Row) -> Row:
    query = select(BINDINGS).where(BINDINGS.c.id == binding_in(run["input"]))
    return (await transaction.execute(query.with_for_update())).mappings().one()


def _check_latest(what: str, row: Row, run: Row) -> None:
    """See that nothing else was done to a thing since.

    Raises:
        Conflict: another run had it.
    """
    if row["run_id"] != run["id"]:
        raise Conflict(
            f"{what} has been the matter of another run since.", next="Ask for what you want anew."
        )


WHEN_RETRIED: Mapping[str, Reopen] = {
    "provision": _provision,
    "delete": _delete,
    "bind": _bind,
    "unbind": _unbind,
}
"""By kind of run: what it means for our tables that it goes on."""
