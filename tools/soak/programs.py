"""Gateways and workers as processes: started, killed, paused, and started again when they die."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ("Program", "clean_environment", "fake_clock")

_READY_SECONDS = 60.0
_END_SECONDS = 40.0
_AGAIN_SECONDS = 0.3
_TOWPATH = (sys.executable, "-m", "towpath_gateway")
_FAKETIME = "libfaketimeMT.so.1"


class Program:
    """One gateway or worker under a name; every start of it is a generation of its own.

    Args:
        name: for people, and for the log.
        words: arguments of `towpath`.
        env: its whole environment.
        log: file that it writes to.
        place: what its command begins with, to run it somewhere else.
    """

    def __init__(
        self,
        name: str,
        words: Sequence[str],
        env: Mapping[str, str],
        log: Path,
        place: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.log = log
        self.generation = 0
        self.paused = False
        self.ready = asyncio.Event()
        self.deaths: list[int] = []
        self._env = dict(env)
        # Whatever becomes of the harness, its processes do not outlive it; not even paused ones.
        leash = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        self._command = [*leash, *place, *_TOWPATH, *words]
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None

    @property
    def worker(self) -> str:
        """What the present process is called in effects and events."""
        return f"{self.name}.{self.generation}"

    @property
    def alive(self) -> bool:
        """Whether it works at the moment."""
        return self.ready.is_set() and not self.paused

    async def start(self) -> None:
        """Start it, and start it again whenever it ends; returns when it first says `ready`."""
        self._keeping = asyncio.create_task(self._keep(), name=f"keep {self.name}")
        waiting = asyncio.create_task(self.ready.wait())
        done, _ = await asyncio.wait(
            {waiting, self._keeping}, timeout=_READY_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        waiting.cancel()
        if waiting not in done:
            tail = self.log.read_text("utf-8", "replace")[-2000:]
            raise TimeoutError(f"{self.name} did not get ready: {tail}")

    def kill(self) -> str:
        """SIGKILL; returns which process that was."""
        self._signal(signal.SIGKILL)
        self.ready.clear()
        self.paused = False
        return self.worker

    def pause(self) -> str:
        """SIGSTOP; returns which process that was."""
        self._signal(signal.SIGSTOP)
        self.paused = True
        return self.worker

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)
        self.paused = False

    def terminate(self) -> str:
        """SIGTERM; it is started again when it has ended."""
        self._signal(signal.SIGTERM)
        self.ready.clear()
        return self.worker

    async def stop(self) -> None:
        """End it for good."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _END_SECONDS)
        if process.returncode is None:
            self._signal(signal.SIGKILL)
            await process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                # Not by the process object, which may reap what asyncio waits for.
                os.kill(self._process.pid, number)

    async def _keep(self) -> None:
        while True:
            began = time.monotonic()
            await self._run()
            if time.monotonic() - began < _AGAIN_SECONDS:
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _run(self) -> None:
        self.generation += 1
        self.paused = False
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                env=self._env | {"SOAK_WORKER": self.worker},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        self._process = process
        assert process.stdout is not None
        try:
            async for line in process.stdout:
                if line.startswith(b"ready "):
                    self.ready.set()
            self.deaths.append(await process.wait())
        finally:
            self.ready.clear()


def clean_environment(home: Path) -> dict[str, str]:
    """An environment in which nothing of this user's platform is known."""
    kept = {k: v for k, v in os.environ.items() if "TOWPATH" not in k and "PYTHON" not in k}
    return {**kept, "HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")}


def fake_clock(says: Path) -> dict[str, str] | None:
    """Environment of a process whose clock is moved as a file says, such as `+1d`; now and later.

    The steady clock is left alone, as it is when a machine's clock is set.

    Returns:
        None where libfaketime is not installed.
    """
    for folder in ("/usr/lib", "/usr/local/lib", "/opt/homebrew/lib"):
        for library in Path(folder).glob(f"*/faketime/{_FAKETIME}"):
            return {
                "LD_PRELOAD": str(library),
                "FAKETIME_TIMESTAMP_FILE": str(says),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
    return None
