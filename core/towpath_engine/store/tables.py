"""Tables that belong to no single field: tokens, the audit, and answered idempotency keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Identity, Index
from sqlmodel import Field, SQLModel

from towpath_engine.store.columns import data, identifier, json, table_of, text, time

__all__ = ("AUDIT", "IDEMPOTENCY", "TOKENS", "AuditRow", "IdempotencyRow", "TokenRow")


class TokenRow(SQLModel, table=True):
    """An access token, by the hash of its secret."""

    __tablename__ = "tokens"

    id: str = Field(sa_column=text(primary=True))
    secret_hash: bytes = Field(sa_column=data())
    name: str = Field(sa_column=text())
    issuer: str = Field(sa_column=text())
    subject: str = Field(sa_column=text())
    kind: str = Field(sa_column=text())
    entity_ref: str = Field(sa_column=text())
    groups: Any = Field(sa_column=json())
    scopes: Any = Field(sa_column=json())
    created_by: str = Field(sa_column=text())
    created_at: datetime = Field(sa_column=time())
    expires_at: datetime = Field(sa_column=time())
    last_used_at: datetime | None = Field(default=None, sa_column=time(null=True))
    revoked_at: datetime | None = Field(default=None, sa_column=time(null=True))


class AuditRow(SQLModel, table=True):
    """Who did what, when; written in the transaction of what was done."""

    __tablename__ = "audit"
    __table_args__ = (Index("audit_at", "at"),)

    id: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True)
    )
    at: datetime = Field(sa_column=time())
    actor: str = Field(sa_column=text())
    token_id: str | None = Field(default=None, sa_column=text(null=True))
    action: str = Field(sa_column=text())
    subject: str = Field(sa_column=text())
    run_id: UUID | None = Field(default=None, sa_column=identifier(null=True))
    detail: Any = Field(sa_column=json())


class IdempotencyRow(SQLModel, table=True):
    """The answer that was given to a key, so that a repeated request gets it again."""

    __tablename__ = "idempotency"
    __table_args__ = (Index("idempotency_at", "at"),)

    principal: str = Field(sa_column=text(primary=True))
    key: str = Field(sa_column=text(primary=True))
    fingerprint: bytes = Field(sa_column=data())
    answer: Any = Field(sa_column=json())
    at: datetime = Field(sa_column=time())


TOKENS = table_of(TokenRow)
AUDIT = table_of(AuditRow)
IDEMPOTENCY = table_of(IdempotencyRow)
