"""Backstage's own scaffolder actions: fetch, fs, catalog and debug.

Owns what these actions do to a workspace. Must not know how runs are kept, nor which source a url
is read by, nor how the template language works: all that is asked of the context.
"""

from __future__ import annotations

from towpath_backstage.actions.catalog import CatalogRegister, CatalogWrite
from towpath_backstage.actions.debug import DebugLog
from towpath_backstage.actions.files import FsDelete, FsRename
from towpath_backstage.actions.plain import FetchPlain
from towpath_backstage.actions.template import FetchTemplate
from towpath_core.scaffolding import Action

__all__ = ("all_actions",)


def all_actions() -> list[Action]:
    """One of each action, ordered by id. They keep no state and may run side by side."""
    return [
        CatalogRegister(),
        CatalogWrite(),
        DebugLog(),
        FetchPlain(),
        FetchTemplate(),
        FsDelete(),
        FsRename(),
    ]
