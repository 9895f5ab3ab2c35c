"""Being told to stop: by a signal, by a second one, or by the death of who started us."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

__all__ = ("LIFELINE", "Stop", "stop_signals", "unless")

log = structlog.get_logger(__name__)

T = TypeVar("T")

LIFELINE = "TOWPATH_LIFELINE"
"""Names a pipe whose other end only our parent holds: it reads as ended when that is gone."""


class Stop:
    """What was asked for: `asked` to end in order, `at_once` not to wait for anything."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.at_once = asyncio.Event()

    def ask(self) -> None:
        """Ask once more: first to stop, then to stop at once."""
        (self.at_once if self.asked.is_set() else self.asked).set()


def stop_signals() -> Stop:
    """What SIGTERM and SIGINT ask of this process, and the death of the process that started it."""
    stop = Stop()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.ask)
    if (pipe := os.environ.get(LIFELINE)) is not None:
        loop.add_reader(int(pipe), _ended(int(pipe), stop))
    return stop


async def unless(event: asyncio.Event, work: Awaitable[T]) -> T | None:
    """Do some work, or leave it when an event comes first; then the result is None.

    Work that is left is cancelled, and has ended when this returns.
    """
    working = asyncio.ensure_future(work)
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        return None
    finally:
        for task in (working, waiting):
            task.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)


def _ended(descriptor: int, stop: Stop) -> Callable[[], None]:
    def check() -> None:
        if not os.read(descriptor, 1):
            asyncio.get_running_loop().remove_reader(descriptor)
            log.warning("serve.supervisor_gone")
            stop.asked.set()

    return check
