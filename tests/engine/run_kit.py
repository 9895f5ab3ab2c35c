"""A platform whose kinds of run are functions, for tests of what people do to runs."""

from __future__ import annotations

from contextlib import asynccontextmanager

from engine_kit import ADA, FAST, Plugin, ended, load_host, platform_of, until, working
from sqlalchemy import select

from towpath_engine.runs.tables import RUNS, STEPS
from towpath_engine.runs.waits import wait_of
from towpath_engine.store.tables import AUDIT


class Calls:
    """Makes steps' work that keeps the idempotency keys it was called with, by name.

    `fails` maps names to errors that are raised instead, as long as they stand there.
    """

    def __init__(self):
        self.keys = {}
        self.fails = {}

    def __call__(self, name, value=None):
        def work(tools):
            self.keys.setdefault(name, []).append(tools.key)
            if name in self.fails:
                raise self.fails[name]
            return value

        return work

    def counts(self):
        return {name: len(keys) for name, keys in self.keys.items()}


class Rules:
    """A policy that denies what a test says, and keeps what it was asked."""

    name = "rules"

    def __init__(self):
        self.refused = set()
        self.asked = []

    def decide(self, request):
        from towpath_core.policy import Allow, Deny

        self.asked.append((request.action, request.resource, request.context))
        return Deny(("not so",)) if request.action in self.refused else Allow()


class Yard:
    """A platform, and what becomes of its runs."""

    def __init__(self, platform, rules):
        self.platform = platform
        self.rules = rules
        self.control = platform.control
        self.runs = platform.runs

    async def start(self, kind="acme", input=None, *, who=ADA, **options):
        return await self.platform.starters.start(who, kind, input or {}, **options)

    @asynccontextmanager
    async def working(self, *, times=FAST, workers=1, **options):
        made = [self.platform.worker(times=times, **options) for _ in range(workers)]
        async with working(*made):
            yield

    async def done(self, run_id, *, who=ADA, seconds=60):
        return await ended(self.platform, who, run_id, seconds=seconds)

    async def row(self, run_id):
        return (await self.rows(RUNS, RUNS.c.id == run_id))[0]

    async def state(self, run_id):
        return (await self.row(run_id))["state"]

    async def becomes(self, run_id, state):
        async def there():
            return await self.state(run_id) == state

        await until(there)

    async def waits(self, run_id, key=None):
        """Wait until a run waits, at a step where one is named."""

        async def there():
            async with self.platform.database.begin() as transaction:
                step = await wait_of(transaction, run_id)
            at = step is not None and key in (None, step["key"])
            return step if at and await self.state(run_id) == "waiting" else None

        return await until(there)

    async def steps(self, run_id):
        rows = await self.rows(STEPS, STEPS.c.run_id == run_id)
        return [(row["key"], row["state"], row["attempts"]) for row in rows]

    async def events(self, run_id, type):
        rows = await self.runs.events(ADA, run_id)
        assert [event.seq for event in rows] == list(range(1, len(rows) + 1))
        return [event.body for event in rows if event.type == type]

    async def states(self, run_id):
        return [body["state"] for body in await self.events(run_id, "state")]

    async def audit(self, action):
        return [row for row in await self.rows(AUDIT) if row["action"] == action]

    async def rows(self, table, *conditions):
        async with self.platform.database.begin() as transaction:
            query = select(table).where(*conditions).order_by(*table.primary_key)
            return (await transaction.execute(query)).mappings().all()

    async def execute(self, statement):
        async with self.platform.database.begin() as transaction:
            await transaction.execute(statement)


@asynccontextmanager
async def yard_of(url, home, *kinds, installed=(), settings=None, **offered):
    """A platform with kinds of run, and with what else a plugin offers."""
    rules = Rules()
    plugin = Plugin(run_kinds=kinds, policies=[rules], **offered)
    host = load_host(plugin, installed=installed, settings=settings)
    async with platform_of(host, url, home) as platform:
        yield Yard(platform, rules)
