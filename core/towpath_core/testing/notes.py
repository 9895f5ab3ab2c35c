"""What plugin code tells while it works, kept in memory: lines, progress, events.

Real, not a mock: what a platform could not store is refused.
"""

from __future__ import annotations

import base64
import math
import threading
from collections.abc import Mapping
from typing import Any, get_args
from urllib.parse import quote

import msgspec

from towpath_core.errors import Invalid, PluginError
from towpath_core.plugins.rules import OWN_EVENTS
from towpath_core.runs import LogLevel

__all__ = ("Notes", "shows")

_LEVELS: tuple[LogLevel, ...] = get_args(LogLevel)


class Notes:
    """Keeps what it is told. Safe to use from any thread.

    Attributes:
        lines: what was logged, as (level, message), in order.
        reports: what `progress` was told, as (done, total, unit), in order.
        events: what was emitted, as (type, body), in order.
    """

    def __init__(self) -> None:
        self.lines: list[tuple[LogLevel, str]] = []
        self.reports: list[tuple[float, float | None, str]] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._lock = threading.Lock()

    def log(self, message: str, *, level: LogLevel = "info") -> None:
        """Keep a line.

        Raises:
            PluginError: the message is no text, or there is no such level.
        """
        if not isinstance(message, str) or level not in _LEVELS:
            raise PluginError(f"log() takes text and a level of {', '.join(_LEVELS)}.")
        with self._lock:
            self.lines.append((level, message))

    def progress(self, done: float, total: float | None = None, unit: str = "") -> None:
        """Keep a report of progress.

        Raises:
            PluginError: a number is negative or not finite.
        """
        for number in (done, 0.0 if total is None else total):
            if not math.isfinite(number) or number < 0:
                raise PluginError("progress() takes numbers that are finite and not negative.")
        with self._lock:
            self.reports.append((done, total, unit))

    def emit(self, type: str, body: Mapping[str, Any]) -> None:
        """Keep a copy of an event, as it would be stored.

        Raises:
            Invalid: the type is one of the platform's own.
            PluginError: the body is not a JSON object.
        """
        if type in OWN_EVENTS:
            raise Invalid(f"An event cannot have the type {type!r}: that is the platform's own.")
        try:
            kept = msgspec.json.decode(msgspec.json.encode(dict(body)), type=dict[str, Any])
        except (TypeError, ValueError, msgspec.MsgspecError) as error:
            raise PluginError(f"emit({type!r}) takes a JSON object.", why=str(error)) from error
        with self._lock:
            self.events.append((type, kept))

    def text(self) -> str:
        """All that was told, as one text to search in."""
        with self._lock:
            return "\n".join(
                [
                    *(message for _, message in self.lines),
                    *(unit for _, _, unit in self.reports),
                    *(f"{type} {body!r}" for type, body in self.events),
                ]
            )


def shows(text: str, secret: str) -> bool:
    """Whether a text shows a secret: plain, as in a URL, or in base64."""
    forms = {secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()}
    return any(form in text for form in forms)
