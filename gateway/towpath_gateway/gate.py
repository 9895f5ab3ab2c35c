"""The outermost layer: what is wrong with a request before it is known what it asks.

What gets past it has one meaning for the router, for the scopes and for the logs: no byte that is
decoded into another part of the path, and no address that fills the router's memory.
"""

from __future__ import annotations

import re

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from towpath_core.errors import Invalid
from towpath_gateway.faults import TooLong
from towpath_gateway.problems import answer_fault

__all__ = ("HEAD", "MAX_ADDRESS_BYTES", "Gate")

HEAD = "towpath.head"
"""In the state of a request that wants the headers only; the server sends it no body."""

MAX_ADDRESS_BYTES = 32 * 1024

# An encoded slash, a broken escape, or control characters.
_AMBIGUOUS = re.compile(rb"%(?![0-9a-fA-F]{2})|%2[fF]|%5[cC]|%[01][0-9a-fA-F]|%7[fF]")


class Gate:
    """Refuses what is ambiguous, and answers HEAD wherever there is a GET."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer that it is wrong (ASGI)."""
        if scope["type"] == ScopeType.HTTP:
            raw = scope["raw_path"]
            fault: Exception | None = None
            if len(raw) + len(scope["query_string"]) > MAX_ADDRESS_BYTES:
                fault = TooLong(f"The address has more than {MAX_ADDRESS_BYTES} bytes.")
            elif b"%" in raw and (_AMBIGUOUS.search(raw) or "\ufffd" in scope["path"]):
                fault = Invalid("The path has characters that do not belong into one.")
            if fault is not None:
                await answer_fault(scope["method"], scope["path"], fault)(scope, receive, send)
                return
            if scope["method"] == "HEAD":
                scope["method"] = "GET"
                scope.setdefault("state", {})[HEAD] = True
        await self._app(scope, receive, send)
