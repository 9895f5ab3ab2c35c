"""The engine's settings, with the one check that must come before anything is started."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from towpath_core.errors import SettingsError
from towpath_engine.settings import EngineSettings, load_settings
from towpath_engine.store.database import driver_url

__all__ = ("read_settings",)


def read_settings(roots: Sequence[Path] = ()) -> EngineSettings:
    """The configuration, from the environment and the settings file.

    Args:
        roots: catalog roots on top of the configured ones.

    Raises:
        SettingsError: a setting is wrong; the text of an address, which holds a password, is
            never in it.
    """
    settings = load_settings(roots=roots)
    if settings.database_url is not None:
        driver_url(settings.database_url)
        try:
            conninfo_to_dict(settings.database_url)
        except psycopg.ProgrammingError:
            raise SettingsError(
                "TOWPATH_DATABASE_URL cannot be read.",
                next="Write postgresql://user:password@host:5432/database; encode / : @ as %2F "
                "%3A %40.",
            ) from None
    return settings
