"""The plugin `git`: what it offers, read from its settings.

    [plugins.git]
    root = "/srv/git"                  publish:git makes repositories below it; they can be read
    roots = ["/srv/mirrors"]           more folders whose repositories can be read
    mirrors = "/srv/mirrors"           where copies of other machines' repositories are kept
    repository_bytes = 1073741824      most bytes of one fetch of such a repository
    timeout_seconds = 60               time that one git command may take

Without `root` there is no `publish:git`. Owns the settings only; does no I/O.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from towpath_core.catalog import CatalogSource
from towpath_core.errors import SettingsError, StepFailed, Unavailable
from towpath_core.hookspecs import Settings, hookimpl
from towpath_core.scaffolding import Action
from towpath_git.git import Git
from towpath_git.mirrors import Mirrors
from towpath_git.publish import PublishGit
from towpath_git.source import GitSource

__all__ = ("TOWPATH_SPEC", "towpath_actions", "towpath_catalog_sources")

TOWPATH_SPEC = 1


class _GitSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    root: str | None = None
    roots: tuple[str, ...] = ()
    mirrors: str | None = None
    repository_bytes: int = 1024 * 1024 * 1024
    timeout_seconds: float = 60.0


@hookimpl
def towpath_catalog_sources(settings: Settings) -> list[CatalogSource]:
    """Offer the source `git`."""
    given = _read(settings)
    roots = [given.root, *given.roots] if given.root else given.roots
    git = Git(Unavailable, timeout_seconds=given.timeout_seconds)
    mirrors = None
    if given.mirrors is not None:
        mirrors = Mirrors(_folder(given.mirrors), git, most_bytes=given.repository_bytes)
    return [GitSource([_folder(root) for root in roots if root is not None], git, mirrors)]


@hookimpl
def towpath_actions(settings: Settings) -> list[Action]:
    """Offer `publish:git`, if there is a place to publish to."""
    given = _read(settings)
    if given.root is None:
        return []
    git = Git(StepFailed, timeout_seconds=given.timeout_seconds)
    return [PublishGit(_folder(given.root), git)]


def _read(settings: Settings) -> _GitSettings:
    try:
        given = msgspec.convert(dict(settings), _GitSettings)
    except msgspec.ValidationError as error:
        raise SettingsError(
            "The settings of the plugin git are wrong.",
            why=str(error),
            next="It takes root and mirrors (paths), roots (a list of paths), repository_bytes "
            "and timeout_seconds.",
        ) from None
    if not 0 < given.timeout_seconds <= 3600:
        raise SettingsError("timeout_seconds of the plugin git must be between 0 and 3600.")
    if not 0 < given.repository_bytes < 2**60:
        raise SettingsError("repository_bytes of the plugin git must be greater than 0.")
    return given


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_absolute() or ".." in path.parts or "\0" in text:
        raise SettingsError(
            f"{text!r} is not a folder that the plugin git can use.",
            next="Write an absolute path without '..'.",
        )
    return path
