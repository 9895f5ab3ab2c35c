"""How a route is declared: its path, the scope that opens it, and the operation that it is.

The operation says what is answered, and with which status; the handlers answer by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import litestar
from litestar.routes import HTTPRoute

from towpath_core.identity import Scope
from towpath_gateway.openapi.operation import OPERATION, Operation

__all__ = ("METHODS", "OPEN", "SCOPE", "delete", "get", "patch", "post", "put", "tell_methods")

SCOPE = "scope"
"""The option of a handler that holds the scope that opens it; without one it is closed."""

OPEN: Literal["open"] = "open"
"""The scope of routes that everybody may ask."""

METHODS = "methods"
"""The option of a handler of OPTIONS that holds what else its path takes."""

Decorator = Callable[[Any], Any]


def get(path: str, scope: Scope | Literal["open"], operation: Operation) -> Decorator:
    """Declare a read."""
    return litestar.get(path, **_options(scope, operation))


def post(path: str, scope: Scope, operation: Operation) -> Decorator:
    """Declare a write, or a read that takes a body."""
    return litestar.post(path, **_options(scope, operation))


def put(path: str, scope: Scope, operation: Operation) -> Decorator:
    """Declare a replacement, which may be repeated."""
    return litestar.put(path, **_options(scope, operation))


def patch(path: str, scope: Scope, operation: Operation) -> Decorator:
    """Declare a change of some fields; those that are not sent stay."""
    return litestar.patch(path, **_options(scope, operation))


def delete(path: str, scope: Scope, operation: Operation) -> Decorator:
    """Declare a removal."""
    return litestar.delete(path, **_options(scope, operation))


def tell_methods(app: litestar.Litestar) -> None:
    """Note at each handler of OPTIONS the methods of its path; call it once, before serving.

    The framework's own answer knows those of one handler only.
    """
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            methods = set(route.route_handler_map)
            methods |= {"HEAD"} if "GET" in methods else set()
            handler, _ = route.route_handler_map["OPTIONS"]
            handler.opt[METHODS] = ", ".join(sorted(methods))


def _options(scope: str, operation: Operation) -> dict[str, Any]:
    # The framework must not think that the answer has no body; it has no other part in it.
    return {"status_code": 200, "opt": {SCOPE: scope, OPERATION: operation}}
