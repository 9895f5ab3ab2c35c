"""How careful the catalog is with what vanishes: when it asks first, and how long it can undo.

In the configuration file, under `[catalog]`:

    guard_percent   how much of a location may vanish at once without being asked for; default 10
    guard_least     but so many entities at least must vanish before it asks; default 5
    tombstone_days  how long what was removed can be brought back; default 7
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import msgspec

from towpath_core.errors import SettingsError

__all__ = ("KEEPING_NAMES", "TOMBSTONE_DAYS", "Keeping", "digest_of", "read_keeping")

TOMBSTONE_DAYS = 7
KEEPING_NAMES = ("guard_percent", "guard_least", "tombstone_days")
_RANGES = {"guard_percent": (0, 100), "guard_least": (1, 1_000_000), "tombstone_days": (0, 3650)}


class Keeping(msgspec.Struct, frozen=True):
    """The limits.

    Attributes:
        guard_percent: more than this share of a location's entities, vanishing at once, waits.
        guard_least: fewer than this never wait.
        tombstone_days: for how long what was removed can be restored.
        guarded: False where everything that vanishes is meant to.
    """

    guard_percent: int = 10
    guard_least: int = 5
    tombstone_days: int = TOMBSTONE_DAYS
    guarded: bool = True

    def waits(self, vanished: int, total: int, *, empty: bool) -> bool:
        """Whether so many may only be removed once somebody has confirmed it.

        Args:
            vanished: how many are gone.
            total: how many the location held, these among them.
            empty: nothing at all was found where there was something.
        """
        if not self.guarded:
            return False
        if vanished and empty:
            return True
        return vanished >= self.guard_least and vanished * 100 > self.guard_percent * total


def digest_of(names: Iterable[UUID | str]) -> str:
    """A short name of a set of entities, by their uids or by their references."""
    text = "\n".join(sorted(map(str, names)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_keeping(table: Mapping[str, Any]) -> Keeping:
    """Read the settings out of the table `[catalog]`.

    Raises:
        SettingsError: one is no whole number, or out of its range.
    """
    chosen: dict[str, int] = {}
    for name in KEEPING_NAMES:
        value = table.get(name, getattr(Keeping(), name))
        least, most = _RANGES[name]
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise SettingsError(f"catalog.{name} must be a whole number from {least} to {most}.")
        chosen[name] = value
    return msgspec.convert(chosen, Keeping)
