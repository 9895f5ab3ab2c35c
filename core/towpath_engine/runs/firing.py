"""Starts the runs of schedules when their time has come; any number of processes may do it.

Whoever gets at a due row first starts its runs and moves it on, in one transaction, by the clock
of the database. The id of a run follows from its schedule and its time, so that a time gives one
run also where a process dies in between, or the clock is set back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import msgspec
import structlog
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError, OperationalError

from towpath_core.errors import TowpathError, Unavailable
from towpath_engine import audit
from towpath_engine.runs.faults import describe_error
from towpath_engine.runs.schedule_records import Trouble, owner_of
from towpath_engine.runs.schedule_rows import moment_of
from towpath_engine.runs.schedule_starting import (
    AcceptsRuns,
    check_open,
    check_token,
    start_run,
)
from towpath_engine.runs.schedule_tables import SCHEDULES
from towpath_engine.runs.schedule_times import Times, times_of
from towpath_engine.runs.tables import RUNS
from towpath_engine.store.database import Database, DatabaseUnavailable, Transaction

__all__ = ("Schedules", "firing_id")

log = structlog.get_logger(__name__)

_LATE = timedelta(minutes=5)
"""A time that is over for longer was missed."""
_MEND_SECONDS = 60.0
_LEAST = 0.02
_PAGE = 200

NOW: Any = func.now()
"""The database's time at the begin of the transaction: unlike the clock's, an index knows it."""


def firing_id(schedule_id: UUID, at: datetime) -> UUID:
    """The id of the run that a schedule starts at a time."""
    return uuid5(schedule_id, str(int(at.timestamp())))


class Schedules:
    """Has schedules start their runs.

    Args:
        database: that holds them.
        starter: starts the runs.
        poll_seconds: most time between two looks at what is due.
    """

    def __init__(
        self, database: Database, starter: AcceptsRuns, *, poll_seconds: float = 2.0
    ) -> None:
        self._database = database
        self._starter = starter
        self._poll = poll_seconds

    async def run(self) -> None:
        """Start runs as they come due, until cancelled; what fails is tried again."""
        mended = -_MEND_SECONDS
        loop = asyncio.get_running_loop()
        while True:
            wait = self._poll
            try:
                if loop.time() - mended >= _MEND_SECONDS:
                    await self.mend()
                    mended = loop.time()
                await self.fire_due()
                wait = await self._pause()
            except Unavailable:
                log.warning("schedules.wait")
            except Exception:
                log.exception("schedules.failed")
            await asyncio.sleep(wait)

    async def fire_due(self) -> int:
        """Start all that is due now, one schedule after the other; how many schedules that was.

        Those that another process is at are left to it.

        Raises:
            DatabaseUnavailable: nothing of the schedule that was at hand is written.
        """
        later: list[UUID] = []
        count = 0
        while True:
            try:
                async with self._database.begin() as transaction:
                    row = await _due(transaction, later)
                    if row is None:
                        return count
                    await self._fire(transaction, row)
                count += 1
            except _NotNow as error:
                later.append(error.schedule_id)

    async def mend(self) -> int:
        """Bring forward what lies too far ahead, as after a clock that was set back; how much.

        A time that gave a run before gives no other.
        """
        c = SCHEDULES.c
        ahead = select(c.id, c.cron, c.zone, c.next_at).where(c.next_at > NOW).order_by(c.id)
        count, after = 0, UUID(int=0)
        while True:
            async with self._database.begin() as transaction:
                query = ahead.where(c.id > after).limit(_PAGE)
                rows = (await transaction.execute(query)).all()
                moment = await moment_of(transaction)
                for row in rows:
                    count += await _bring_forward(transaction, row, moment)
            if len(rows) < _PAGE:
                break
            after = rows[-1].id
        if count:
            log.warning("schedules.mended", count=count)
        return count

    async def _pause(self) -> float:
        """Seconds until the next time, at most as long as is waited between two looks."""
        next_at = SCHEDULES.c.next_at
        query = select(func.extract("epoch", func.min(next_at) - NOW)).where(next_at > NOW)
        async with self._database.begin() as transaction:
            seconds = (await transaction.execute(query)).scalar_one_or_none()
        return self._poll if seconds is None else min(max(float(seconds), _LEAST), self._poll)

    async def _fire(self, transaction: Transaction, row: Mapping[Any, Any]) -> None:
        moment = await moment_of(transaction)
        values: dict[str, Any] = {}
        try:
            times = times_of(row["cron"], row["zone"])
            await check_token(transaction, row)
        except TowpathError as error:
            values = {"paused": True, "next_at": None, "trouble": _trouble(row["next_at"], error)}
        else:
            for at in _wanted(row, times, moment):
                values |= await self._start(transaction, row, at, moment)
            values["next_at"] = times.next(moment)
        change = update(SCHEDULES).where(SCHEDULES.c.id == row["id"])
        await transaction.execute(change.values(**values))

    async def _start(
        self, transaction: Transaction, row: Mapping[Any, Any], at: datetime, moment: datetime
    ) -> dict[str, Any]:
        """Start the run of a time; what that means for the row."""
        run_id = firing_id(row["id"], at)
        known = select(RUNS.c.id).where(RUNS.c.id == run_id)
        if (await transaction.execute(known)).first() is not None:
            return {"last_at": at, "last_run": run_id}
        principal = owner_of(row)
        try:
            await check_open(transaction, row)
            async with transaction.begin_nested():
                await start_run(transaction, self._starter, row, principal, run_id, moment)
        except DatabaseUnavailable:
            raise
        except Unavailable as error:
            if moment - at <= _LATE:
                raise _NotNow(row["id"]) from error
            return {"trouble": _trouble(at, error)}
        except Exception as error:
            if _is_lost(error):
                raise
            log.warning("schedule.not_started", schedule=row["name"], error=type(error).__name__)
            return {"trouble": _trouble(at, error)}
        detail = {"name": row["name"], "kind": row["kind"], "at": at.isoformat()}
        subject = str(row["id"])
        await audit.record(
            transaction, principal, "schedules:fire", subject, run_id=run_id, detail=detail
        )
        log.info("schedule.fired", schedule=row["name"], run=str(run_id))
        return {"last_at": at, "last_run": run_id, "trouble": None}


class _NotNow(Exception):
    """What a run needs does not answer: the schedule is left as it is for the next look."""

    def __init__(self, schedule_id: UUID) -> None:
        super().__init__()
        self.schedule_id = schedule_id


async def _due(transaction: Transaction, later: list[UUID]) -> Mapping[Any, Any] | None:
    c = SCHEDULES.c
    query = (
        select(SCHEDULES)
        .where(c.next_at <= NOW, c.id.not_in(later))
        .order_by(c.next_at, c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = (await transaction.execute(query)).mappings().one_or_none()
    return dict(row) if row is not None else None


def _wanted(row: Mapping[Any, Any], times: Times, moment: datetime) -> list[datetime]:
    """Which of the times that have come are to give a run, in order."""
    count = row["catch_up_limit"] if row["catch_up"] == "all" else 1
    due = times.last(row["next_at"], moment, count)
    if row["catch_up"] == "skip":
        return [at for at in due if moment - at <= _LATE]
    return due


def _trouble(at: datetime, error: BaseException) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(Trouble(at, describe_error(error, str)))
    return told


def _is_lost(error: Exception) -> bool:
    """Whether the database is, and with it the transaction."""
    return isinstance(error, OperationalError) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )


async def _bring_forward(transaction: Transaction, row: Any, moment: datetime) -> int:
    """Have a schedule come at its next time where it would come later; 1 where that was so."""
    try:
        next_at = times_of(row.cron, row.zone).next(moment)
    except TowpathError:
        return 0  # it says so when it is due
    if next_at is None or next_at >= row.next_at:
        return 0
    c = SCHEDULES.c
    same = update(SCHEDULES).where(c.id == row.id, c.next_at == row.next_at)
    return (await transaction.execute(same.values(next_at=next_at))).rowcount
