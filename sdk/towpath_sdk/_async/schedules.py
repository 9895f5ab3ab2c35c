"""Schedules: runs that start by the clock, made, changed, paused and run at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from towpath_sdk._async.connection import AsyncConnection
from towpath_sdk._async.pages import AsyncPages
from towpath_sdk._wire.calls import Call, get, post
from towpath_sdk._wire.pages import Page, list_call, page_of
from towpath_sdk._wire.runs import Run
from towpath_sdk._wire.schedules import Schedule, change_schedule, schedule_path, schedule_verb
from towpath_sdk._wire.writes import matching

__all__ = ("AsyncSchedules",)

_BASE = "/api/v1/schedules"


class _Times(msgspec.Struct, frozen=True):
    times: tuple[datetime, ...]


class AsyncSchedules:
    """Have runs start by the clock. A schedule is named by its id or its name."""

    def __init__(self, link: AsyncConnection) -> None:
        self._link = link

    def list(self, *, page_size: int = 100, cursor: str | None = None) -> AsyncPages[Schedule]:
        """Walk the schedules that the asker may see, by name."""
        call = list_call(_BASE, limit=page_size, cursor=cursor)
        return AsyncPages(self._link, call, page_of(Page[Schedule]))

    async def get(self, which: str) -> Schedule:
        """Read a schedule.

        Raises:
            NotFound: there is none, or the asker may not see it.
        """
        return await self._link.read(get(schedule_path(which)), Schedule)

    async def create(
        self,
        name: str,
        kind: str,
        *,
        cron: str,
        input: Mapping[str, Any] | None = None,
        time_zone: str = "UTC",
        title: str | None = None,
        catch_up: str = "one",
        catch_up_limit: int | None = None,
        overlap: str = "skip",
        queue: str | None = None,
        priority: int | None = None,
        deadline: int | None = None,
        paused: bool = False,
        idempotency_key: str | None = None,
    ) -> Schedule:
        """Make a schedule. Its runs have the rights that the asker has now.

        Args:
            name: lower-case kebab-case, unique.
            kind: of its runs.
            cron: five fields, such as `30 2 * * mon-fri`, or a word such as `@daily`.
            input: of its runs; no secret may be in it.
            time_zone: whose clock the fields mean, such as `Europe/Amsterdam`.
            title: of its runs; the name without.
            catch_up: what becomes of times that nobody was there for: `skip`, `one` run, or `all`.
            catch_up_limit: with `all`, how many runs at the most.
            overlap: at a time at which a run of before is open: `skip` it, `queue` the new run
                behind it, or `allow` both.
            queue: that its runs wait in.
            priority: -100 to 100; higher ones begin first.
            deadline: seconds that a run may take in all.
            paused: make it so that it starts nothing yet.
            idempotency_key: a key of one's own, to be safe over restarts of the caller.

        Raises:
            Invalid: the time, the zone or the input is wrong, or the kind is not there.
            Forbidden: the asker could not start such a run.
            Conflict: the name is taken.
        """
        body = {
            "name": name,
            "kind": kind,
            "cron": cron,
            "input": dict(input or {}),
            "timeZone": time_zone,
            "title": title,
            "catchUp": catch_up,
            "catchUpLimit": catch_up_limit,
            "overlap": overlap,
            "queue": queue,
            "priority": priority,
            "deadlineSeconds": deadline,
            "paused": paused or None,
        }
        return await self._link.read(post(_BASE, body, idempotency_key), Schedule)

    async def change(
        self,
        which: str,
        *,
        name: str | None = None,
        cron: str | None = None,
        input: Mapping[str, Any] | None = None,
        time_zone: str | None = None,
        title: str | None = None,
        catch_up: str | None = None,
        catch_up_limit: int | None = None,
        overlap: str | None = None,
        queue: str | None = None,
        priority: int | None = None,
        deadline: int | None = None,
        clear: Sequence[str] = (),
        if_match: str | None = None,
    ) -> Schedule:
        """Change what is given; the rest stays. Another time or zone counts from now on.

        Args:
            which: id or name.
            name: as for `create`, and so are the following.
            cron: when it comes.
            input: of its runs.
            time_zone: whose clock is meant.
            title: of its runs.
            catch_up: `skip`, `one` or `all`.
            catch_up_limit: with `all`, how many.
            overlap: `skip`, `queue` or `allow`.
            queue: that its runs wait in.
            priority: of its runs.
            deadline: seconds that a run may take in all.
            clear: names of arguments whose value is to be none: `title`, `queue`,
                `deadline`.
            if_match: write only where the schedule has this etag.

        Raises:
            NotFound: there is none, or the asker may not see it.
            Conflict: it is in another state than `if_match` says, or the name is taken.
            Invalid, Forbidden: it would be wrong, or such a run could not be started.
        """
        said = {
            "name": name,
            "cron": cron,
            "input": input,
            "timeZone": time_zone,
            "title": title,
            "catchUp": catch_up,
            "catchUpLimit": catch_up_limit,
            "overlap": overlap,
            "queue": queue,
            "priority": priority,
            "deadlineSeconds": deadline,
        }
        return await self._link.read(change_schedule(which, said, clear, if_match), Schedule)

    async def pause(self, which: str, *, if_match: str | None = None) -> Schedule:
        """Have it start nothing by itself; runs under way go on. Repeating it changes nothing.

        Raises:
            NotFound: there is none, or the asker may not see it.
        """
        return await self._link.read(schedule_verb(which, "pause", None, if_match), Schedule)

    async def resume(self, which: str, *, if_match: str | None = None) -> Schedule:
        """Have it go on from now; what came while it was paused is not made up for.

        Raises:
            NotFound: there is none, or the asker may not see it.
            Forbidden: the asker could not start such a run.
        """
        return await self._link.read(schedule_verb(which, "resume", None, if_match), Schedule)

    async def run(self, which: str, *, idempotency_key: str | None = None) -> Run:
        """Start a run at once, also while it is paused; its times stay as they are.

        Raises:
            NotFound: there is none, or the asker may not see it.
            Conflict: a run of before is open, and the schedule has no two at a time.
        """
        return await self._link.read(schedule_verb(which, "run", idempotency_key), Run)

    async def next(self, which: str, *, count: int = 10) -> tuple[datetime, ...]:
        """The next times, on the clock of its zone; also while it is paused.

        Raises:
            NotFound: there is none, or the asker may not see it.
        """
        call = get(schedule_path(which, "next"), [("count", str(count))])
        return (await self._link.read(call, _Times)).times

    async def remove(self, which: str, *, if_match: str | None = None) -> None:
        """Remove it; its runs stay, and those under way go on.

        Raises:
            NotFound: there is none, or the asker may not see it.
            Conflict: it is in another state than `if_match` says.
        """
        headers = tuple(matching(if_match))
        await self._link.send(Call("DELETE", schedule_path(which), headers=headers, removes=True))
