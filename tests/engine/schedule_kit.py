"""What schedules are tried with: a database, runs of a kind `test`, and rows made due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from engine_kit import ADA, SEALER, Kind, Plugin, load_host
from sqlalchemy import select, text, update

from towpath_engine.catalog.index import CatalogIndex
from towpath_engine.policy import PolicyGate
from towpath_engine.runs.firing import Schedules
from towpath_engine.runs.schedule_records import ScheduleSpec
from towpath_engine.runs.schedule_tables import SCHEDULES
from towpath_engine.runs.schedules import ScheduleService
from towpath_engine.runs.service import RunService
from towpath_engine.runs.starting import Starters
from towpath_engine.runs.tables import RUNS
from towpath_engine.scaffolding.service import ScaffoldingService
from towpath_engine.store.database import Database
from towpath_engine.store.tables import AUDIT

DAY = 1 if 3 <= datetime.now(UTC).day <= 27 else 15
"""The day of the month on which schedules of tests come; none that passes while tests run."""

CRON = f"0 2 {DAY} * *"


class Starting(Starters):
    """Starts runs as the platform does, and after that raises `fault`, if there is one."""

    def __init__(self, database: Database, runs: RunService) -> None:
        host = load_host(Plugin(run_kinds=[Kind(lambda input, tools: {}, name="test")]))
        policy = PolicyGate(host)
        scaffolding = ScaffoldingService(database, host, CatalogIndex(), runs, policy)
        super().__init__(database, host, runs, policy, scaffolding)
        self.host, self.policy = host, policy
        self.fault: Exception | None = None
        self.asked = 0

    async def accept(self, *args, **more):
        self.asked += 1
        run_id = await super().accept(*args, **more)
        if self.fault is not None:
            raise self.fault
        return run_id


class Room:
    """Schedules on one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.runs = RunService(database, SEALER)
        self.starter = Starting(database, self.runs)
        self.schedules = ScheduleService(database, self.starter, self.starter.policy)

    def close(self) -> None:
        self.starter.host.close()

    def firing(self, **options) -> Schedules:
        return Schedules(self.database, self.starter, **options)

    async def make(self, name="nightly", *, who=ADA, cron=CRON, paused=False, **more):
        spec = ScheduleSpec(name=name, kind="test", input={"n": 1}, cron=cron, **more)
        return await self.schedules.create(who, spec, paused=paused)

    async def due(self, which, at: datetime) -> None:
        """Have its next time be one that has come."""
        await self.execute(update(SCHEDULES).where(SCHEDULES.c.name == which).values(next_at=at))

    async def row(self, name="nightly"):
        async with self.database.begin() as transaction:
            query = select(SCHEDULES).where(SCHEDULES.c.name == name)
            return (await transaction.execute(query)).mappings().one()

    async def rows(self, table, *order):
        async with self.database.begin() as transaction:
            query = select(table).order_by(*(order or table.primary_key))
            return (await transaction.execute(query)).mappings().all()

    async def started(self):
        """Runs, oldest first."""
        return await self.rows(RUNS, RUNS.c.created_at, RUNS.c.id)

    async def acts(self):
        """What people and the clock did to schedules."""
        acts = [row["action"] for row in await self.rows(AUDIT)]
        return [act for act in acts if act.startswith("schedules:")]

    async def jobs(self):
        async with self.database.begin() as transaction:
            query = text("SELECT args ->> 'run_id' FROM procrastinate_jobs")
            return sorted(UUID(row[0]) for row in await transaction.execute(query))

    async def end(self, run_id, state="succeeded", *, ago=timedelta(0)):
        """Have a run be over, as if a worker had done it."""
        c = RUNS.c
        values = {"state": state, "finished_at": datetime.now(UTC) - ago, "holds_key": False}
        await self.execute(update(RUNS).where(c.id == run_id).values(**values))

    async def execute(self, statement):
        async with self.database.begin() as transaction:
            await transaction.execute(statement)


def months_ago(count: int) -> datetime:
    """The last time of `CRON` that has come, or the one so many months before it."""
    now = datetime.now(UTC)
    month = now.year * 12 + now.month - 1 - count - (now.day < DAY)
    return datetime(month // 12, month % 12 + 1, DAY, 2, tzinfo=UTC)
