"""A run's events as the scaffolder tells them: polled for, and as a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from uuid import UUID

from towpath_core.runs import RUN_ENDED
from towpath_gateway.ask import Ask
from towpath_gateway.scaffolder.wire import TaskEvent
from towpath_gateway.sse import KEEP_ALIVE, closing, frame

__all__ = ("poll", "task_frames")

POLL_SECONDS = 30.0


async def poll(request: Ask, run_id: UUID, after: int) -> list[TaskEvent]:
    """Events after a number, in order; waits for the first one, 30 seconds at the most.

    Of a run that has ended, one that asks on behind its last event gets that event again, as
    with Backstage.
    """
    runs, principal = request.platform.runs, request.principal
    deadline = asyncio.get_running_loop().time() + POLL_SECONDS
    while True:
        # First the run: one that has ended by now has no events that are still to come.
        run = await runs.get(principal, run_id)
        ended = run.state in RUN_ENDED
        events = await runs.events(principal, run_id, after=after)
        if ended and not events and after:
            events = await runs.events(principal, run_id, after=after - 1, limit=1)
        if ended:
            await request.platform.feed.catch_up()
        end = await runs.last_end(principal, run_id) if ended else 0
        shown = [told for event in events if (told := TaskEvent.of(run, event, end)) is not None]
        if shown or ended or not await _news(request, run_id, after, deadline):
            return shown
        after = events[-1].seq if events else after


async def _news(request: Ask, run_id: UUID, after: int, deadline: float) -> bool:
    """Wait until there is an event behind one; False when there is none by the deadline."""
    follow = request.platform.runs.follow(request.principal, run_id, after=after)
    try:
        async with asyncio.timeout_at(deadline), closing(follow) as events:
            async for event in events:
                if event is not None:
                    break
    except TimeoutError:
        return False
    return True


async def task_frames(request: Ask, run_id: UUID, after: int) -> AsyncGenerator[bytes, None]:
    """Frames of a task's events after a number, up to its end."""
    platform, principal = request.platform, request.principal
    run, end = await platform.runs.get(principal, run_id), 0
    async with closing(platform.runs.follow(principal, run_id, after=after)) as events:
        async for event in events:
            if event is None:
                yield KEEP_ALIVE
                continue
            if event.type == "state":
                # What the run made must be readable once it is said to be done.
                await platform.feed.catch_up()
                run = await platform.runs.get(principal, run_id)
                end = await platform.runs.last_end(principal, run_id)
            if (told := TaskEvent.of(run, event, end)) is not None:
                yield frame(told.type, told, id=event.seq)
