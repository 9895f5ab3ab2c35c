"""Answers: a status, headers and bytes, sent as they are.

Lighter than the framework's responses, which cost more than most reads of the catalog do. What is
encoded already is not touched again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar.types import Receive, Scope, Send

__all__ = (
    "JSON",
    "NO_STORE",
    "Answer",
    "Header",
    "Listed",
    "allowing",
    "json_bytes",
    "nothing",
    "reply",
)

Header = tuple[bytes, bytes]

JSON = b"application/json; charset=utf-8"
NO_STORE: Header = (b"cache-control", b"no-store")
"""For what is nobody else's business: a cache that forgot whom it asked for must not have it."""

_PART = 64
"""How many values of a list are sent at once: some hundred kilobytes of entities."""

_NOSNIFF: Header = (b"x-content-type-options", b"nosniff")


class Answer:
    """A whole answer, ready to be sent once or many times."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self,
        body: bytes,
        status: int = 200,
        *,
        media_type: bytes = JSON,
        headers: Sequence[Header] = (),
    ) -> None:
        self.body = body
        self.status = status
        self.headers: list[Header] = [
            (b"content-type", media_type),
            (b"content-length", b"%d" % len(body)),
            _NOSNIFF,
            *headers,
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it (ASGI)."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})

    def to_asgi_response(self, *_: Any, **__: Any) -> Answer:
        """Itself: what the framework asks of an error handler's answer."""
        return self


class Listed(Answer):
    """An answer of many JSON values that are encoded already: a list, sent part by part.

    The whole of a big catalog is never put together in memory a second time.
    """

    __slots__ = ("_items",)

    def __init__(self, items: Sequence[bytes], *, headers: Sequence[Header] = ()) -> None:
        super().__init__(b"", headers=headers)
        self._items = items
        size = sum(map(len, items)) + max(len(items) - 1, 0) + 2
        self.headers[1] = (b"content-length", b"%d" % size)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it (ASGI)."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        items, before = self._items, b"["
        for at in range(0, len(items), _PART):
            part = before + b",".join(items[at : at + _PART])
            before = b","
            await send({"type": "http.response.body", "body": part, "more_body": True})
        end = b"]" if items else b"[]"
        await send({"type": "http.response.body", "body": end, "more_body": False})


def json_bytes(content: bytes, status: int = 200) -> Answer:
    """An answer of JSON that is encoded already."""
    return Answer(content, status)


def reply(content: Any, status: int = 200) -> Answer:
    """An answer of a wire struct, for the asker alone."""
    return Answer(msgspec.json.encode(content), status, headers=(NO_STORE,))


def nothing() -> Answer:
    """204: it is done, and there is nothing to say."""
    answer = Answer(b"", 204)
    answer.headers = [_NOSNIFF]
    return answer


def allowing(methods: str) -> Answer:
    """204 to OPTIONS: the methods that a path takes."""
    answer = nothing()
    answer.headers = [*answer.headers, (b"allow", methods.encode())]
    return answer
