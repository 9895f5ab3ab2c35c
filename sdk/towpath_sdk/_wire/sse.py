"""Server-sent events, parsed as the WHATWG HTML standard says (section 9.2.6).

Works on bytes: text decoders split lines at characters such as U+2028 too, which may stand in
the middle of an event's JSON.
"""

from __future__ import annotations

import msgspec

from towpath_sdk._wire.errors import UnexpectedAnswer

__all__ = ("MAX_FRAME", "Frame", "FrameParser")

MAX_FRAME = 8 * 1024 * 1024
"""The longest event that is read, in bytes."""

_BOM = b"\xef\xbb\xbf"


class Frame(msgspec.Struct, frozen=True):
    """One event as it came: its type, its data, and the id to resume after."""

    event: str
    data: str
    id: str


class FrameParser:
    """Cuts a stream of bytes into frames, wherever the chunks are cut."""

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False
        self._data: list[str] = []
        self._size = 0
        self._event = ""
        self._id = ""

    def feed(self, chunk: bytes) -> list[Frame]:
        """Take the next bytes and return the frames that they complete, in order.

        Comments, which servers send to keep a connection open, complete none.

        Raises:
            UnexpectedAnswer: one event is longer than `MAX_FRAME`.
        """
        frames: list[Frame] = []
        for line in self._lines(chunk):
            self._size += len(line)
            self._check()
            if line:
                self._field(line)
            else:
                frames.extend(self._dispatch())
        return frames

    def _lines(self, chunk: bytes) -> list[bytes]:
        text = self._rest + chunk
        if not self._begun:
            if len(text) < len(_BOM) and _BOM.startswith(text):
                self._rest = text
                return []
            text, self._begun = text.removeprefix(_BOM), True
        # A carriage return at the very end may be the first half of CRLF: it waits for more.
        held = b"\r" if text.endswith(b"\r") else b""
        text = text[: len(text) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = text.split(b"\n")
        self._rest = rest + held
        self._check()
        return lines

    def _check(self) -> None:
        if self._size + len(self._rest) > MAX_FRAME:
            raise UnexpectedAnswer(f"An event is longer than {MAX_FRAME} bytes.")

    def _field(self, line: bytes) -> None:
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value

    def _dispatch(self) -> list[Frame]:
        # The standard drops events without data; one that has a type says enough to be heard.
        frames = [Frame(self._event or "message", "\n".join(self._data), self._id)]
        complete = bool(self._data or self._event)
        self._data, self._event, self._size = [], "", 0
        return frames if complete else []
