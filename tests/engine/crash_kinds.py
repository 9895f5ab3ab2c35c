"""A worker process for kinds of run that tests kill: `crash_kinds.py URL FOLDER`.

Kind `make` makes `input.parts` files, each named by its step's idempotency key, and takes them
back. A step halts while there is a file `stop-NAME` in the folder, and notes itself in `calls`.
Kind `lead` has a child of kind `make`. Says `ready` when it works.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from engine_kit import FAST, Plugin, load_host, platform_of
from msgspec.structs import replace

from towpath_core.runs import Undo

TIMES = replace(FAST, grace=0.2)


class Make:
    name = "make"
    title = "Make files"
    description = "Makes files."
    seconds = 60.0
    queue = "default"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.input_schema = {"type": "object"}

    def run(self, input, tools):
        for number in range(input["parts"]):
            name = f"part-{number}"
            undo = Undo("remove", {"part": number})
            tools.step(name, lambda tools, name=name: self.part(name, tools), undo=undo)
        if input.get("broken") and (self.folder / "broken").exists():
            tools.step("break", self.breaks)
        return {"parts": input["parts"]}

    def breaks(self, tools):
        from towpath_core.errors import StepFailed

        raise StepFailed("It is broken.")

    def part(self, name, tools):
        self.halt(name, tools)
        (self.folder / f"file-{name}").touch()
        with (self.folder / "made").open("a") as file:
            file.write(f"{name} {tools.key}\n")

    def undo(self, name, data, tools):
        part = f"part-{data['part']}"
        self.halt(f"undo-{part}", tools)
        (self.folder / f"file-{part}").unlink(missing_ok=True)
        with (self.folder / "undone").open("a") as file:
            file.write(f"{part} {tools.key}\n")

    def halt(self, name, tools):
        with (self.folder / "calls").open("a") as file:
            file.write(f"{name} {tools.key}\n")
        while (self.folder / f"stop-{name}").exists():
            time.sleep(0.01)


class Lead(Make):
    name = "lead"
    title = "Have files made"

    def run(self, input, tools):
        return tools.child("files", "make", input)


async def main() -> None:
    url, folder = sys.argv[1], Path(sys.argv[2])
    host = load_host(Plugin(run_kinds=[Make(folder), Lead(folder)]))
    async with platform_of(host, url, folder / "home") as platform:
        task = asyncio.create_task(platform.worker(times=TIMES).run())
        print("ready", flush=True)
        await task


if __name__ == "__main__":
    asyncio.run(main())
