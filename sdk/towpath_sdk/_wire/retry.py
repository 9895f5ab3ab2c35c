"""When a failed call is tried again, and after how long.

Knows nothing of sleeping: it answers seconds. Jitter is "full": each wait is drawn evenly between
nothing and a window that doubles, so that clients that failed together do not come back together.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from towpath_sdk._wire.errors import (
    ApiError,
    Conflict,
    PlatformError,
    RateLimited,
    TransportFailed,
    Unavailable,
)

__all__ = ("DEFAULT_BACKOFF", "Backoff", "retry_delay")

_IN_FLIGHT = "idempotency-in-flight"
_MAX_DOUBLINGS = 30


class Backoff(msgspec.Struct, frozen=True):
    """How long to wait between attempts, in seconds.

    Attributes:
        first: the window of the first wait; it doubles with every further one. 0 never waits.
        cap: no window grows beyond this.
        patience: the longest `Retry-After` that is waited for. When the platform asks for more,
            its answer is raised at once, with `retry_after` set.
    """

    first: float = 0.25
    cap: float = 8.0
    patience: float = 60.0


DEFAULT_BACKOFF = Backoff()


def retry_delay(
    failure: PlatformError,
    attempt: int,
    *,
    retries: int,
    backoff: Backoff,
    luck: Callable[[], float],
) -> float | None:
    """Seconds to wait before the next attempt, or None when the failure is final.

    Tried again are 429, 502, 503 and 504, calls that got no answer, and a 409 which says that the
    first attempt of the same call is still being worked on.

    Args:
        failure: what the attempt ended with.
        attempt: how many attempts failed before this one.
        retries: how often a call is tried again; 0 turns retrying off.
        backoff: the waits.
        luck: a number from 0 to 1, evenly drawn.
    """
    if attempt >= retries or not _passing(failure):
        return None
    if isinstance(failure, TransportFailed) and failure.lost and attempt == 0:
        return 0.0  # a server may close an idle connection at any time; a fresh one is good now
    wait = luck() * min(backoff.cap, backoff.first * 2.0 ** min(attempt, _MAX_DOUBLINGS))
    asked = failure.retry_after if isinstance(failure, ApiError) else None
    if asked is None:
        return wait
    return None if asked > backoff.patience else asked + wait


def _passing(failure: PlatformError) -> bool:
    if isinstance(failure, Conflict):
        return failure.code == _IN_FLIGHT or failure.retry_after is not None
    return isinstance(failure, RateLimited | Unavailable | TransportFailed)
