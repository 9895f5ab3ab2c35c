"""A worker process that tests kill: `crash_worker.py URL FOLDER [platform]`.

Without `platform` it does runs of kind `test`: numbered steps, each with an effect in the folder
that is named by the step's idempotency key. Says `ready` when it works; ends on SIGTERM.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from pathlib import Path

from engine_kit import BUCKET, FAST, SEALER, FileProvisioner, Plugin, load_host, platform_of
from msgspec.structs import replace

from towpath_engine.runs.worker import RunWorker
from towpath_engine.store.database import Database

TIMES = replace(FAST, grace=0.2)


class Numbered:
    """Does `input.steps` steps; step N waits while there is a file `stop-N` in the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def execute(self, run):
        total = 0
        for number in range(run.input["steps"]):
            total += await run.step(f"s{number}", f"Step {number}", self._work(number))
        return total

    def _work(self, number):
        def act(tools):
            with (self.folder / "calls").open("a") as file:
                file.write(f"{number} {tools.key}\n")
            while (self.folder / f"stop-{number}").exists():
                tools.check()
                time.sleep(0.01)
            # The effect: once for a key, however often it is asked for.
            (self.folder / f"effect-{tools.key}").touch()
            tools.log(f"did {number}")
            return 1

        async def work(tools):
            return await asyncio.to_thread(act, tools)

        return work

    async def failed(self, transaction, run, error):
        (self.folder / "failed").touch()


async def main() -> None:
    url, folder = sys.argv[1], Path(sys.argv[2])
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    if len(sys.argv) > 3:
        plugin = Plugin(offerings=[BUCKET], provisioners=[FileProvisioner(folder)])
        host = load_host(plugin, installed=["backstage"])
        async with platform_of(host, url, folder / "home") as platform:
            await work(platform.worker(times=TIMES), stop)
    else:
        database = Database(url, pool_size=3)
        await work(RunWorker(database, SEALER, {"test": Numbered(folder)}, times=TIMES), stop)
        await database.close()


async def work(worker: RunWorker, stop: asyncio.Event) -> None:
    task = asyncio.create_task(worker.run())
    print("ready", flush=True)
    await stop.wait()
    worker.stop()
    await task


asyncio.run(main())
