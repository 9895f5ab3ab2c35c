"""Rows of plans and resources: found for who may see them, claimed, and checked for clashes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from towpath_core.errors import Conflict, NotFound
from towpath_core.identity import Principal
from towpath_engine.catalog.tables import ENTITIES
from towpath_engine.provisioning.records import Plan, entity_ref_of
from towpath_engine.provisioning.tables import PLANS, RESOURCES
from towpath_engine.store.database import Transaction

__all__ = ("applied_already", "check_free", "claim", "plan_row", "resource_row")


async def resource_row(
    transaction: Transaction,
    principal: Principal,
    resource_id: UUID,
    *,
    lock: bool = False,
) -> Mapping[Any, Any]:
    """The row of a resource of the asker's, locked where asked.

    Raises:
        NotFound: there is none that the asker may see.
    """
    query = select(RESOURCES).where(RESOURCES.c.id == resource_id)
    if lock:
        query = query.with_for_update()
    row = (await transaction.execute(query)).mappings().one_or_none()
    if row is None or not (principal.is_admin or principal.owns(row["owner"])):
        raise NotFound(f"There is no resource {resource_id}.")
    return row


async def check_free(transaction: Transaction, name: str) -> None:
    """See that no entity and no living resource has a name.

    Raises:
        Conflict: one has.
    """
    ref = entity_ref_of(name)
    taken = select(ENTITIES.c.origin).where(ENTITIES.c.ref == ref)
    living = select(RESOURCES.c.id).where(
        RESOURCES.c.entity_ref == ref, RESOURCES.c.phase != "deleted"
    )
    for query in (taken, living):
        if (await transaction.execute(query)).first() is not None:
            raise Conflict(f"{ref} is there already.", next="Choose another name.")


async def claim(transaction: Transaction, plan: Plan) -> None:
    """Take a plan for being applied; of several at once one succeeds.

    Raises:
        Conflict: it was applied already.
    """
    c = PLANS.c
    statement = update(PLANS).where(c.id == plan.id, c.state == "open")
    statement = statement.values(state="applied")
    if (await transaction.execute(statement.returning(c.id))).one_or_none() is None:
        raise applied_already()


async def plan_row(
    transaction: Transaction, principal: Principal, plan_id: UUID
) -> Mapping[Any, Any]:
    """The row of a plan of the asker's.

    Raises:
        NotFound: there is none that the asker may see.
    """
    query = select(PLANS).where(PLANS.c.id == plan_id)
    row = (await transaction.execute(query)).mappings().one_or_none()
    if row is None or not (principal.is_admin or principal.owns(row["owner"])):
        raise NotFound(f"There is no plan {plan_id}.")
    return row


def applied_already() -> Conflict:
    """The error for a plan that cannot be applied again."""
    return Conflict("The plan was applied already.", next="Ask for a new plan.")
