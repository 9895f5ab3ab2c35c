"""A run's events, each once and in order, out of any number of connections that may break."""

from __future__ import annotations

import msgspec

from towpath_sdk._wire.calls import Call, decode, get, route
from towpath_sdk._wire.runs import RUN_ENDED, Event
from towpath_sdk._wire.sse import Frame, FrameParser

__all__ = ("EventFeed",)

_END = "done"


class EventFeed:
    """What is known of a run's events.

    Attributes:
        after: the number of the last event that came.
        done: whether the platform said that no more will come.
    """

    def __init__(self, run_id: str, after: int) -> None:
        self.after = after
        self.done = False
        self._path = f"{route('/api/v1/runs', run_id)}/stream"
        self._parser = FrameParser()

    def connect(self) -> Call:
        """The call that gets what is not known yet. What an earlier one left half is dropped."""
        self._parser = FrameParser()
        call = get(self._path)
        if self.after <= 0:
            return call
        return Call(call.method, call.path, headers=(("last-event-id", str(self.after)),))

    def take(self, chunk: bytes) -> list[Event]:
        """Take the next bytes of the connection and return the new events in them.

        Raises:
            UnexpectedAnswer: they are not events of a run.
        """
        events: list[Event] = []
        for frame in self._parser.feed(chunk):
            if frame.event == _END and not _is_event(frame):
                self.done = _has_ended(frame)
                break
            event = decode(get(self._path), frame.data.encode(), Event)
            if event.seq > self.after:
                self.after = event.seq
                events.append(event)
        return events


class _Numbered(msgspec.Struct):
    seq: int


def _is_event(frame: Frame) -> bool:
    """Whether a frame is an event of the run: a plugin may call one of its own `done` too."""
    try:
        msgspec.json.decode(frame.data, type=_Numbered)
    except msgspec.DecodeError:
        return False
    return True


class _Final(msgspec.Struct):
    state: str | None = None


def _has_ended(frame: Frame) -> bool:
    """Whether the last frame means the end: a run that was retried since goes on."""
    try:
        state = msgspec.json.decode(frame.data, type=_Final).state
    except msgspec.DecodeError:
        return True
    return state is None or state in RUN_ENDED
