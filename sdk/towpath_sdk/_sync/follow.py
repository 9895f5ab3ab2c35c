# Generated from _async/follow.py by tools/unasync.py. Change that file, not this one.
"""Following a run: its events as they happen, over connections that may break."""

from __future__ import annotations

from collections.abc import Generator, Callable
from time import monotonic

import httpx
from time import sleep

from towpath_sdk._sync.connection import Connection, no_answer
from towpath_sdk._wire.errors import PlatformError, TransportFailed
from towpath_sdk._wire.feed import EventFeed
from towpath_sdk._wire.runs import Event

__all__ = ("OnConnection", "follow")

OnConnection = Callable[[PlatformError | None], None]
"""Called with the error when a connection is lost and will be made anew, with None when it is."""

_SHORTEST = 0.01
_RETRIES = 10
"""More than for other calls: following outlives a restart of the platform."""


def follow(
    link: Connection,
    run_id: str,
    after: int,
    *,
    silence: float,
    deadline: float | None = None,
    on_connection: OnConnection | None = None,
) -> Generator[Event | None, None]:
    """Yield the run's events until it ends, each once and in order.

    Yields None whenever nothing comes for `silence` seconds, or only a sign of life, so that the
    caller can look at the clock. A lost connection is taken up after the last event; attempts are
    counted anew with each event that comes.

    Args:
        link: the connection to the platform.
        run_id: whose events.
        after: the number of the last event that is known; 0 for all.
        silence: seconds after which a silent connection is given up and made anew.
        deadline: in seconds of `time.monotonic()`. It ends here too, without an error.
        on_connection: is told of lost connections.
    """
    feed = EventFeed(run_id, after)
    tell = on_connection or (lambda error: None)
    attempt, lost = 0, False
    while deadline is None or monotonic() < deadline:
        left = silence if deadline is None else min(silence, deadline - monotonic())
        call = feed.connect()
        failure: PlatformError = TransportFailed(f"{call} ended before the run did.", lost=True)
        try:
            with link.open(
                call, accept="text/event-stream", silence=max(left, _SHORTEST)
            ) as response:
                if lost:
                    tell(None)
                    lost = False
                for chunk in response.iter_bytes():
                    events = feed.take(chunk)
                    for event in events:
                        attempt = 0
                        yield event
                    if feed.done:
                        return
                    if not events:
                        yield None
        except httpx.ReadTimeout:
            attempt = 0
            yield None
            continue
        except httpx.RequestError as error:
            failure = no_answer(call, error)
        except PlatformError as error:
            failure = error
        delay = link.delay(failure, attempt, retries=_RETRIES)
        if delay is None:
            raise failure
        attempt += 1
        tell(failure)
        lost = True
        sleep(delay if deadline is None else max(0.0, min(delay, deadline - monotonic())))
