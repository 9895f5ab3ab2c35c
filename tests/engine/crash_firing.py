"""A process that tests kill while it starts the runs of schedules: `crash_firing.py URL POINT`.

Says `there` with the run written and not committed (`before`), or when it is done (`after`). With
the point `loop` it says so at once, and starts what is due until it is killed.
"""

from __future__ import annotations

import asyncio
import sys

from engine_kit import SEALER
from schedule_kit import Starting

from towpath_engine.runs.firing import Schedules
from towpath_engine.runs.service import RunService
from towpath_engine.store.database import Database


class Stuck(Starting):
    """Writes the run, and then does not go on."""

    async def accept(self, *args, **more):
        await super().accept(*args, **more)
        print("there", flush=True)
        await asyncio.sleep(600)


async def main() -> None:
    url, point = sys.argv[1:]
    database = Database(url, pool_size=2)
    runs = RunService(database, SEALER)
    if point == "loop":
        print("there", flush=True)
        await Schedules(database, Starting(database, runs), poll_seconds=0.02).run()
    starter = (Stuck if point == "before" else Starting)(database, runs)
    await Schedules(database, starter).fire_due()
    print("there", flush=True)
    await asyncio.sleep(600)


asyncio.run(main())
