"""A process that reads a folder in and is killed at it: `crash_ingest.py URL FOLDER`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from engine_kit import ADA, load_host, platform_of


async def main() -> None:
    url, folder = sys.argv[1], Path(sys.argv[2])
    settings = {"backstage": {"roots": [str(folder)]}}
    host = load_host(installed=["backstage"], settings=settings)
    async with platform_of(host, url, folder) as platform:
        await platform.catalog.register(ADA, "file", f"{folder}/*.yaml", again=True)


if __name__ == "__main__":
    asyncio.run(main())
