"""Connections that go to checked addresses only, and end when their time is up.

The network layer under httpx's connection pool: the pool thinks in names, TLS checks
certificates by name, and here a name becomes an address that was judged a moment before.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore

from towpath_core.errors import Unavailable
from towpath_engine.egress.addresses import Peer
from towpath_engine.egress.guard import PeerGuard

__all__ = ("CheckedNetwork", "Clock")


class Clock:
    """Whom this thread asks, and until when; every wait of its connection heeds it."""

    def __init__(self, idle_seconds: float) -> None:
        self._idle = idle_seconds
        self._local = threading.local()

    @contextmanager
    def asking(self, peer: Peer, end: float) -> Iterator[None]:
        """Set whom, and the end by `time.monotonic`, for the block."""
        self._local.peer, self._local.end = peer, end
        try:
            yield
        finally:
            del self._local.peer, self._local.end

    @property
    def peer(self) -> Peer:
        """Whom this thread asks."""
        peer: Peer = self._local.peer
        return peer

    def wait(self) -> float:
        """How long the next operation may wait.

        Raises:
            Unavailable: the time is up.
        """
        left = float(getattr(self._local, "end", 0.0)) - time.monotonic()
        if left <= 0:
            raise Unavailable(
                "The answer took too long.", next="Raise `seconds` under [egress] if it may."
            )
        return min(left, self._idle)


class CheckedNetwork(httpcore.NetworkBackend):
    """Opens connections to the addresses that a guard lets through."""

    def __init__(self, guard: PeerGuard, clock: Clock) -> None:
        self._guard = guard
        self._clock = clock
        self._below = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of a host that answers (httpcore's name)."""
        peer, failed = self._clock.peer, None
        if (peer.host, peer.port) != (host.strip("[]"), port):
            raise Unavailable("The connection is not to the host that is asked.")
        for address in self._guard.addresses(peer):
            try:
                stream = self._below.connect_tcp(
                    address, port, self._clock.wait(), socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as fault:
                failed = fault
            else:
                return _TimedStream(stream, self._clock)
        raise failed or httpcore.ConnectError("no address")


class _TimedStream(httpcore.NetworkStream):
    """A connection whose every operation waits for what is left of its fetch's time."""

    def __init__(self, below: httpcore.NetworkStream, clock: Clock) -> None:
        self._below = below
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._below.read(max_bytes, self._clock.wait())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._below.write(buffer, self._clock.wait())

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._below.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._below.start_tls(ssl_context, server_hostname, self._clock.wait())
        return _TimedStream(stream, self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._below.get_extra_info(info)
