"""A process that tests kill while it starts the run of a schedule: `crash_firing.py URL POINT`.

Says `there` with the run written and not committed (`before`), or when it is done (`after`).
"""

from __future__ import annotations

import asyncio
import sys

from engine_kit import SEALER
from schedule_kit import KindStarter

from towpath_engine.runs.firing import Schedules
from towpath_engine.runs.service import RunService
from towpath_engine.runs.terms import USUAL
from towpath_engine.store.database import Database


class Stuck(KindStarter):
    """Writes the run, and then does not go on."""

    async def accept(self, transaction, principal, kind, input, *, title=None, terms=USUAL):
        await super().accept(transaction, principal, kind, input, title=title, terms=terms)
        print("there", flush=True)
        await asyncio.sleep(600)


async def main() -> None:
    url, point = sys.argv[1:]
    database = Database(url, pool_size=2)
    runs = RunService(database, SEALER)
    starter = Stuck(runs) if point == "before" else KindStarter(runs)
    await Schedules(database, starter).fire_due()
    print("there", flush=True)
    await asyncio.sleep(600)


asyncio.run(main())
