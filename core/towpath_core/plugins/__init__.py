"""The plugin host: finds, loads, asks, guards and lists plugins, and keeps them from each other.

Owns all that stands between the platform and foreign code in the same process. It knows no
database, no HTTP, and nothing of what the contributions are used for. There is no global host:
whoever starts a platform loads one and passes it on.

What it can hold back: exceptions of any class, wrong types, endless answers, missed deadlines,
clashes, changed arguments. What it cannot, because plugins share the process: code that ends the
process (`os._exit`, a crash in C), that never lets go of the interpreter lock, or that patches
other modules. A call that missed its deadline keeps its thread until it returns by itself.

    with PluginHost.load(PluginConfig.from_env()) as host:
        for name, source in host.contributions.catalog_sources.items():
            files = host.call_sync(source, "read", target, max_bytes=1_000_000, collect=100)
"""

from towpath_core.plugins.host import PluginHost
from towpath_core.plugins.model import (
    Contribution,
    Contributions,
    PluginCall,
    PluginConfig,
    PluginInfo,
    PluginState,
)

__all__ = (
    "Contribution",
    "Contributions",
    "PluginCall",
    "PluginConfig",
    "PluginHost",
    "PluginInfo",
    "PluginState",
)
