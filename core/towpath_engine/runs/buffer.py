"""What waits to be written of a run: events, ends of steps; from any thread, masked, in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from towpath_core.errors import Invalid, LimitExceeded
from towpath_engine.runs.journal import Event, StepInfo
from towpath_engine.secrets import mask

__all__ = ("EventBuffer", "legible", "line")

_MAX_BYTES = 4 * 1024 * 1024
_MAX_LINE = 10_000
"""Characters of one text that is shown."""


def legible(text: str) -> str:
    """A text without what the database cannot look at: lone surrogates and NUL.

    They come with the names of files that are not UTF-8, and with the output of programs.
    """
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def line(text: object, mask: Callable[[str], str]) -> str:
    """A text to be shown to people, masked; a very long one is cut."""
    # Masked before it is cut: half a secret would be left standing.
    whole = mask(legible(str(text)))
    return whole if len(whole) <= _MAX_LINE else f"{whole[:_MAX_LINE]}... ({len(whole)} characters)"


class EventBuffer:
    """Events that wait to be written; filled from any thread, emptied by the run's loop."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._events: deque[Event] = deque()
        self._ended: dict[int, StepInfo] = {}
        self._told: Callable[[bool], None] | None = None
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
            if self._told is not None and len(self._events) == 1:
                self._told(False)

    def add_end(self, event: Event, step: StepInfo) -> None:
        """Append the event of a step that ended, and keep the step to be written with it."""
        with self._lock:
            self._events.append(event)
            self._ended[step.seq] = step
            if self._told is not None:
                self._told(True)

    def tell(self, told: Callable[[bool], None] | None) -> None:
        """Have somebody told when something comes, and whether it is the end of a step.

        Called in whatever thread brings it. Of events only the first of those that wait is told.
        """
        with self._lock:
            self._told = told
            if told is not None and self._events:
                told(False)

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

    def text(self, text: str) -> str:
        """A text for people to read, with the run's secrets masked."""
        return self.mask(legible(text))

    def shown(self, value: Any) -> Any:
        """JSON data for people to read; see `plain`."""
        return _each_text(self.plain(value), legible)

    def take(self) -> tuple[list[Event], list[StepInfo]]:
        """Remove and return all that wait, in order, and the steps that ended."""
        with self._lock:
            events, ended = list(self._events), list(self._ended.values())
            self._events.clear()
            self._ended.clear()
        return events, ended

    def give_back(self, events: Sequence[Event], ended: Sequence[StepInfo] = ()) -> None:
        """Put back what was taken and could not be written, before what came since."""
        with self._lock:
            self._events.extendleft(reversed(events))
            self._ended = {step.seq: step for step in ended} | self._ended

    def _masked(self, value: Any) -> Any:
        return _each_text(value, self.mask) if self._secrets else value


def _each_text(value: Any, change: Callable[[str], str]) -> Any:
    """JSON data with each text and key changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(key): _each_text(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_each_text(item, change) for item in value]
    return value
