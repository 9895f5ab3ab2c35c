"""What plugin code gets while it works for a step: log, progress, cancellation, deadline.

Lives in the worker. Lines are gathered from any thread and written in batches by the run.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from towpath_core.errors import Cancelled, Invalid, LimitExceeded
from towpath_core.runs import LogLevel
from towpath_engine.runs.journal import Event
from towpath_engine.secrets import mask

__all__ = ("EventBuffer", "RunStepTools")

_MAX_LINE = 10_000
_MAX_TYPE = 100
_MAX_BYTES = 4 * 1024 * 1024
# What these say about a run is the platform's to say: a forged end would end who follows it.
_OURS = frozenset({"state", "step", "log", "progress"})


class EventBuffer:
    """Events that wait to be written; filled from any thread, emptied by the run's loop."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._events: deque[Event] = deque()
        self._secrets = tuple(secrets)
        self._lock = threading.Lock()

    def add(self, type: str, body: Mapping[str, Any]) -> None:
        """Append an event; its texts are masked against the run's secrets.

        Raises:
            Invalid: the body is not JSON.
        """
        event = Event(type, self.plain(dict(body)))
        with self._lock:
            self._events.append(event)

    def plain(self, value: Any) -> Any:
        """A value as JSON data of its own, with the run's secrets masked in keys and texts.

        Raises:
            Invalid: it is not JSON.
            LimitExceeded: it has more than 4 MiB as JSON.
        """
        try:
            text = msgspec.json.encode(value)
            if len(text) > _MAX_BYTES:
                raise LimitExceeded(
                    f"A plugin gave the run more than {_MAX_BYTES:,} bytes at once."
                )
            return self._masked(msgspec.json.decode(text))
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise Invalid(
                "A plugin gave the run something that JSON cannot say.", why=type(error).__name__
            ) from error

    def mask(self, text: str) -> str:
        """Replace the run's secrets in a text."""
        return mask(text, self._secrets)

    def take(self) -> list[Event]:
        """Remove and return all that wait, in order."""
        with self._lock:
            events = list(self._events)
            self._events.clear()
        return events

    def give_back(self, events: Sequence[Event]) -> None:
        """Put back what was taken and could not be written, before what came since."""
        with self._lock:
            self._events.extendleft(reversed(events))

    def _masked(self, value: Any) -> Any:
        if not self._secrets:
            return value
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, dict):
            return {self.mask(key): self._masked(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._masked(item) for item in value]
        return value


class RunStepTools:
    """The tools of one step of one run; see `towpath_core.runs.StepTools` for the promise."""

    def __init__(
        self,
        run_id: str,
        step_key: str,
        seq: int,
        *,
        seconds: float,
        buffer: EventBuffer,
        cancelled: threading.Event,
    ) -> None:
        self.run_id = run_id
        self.key = f"{run_id}:{seq}"
        self.deadline = time.monotonic() + seconds
        self._step = step_key
        self._buffer = buffer
        self._cancelled = cancelled

    def log(self, message: str, *, level: LogLevel = "info") -> None:
        """Add a line to the run's log; a very long one is cut."""
        # Masked before it is cut: half a secret would be left standing.
        text = self._buffer.mask(str(message))
        if len(text) > _MAX_LINE:
            text = f"{text[:_MAX_LINE]}... ({len(text)} characters)"
        self._buffer.add("log", {"message": text, "level": level, "step": self._step})

    def progress(self, done: float, total: float | None = None, unit: str = "") -> None:
        """Report how far the step is."""
        body: dict[str, Any] = {"done": done, "unit": unit, "step": self._step}
        if total is not None:
            body["total"] = total
        self._buffer.add("progress", body)

    def emit(self, type: str, body: Mapping[str, Any]) -> None:
        """Add a typed event to the run.

        Raises:
            Invalid: the type is one of the platform's own, or the body is not JSON.
        """
        if type in _OURS or not 0 < len(type) <= _MAX_TYPE or not type.isprintable():
            raise Invalid(
                f"An event cannot have the type {type[:_MAX_TYPE]!r}.",
                next="Use a name of your own, such as acme:built.",
            )
        self._buffer.add(type, {**body, "step": self._step})

    def check(self) -> None:
        """Raise `Cancelled` when the run was asked to stop, `LimitExceeded` past the deadline."""
        if self._cancelled.is_set():
            raise Cancelled("The run was asked to stop.")
        if time.monotonic() > self.deadline:
            raise LimitExceeded("The step has used up its time.")
