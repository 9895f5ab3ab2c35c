"""The stream of events of a YAML text: libyaml's, or pure Python's where that is missing.

Both are state machines that do not recurse. Nothing here constructs a value.
"""

from __future__ import annotations

from collections.abc import Callable

from yaml.events import Event
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

try:
    from yaml._yaml import CParser
except ImportError:  # PyYAML was built without libyaml
    CParser = None  # type: ignore[assignment, misc]

__all__ = ("NextEvent", "open_events")

NextEvent = Callable[[], Event | None]
"""Gives the next event, None after the last. Raises YAMLError."""


class _PureParser(Reader, Scanner, Parser):
    """Pure Python's events: the same answers, some twenty times slower."""

    def __init__(self, source: str | bytes) -> None:
        Reader.__init__(self, source)
        Scanner.__init__(self)
        Parser.__init__(self)


def open_events(source: str | bytes, *, pure: bool = False) -> NextEvent:
    """Begin to read the events of a text; bytes are UTF-8 without a mark of the byte order."""
    parser = _PureParser(source) if pure or CParser is None else CParser(source)
    return parser.get_event
