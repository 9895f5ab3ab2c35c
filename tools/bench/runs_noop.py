"""The floor of runs: a worker of Procrastinate's own, whose jobs do nothing.

    python tools/bench/runs_noop.py URL CONCURRENCY

It is what a user of Procrastinate has who follows its documentation; jobs that are over are
deleted, as those of runs are. Ends on SIGTERM.
"""

from __future__ import annotations

import asyncio
import sys

from procrastinate import App, PsycopgConnector

NAME = "bench:noop"
QUEUE = "bench-noop"


async def main(url: str, concurrency: int) -> None:
    """Work until told to stop."""
    app = App(connector=PsycopgConnector(conninfo=url))

    @app.task(name=NAME, queue=QUEUE)
    async def nothing() -> None:
        pass

    async with app.open_async():
        sys.stdout.write("ready working\n")
        sys.stdout.flush()
        await app.run_worker_async(
            queues=[QUEUE], concurrency=concurrency, delete_jobs="always", wait=True
        )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
