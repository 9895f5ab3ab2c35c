"""A terminal for tests: a process on it, what it wrote, and keys to press."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 60


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self.seen = ""
        self._master = master
        self._at = 0

    def until(self, pattern: str) -> None:
        """Read on until something matches, after what matched before."""
        end = time.monotonic() + SECONDS
        while not (match := re.compile(pattern).search(self.seen, self._at)):
            assert time.monotonic() < end, self.seen
            if not self._read():
                raise AssertionError(f"it ended without {pattern!r}: {self.seen}")
        self._at = match.end()

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def end(self) -> int:
        while self._read():
            pass
        return self.process.wait(SECONDS)

    def _read(self) -> bool:
        if not select.select([self._master], [], [], SECONDS)[0]:
            raise AssertionError(f"it stands still: {self.seen}")
        try:
            chunk = os.read(self._master, 65536)
        except OSError:  # the other side is closed
            return False
        self.seen += chunk.decode(errors="replace")
        return bool(chunk)


@contextmanager
def terminal(environ: dict[str, str], *args: str) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "towpath_cli", *args],
        env={"TERM": "xterm", **environ},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(SECONDS)
        os.close(master)
