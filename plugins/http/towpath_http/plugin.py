"""The plugin `http`: what it offers, read from its settings.

    [plugins.http]
    cache_bytes = 67108864             files kept in memory, so that unchanged ones cost no body

Which hosts may be read is for `[egress]` to say.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from towpath_core.catalog import CatalogSource
from towpath_core.errors import SettingsError
from towpath_core.hookspecs import Settings, hookimpl
from towpath_http.source import HttpSource

__all__ = ("TOWPATH_SPEC", "towpath_catalog_sources")

TOWPATH_SPEC = 1


class _HttpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    cache_bytes: int = 64 * 1024 * 1024


@hookimpl
def towpath_catalog_sources(settings: Settings) -> Iterable[CatalogSource]:
    """Offer the source `http`."""
    try:
        given = msgspec.convert(dict(settings), _HttpSettings)
    except msgspec.ValidationError as error:
        raise SettingsError(
            "The settings of the plugin http are wrong.",
            why=str(error),
            next="It takes cache_bytes (a number).",
        ) from None
    return [HttpSource(cache_bytes=given.cache_bytes)]
