"""Following runs: whole, in order, resumable, shared, and holding nothing."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from engine_kit import ADA, ADMIN, BOB, SEALER, until
from sqlalchemy import event, insert, update

from towpath_core.errors import NotFound
from towpath_engine.runs.journal import CHANNEL, Event, insert_events
from towpath_engine.runs.service import RunService
from towpath_engine.runs.tables import RUNS, STEPS
from towpath_engine.runs.waits import lock_run
from towpath_engine.store.database import Listener

pytestmark = pytest.mark.anyio


class Stage:
    """One run that nobody does, and what is written to it."""

    def __init__(self, database):
        self.database = database
        self.runs = RunService(database, SEALER)

    async def begin(self):
        async with self.database.begin() as transaction:
            self.id = await self.runs.create(transaction, ADA, "test", "t", {})

    async def write(self, *events, state=None):
        async with self.database.begin() as transaction:
            row = await lock_run(transaction, self.id)
            change = update(RUNS).where(RUNS.c.id == self.id)
            values = {"last_event": row["last_event"] + len(events)}
            await transaction.execute(change.values(**values, state=state or row["state"]))
            await insert_events(transaction, self.id, row["last_event"] + 1, events)

    async def end(self, state="succeeded"):
        await self.write(Event("state", {"state": state}), state=state)

    async def seqs(self, who=ADA, **options):
        async with asyncio.timeout(60):
            return [told.seq async for told in self.runs.follow(who, self.id, **options) if told]


@pytest.fixture
async def stage(database):
    found = Stage(database)
    listener = Listener(database.url, {CHANNEL: found.runs.on_notify})
    await listener.start()
    await found.begin()
    yield found
    await listener.stop()


def logs(count):
    return [Event("log", {"message": str(n)}) for n in range(count)]


async def test_events_come_as_they_are_written_and_end_with_the_run(stage):
    follower = asyncio.create_task(stage.seqs())
    await until(lambda: len(stage.runs.following) == 1)
    for _ in range(5):
        await stage.write(*logs(3))
    await stage.end()
    assert await follower == list(range(1, 18))
    assert len(stage.runs.following) == 0
    assert await stage.seqs(after=15) == [16, 17]
    assert await stage.seqs(after=17) == []
    assert await stage.seqs(after=99) == []


async def test_the_end_of_an_earlier_attempt_ends_nothing(stage):
    """A run that failed and was taken up again is followed on."""
    await stage.end("failed")
    await stage.write(Event("state", {"state": "queued"}), state="queued")
    follower = asyncio.create_task(stage.seqs())
    await until(lambda: len(stage.runs.following) == 1)
    await stage.write(*logs(2))
    await stage.end()
    assert await follower == [1, 2, 3, 4, 5, 6]


async def test_many_events_come_page_by_page(stage):
    await stage.write(*logs(1800))
    await stage.end()
    assert await stage.seqs() == list(range(1, 1803))


async def test_a_page_has_a_budget_of_bytes_and_at_least_one_event(stage):
    for _ in range(5):
        await stage.write(Event("acme:big", {"x": "y" * (3 << 20)}))
    assert [e.seq for e in await stage.runs.events(ADA, stage.id)] == [1, 2, 3]
    assert [e.seq for e in await stage.runs.events(ADA, stage.id, after=3)] == [4, 5]
    await stage.write(Event("acme:big", {"x": "y" * (9 << 20)}))
    assert [e.seq for e in await stage.runs.events(ADA, stage.id, after=6)] == [7]
    await stage.end()
    assert await stage.seqs() == list(range(1, 9))


async def test_those_at_one_place_read_once(stage):
    reads = 0

    def count(conn, cursor, statement, parameters, context, many):
        nonlocal reads
        reads += "FROM run_events" in statement

    engine = stage.database._engine.sync_engine
    event.listen(engine, "before_cursor_execute", count)
    followers = [asyncio.create_task(stage.seqs()) for _ in range(60)]
    await until(lambda: len(stage.runs.following) == 60)
    for _ in range(10):
        await stage.write(*logs(1))
        await asyncio.sleep(0.02)
    await stage.end()
    for seqs in await asyncio.gather(*followers):
        assert seqs == list(range(1, 13))
    event.remove(engine, "before_cursor_execute", count)
    # Each by itself would be 60 reads for every event.
    assert reads < 120
    assert stage.runs.following._reading == {}


async def test_nothing_is_missed_by_whoever_joins_whenever(stage):
    """Followers that come while events are written see all of them, however reads are shared."""

    async def writing():
        for _ in range(60):
            await stage.write(*logs(1))
        await stage.end()

    async def joining(number):
        await asyncio.sleep(number * 0.002)
        return await stage.seqs(after=number % 5, beat_seconds=60)

    _, *found = await asyncio.gather(writing(), *(joining(number) for number in range(80)))
    for number, seqs in enumerate(found):
        assert seqs == list(range(number % 5 + 1, 63))


async def test_one_who_goes_takes_nothing_from_the_others(stage):
    stays = asyncio.create_task(stage.seqs())
    goes = [asyncio.create_task(stage.seqs()) for _ in range(20)]
    await asyncio.sleep(0)
    for task in goes[::2]:
        task.cancel()
    await until(lambda: len(stage.runs.following) == 11)
    for task in goes[1::2]:
        task.cancel()
    await asyncio.gather(*goes, return_exceptions=True)
    await stage.end()
    assert await stays == [1, 2]
    assert len(stage.runs.following) == 0


async def test_who_may_not_see_it_any_more_is_told(stage):
    wait = {"type": "approval", "question": "?", "approvers": ["user:default/bob"]}
    row = {"run_id": stage.id, "seq": 1, "key": "go", "name": "Go", "attempts": 1}
    row |= {"effect": "pure", "state": "waiting", "wait": wait}
    with pytest.raises(NotFound):
        await stage.seqs(BOB)
    async with stage.database.begin() as transaction:
        await transaction.execute(insert(STEPS).values(**row))
    async with contextlib.aclosing(stage.runs.follow(BOB, stage.id)) as events:
        assert (await anext(events)).seq == 1
        change = update(STEPS).values(wait={**wait, "approvers": ["user:default/eve"]})
        async with stage.database.begin() as transaction:
            await transaction.execute(change)
        await stage.write(*logs(1))
        with pytest.raises(NotFound):
            await anext(events)
    assert await stage.runs.get(ADMIN, stage.id)


async def test_a_silent_run_gives_signs_of_life(stage):
    async with contextlib.aclosing(stage.runs.follow(ADA, stage.id, beat_seconds=0.01)) as events:
        assert (await anext(events)).seq == 1
        assert await anext(events) is None
        assert await anext(events) is None
