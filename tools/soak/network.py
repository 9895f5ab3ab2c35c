"""Where processes run apart: in network namespaces on one bridge, or on ports of one address.

A namespace has a cable to the bridge that can be pulled. The database and the proxies stand at the
bridge's own address. Nothing of it is routed anywhere else.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from typing import Protocol

__all__ = ("Namespaces", "Network", "NotApart", "Ports", "end_leftovers")

_PREFIX = "tps"
_LENGTH = 24


class NotApart(Exception):
    """Network namespaces cannot be had here; the text says why."""


class Network(Protocol):
    """Where each process runs."""

    name: str
    address: str
    """Where the harness's own servers listen."""

    def join(self, name: str) -> tuple[list[str], str]:
        """Make a place for a process; returns what its command begins with, and its address."""
        ...

    def pull(self, name: str) -> None:
        """Take a place's cable out."""
        ...

    def forget(self, name: str) -> None:
        """End what the harness's machine holds of a place's connections, as a new machine would."""
        ...

    def plug(self, name: str) -> None:
        """Put it in again."""
        ...

    def close(self) -> None:
        """Remove all places."""
        ...


class Ports:
    """Everything at 127.0.0.1; there are no cables."""

    name = "ports"
    address = "127.0.0.1"

    def join(self, name: str) -> tuple[list[str], str]:
        """No place is needed."""
        return [], self.address

    def pull(self, name: str) -> None:
        """There is none.

        Raises:
            NotApart: always.
        """
        raise NotApart("ports have no cables")

    def forget(self, name: str) -> None:
        """There is none."""

    def plug(self, name: str) -> None:
        """There is none."""

    def close(self) -> None:
        """Nothing was made."""


class Namespaces:
    """A bridge, and a namespace with a cable to it for each process.

    Raises:
        NotApart: this user may not make them, or `ip` is missing.
    """

    name = "namespaces"

    def __init__(self) -> None:
        pid = os.getpid()
        self._base = f"{_PREFIX}{pid:x}"
        # 198.18.0.0/15 is set aside for trying networks out (RFC 2544).
        self._subnet = f"198.{18 + (pid >> 8 & 1)}.{pid & 255}"
        self.address = f"{self._subnet}.1"
        self.bridge = f"{self._base}b"
        self._places: dict[str, int] = {}
        if shutil.which("ip") is None:
            raise NotApart("there is no command ip")
        try:
            _ip("link", "add", self.bridge, "type", "bridge")
            _ip("addr", "add", f"{self.address}/{_LENGTH}", "dev", self.bridge)
            _ip("link", "set", self.bridge, "up")
            self.join("probe")
        except NotApart:
            self.close()
            raise

    def join(self, name: str) -> tuple[list[str], str]:
        """Make a namespace with an address of its own; the same one for the same name."""
        number = self._places.get(name)
        if number is None:
            number = self._places[name] = len(self._places) + 10
            self._make(number)
        return ["ip", "netns", "exec", self._namespace(number)], f"{self._subnet}.{number}"

    def pull(self, name: str) -> None:
        """Take the cable out: packets vanish, and nobody is told."""
        _ip("link", "set", self._cable(self._places[name]), "down")

    def forget(self, name: str) -> None:
        """End this side of a place's connections; with the cable out the other is never told."""
        command = ["ss", "-K", "dst", f"{self._subnet}.{self._places[name]}"]
        subprocess.run(command, capture_output=True, check=False)

    def plug(self, name: str) -> None:
        """Put it in again; packets that were sent meanwhile come again by themselves."""
        _ip("link", "set", self._cable(self._places[name]), "up")

    def close(self) -> None:
        """Remove namespaces and bridge; harmless when there are none."""
        for number in self._places.values():
            with contextlib.suppress(NotApart):
                _ip("netns", "del", self._namespace(number))
            with contextlib.suppress(NotApart):
                _ip("link", "del", self._cable(number))
        self._places.clear()
        with contextlib.suppress(NotApart):
            _ip("link", "del", self.bridge)

    def _make(self, number: int) -> None:
        space, cable = self._namespace(number), self._cable(number)
        _ip("netns", "add", space)
        _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space)
        _ip("link", "set", cable, "master", self.bridge, "up")
        _ip("-n", space, "addr", "add", f"{self._subnet}.{number}/{_LENGTH}", "dev", "eth0")
        for device in ("lo", "eth0"):
            _ip("-n", space, "link", "set", device, "up")

    def _namespace(self, number: int) -> str:
        return f"{self._base}-{number}"

    def _cable(self, number: int) -> str:
        return f"{self._base}c{number}"


def end_leftovers() -> None:
    """Remove namespaces and bridges of runs that were killed."""
    if shutil.which("ip") is None:
        return
    shown = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    for line in shown.splitlines():
        name = line.split()[0]
        if name.startswith(_PREFIX) and _is_over(name.removeprefix(_PREFIX).partition("-")[0]):
            with contextlib.suppress(NotApart):
                _ip("netns", "del", name)
    shown = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True).stdout
    for line in shown.splitlines():
        name = line.split(":")[1].strip().partition("@")[0]
        if name.startswith(_PREFIX) and name.endswith("b") and _is_over(name[len(_PREFIX) : -1]):
            with contextlib.suppress(NotApart):
                _ip("link", "del", name)


def _is_over(pid: str) -> bool:
    try:
        os.kill(int(pid, 16), 0)
    except ProcessLookupError:
        return True
    except (ValueError, PermissionError):
        return False
    return False


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise NotApart(f"ip {' '.join(words)}: {done.stderr.strip()}")
