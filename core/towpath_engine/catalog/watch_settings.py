"""The settings `catalog.watch` and `catalog.refresh_seconds`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from towpath_core.errors import SettingsError

__all__ = ("WATCH_NAMES", "WatchSettings", "read_watch")

_LEAST_SECONDS = 5.0


class WatchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When registered locations are read again by themselves.

    Attributes:
        watch: whether folders are watched.
        refresh_seconds: how old a reading may become of what cannot be watched; 0 means for ever.
    """

    watch: bool = True
    refresh_seconds: float = 300.0


WATCH_NAMES = WatchSettings.__struct_fields__


def read_watch(catalog: Mapping[str, Any]) -> WatchSettings:
    """Read the settings out of the table `[catalog]`.

    Raises:
        SettingsError: one is wrong; says which.
    """
    chosen = {name: catalog[name] for name in WATCH_NAMES if name in catalog}
    try:
        settings = msgspec.convert(chosen, WatchSettings)
    except msgspec.ValidationError as error:
        raise SettingsError(
            "A setting in [catalog] is wrong.",
            why=str(error),
            next="Write it like this: watch = true, refresh_seconds = 300.",
        ) from None
    if settings.refresh_seconds and not _LEAST_SECONDS <= settings.refresh_seconds < 1e9:
        raise SettingsError(
            "catalog.refresh_seconds is too small.",
            next=f"Write {_LEAST_SECONDS:g} or more, or 0 to switch it off.",
        )
    return settings
