"""The table `[runs]`: how long what was done is kept.

[runs]
keep_days = 90
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from towpath_core.errors import SettingsError

__all__ = ("RUN_NAMES", "RunSettings", "read_runs")

_MOST_DAYS = 36_500


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How runs are done and kept.

    Attributes:
        keep_days: how long a run is kept after its end, with its steps, events and log.
    """

    keep_days: int = 90


RUN_NAMES = RunSettings.__struct_fields__


def read_runs(table: Mapping[str, Any]) -> RunSettings:
    """Read the table `[runs]`, whose names were looked at.

    Raises:
        SettingsError: a setting is wrong; says which.
    """
    try:
        settings = msgspec.convert(dict(table), RunSettings)
    except msgspec.ValidationError as error:
        raise SettingsError(
            "A setting in [runs] is wrong.", why=str(error), next="Write it as keep_days = 90."
        ) from None
    if not 1 <= settings.keep_days <= _MOST_DAYS:
        raise SettingsError(f"runs.keep_days must be a whole number, 1 to {_MOST_DAYS}.")
    return settings
