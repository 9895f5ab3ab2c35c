"""Idempotency keys: a repeated request gets the first answer, and has no second effect.

The answer is written in the transaction of the effect. Keys belong to a principal and are
remembered for 24 hours. Follows draft-ietf-httpapi-idempotency-key-header-07 in its meaning.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, text

from towpath_core.errors import Invalid, TowpathError
from towpath_core.identity import Principal
from towpath_engine.audit import actor_of
from towpath_engine.clock import now
from towpath_engine.store.database import Transaction
from towpath_engine.store.tables import IDEMPOTENCY

__all__ = ("IdempotencyMismatch", "Request", "recall", "remember")

_KEEP = timedelta(hours=24)
_MAX_KEY = 255
_CLEANED = 100


class IdempotencyMismatch(TowpathError):
    """The key was used before for another request; nothing was done."""

    code = "idempotency-mismatch"


class Request(msgspec.Struct, frozen=True):
    """A request that may be repeated: who asks, under which key, and a hash of what."""

    principal: str
    key: str
    fingerprint: bytes

    @classmethod
    def of(cls, principal: Principal, key: str | None, operation: str, body: Any) -> Request | None:
        """Describe a request; None where the caller gave no key.

        Raises:
            Invalid: the key is empty or longer than 255 characters.
        """
        if key is None:
            return None
        if not 0 < len(key) <= _MAX_KEY:
            raise Invalid(f"An Idempotency-Key has 1 to {_MAX_KEY} characters.")
        plain = msgspec.json.encode([operation, body], order="deterministic")
        return cls(actor_of(principal), key, hashlib.sha256(plain).digest())


async def recall(transaction: Transaction, request: Request | None) -> Any | None:
    """The answer that was given to this request before, or None when it is new.

    Requests with one key wait for each other until the transaction ends.

    Raises:
        IdempotencyMismatch: the key was used for another request.
    """
    if request is None:
        return None
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 7))")
    await transaction.execute(lock, {"name": f"{request.principal}\n{request.key}"})
    c = IDEMPOTENCY.c
    query = select(c.fingerprint, c.answer).where(
        c.principal == request.principal, c.key == request.key, c.at > now() - _KEEP
    )
    found = (await transaction.execute(query)).one_or_none()
    if found is None:
        return None
    if found.fingerprint != request.fingerprint:
        raise IdempotencyMismatch(
            "This Idempotency-Key was used for another request.",
            next="Use a new key for a new request.",
        )
    return found.answer


async def remember(transaction: Transaction, request: Request | None, answer: Any) -> None:
    """Keep the answer for repeats of this request, and forget keys that are too old."""
    if request is None:
        return
    c = IDEMPOTENCY.c
    own = (c.principal == request.principal, c.key == request.key)
    await transaction.execute(delete(IDEMPOTENCY).where(*own))
    # A few at a time, and none that someone else is at: cleaning must not make a request wait.
    old = select(c.principal, c.key).where(c.at < now() - _KEEP).limit(_CLEANED)
    keys = old.with_for_update(skip_locked=True).cte("old")
    gone = delete(IDEMPOTENCY).where(c.principal == keys.c.principal, c.key == keys.c.key)
    await transaction.execute(gone)
    await transaction.execute(
        insert(IDEMPOTENCY).values(
            principal=request.principal,
            key=request.key,
            fingerprint=request.fingerprint,
            answer=msgspec.to_builtins(answer),
            at=now(),
        )
    )
