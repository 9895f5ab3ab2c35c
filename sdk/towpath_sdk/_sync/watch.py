# Generated from _async/watch.py by tools/unasync.py. Change that file, not this one.
"""Watching the catalog: its changes as they happen, over connections that may break."""

from __future__ import annotations

from collections.abc import Generator
from time import monotonic

import httpx
from time import sleep

from towpath_sdk._sync.connection import Connection, no_answer
from towpath_sdk._wire.errors import PlatformError, TransportFailed
from towpath_sdk._wire.watching import EntityEvent, WatchFeed

__all__ = ("watch",)

_RETRIES = 10
"""More than for other calls: watching outlives a restart of the platform."""
_STOOD = 5.0
"""Seconds after which a connection was a good one, though nothing happened."""


def watch(
    link: Connection, feed: WatchFeed, *, silence: float
) -> Generator[EntityEvent, None]:
    """Yield events for ever, each once and in order.

    A lost connection is taken up after the last event; attempts are counted anew with each event
    that comes, and after a connection that stood for a while. A list that was cut before its
    bookmark begins anew.

    Args:
        link: the connection to the platform.
        feed: what is asked for.
        silence: seconds after which a silent connection is given up and made anew.
    """
    attempt = 0
    while True:
        call, begun = feed.connect(), monotonic()
        failure: PlatformError = TransportFailed(f"{call} was ended.", lost=True)
        try:
            with link.open(call, accept="text/event-stream", silence=silence) as response:
                for chunk in response.iter_bytes():
                    for event in feed.take(chunk):
                        attempt = 0
                        yield event
                    if feed.again:
                        break
        except httpx.RequestError as error:
            failure = no_answer(call, error)
        except PlatformError as error:
            failure = error
        if feed.again:
            continue
        attempt = 0 if monotonic() - begun > _STOOD else attempt
        delay = link.delay(failure, attempt, retries=_RETRIES)
        if delay is None:
            raise failure
        attempt += 1
        sleep(delay)
