"""One process of ours that is started, said to be ready, and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import cast

from towpath_core.errors import Unavailable
from towpath_gateway.signals import LIFELINE, unless

__all__ = ("READY", "Child")

READY = b"ready "
"""How the line on standard output begins by which a process says that it is ready, and where."""

READY_SECONDS = 120.0
"""A minute of it for the database servers, which may have a crash to recover from."""
STOP_SECONDS = 30.0
_LONGEST_LINE = 1 << 20


class Child:
    """A process that says when it is ready. Can be started again when it has ended."""

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> None:
        self.name = name
        self.process: asyncio.subprocess.Process | None = None
        self.ready = ""
        self._command = tuple(command)
        self._env = dict(env)
        self._draining: asyncio.Task[None] | None = None

    async def start(self, lifeline: int) -> None:
        """Start it; returns when it says that it is ready.

        Args:
            lifeline: the end of a pipe by which it notices that we are gone.

        Raises:
            Unavailable: it ended, or did not get ready in time and was killed.
        """
        self.process = await asyncio.create_subprocess_exec(
            *self._command,
            env={**self._env, LIFELINE: str(lifeline)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE,
            pass_fds=(lifeline,),
            # Ctrl-C is for the supervisor, which stops them in order.
            start_new_session=True,
        )
        said = cast(asyncio.StreamReader, self.process.stdout)
        try:
            self.ready = await asyncio.wait_for(_readiness(said), READY_SECONDS)
        except TimeoutError as error:
            await self._kill()
            raise Unavailable(
                f"The {self.name} did not get ready within {READY_SECONDS:.0f} seconds.",
                next="What it said is above; --log-level debug says more.",
            ) from error
        if not self.ready:
            await self.process.wait()
            raise Unavailable(
                f"The {self.name} ended with status {self.process.returncode}.",
                next="What it said is above.",
            )
        self._draining = asyncio.create_task(_pass_on(said))

    async def stop(self, at_once: asyncio.Event) -> None:
        """End it: gently first, but not for more than 30 seconds, nor when `at_once` is set."""
        process = self.process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(unless(at_once, process.wait()), STOP_SECONDS)
            await self._kill()
        if self._draining is not None:
            await self._draining

    async def _kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


async def _readiness(said: asyncio.StreamReader) -> str:
    """What comes after `ready`; empty when the output ends before. Other lines are passed on."""
    async for line in said:
        if line.startswith(READY):
            return line.decode().removeprefix(READY.decode()).strip()
        _show(line)
    return ""


async def _pass_on(said: asyncio.StreamReader) -> None:
    """Show what a plugin prints; nobody reading on would stop the process when the pipe is full."""
    while chunk := await said.read(65536):
        _show(chunk)


def _show(said: bytes) -> None:
    sys.stderr.buffer.write(said)
    sys.stderr.flush()
