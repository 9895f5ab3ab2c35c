# Generated from _async/runs.py by tools/unasync.py. Change that file, not this one.
"""Runs: work that takes time, watched, awaited and stopped."""

from __future__ import annotations

from collections.abc import Generator, Callable
from contextlib import closing
from time import monotonic

from time import sleep

from towpath_sdk._sync.connection import Connection
from towpath_sdk._sync.follow import follow
from towpath_sdk._sync.pages import Pages
from towpath_sdk._wire.calls import get, post, route
from towpath_sdk._wire.errors import RunFailed, WaitTimeout
from towpath_sdk._wire.pages import Page, event_page, list_call, page_of
from towpath_sdk._wire.runs import Event, Run

__all__ = ("AsyncRuns",)

_BASE = "/api/v1/runs"
_SILENCE = 60.0
_LOOK = 10.0
_SETTLE = 0.2


class Runs:
    """See runs, follow them, wait for them and cancel them."""

    def __init__(self, link: Connection) -> None:
        self._link = link

    def list(
        self,
        *,
        kind: str | None = None,
        state: str | None = None,
        page_size: int = 100,
        cursor: str | None = None,
    ) -> Pages[Run]:
        """Walk the runs that the asker may see, newest first. They come without their steps.

        Args:
            kind: only `scaffold`, `provision`, `delete`, `bind` or `unbind`.
            state: only `queued`, `running`, `succeeded`, `failed` or `cancelled`.
            page_size: runs in one answer, 1 or more.
            cursor: go on from here, as a page of the same list told.
        """
        chosen = (("kind", kind), ("state", state))
        params = [(name, value) for name, value in chosen if value is not None]
        call = list_call(_BASE, params, limit=page_size, cursor=cursor)
        return Pages(self._link, call, page_of(Page[Run]))

    def get(self, id: str) -> Run:
        """Read a run with its steps.

        Raises:
            NotFound: there is none, or the asker may not see it.
        """
        return self._link.read(get(route(_BASE, id)), Run)

    def events(self, id: str, *, after: int = 0) -> Pages[Event]:
        """Walk the events that a run has had so far, oldest first; does not wait for more.

        Args:
            id: the run.
            after: leave out events up to this number.
        """
        call = get(f"{route(_BASE, id)}/events", [("after", str(after))])
        return Pages(self._link, call, event_page, cursor="after")

    def follow(self, id: str, *, after: int = 0) -> Generator[Event, None]:
        """Walk a run's events as they happen, until it ends.

        Each comes once and in order, also when connections are lost in between. To stop early,
        leave the loop; the run goes on.

        Args:
            id: the run.
            after: leave out events up to this number.

        Raises:
            NotFound: there is no such run, or the asker may not see it.
            TransportFailed: the platform could not be reached again for about half a minute.
        """
        events = follow(self._link, id, after, silence=_SILENCE)
        with closing(events):
            for event in events:
                if event is not None:
                    yield event

    def wait(
        self,
        id: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the wait ends with the run in hand
        on_event: Callable[[Event], None] | None = None,
        after: int = 0,
    ) -> Run:
        """Wait until a run has succeeded, and return it.

        Args:
            id: the run.
            timeout: seconds to wait; None waits for as long as it takes. Looked at whenever
                something is heard of the run, and every 10 seconds.
            on_event: called with each event as it happens, all of them before this returns.
            after: leave out events up to this number.

        Raises:
            RunFailed: it failed or was cancelled; carries the run.
            WaitTimeout: the time is over and the run goes on; carries the run.
            NotFound: there is no such run, or the asker may not see it.
        """
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            after = self._watch(id, after, deadline, on_event)
            run = self.get(id)
            if run.ended:
                break
            if deadline is not None and monotonic() >= deadline:
                raise WaitTimeout(run, timeout or 0.0)
            sleep(_SETTLE)
        if run.state != "succeeded":
            raise RunFailed(run)
        return run

    def _watch(
        self,
        id: str,
        after: int,
        deadline: float | None,
        on_event: Callable[[Event], None] | None,
    ) -> int:
        """Hand on events until the run seems to have ended or the deadline has passed.

        Looks at the run itself now and then: a proxy may hold the events back.
        """
        looked = monotonic()
        events = follow(self._link, id, after, silence=_LOOK, deadline=deadline)
        with closing(events):
            for event in events:
                if event is not None:
                    after = event.seq
                    if on_event is not None:
                        on_event(event)
                if deadline is not None and monotonic() >= deadline:
                    break
                if event is None and monotonic() - looked >= _LOOK:
                    looked = monotonic()
                    if (self.get(id)).ended:
                        break
        return after

    def cancel(self, id: str, *, idempotency_key: str | None = None) -> Run:
        """Ask a run to stop; it does so between steps, soon. Asking again changes nothing.

        Raises:
            NotFound: there is none, or the asker may not see it.
            Conflict: it has ended.
        """
        call = post(f"{route(_BASE, id)}/cancel", key=idempotency_key)
        return self._link.read(call, Run)
