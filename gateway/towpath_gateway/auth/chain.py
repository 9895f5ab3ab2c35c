"""The chain of authenticators: the first that knows the credentials says who asks.

Deny first: an authenticator that fails counts as one that does not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import structlog
from litestar.types import Scope

from towpath_core.errors import TowpathError, Unavailable
from towpath_core.identity import Principal
from towpath_engine.tokens import PREFIX, TokenService

__all__ = ("Authenticator", "Chain", "TokenAuthenticator", "bearer_of")

log = structlog.get_logger(__name__)

_MAX_HEADER = 8192


class Authenticator(Protocol):
    """Knows one kind of credentials."""

    async def authenticate(self, bearer: str) -> Principal | None:
        """Say who a bearer token stands for; None when it is not of this kind, or not good.

        Raises:
            Unavailable: it cannot be told now.
        """
        ...


class TokenAuthenticator:
    """Knows our own access tokens."""

    def __init__(self, tokens: TokenService) -> None:
        self._tokens = tokens

    async def authenticate(self, bearer: str) -> Principal | None:
        """Say who a `tow_pat_` token stands for."""
        return await self._tokens.check(bearer) if bearer.startswith(PREFIX) else None


class Chain:
    """Authenticators in the order in which they are asked."""

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        self._authenticators = tuple(authenticators)

    async def principal(self, bearer: str | None) -> Principal | None:
        """Who a bearer token stands for, now; None for nobody.

        Raises:
            Unavailable: it cannot be told now.
        """
        if bearer is None:
            return None
        for authenticator in self._authenticators:
            try:
                principal = await authenticator.authenticate(bearer)
            except Unavailable:
                raise
            except TowpathError as error:
                log.warning("auth.failed", by=type(authenticator).__name__, error=error.code)
                continue
            if principal is not None:
                return principal
        return None


def bearer_of(scope: Scope) -> str | None:
    """The bearer token of a request, where it has exactly one."""
    found = [value for name, value in scope["headers"] if name == b"authorization"]
    # Two headers could be read differently here and by a proxy in front.
    if len(found) != 1 or len(found[0]) > _MAX_HEADER:
        return None
    scheme, _, text = found[0].decode("latin-1").partition(" ")
    return text.strip() or None if scheme.lower() == "bearer" else None
