"""Run a template and print what happens as it happens, with the async client.

Usage: watch_a_run.py NAME
"""

import asyncio
import sys

from towpath_sdk import AsyncPlatform


async def main(name: str) -> None:
    async with AsyncPlatform.from_env() as platform:
        run = await platform.templates.create("python-service", {"name": name})
        async for event in platform.runs.follow(run.id):
            if event.type == "log":
                print(f"{event.seq:4}  {event.body['message']}")
        run = await platform.runs.get(run.id)
        print("it", run.state)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
