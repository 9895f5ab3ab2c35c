"""The plugin `soak`: kinds of run over a provider of files.

    [plugins.soak]
    folder = "/somewhere"      where the provider keeps its effects

The variable SOAK_WORKER names the process in what it does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from towpath_core.errors import SettingsError
from towpath_core.hookspecs import Settings, hookimpl
from towpath_soak.kinds import kinds
from towpath_soak.provider import FileProvider

__all__ = ("TOWPATH_SPEC", "towpath_run_kinds")

TOWPATH_SPEC = 1


@hookimpl
def towpath_run_kinds(settings: Settings) -> Iterable[Any]:
    """Offer all kinds."""
    folder = settings.get("folder")
    if not isinstance(folder, str):
        raise SettingsError("The plugin soak needs a setting: folder.")
    worker = os.environ.get("SOAK_WORKER", f"process {os.getpid()}")
    return kinds(FileProvider(Path(folder), worker), worker)
