"""How often a host is asked: a few fetches at a time, none while it asks for a pause."""

from __future__ import annotations

import email.utils
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from towpath_core.errors import Unavailable
from towpath_engine.egress.addresses import Peer

__all__ = ("Pacing", "pause_of")

_MOST_HOSTS = 1024
_MOST_PAUSE = 3600.0


class _Host:
    def __init__(self, concurrency: int) -> None:
        self.slots = threading.BoundedSemaphore(concurrency)
        self.resumes = 0.0


class Pacing:
    """The turns of all hosts. Safe from any thread."""

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._hosts: OrderedDict[tuple[str, int], _Host] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def turn(self, peer: Peer, end: float) -> Iterator[None]:
        """Wait for a turn, until `end` by `time.monotonic` at most.

        Raises:
            Unavailable: there is none in time; says how long the pause is.
        """
        host = self._host(peer)
        if not host.slots.acquire(timeout=max(0.0, end - time.monotonic())):
            raise Unavailable(f"Too much is asked of {peer} at the same time.")
        try:
            pause = host.resumes - time.monotonic()
            if pause > 0:
                if time.monotonic() + pause >= end:
                    raise Unavailable(f"{peer} asks for a pause of {pause:.0f} seconds.")
                time.sleep(pause)
            yield
        finally:
            host.slots.release()

    def pause(self, peer: Peer, seconds: float) -> None:
        """Have nobody ask a host for a while; the longer of two pauses counts."""
        host = self._host(peer)
        until = time.monotonic() + min(seconds, _MOST_PAUSE)
        with self._lock:
            host.resumes = max(host.resumes, until)

    def _host(self, peer: Peer) -> _Host:
        key = (peer.host, peer.port)
        with self._lock:
            host = self._hosts.setdefault(key, _Host(self._concurrency))
            self._hosts.move_to_end(key)
            while len(self._hosts) > _MOST_HOSTS:
                self._hosts.popitem(last=False)
            return host


def pause_of(status: int, headers: Mapping[str, str], attempt: int) -> float | None:
    """How many seconds a host asks to be left alone; None where it does not.

    Args:
        status: 429 and 503 ask for it, and 403 with the headers of a rate limit.
        headers: by lower-case name.
        attempt: how often it was asked, from 0; where it does not say how long, it is a second,
            and each time twice as long.
    """
    told = headers.get("retry-after", "").strip()
    spent = headers.get("x-ratelimit-remaining", "").strip() == "0"
    if status not in (429, 503) and not (status == 403 and (told or spent)):
        return None
    if told.isdigit():
        return float(min(int(told[:9]), int(_MOST_PAUSE)))
    if told:
        try:
            when = email.utils.parsedate_to_datetime(told)
            return max(0.0, (when - datetime.now(UTC)).total_seconds())
        except (ValueError, TypeError):
            pass
    reset = headers.get("x-ratelimit-reset", "").strip()
    if spent and reset.isdigit():
        return max(0.0, float(reset[:12]) - time.time())
    return float(2**attempt)
