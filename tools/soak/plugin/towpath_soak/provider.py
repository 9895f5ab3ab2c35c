"""A provider that keeps its effects in files, so that what was done can be counted afterwards.

    calls           one JSON line a call, on the disk before anything is done
    effects/<name>  one file an effect, made whole by a hard link, which a taken name refuses

It is honest: an idempotency key has one effect however often it is given. It need not be kind: it
may be slow, lose its answer after the effect, or take its caller with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from towpath_core.errors import Unavailable

__all__ = ("Call", "Effect", "Fault", "FileProvider")

Fault = Literal["lost", "die"]
"""What happens between effect and answer: the answer is lost, or the caller is killed."""


class Effect(NamedTuple):
    """Something that was done: under which key, what, and by which worker."""

    key: str
    what: str
    worker: str


class Call(NamedTuple):
    """Something that was asked for."""

    key: str
    what: str
    worker: str


class FileProvider:
    """Effects in a folder that any number of processes share.

    Args:
        folder: made when missing.
        worker: names the process that asks.
    """

    def __init__(self, folder: Path, worker: str = "") -> None:
        self.folder = folder
        self._worker = worker
        self._effects = folder / "effects"
        self._effects.mkdir(parents=True, exist_ok=True)

    def apply(
        self, key: str, what: str, *, seconds: float = 0.0, fault: Fault | None = None
    ) -> str:
        """Have an effect once for a key; returns its id, the same at every call.

        Args:
            key: idempotency key.
            what: the effect.
            seconds: how long it takes before there is one.
            fault: comes after the first call's effect only.

        Raises:
            Unavailable: the answer was lost.
        """
        self._note(key, what)
        _pass(seconds)
        if self._make(key, what):
            _strike(fault)
        return f"id of {key}"

    def append(self, what: str, *, seconds: float = 0.0, fault: Fault | None = None) -> str:
        """Have an effect at every call, as providers do that know no idempotency keys.

        Raises:
            Unavailable: the answer was lost.
        """
        key = f"{_name(what)}~{uuid.uuid4().hex}"
        self._note(key, what)
        _pass(seconds)
        first = not self.has(what)
        self._make(key, what)
        if first:
            _strike(fault)
        return f"id of {key}"

    def has(self, what: str) -> bool:
        """Whether `append` has had an effect."""
        return any(self._effects.glob(f"{_name(what)}~*"))

    def effects(self) -> Iterator[Effect]:
        """All effects, in no order."""
        for file in self._effects.iterdir():
            if not file.name.startswith("."):
                yield Effect(*json.loads(file.read_text("utf-8")))

    def calls(self) -> Iterator[Call]:
        """All calls, in order."""
        with contextlib.suppress(FileNotFoundError):
            for line in (self.folder / "calls").read_text("utf-8").splitlines():
                yield Call(*json.loads(line))

    def _make(self, key: str, what: str) -> bool:
        """Write an effect's file; False when it was there."""
        partial = self._effects / f".{uuid.uuid4().hex}"
        _write(partial, json.dumps([key, what, self._worker]), os.O_EXCL)
        try:
            os.link(partial, self._effects / key)
        except FileExistsError:
            return False
        finally:
            partial.unlink()
        _flush(self._effects)
        return True

    def _note(self, key: str, what: str) -> None:
        line = json.dumps([key, what, self._worker]) + "\n"
        _write(self.folder / "calls", line, os.O_APPEND)


def _name(what: str) -> str:
    return what.replace("/", ".")


def _pass(seconds: float) -> None:
    # Not time.sleep, which libfaketime 0.9.10 breaks where it leaves the steady clock alone.
    threading.Event().wait(seconds)


def _strike(fault: Fault | None) -> None:
    if fault == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "lost":
        raise Unavailable("The provider's answer was lost.")


def _write(path: Path, text: str, flags: int) -> None:
    # In one call and on the disk: a process may be killed after any line of this file.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o644)
    try:
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
