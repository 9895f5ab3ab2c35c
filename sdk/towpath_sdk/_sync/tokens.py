# Generated from _async/tokens.py by tools/unasync.py. Change that file, not this one.
"""Plugins and tokens: what the platform is made of, and who may talk to it."""

from __future__ import annotations

from collections.abc import Sequence

from towpath_sdk._sync.connection import Connection
from towpath_sdk._sync.pages import Pages
from towpath_sdk._wire.calls import delete, get, post, route
from towpath_sdk._wire.pages import Page, list_call, page_of
from towpath_sdk._wire.platform import NewToken, Plugin, Token

__all__ = ("AsyncPlugins", "AsyncTokens")

_TOKENS = "/api/v1/tokens"


class Plugins:
    """See what the platform is made of."""

    def __init__(self, link: Connection) -> None:
        self._link = link

    def list(self) -> tuple[Plugin, ...]:
        """All plugins with their state, also those that could not be loaded; in one answer."""
        page = self._link.read(get("/api/v1/plugins"), Page[Plugin])
        return page.items


class Tokens:
    """Make and revoke tokens."""

    def __init__(self, link: Connection) -> None:
        self._link = link

    def list(self, *, page_size: int = 100, cursor: str | None = None) -> Pages[Token]:
        """Walk the tokens that the asker may see, without their secrets."""
        call = list_call(_TOKENS, limit=page_size, cursor=cursor)
        return Pages(self._link, call, page_of(Page[Token]))

    def create(
        self,
        name: str,
        *,
        scopes: Sequence[str],
        days: int | None = None,
        idempotency_key: str | None = None,
    ) -> NewToken:
        """Make a token. Its secret is in this answer and nowhere else.

        Args:
            name: what it is for.
            scopes: what it allows, such as `catalog:read`; never more than the asker may.
            days: how long it is good; the platform decides without.
            idempotency_key: a key of one's own, to be safe over restarts of the caller.

        Raises:
            Invalid: a scope is unknown or the time too long.
            Forbidden: the asker may not give away such a scope.
        """
        body = {"name": name, "scopes": tuple(scopes), "days": days}
        return self._link.read(post(_TOKENS, body, idempotency_key), NewToken)

    def revoke(self, id: str) -> None:
        """Make a token useless from now on.

        Raises:
            NotFound: there is none, or the asker may not see it.
        """
        self._link.send(delete(route(_TOKENS, id)))
