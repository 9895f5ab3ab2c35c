"""Server-sent events (WHATWG HTML, section 9.2): frames, keep-alive comments, resuming.

A stream ends when its events do, when the client goes, when the platform stops, and when the
credentials it was asked with are no longer good. In each case what it reads from is let go at once.
A client that saw no last event comes back with `Last-Event-ID`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, TypeVar, cast

import msgspec
import structlog
from litestar.types import Receive, Scope, Send

from towpath_core.errors import Invalid, TowpathError, Unavailable
from towpath_gateway.answer import NO_STORE, Header
from towpath_gateway.ask import Ask, Served
from towpath_gateway.gate import HEAD
from towpath_gateway.parameters import LAST

__all__ = ("EVENT_STREAM", "KEEP_ALIVE", "EventStream", "closing", "frame", "last_event_id")

T = TypeVar("T")

log = structlog.get_logger(__name__)

EVENT_STREAM = "text/event-stream"
KEEP_ALIVE = b": keep-alive\n\n"
CHECK_SECONDS = 10.0
"""How often the credentials are looked at again."""

TAKE_SECONDS = 60.0
"""How long a client may take for one part; a connection that nobody reads is let go then."""

END_SECONDS = 5.0

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    # Proxies are told not to gather.
    (b"x-accel-buffering", b"no"),
    NO_STORE,
]


def frame(event: str, data: Any, *, id: int | None = None) -> bytes:
    """One event; the data is JSON on one line."""
    head = b"" if id is None else b"id: %d\n" % id
    return head + b"event: %b\ndata: %b\n\n" % (event.encode(), msgspec.json.encode(data))


def closing(events: AsyncIterator[T]) -> AbstractAsyncContextManager[AsyncGenerator[T, None]]:
    """Lets go of a generator at the end of the block, not when it is collected at some time."""
    return aclosing(cast(AsyncGenerator[T, None], events))


def last_event_id(request: Ask, after: int | None) -> int:
    """Where to go on: the `Last-Event-ID` header, else the `after` parameter, else the start.

    Raises:
        Invalid: it is not a number of ours.
    """
    text = request.headers.get("last-event-id")
    if text is None:
        return after or 0
    if not (text.isascii() and text.isdecimal() and len(text) < 19) or int(text) > LAST:
        raise Invalid("Last-Event-ID must be the id of an event of this stream.")
    return int(text)


class EventStream:
    """An answer that sends frames as they come; of events, unless it is said of what."""

    __slots__ = ("_frames", "_headers")

    def __init__(
        self,
        frames: AsyncGenerator[bytes, None],
        *,
        media_type: str = EVENT_STREAM,
        headers: Sequence[Header] = (),
    ) -> None:
        self._frames = frames
        kind = (b"content-type", media_type.encode() + b"; charset=utf-8")
        self._headers = [kind, *_HEADERS, *headers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the frames end, or nobody wants or may have them any more (ASGI)."""
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        async with aclosing(self._frames) as frames:
            if HEAD not in scope["state"]:
                await self._serve(frames, scope, receive, send)
        # One who takes nothing does not take the end either; the server cuts the connection then.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _serve(
        self, frames: AsyncGenerator[bytes, None], scope: Scope, receive: Receive, send: Send
    ) -> None:
        served = cast(Served, scope["app"].state["served"])
        sending = asyncio.create_task(_send_all(frames, send))
        reasons_to_end = [
            sending,
            asyncio.create_task(_gone(receive)),
            asyncio.create_task(_no_longer_good(served, cast(str, scope["auth"]))),
            asyncio.create_task(served.closing.wait()),
        ]
        try:
            await asyncio.wait(reasons_to_end, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in reasons_to_end:
                task.cancel()
            await asyncio.gather(*reasons_to_end, return_exceptions=True)
        if not sending.cancelled():
            sending.result()


async def _send_all(frames: AsyncGenerator[bytes, None], send: Send) -> None:
    try:
        async for chunk in frames:
            async with asyncio.timeout(TAKE_SECONDS):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except TimeoutError:
        log.warning("stream.not_taken", seconds=TAKE_SECONDS)
    except TowpathError as error:
        # The status is sent already; an end without a last event tells the client to come again.
        log.warning("stream.ended", code=error.code, what=error.what)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _no_longer_good(served: Served, bearer: str) -> None:
    """Return when a token was revoked or has expired; one that cannot be looked up still counts."""
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        try:
            if await served.chain.principal(bearer) is None:
                return
        except Unavailable:
            log.warning("stream.unchecked")
