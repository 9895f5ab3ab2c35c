"""How a route is declared: its path, the scope that opens it, and the operation that it is.

The operation says what is answered, and with which status; the handlers answer by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import litestar

from towpath_core.identity import Scope
from towpath_gateway.openapi.operation import OPERATION, Operation

__all__ = ("OPEN", "SCOPE", "delete", "get", "post", "put")

SCOPE = "scope"
"""The option of a handler that holds the scope that opens it; without one it is closed."""

OPEN: Literal["open"] = "open"
"""The scope of routes that everybody may ask."""

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


def delete(path: str, scope: Scope, operation: Operation) -> Decorator:
    """Declare a removal."""
    return litestar.delete(path, **_options(scope, operation))


def _options(scope: str, operation: Operation) -> dict[str, Any]:
    # The framework must not think that the answer has no body; it has no other part in it.
    return {"status_code": 200, "opt": {SCOPE: scope, OPERATION: operation}}
