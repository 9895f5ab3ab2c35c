"""A process that forgets old runs slowly, for tests to kill: `crash_retention.py URL`."""

from __future__ import annotations

import asyncio
import sys

from towpath_engine.runs.retention import Retention
from towpath_engine.store.database import Database


async def main() -> None:
    await Retention(Database(sys.argv[1], pool_size=1), 90, pause=0.1).prune()


asyncio.run(main())
