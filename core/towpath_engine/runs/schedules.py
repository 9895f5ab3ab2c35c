"""Schedules as people have them: made, listed, changed, paused, removed, and run at once.

Does not look at the clock by itself: `firing` does. A schedule is its maker's own. Its runs have
the rights that the maker had when it was made, changed or resumed the last time, never more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import delete, insert, select

from towpath_core.identity import Principal
from towpath_engine import audit
from towpath_engine.clock import new_id
from towpath_engine.idempotency import Request, recall, remember
from towpath_engine.runs.schedule_records import (
    ScheduleChange,
    ScheduleInfo,
    ScheduleSpec,
    check_spec,
    owner_of,
    schedule_of,
    spec_of,
)
from towpath_engine.runs.schedule_rows import (
    check_number,
    find_schedule,
    lock_schedule,
    moment_of,
    record,
    take_name,
    update_schedule,
)
from towpath_engine.runs.schedule_starting import (
    AcceptsRuns,
    check_open,
    check_token,
    start_run,
)
from towpath_engine.runs.schedule_tables import SCHEDULES
from towpath_engine.runs.schedule_times import times_of
from towpath_engine.store.database import Database, Transaction

__all__ = ("ScheduleService",)


class ScheduleService:
    """Everything about schedules but heeding the clock."""

    def __init__(self, database: Database, starter: AcceptsRuns) -> None:
        self._database = database
        self._starter = starter

    async def create(
        self,
        principal: Principal,
        spec: ScheduleSpec,
        *,
        paused: bool = False,
        key: str | None = None,
    ) -> ScheduleInfo:
        """Make a schedule; its first time is the next one from now.

        Args:
            principal: whose it is, and with whose rights its runs act.
            spec: what it is to be.
            paused: made so that it does not start by itself.
            key: idempotency key; the same request with it gives the same schedule.

        Raises:
            Invalid, NotFound, Forbidden: it is wrong, or such a run could not be started now.
            Conflict: the name is taken.
            LimitExceeded: the asker has too many.
        """
        check_spec(spec)
        body = [msgspec.to_builtins(spec), paused]
        request = Request.of(principal, key, "schedule", body)
        async with self._database.begin() as transaction:
            if (answer := await recall(transaction, request)) is not None:
                return await self._info(transaction, principal, answer)
            await check_number(transaction, principal)
            await take_name(transaction, spec.name)
            schedule_id = new_id()
            moment = await moment_of(transaction)
            await self._try(transaction, principal, schedule_id, spec, moment)
            row = {
                **msgspec.to_builtins(spec),
                "id": schedule_id,
                "paused": paused,
                "principal": msgspec.to_builtins(principal),
                "created_by": audit.actor_of(principal),
                "next_at": None if paused else times_of(spec.cron, spec.zone).next(moment),
                "version": 1,
                "created_at": moment,
                "updated_at": moment,
            }
            await transaction.execute(insert(SCHEDULES).values(**row))
            await record(transaction, principal, "create", row)
            await remember(transaction, request, str(schedule_id))
            return await self._info(transaction, principal, str(schedule_id))

    async def list(
        self, principal: Principal, *, after: str = "", limit: int = 100
    ) -> Sequence[ScheduleInfo]:
        """The asker's schedules, or everybody's for an administrator, by name."""
        c = SCHEDULES.c
        query = select(SCHEDULES).where(c.name > after).order_by(c.name).limit(limit)
        if not principal.is_admin:
            query = query.where(c.created_by == audit.actor_of(principal))
        async with self._database.begin() as transaction:
            moment = await moment_of(transaction)
            rows = (await transaction.execute(query)).mappings().all()
        # Many times are worked out: other requests are not to wait for that.
        return await asyncio.to_thread(lambda: [schedule_of(row, moment) for row in rows])

    async def get(self, principal: Principal, which: str) -> ScheduleInfo:
        """One schedule, by its id or its name.

        Raises:
            NotFound: there is none that the asker may see.
        """
        async with self._database.begin() as transaction:
            return await self._info(transaction, principal, which)

    async def upcoming(self, principal: Principal, which: str, count: int) -> Sequence[datetime]:
        """The next times of a schedule, on the clock of its zone, also while it is paused.

        Raises:
            NotFound: there is none that the asker may see.
        """
        async with self._database.begin() as transaction:
            row = await find_schedule(transaction, principal, which)
            moment = await moment_of(transaction)
        return times_of(row["cron"], row["zone"]).upcoming(moment, count)

    async def change(
        self,
        principal: Principal,
        which: str,
        change: ScheduleChange,
        match: tuple[str, ...] | None = None,
    ) -> ScheduleInfo:
        """Change what is said; another time or zone counts from now on.

        The maker's rights of now become those of its runs; an administrator's change leaves them.

        Args:
            principal: who asks.
            which: id or name.
            change: what is to be another.
            match: tags of which the schedule must have one; None where nothing is demanded.

        Raises:
            NotFound: there is none that the asker may see.
            ScheduleChanged: it is in another state.
            Invalid, Forbidden: it would be wrong, or such a run could not be started now.
            Conflict: the name is taken.
        """
        async with self._database.begin() as transaction:
            row = await lock_schedule(transaction, principal, which, match)
            before = spec_of(row)
            spec = change.applied(before)
            if spec == before:
                return schedule_of(row, await moment_of(transaction))
            check_spec(spec)
            if spec.name != row["name"]:
                await take_name(transaction, spec.name)
            rights = await _rights(transaction, principal, row)
            moment = await moment_of(transaction)
            await self._try(transaction, rights, row["id"], spec, moment)
            values = {**msgspec.to_builtins(spec), "principal": msgspec.to_builtins(rights)}
            timed = (spec.cron, spec.zone) != (row["cron"], row["zone"])
            if timed and not row["paused"]:
                values["next_at"] = times_of(spec.cron, spec.zone).next(moment)
            await update_schedule(transaction, row, values)
            changed = [name for name in spec.__struct_fields__ if values[name] != row[name]]
            await record(transaction, principal, "change", row, changed=changed)
            return await self._info(transaction, principal, str(row["id"]))

    async def pause(
        self, principal: Principal, which: str, match: tuple[str, ...] | None = None
    ) -> ScheduleInfo:
        """Have it start no more runs by itself; those under way go on. Repeatable.

        Raises:
            NotFound: there is none that the asker may see.
            ScheduleChanged: it is in another state.
        """
        async with self._database.begin() as transaction:
            row = await lock_schedule(transaction, principal, which, match)
            if not row["paused"]:
                await update_schedule(transaction, row, {"paused": True, "next_at": None})
                await record(transaction, principal, "pause", row)
            return await self._info(transaction, principal, str(row["id"]))

    async def resume(
        self, principal: Principal, which: str, match: tuple[str, ...] | None = None
    ) -> ScheduleInfo:
        """Go on from now; what came while it was paused is not made up for. Repeatable.

        The maker's rights of now become those of its runs; an administrator's leave them.

        Raises:
            NotFound: there is none that the asker may see.
            ScheduleChanged: it is in another state.
            Invalid, Forbidden: such a run could not be started now.
        """
        async with self._database.begin() as transaction:
            row = await lock_schedule(transaction, principal, which, match)
            if row["paused"]:
                rights = await _rights(transaction, principal, row)
                moment = await moment_of(transaction)
                await self._try(transaction, rights, row["id"], spec_of(row), moment)
                next_at = times_of(row["cron"], row["zone"]).next(moment)
                values = {"paused": False, "next_at": next_at, "trouble": None}
                values["principal"] = msgspec.to_builtins(rights)
                await update_schedule(transaction, row, values)
                await record(transaction, principal, "resume", row)
            return await self._info(transaction, principal, str(row["id"]))

    async def remove(
        self, principal: Principal, which: str, match: tuple[str, ...] | None = None
    ) -> None:
        """Remove a schedule; its runs stay, and those under way go on.

        Raises:
            NotFound: there is none that the asker may see.
            ScheduleChanged: it is in another state.
        """
        async with self._database.begin() as transaction:
            row = await lock_schedule(transaction, principal, which, match)
            await transaction.execute(delete(SCHEDULES).where(SCHEDULES.c.id == row["id"]))
            await record(transaction, principal, "remove", row)

    async def run_now(self, principal: Principal, which: str, *, key: str | None = None) -> UUID:
        """Start a run at once, paused or not; its times stay as they are.

        It has the asker's rights where the asker is the maker, else those of the schedule.

        Args:
            principal: who asks.
            which: id or name.
            key: idempotency key; the same request with it gives the same run.

        Raises:
            NotFound: there is none that the asker may see.
            Conflict: a run of before is open, and the schedule has no two at a time.
            LimitExceeded: too many are open.
            Invalid, Forbidden: it cannot be started.
        """
        request = Request.of(principal, key, "schedule-run", which)
        async with self._database.begin() as transaction:
            if (answer := await recall(transaction, request)) is not None:
                return UUID(answer)
            row = await lock_schedule(transaction, principal, which, None)
            await check_open(transaction, row)
            rights = await _rights(transaction, principal, row)
            moment = await moment_of(transaction)
            run_id = await start_run(transaction, self._starter, row, rights, new_id(), moment)
            await record(transaction, principal, "run", row, run_id=run_id)
            await remember(transaction, request, str(run_id))
        return run_id

    async def _try(
        self,
        transaction: Transaction,
        principal: Principal,
        schedule_id: UUID,
        spec: ScheduleSpec,
        moment: datetime,
    ) -> None:
        """See that a run could be started, by starting one that is taken back at once."""
        row = {**msgspec.structs.asdict(spec), "id": schedule_id}
        attempt = await transaction.begin_nested()
        try:
            await start_run(transaction, self._starter, row, principal, new_id(), moment)
        finally:
            await attempt.rollback()

    async def _info(
        self, transaction: Transaction, principal: Principal, which: str
    ) -> ScheduleInfo:
        row = await find_schedule(transaction, principal, which)
        return schedule_of(row, await moment_of(transaction))


async def _rights(
    transaction: Transaction, principal: Principal, row: Mapping[Any, Any]
) -> Principal:
    """Whose rights a run has that somebody asks for: one's own, or those that were kept.

    Raises:
        Forbidden: the token that those are from was revoked.
    """
    if audit.actor_of(principal) == row["created_by"]:
        return principal
    await check_token(transaction, row)
    return owner_of(row)
