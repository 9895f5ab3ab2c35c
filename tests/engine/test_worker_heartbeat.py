"""Workers that were taken for dead and are not."""

from __future__ import annotations

import pytest
from engine_kit import FAST, SEALER, until, working
from msgspec.structs import replace
from sqlalchemy import text

from towpath_engine.runs.worker import RunWorker

pytestmark = pytest.mark.anyio


async def test_a_worker_that_was_taken_off_the_list_is_on_it_again(database):
    async def ids(statement="SELECT id FROM procrastinate_workers"):
        async with database.begin() as transaction:
            return list((await transaction.execute(text(statement))).scalars())

    worker = RunWorker(database, SEALER, {}, times=replace(FAST, heartbeat=0.05))
    async with working(worker):
        listed = await until(ids)
        # As a worker does that starts while this one is paused.
        assert await ids("DELETE FROM procrastinate_workers RETURNING id") == listed
        assert await until(ids) == listed
