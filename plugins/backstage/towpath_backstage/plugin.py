"""What the Backstage plugin offers to the platform: hooks only, no work.

Settings, `[plugins.backstage]`:
    roots: folders that descriptors may be read from, as absolute paths; none by default.
    yaml: budgets of one descriptor file, by the names of `YamlLimits`.
    kinds: files, or folders of files, that declare more kinds, as absolute paths.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from towpath_backstage.descriptors import YamlDescriptors
from towpath_backstage.folder import FolderSource
from towpath_backstage.kinds import KINDS
from towpath_backstage.yaml import YamlLimits
from towpath_core import hookimpl
from towpath_core.catalog import CatalogSource, DescriptorFormat, EntityKind
from towpath_core.errors import SettingsError
from towpath_core.hookspecs import Settings
from towpath_core.scaffolding import Action, TemplateLanguage

__all__ = (
    "TOWPATH_SPEC",
    "towpath_actions",
    "towpath_catalog_sources",
    "towpath_descriptor_formats",
    "towpath_entity_kinds",
    "towpath_template_languages",
)

TOWPATH_SPEC = 1


class _CatalogSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    roots: tuple[str, ...] = ()
    yaml: YamlLimits = YamlLimits()
    kinds: tuple[str, ...] = ()


def _catalog(settings: Settings) -> _CatalogSettings:
    try:
        return msgspec.convert(dict(settings), _CatalogSettings)
    except msgspec.ValidationError as error:
        raise SettingsError(
            "A setting in [plugins.backstage] is wrong.",
            why=str(error),
            next='Write it like this: roots = ["/srv/catalog"], yaml = { bytes = 5000000 }.',
        ) from None


@hookimpl
def towpath_catalog_sources(settings: Settings) -> Iterable[CatalogSource]:
    """Offer the folders of this machine, below the configured roots."""
    return [FolderSource(_catalog(settings).roots)]


@hookimpl
def towpath_descriptor_formats(settings: Settings) -> Iterable[DescriptorFormat]:
    """Offer YAML, which JSON is too."""
    return [YamlDescriptors(_catalog(settings).yaml)]


@hookimpl
def towpath_entity_kinds(settings: Settings) -> Iterable[EntityKind]:
    """Offer the kinds that Backstage ships, and those that the operator's files declare."""
    paths = _catalog(settings).kinds
    if not paths:
        return KINDS
    # Imported when asked: most platforms need no JSON Schema of their own.
    from towpath_backstage.kinds.data import kinds_from

    return [*KINDS, *kinds_from(paths)]


@hookimpl
def towpath_template_languages() -> Iterable[TemplateLanguage]:
    """Offer the language of Backstage's templates."""
    # Imported when asked: a process that only reads a catalog need not load a template engine.
    from towpath_backstage.language import Nunjucks

    return [Nunjucks()]


@hookimpl
def towpath_actions() -> Iterable[Action]:
    """Offer the actions that templates call: files, catalog, debug."""
    from towpath_backstage.actions import all_actions

    return all_actions()
