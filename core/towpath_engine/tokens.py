"""Access tokens: made once, shown once, kept as a hash, checked from memory.

The id finds the row, and only the SHA-256 of the 190-bit secret is stored, which needs no slow hash
because it cannot be guessed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, func, insert, select, update

from towpath_core.errors import Forbidden, Invalid, NotFound, Problem
from towpath_core.identity import SCOPES, Principal
from towpath_engine import audit
from towpath_engine.clock import now
from towpath_engine.idempotency import Request, recall, remember
from towpath_engine.secrets import Sealer
from towpath_engine.store.database import Database, Transaction
from towpath_engine.store.tables import TOKENS
from towpath_engine.token_text import PREFIX, NewToken, make_token, split_token

__all__ = ("ISSUER", "PREFIX", "NewToken", "TokenInfo", "TokenService")

ISSUER = "towpath"
MAX_DAYS = 366
DEFAULT_DAYS = 90
MAX_NAME = 100

_REMEMBER_SECONDS = 5.0
_PURPOSE = "tokens.create"
_REMEMBER_MOST = 10_000


class TokenInfo(msgspec.Struct, frozen=True):
    """A token as it is listed."""

    id: str
    name: str
    subject: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class TokenService:
    """Makes, lists, revokes and checks tokens.

    Args:
        database: where they are kept, as hashes.
        sealer: keeps a token that was made under an idempotency key, for the key's next use;
            without one such keys are not honoured.
    """

    def __init__(self, database: Database, sealer: Sealer | None = None) -> None:
        self._database = database
        self._sealer = sealer
        # Hash of the whole text -> (principal, when it expires, when to look again).
        self._remembered: dict[bytes, tuple[Principal, datetime, float]] = {}
        self._revocations = 0

    async def create(
        self,
        principal: Principal,
        name: str,
        scopes: Sequence[str],
        *,
        days: int = DEFAULT_DAYS,
        key: str | None = None,
    ) -> NewToken:
        """Make a token for the asker, with no more scopes than the asker has.

        Args:
            principal: who asks, and whose it is.
            name: to tell it by.
            scopes: what it allows.
            days: how long it lives.
            key: idempotency key; the same request with it gives the same token.

        Raises:
            Invalid: an unknown scope, no name, or not 1 to 366 days.
            Forbidden: a scope that the asker does not have.
        """
        _check(name, scopes, days)
        _check_rights(principal, scopes)
        body = [name, sorted(set(scopes)), days]
        request = Request.of(principal, key, "token", body) if self._sealer else None
        async with self._database.begin() as transaction:
            if (made := self._opened(await recall(transaction, request))) is not None:
                return made
            token = await self._insert(transaction, principal, name, scopes, days)
            await remember(transaction, request, self._sealed(token))
            detail = {"name": name, "scopes": list(scopes)}
            await audit.record(transaction, principal, "tokens:create", token.id, detail=detail)
        return token

    async def bootstrap(self, *, days: int = DEFAULT_DAYS) -> NewToken | None:
        """Make the first administrator's token; None when any token was ever made.

        Safe when several processes start at once: one of them makes it.
        """
        async with self._database.begin() as transaction:
            await transaction.exec_driver_sql("LOCK TABLE tokens IN SHARE ROW EXCLUSIVE MODE")
            count = select(func.count()).select_from(TOKENS)
            if (await transaction.execute(count)).scalar_one():
                return None
            return await self._admin(transaction, "first administrator", days)

    async def recover(self, *, days: int = 1) -> NewToken:
        """Make an administrator's token for whoever has the database; the audit keeps it."""
        async with self._database.begin() as transaction:
            return await self._admin(transaction, "recovered administrator", days)

    async def list(self, principal: Principal) -> Sequence[TokenInfo]:
        """The asker's tokens, or everybody's for an administrator, newest first."""
        query = select(TOKENS).order_by(TOKENS.c.created_at.desc(), TOKENS.c.id)
        if not principal.is_admin:
            query = query.where(*_of(principal))
        async with self._database.begin() as transaction:
            rows = (await transaction.execute(query)).mappings().all()
        return [_info(row) for row in rows]

    async def revoke(self, principal: Principal, token_id: str) -> None:
        """End a token now; in other processes within 5 seconds. Repeating it changes nothing.

        Raises:
            NotFound: there is none that the asker may revoke.
        """
        c = TOKENS.c
        statement = update(TOKENS).where(c.id == token_id)
        if not principal.is_admin:
            statement = statement.where(*_of(principal))
        statement = statement.values(revoked_at=func.coalesce(c.revoked_at, now()))
        async with self._database.begin() as transaction:
            if (await transaction.execute(statement.returning(c.id))).one_or_none() is None:
                raise NotFound(f"There is no token {token_id}.")
            await audit.record(transaction, principal, "tokens:revoke", token_id)
        self._revocations += 1
        self._remembered.clear()

    async def check(self, text: str) -> Principal | None:
        """Who a token stands for; None when it is malformed, unknown, expired or revoked.

        Answers from memory for 5 seconds after a look at the database.
        """
        if not text.isascii():
            return None
        digest = hashlib.sha256(text.encode()).digest()
        known = self._remembered.get(digest)
        if known is not None and known[2] > time.monotonic() and known[1] > now():
            return known[0]
        self._remembered.pop(digest, None)
        # After the memory: the checksum costs more than all that a known token needs.
        parts = split_token(text)
        if parts is None:
            return None
        token_id, secret = parts
        revocations = self._revocations
        row = await self._look_up(token_id, _hash(secret))
        if row is None:
            return None
        principal = Principal(
            issuer=row["issuer"],
            subject=row["subject"],
            kind=row["kind"],
            entity_ref=row["entity_ref"],
            groups=frozenset(row["groups"]),
            scopes=frozenset(row["scopes"]),
            token_id=row["id"],
        )
        if len(self._remembered) >= _REMEMBER_MOST:
            self._remembered.clear()
        # One that was revoked while it was being looked at must not be remembered as good.
        if revocations == self._revocations:
            again = time.monotonic() + _REMEMBER_SECONDS
            self._remembered[digest] = (principal, row["expires_at"], again)
        return principal

    def _sealed(self, token: NewToken) -> str | None:
        if self._sealer is None:
            return None
        return base64.b64encode(self._sealer.seal(token, _PURPOSE)).decode()

    def _opened(self, sealed: str | None) -> NewToken | None:
        if sealed is None or self._sealer is None:
            return None
        return msgspec.convert(self._sealer.open(base64.b64decode(sealed), _PURPOSE), NewToken)

    async def _look_up(self, token_id: str, secret_hash: bytes) -> Mapping[Any, Any] | None:
        c = TOKENS.c
        query = select(c.secret_hash).where(c.id == token_id)
        used = (
            update(TOKENS)
            .where(c.id == token_id, c.revoked_at.is_(None), c.expires_at > now())
            .values(last_used_at=now())
            .returning(TOKENS)
        )
        async with self._database.begin() as transaction:
            stored = (await transaction.execute(query)).scalar_one_or_none() or b"\0" * 32
            if not hmac.compare_digest(stored, secret_hash):
                return None
            row = (await transaction.execute(used)).mappings().one_or_none()
        return dict(row) if row is not None else None

    async def _admin(self, transaction: Transaction, name: str, days: int) -> NewToken:
        admin = Principal(
            issuer=ISSUER,
            subject="admin",
            kind="user",
            entity_ref="user:default/admin",
            scopes=frozenset({"platform:admin"}),
        )
        token = await self._insert(transaction, admin, name, ["platform:admin"], days)
        await audit.record(transaction, admin, "tokens:create", token.id, detail={"name": name})
        return token

    async def _insert(
        self,
        transaction: Transaction,
        owner: Principal,
        name: str,
        scopes: Sequence[str],
        days: int,
    ) -> NewToken:
        token_id, secret, text = make_token()
        moment = now()
        expires = moment + timedelta(days=days)
        await transaction.execute(
            insert(TOKENS).values(
                id=token_id,
                secret_hash=_hash(secret),
                name=name,
                issuer=owner.issuer,
                subject=owner.subject,
                kind=owner.kind,
                entity_ref=owner.entity_ref,
                groups=sorted(owner.groups),
                scopes=sorted(set(scopes)),
                created_by=audit.actor_of(owner),
                created_at=moment,
                expires_at=expires,
            )
        )
        return NewToken(token_id, text, expires)


