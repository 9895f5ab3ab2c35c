"""A child process and the two pipes to it. Knows frames and deadlines, not what is in a frame."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time

from towpath_backstage.language.wire import HEADER, framed

__all__ = ("Child", "ChildGarbled", "ChildLate", "ChildLost")

_PATIENCE = 5.0
"""Seconds that a child gets to end after its pipe has closed."""


class ChildLost(Exception):
    """The child is gone.

    Args:
        status: its exit status; negative, the signal that ended it.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class ChildLate(Exception):
    """The child did not do its part in time."""


class ChildGarbled(Exception):
    """The child said something that is no frame, or too large a one."""


class Child:
    """A running child process. Not for more than one thread at a time, but for `end`."""

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"LANG": "C.UTF-8"},
            cwd="/",
            close_fds=True,
            start_new_session=True,
            bufsize=0,
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise OSError("the child process has no pipes")
        self._stdin = self._process.stdin
        self._stdout = self._process.stdout
        os.set_blocking(self._stdin.fileno(), False)
        os.set_blocking(self._stdout.fileno(), False)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def send(self, payloads: list[bytes], deadline: float) -> None:
        """Write frames.

        Args:
            payloads: what to put in frames.
            deadline: on the clock of `time.monotonic`.

        Raises:
            ChildLate: the deadline has passed.
            ChildLost: the child is gone.
        """
        rest = memoryview(b"".join(map(framed, payloads)))
        descriptor = self._stdin.fileno()
        while rest:
            self._await(descriptor, select.POLLOUT, deadline)
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise ChildLost(self._status()) from None

    def receive(self, most: int, deadline: float) -> bytes:
        """Read one frame of at most `most` bytes.

        Raises:
            ChildGarbled: it is larger.
            ChildLate: the deadline has passed.
            ChildLost: the child is gone.
        """
        (size,) = HEADER.unpack(self._read(HEADER.size, deadline))
        if size > most:
            raise ChildGarbled(f"a frame of {size} bytes")
        return self._read(size, deadline)

    def kill(self) -> None:
        """End the process at once; whoever waits for it finds it lost. Safe from any thread."""
        self._process.kill()

    def end(self) -> None:
        """End the process, wait for it and close the pipes; harmless when done already."""
        self._process.kill()
        self._process.wait()
        self._stdin.close()
        self._stdout.close()

    def _read(self, size: int, deadline: float) -> bytes:
        parts = bytearray()
        descriptor = self._stdout.fileno()
        while len(parts) < size:
            self._await(descriptor, select.POLLIN, deadline)
            try:
                part = os.read(descriptor, min(size - len(parts), 1 << 20))
            except BlockingIOError:
                continue
            if not part:
                raise ChildLost(self._status())
            parts += part
        return bytes(parts)

    def _await(self, descriptor: int, event: int, deadline: float) -> None:
        left = deadline - time.monotonic()
        poll = select.poll()
        poll.register(descriptor, event)
        if left <= 0 or not poll.poll(left * 1000):
            raise ChildLate

    def _status(self) -> int:
        try:
            return self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
