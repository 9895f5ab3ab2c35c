"""Runs: work that takes time, listed, watched and awaited."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from time import monotonic

from anyio import sleep

from towpath_sdk._async.control import AsyncRunControl
from towpath_sdk._async.follow import OnConnection, follow
from towpath_sdk._async.pages import AsyncPages
from towpath_sdk._wire.calls import Call, get
from towpath_sdk._wire.errors import RunFailed, WaitTimeout
from towpath_sdk._wire.pages import Page, event_page, list_call, page_of
from towpath_sdk._wire.running import RUNS, list_params, run_path
from towpath_sdk._wire.runs import Event, Run, RunKind, Step

__all__ = ("AsyncRuns",)

_SILENCE = 60.0
_LOOK = 10.0
_SETTLE = 0.2


class AsyncRuns(AsyncRunControl):
    """Start and see runs, follow them, wait for them, and tell them what to do."""

    def list(
        self,
        *,
        kind: str | None = None,
        state: str | Sequence[str] | None = None,
        queue: str | None = None,
        created_by: str | None = None,
        parent: str | None = None,
        schedule: str | None = None,
        waiting_for: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        search: str | None = None,
        page_size: int = 100,
        cursor: str | None = None,
    ) -> AsyncPages[Run]:
        """Walk the runs that the asker may see, newest first. They come without their steps.

        Args:
            kind: only `scaffold`, `provision`, `delete`, `bind`, `unbind`, `undo`, or one of
                `kinds`.
            state: only this state, or any of these.
            queue: only of this queue.
            created_by: only those that this principal asked for.
            parent: only those that this run began.
            schedule: only those that this schedule began.
            waiting_for: only those that wait for this; `approval`.
            since: only those created at this time or later; a text is RFC 3339.
            until: only those created before this time.
            search: only those with this text in the title.
            page_size: runs in one answer, 1 or more.
            cursor: go on from here, as a page of the same list told.
        """
        params = list_params(
            state,
            since,
            until,
            kind=kind,
            queue=queue,
            createdBy=created_by,
            parent=parent,
            schedule=schedule,
            waitingFor=waiting_for,
            q=search,
        )
        call = list_call(RUNS, params, limit=page_size, cursor=cursor)
        return AsyncPages(self._link, call, page_of(Page[Run]))

    def kinds(self) -> AsyncPages[RunKind]:
        """Walk the kinds of runs that can be started, by name."""
        return AsyncPages(self._link, get("/api/v1/run-kinds"), page_of(Page[RunKind]))

    async def get(self, id: str) -> Run:
        """Read a run with its steps.

        Raises:
            NotFound: there is none, or the asker may not see it.
        """
        return await self._link.read(get(run_path(id)), Run)

    async def steps(self, id: str) -> tuple[Step, ...]:
        """Read the steps that a run has begun so far, in order.

        Raises:
            NotFound: there is no such run, or the asker may not see it.
        """
        return (await self._link.read(get(run_path(id, "steps")), Page[Step])).items

    async def log(self, id: str, *, after: int = 0, level: str | None = None) -> str:
        """Read what a run has said so far, as lines of text; does not wait for more.

        Args:
            id: the run.
            after: leave out events up to this number.
            level: leave out what is below `debug`, `info`, `warning` or `error`; `info` without.

        Raises:
            NotFound: there is no such run, or the asker may not see it.
        """
        chosen = (("after", str(after) if after else None), ("level", level))
        asked = tuple((name, value) for name, value in chosen if value is not None)
        headers = (("accept", "text/plain"),)
        call = Call("GET", run_path(id, "log"), params=asked, headers=headers)
        return (await self._link.send(call)).decode("utf-8", "replace")

    def events(self, id: str, *, after: int = 0) -> AsyncPages[Event]:
        """Walk the events that a run has had so far, oldest first; does not wait for more.

        Args:
            id: the run.
            after: leave out events up to this number.
        """
        call = get(run_path(id, "events"), [("after", str(after))])
        return AsyncPages(self._link, call, event_page, cursor="after")

    async def follow(self, id: str, *, after: int = 0) -> AsyncGenerator[Event, None]:
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
        async with aclosing(events):
            async for event in events:
                if event is not None:
                    yield event

    async def wait(
        self,
        id: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the wait ends with the run in hand
        on_event: Callable[[Event], None] | None = None,
        on_connection: OnConnection | None = None,
        after: int = 0,
    ) -> Run:
        """Wait until a run has succeeded, and return it. One that waits is waited for too.

        Args:
            id: the run.
            timeout: seconds to wait; None waits for as long as it takes. Looked at whenever
                something is heard of the run, and every 10 seconds.
            on_event: called with each event as it happens, all of them before this returns.
            on_connection: called with the error when the connection is lost and will be made
                anew, and with None when it is there again.
            after: leave out events up to this number.

        Raises:
            RunFailed: it failed or was cancelled, or an effect of it may have happened that
                nobody recorded; carries the run.
            WaitTimeout: the time is over and the run goes on; carries the run.
            NotFound: there is no such run, or the asker may not see it.
        """
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            after = await self._watch(id, after, deadline, on_event, on_connection)
            run = await self.get(id)
            if run.ended:
                break
            if deadline is not None and monotonic() >= deadline:
                raise WaitTimeout(run, timeout or 0.0)
            await sleep(_SETTLE)
        if run.state != "succeeded":
            raise RunFailed(run)
        return run

    async def _watch(
        self,
        id: str,
        after: int,
        deadline: float | None,
        on_event: Callable[[Event], None] | None,
        on_connection: OnConnection | None,
    ) -> int:
        """Hand on events until the run seems to have ended or the deadline has passed.

        Looks at the run itself now and then: a proxy may hold the events back.
        """
        looked = monotonic()
        events = follow(
            self._link, id, after, silence=_LOOK, deadline=deadline, on_connection=on_connection
        )
        async with aclosing(events):
            async for event in events:
                if event is not None:
                    after = event.seq
                    if on_event is not None:
                        on_event(event)
                if deadline is not None and monotonic() >= deadline:
                    break
                if event is None and monotonic() - looked >= _LOOK:
                    looked = monotonic()
                    if (await self.get(id)).ended:
                        break
        return after
