"""The beginning of a server command: what takes time and what takes work go side by side.

The database's servers start in processes of their own while the program is still being read in,
which takes about as long. Light to import.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

from towpath_engine.memory import spare_garbage, use_few_arenas
from towpath_engine.servers import Servers
from towpath_engine.settings import EngineSettings

__all__ = ("begun", "read_in")


@asynccontextmanager
async def begun(settings: EngineSettings) -> AsyncIterator[Servers]:
    """The servers that the settings want, starting; they are let go of when the block ends.

    Garbage is not looked for until `look_for_garbage`, which is for whoever is ready.
    """
    use_few_arenas()
    spare_garbage()
    servers = Servers()
    servers.begin(settings)
    try:
        yield servers
    finally:
        await servers.stop()


async def read_in(module: str) -> None:
    """Import a module and all that it needs; the loop goes on meanwhile."""
    await asyncio.to_thread(import_module, module)
