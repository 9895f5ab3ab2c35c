"""The plugin's hooks: what it offers, from its settings. Touches no disk; the objects do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from towpath_core import hookimpl
from towpath_core.errors import Place, Problem, SettingsError
from towpath_core.provisioning import Offering
from towpath_sqlite.offering import SQLITE_DATABASE
from towpath_sqlite.provisioner import SqliteProvisioner

__all__ = ("TOWPATH_SPEC", "towpath_offerings", "towpath_provisioners")

TOWPATH_SPEC = 1


@hookimpl
def towpath_offerings() -> list[Offering]:
    """Offer the SQLite database."""
    return [SQLITE_DATABASE]


@hookimpl
def towpath_provisioners(settings: Mapping[str, Any]) -> list[SqliteProvisioner]:
    """Offer the provisioner that makes files in the folder of the settings.

    Raises:
        SettingsError: `folder` is no absolute path, or there is a setting of another name.
    """
    unknown = sorted(set(settings) - {"folder"})
    if unknown:
        raise _wrong(unknown[0], f"there is no setting {unknown[0]!r}; the one setting is `folder`")
    folder = settings.get("folder")
    if folder is None:
        return [SqliteProvisioner()]
    if not isinstance(folder, str) or "\0" in folder or not Path(folder).is_absolute():
        raise _wrong("folder", "`folder` must be an absolute path, such as /srv/databases")
    return [SqliteProvisioner(Path(folder))]


def _wrong(setting: str, what: str) -> SettingsError:
    return SettingsError(
        f"Settings of the plugin sqlite: {what}.",
        next="Correct the table [plugins.sqlite].",
        problems=[Problem("settings", what, Place(pointer=f"/plugins/sqlite/{setting}"))],
    )
