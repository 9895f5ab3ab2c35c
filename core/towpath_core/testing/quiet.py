"""A guard that lets code work but not reach out: no sockets, no processes, no writing.

Built on audit events (PEP 578), so that it holds below whatever library is used, as long as the
library goes through Python: C code that opens its own sockets is not seen. Once armed in a
process the audit hook stays there, asleep outside of the guard: Python cannot take one away.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ("IoAttempted", "forbid_io")

_REFUSED = (
    "ftplib.",
    "glob.",
    "http.client.",
    "imaplib.",
    "os.chmod",
    "os.chown",
    "os.exec",
    "os.fork",
    "os.link",
    "os.mkdir",
    "os.posix_spawn",
    "os.putenv",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.spawn",
    "os.startfile",
    "os.symlink",
    "os.system",
    "os.truncate",
    "os.unsetenv",
    "os.utime",
    "pty.spawn",
    "shutil.",
    "smtplib.",
    "socket.bind",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostby",
    "socket.send",
    "sqlite3.connect",
    "subprocess.Popen",
    "tempfile.",
    "urllib.Request",
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class IoAttempted(PermissionError):
    """Guarded code tried to reach out; it was stopped before anything happened."""


class _Watch:
    """What one guard sees; threads that ran before it are let through."""

    def __init__(self) -> None:
        current = threading.get_ident()
        others = {thread.ident for thread in threading.enumerate()}
        self.strangers = others - {current}
        self.seen: list[str] = []


_active: list[_Watch] = []
_armed = threading.Lock()


@contextmanager
def forbid_io() -> Iterator[list[str]]:
    """Stop I/O in this thread, and in threads started below, while the block runs.

    Yields the list of what was attempted, which grows as it happens: an attempt counts even
    where the code swallows the `IoAttempted` that it gets. Reading files is allowed.
    """
    if _armed.acquire(blocking=False):  # held for ever: the hook is added once a process
        sys.addaudithook(_listen)
    watch = _Watch()
    _active.append(watch)
    try:
        yield watch.seen
    finally:
        _active.remove(watch)


def _listen(event: str, arguments: tuple[object, ...]) -> None:
    if not _active or not _reaches_out(event, arguments):
        return
    watching = [one for one in _active if threading.get_ident() not in one.strangers]
    if not watching:
        return
    shown = f"{event} {arguments[0]!r}"[:200] if arguments else event
    for watch in watching:
        watch.seen.append(shown)
    raise IoAttempted(f"not allowed here: {shown}")


def _reaches_out(event: str, arguments: tuple[object, ...]) -> bool:
    if event == "open":
        flags = arguments[2] if len(arguments) > 2 else 0
        return isinstance(flags, int) and bool(flags & _WRITING)
    return event.startswith(_REFUSED)
