"""Events of a run that wait to be written: gathered from any thread, masked, kept in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from towpath_core.errors import Invalid, LimitExceeded
from towpath_engine.runs.journal import Event
from towpath_engine.secrets import mask

__all__ = ("EventBuffer",)

_MAX_BYTES = 4 * 1024 * 1024


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
