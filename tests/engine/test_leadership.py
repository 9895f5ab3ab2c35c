"""One of many leads; another takes over from one that is gone, or only stands still."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from towpath_engine.store.leadership import lead

pytestmark = pytest.mark.anyio

KEY = 0x70_77_7F_01
SECONDS = 60.0

OTHER = """
import asyncio, sys
from towpath_engine.store.leadership import lead

async def work():
    try:
        print("began", flush=True)
        await asyncio.sleep(3600)
    finally:
        print("over", flush=True)

asyncio.run(lead(sys.argv[1], int(sys.argv[2]), work, retry_seconds=0.1, silent_seconds=6.0))
"""


@contextlib.asynccontextmanager
async def another(url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process of its own that wants to lead; ended with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OTHER, url, str(KEY), stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def says(process: asyncio.subprocess.Process, word: str) -> None:
    """Wait until it has printed the word; its log is on the same stream."""
    assert process.stdout is not None
    async with asyncio.timeout(SECONDS):
        while (line := await process.stdout.readline()).decode().strip() != word:
            assert line, f"it ended without a word of {word!r}"


async def test_a_leader_that_stands_still_is_followed_and_knows_it_when_it_goes_on(
    database_url: str,
) -> None:
    began, free = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        began.set()
        await free.wait()

    async with another(database_url) as process:
        await says(process, "began")
        task = asyncio.create_task(lead(database_url, KEY, work, retry_seconds=0.1))
        await asyncio.sleep(7.0)
        assert not began.is_set()
        os.kill(process.pid, signal.SIGSTOP)
        await asyncio.wait_for(began.wait(), SECONDS)
        os.kill(process.pid, signal.SIGCONT)
        await says(process, "over")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await says(process, "began")


async def test_a_leader_that_dies_is_followed_at_once(database_url: str) -> None:
    async with another(database_url) as first:
        await says(first, "began")
        async with another(database_url) as second:
            first.kill()
            await says(second, "began")
