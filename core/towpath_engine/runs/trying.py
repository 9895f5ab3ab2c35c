"""Work of a step that is done again where a backend does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from towpath_core.errors import LimitExceeded, Unavailable
from towpath_engine.runs.outcomes import pause
from towpath_engine.runs.tools import RunStepTools
from towpath_engine.store.database import DatabaseUnavailable

if TYPE_CHECKING:
    from towpath_engine.runs.context import RunContext

__all__ = ("Work", "try_often")

Work = Callable[[RunStepTools], Awaitable[Any]]


async def try_often(run: RunContext, work: Work, tools: RunStepTools, seconds: float) -> Any:
    """Do some work, again where a backend did not answer, in so many seconds in all.

    Raises:
        LimitExceeded: the time was used up.
        FenceLost, DatabaseUnavailable, Suspended: this attempt is over.
    """
    try:
        async with asyncio.timeout(seconds):
            for attempt in range(1, run.retry.attempts):
                try:
                    return await _once(run, work, tools)
                except DatabaseUnavailable:
                    raise
                except Unavailable as error:
                    delay = pause(run.retry, attempt)
                    tools.log(f"{error.what} Trying again in {delay:.1f} s.", level="warning")
                    await asyncio.sleep(delay)
                    tools.check()
                    tools.begin_again()
            return await _once(run, work, tools)
    except TimeoutError as error:
        raise LimitExceeded("The step has used up its time.") from error


async def _once(run: RunContext, work: Work, tools: RunStepTools) -> Any:
    try:
        found = await work(tools)
    except Exception:
        run.check_going()
        raise
    run.check_going()
    return found
