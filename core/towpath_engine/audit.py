"""The audit: one row for each act that changes something, in the transaction of the act.

An act whose row cannot be written does not happen, because the two commit together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import insert

from towpath_core.identity import Principal
from towpath_engine.clock import now
from towpath_engine.store.database import Transaction
from towpath_engine.store.tables import AUDIT

__all__ = ("actor_of", "record")


def actor_of(principal: Principal) -> str:
    """The name a principal has in journals: `issuer/subject`, different for any two of them.

    A `/` in the subject is written `%2F`: where the issuer ends must not be a guess.
    """
    subject = principal.subject.replace("%", "%25").replace("/", "%2F")
    return f"{principal.issuer}/{subject}"


async def record(
    transaction: Transaction,
    principal: Principal,
    action: str,
    subject: str,
    *,
    run_id: UUID | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write down who does what. `detail` must not hold a secret.

    Args:
        transaction: the one in which the act itself is done.
        principal: who acts.
        action: `field:verb`, such as `catalog:register`.
        subject: what it is done to.
        run_id: the run that does it, where one does.
        detail: facts that help to understand it later.
    """
    row = {
        "at": now(),
        "actor": actor_of(principal),
        "token_id": principal.token_id,
        "action": action,
        "subject": subject,
        "run_id": run_id,
        "detail": dict(detail or {}),
    }
    await transaction.execute(insert(AUDIT).values(**row))
