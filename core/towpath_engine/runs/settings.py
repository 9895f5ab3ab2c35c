"""The table `[runs]`: how runs are done, and how long what was done is kept.

[runs]
keep_days = 90
takeover_seconds = 15
grace_seconds = 20
max_crashes = 5
queue_limits = { provision = 4 }
self_approval = false
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from towpath_core.errors import SettingsError

__all__ = ("RUN_NAMES", "RunSettings", "read_runs")

_RANGES = (
    ("keep_days", 1, 36_500),
    ("takeover_seconds", 3, 600),
    ("grace_seconds", 0, 3600),
    ("max_crashes", 1, 1000),
)


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How runs are done and kept.

    Attributes:
        keep_days: how long a run is kept after its end, with its steps, events and log.
        takeover_seconds: within so many seconds another worker goes on with a dead one's runs.
        grace_seconds: what runs get to end when their worker is stopped.
        max_crashes: a run is parked when so many workers died on it without getting a step on.
        queue_limits: by queue, how many of its runs may be under way in all workers together.
        self_approval: whether those who started a run may answer its questions, where they are
            among the approvers.
    """

    keep_days: int = 90
    takeover_seconds: float = 15.0
    grace_seconds: float = 20.0
    max_crashes: int = 5
    queue_limits: Mapping[str, int] = {}
    self_approval: bool = False


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
    for name, least, most in _RANGES:
        if not least <= getattr(settings, name) <= most:
            raise SettingsError(f"runs.{name} must be a number from {least} to {most}.")
    for queue, limit in settings.queue_limits.items():
        if limit < 1:
            raise SettingsError(f"runs.queue_limits.{queue} must be 1 or more.")
    return settings
