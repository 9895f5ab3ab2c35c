"""Which locations are to be read again, and when: a few at a time, later where one fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

import msgspec
import structlog

from towpath_core.catalog import one_reading
from towpath_core.errors import NotFound, TowpathError

__all__ = ("Refresh", "Refreshes")

log = structlog.get_logger(__name__)

Refresh = Callable[[UUID], Awaitable[object]]
"""Reads one location again."""

_AT_A_TIME = 4
_RETRY_SECONDS = 5.0
_LONGEST_SECONDS = 300.0


class Refreshes:
    """Reads locations again, a few at a time and none twice at once."""

    def __init__(self, refresh: Refresh) -> None:
        self._refresh = refresh
        self._waiting: dict[UUID, None] = {}
        self._running: set[UUID] = set()
        self._failed: dict[UUID, _Failure] = {}
        self._news = asyncio.Event()

    def add(self, locations: set[UUID]) -> None:
        """Have locations read again soon; one that is being read is read once more after that."""
        for location in locations:
            self._waiting.setdefault(location)
        if locations:
            self._news.set()

    async def run(self) -> None:
        """Read until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self._news.wait()
                self._news.clear()
                for location in self._ready():
                    del self._waiting[location]
                    self._running.add(location)
                    group.create_task(self._one(location))

    def _ready(self) -> list[UUID]:
        free, now = _AT_A_TIME - len(self._running), time.monotonic()
        ready = [
            one
            for one in self._waiting
            if one not in self._running
            and (one not in self._failed or self._failed[one].not_before <= now)
        ]
        return ready[: max(0, free)]

    async def _one(self, location: UUID) -> None:
        try:
            with one_reading():
                await self._refresh(location)
            self._failed.pop(location, None)
        except NotFound:
            self._failed.pop(location, None)  # removed meanwhile
        except Exception as error:
            if isinstance(error, TowpathError):
                log.warning("watch.refresh_failed", location=str(location), error=str(error))
            else:
                log.exception("watch.refresh_failed", location=str(location))
            self._later(location)
        finally:
            self._running.discard(location)
            self._news.set()

    def _later(self, location: UUID) -> None:
        """Try again after a while, each time a longer one."""
        times = self._failed[location].times + 1 if location in self._failed else 1
        delay = min(_RETRY_SECONDS * 2 ** (times - 1), _LONGEST_SECONDS)
        self._failed[location] = _Failure(times, time.monotonic() + delay)
        self._waiting.setdefault(location)
        asyncio.get_running_loop().call_later(delay + 0.01, self._news.set)


class _Failure(msgspec.Struct, frozen=True):
    times: int
    not_before: float