def _check(name: str, scopes: Sequence[str], days: int) -> None:
    problems = [
        Problem("scope", f"{scope!r} is not a scope") for scope in scopes if scope not in SCOPES
    ]
    if not scopes:
        problems.append(Problem("scope", "a token needs at least one scope"))
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        why = f"a token needs a name of 1 to {MAX_NAME} printable characters"
        problems.append(Problem("name", why))
    if not 1 <= days <= MAX_DAYS:
        problems.append(Problem("days", f"a token lives 1 to {MAX_DAYS} days, not {days}"))
    if problems:
        raise Invalid(
            "Such a token cannot be made.",
            why="; ".join(problem.message for problem in problems),
            next=f"Scopes are: {', '.join(SCOPES)}.",
            problems=problems,
        )


def _check_rights(principal: Principal, scopes: Sequence[str]) -> None:
    missing = [scope for scope in scopes if not principal.has(scope)]  # type: ignore[arg-type]
    if missing:
        raise Forbidden(
            "A token cannot have more scopes than the one who makes it.",
            why=f"You lack {', '.join(missing)}.",
        )


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _of(principal: Principal) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return TOKENS.c.issuer == principal.issuer, TOKENS.c.subject == principal.subject


def _info(row: object) -> TokenInfo:
    names = TokenInfo.__struct_fields__
    return msgspec.convert({name: row[name] for name in names}, TokenInfo)  # type: ignore[index]
