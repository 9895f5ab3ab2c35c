"""The door of every route: who asks, whether the route is open to them, and no idle parameters.

A middleware and no guard of the framework's, which takes a thread for each request. A route that
names no scope is closed.
"""

from __future__ import annotations

from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from towpath_core.errors import Forbidden, NotFound, Unauthenticated
from towpath_core.identity import SCOPES, Principal
from towpath_core.refs import EntityRef
from towpath_engine.platform import Platform
from towpath_gateway.answer import allowing
from towpath_gateway.auth.chain import Chain, bearer_of
from towpath_gateway.faults import ScopeMissing
from towpath_gateway.parameters import QUERY, Accepted
from towpath_gateway.routing import METHODS, OPEN, SCOPE

__all__ = ("Entry", "demand")


class Entry:
    """Lets a request through to its handler, with its principal in `scope["user"]`, or None.

    `scope["auth"]` holds the bearer token, for answers that go on longer than the token may live.
    """

    def __init__(self, app: ASGIApp, chain: Chain) -> None:
        self.app = app
        self._chain = chain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate, check the scope, check the query; then go on.

        Raises:
            Unauthenticated: who asks is not known.
            Forbidden: the scope is missing, or the route names none.
            NotFound: the path names an entity that may not be seen.
            Invalid: a query parameter is unknown, repeated, or no number where one belongs.
            Unavailable: it cannot be told now who asks.
        """
        if scope["type"] == ScopeType.HTTP:
            asked = scope["auth"] = bearer_of(scope)
            principal = scope["user"] = await self._chain.principal(asked)
            opt: dict[str, Any] = scope["route_handler"].opt
            needed = opt.get(SCOPE)
            if needed != OPEN:
                # What a route's methods are may be asked by all who may ask anything.
                demand(principal, needed, any_scope=scope["method"] == "OPTIONS")
                await self._see(scope, principal)
                accepted: Accepted | None = opt.get(QUERY)
                if accepted is not None and (query := scope["query_string"]):
                    accepted.check(query)
            if (methods := opt.get(METHODS)) is not None:
                await allowing(methods)(scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def _see(self, scope: HTTPScope, principal: Principal | None) -> None:
        """See that who asks may see the entity that a path names, whatever is asked of it.

        To those who may not see everything, what is not there any more is as hidden as what never
        was, in the same words; only to put something there is for the policies of writing.
        """
        named = scope.get("path_params") or {}
        if principal is None or not named.keys() >= _ENTITY:
            return
        platform: Platform = scope["app"].state["served"].platform
        visible = await platform.sight.of(principal)
        if visible is None:
            return
        ref = str(EntityRef(*(str(named[part]) for part in ("kind", "namespace", "name"))))
        entry = platform.index.by_ref(ref)
        hidden = scope["method"] != "PUT" if entry is None else entry.number not in visible
        if hidden:
            raise NotFound(f"There is no entity {ref[:200]}.")


_ENTITY = frozenset({"kind", "namespace", "name"})


def demand(principal: Principal | None, scope: Any, *, any_scope: bool = False) -> None:
    """See that a principal is known and has a scope.

    Raises:
        Unauthenticated: who asks is not known.
        Forbidden: the scope is missing, or there is no such scope.
    """
    if principal is None:
        raise Unauthenticated(
            "Missing or unknown credentials.",
            next="Send Authorization: Bearer with a token; towpath token create makes one.",
        )
    if any_scope:
        return
    if scope not in SCOPES:
        raise Forbidden("This route is closed.")
    if not principal.has(scope):
        raise ScopeMissing(scope, SCOPES[scope])
