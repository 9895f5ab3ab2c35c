"""What a plugin may be asked: one class of hook specs a field.

Hooks declare, objects work: a hook returns typed objects and does no I/O; the platform calls the
objects later, each call with a deadline. A hook may take fewer arguments than its spec.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pluggy

from towpath_core.catalog import CatalogSource, DescriptorFormat, EntityKind
from towpath_core.policy import Policy
from towpath_core.provisioning import Offering, Provisioner
from towpath_core.runs import RunKind
from towpath_core.scaffolding import Action, TemplateLanguage

__all__ = (
    "SPEC_CLASSES",
    "SPEC_VERSION",
    "CatalogSpecs",
    "PolicySpecs",
    "ProvisioningSpecs",
    "RunSpecs",
    "ScaffoldingSpecs",
    "Settings",
    "hookimpl",
    "hookspec",
)

SPEC_VERSION = 1
"""Version of the hook specs. A plugin module may state `TOWPATH_SPEC = 1`; others are refused."""

Settings = Mapping[str, Any]
"""A plugin's own table of the configuration, `[plugins.<name>]`; empty when there is none."""

hookspec = pluggy.HookspecMarker("towpath")
hookimpl = pluggy.HookimplMarker("towpath")


class CatalogSpecs:
    """Where the things we own are listed."""

    @hookspec
    def towpath_catalog_sources(self, settings: Settings) -> Iterable[CatalogSource]:
        """Offer places that descriptor files are read from.

        Called once at start-up, before the gateway listens.

        Args:
            settings: this plugin's own table of the configuration; empty when it has none.

        Returns:
            Sources. Each `name` is unique among all plugins: a clash stops start-up and names
            both distributions. Where two claim one target, the first by name reads it.

        Raises:
            SettingsError: a setting is missing or wrong. Say which, and what would be right.

        Example:
            >>> @hookimpl
            ... def towpath_catalog_sources(settings):
            ...     yield FolderSource(roots=settings.get("roots", []))

        New in spec 1.
        """
        return ()

    @hookspec
    def towpath_descriptor_formats(self, settings: Settings) -> Iterable[DescriptorFormat]:
        """Offer file formats that entities are written in.

        Returns:
            Formats. Two for one file suffix stop start-up.

        Example:
            >>> @hookimpl
            ... def towpath_descriptor_formats():
            ...     return [YamlDescriptors()]

        New in spec 1.
        """
        return ()

    @hookspec
    def towpath_entity_kinds(self, settings: Settings) -> Iterable[EntityKind]:
        """Offer kinds of entities, with their rules and relations.

        Returns:
            Kinds. Two that take one kind and apiVersion stop start-up.

        Example:
            >>> @hookimpl
            ... def towpath_entity_kinds():
            ...     return [MlModel()]

        New in spec 1.
        """
        return ()


class ScaffoldingSpecs:
    """How golden paths are written and what their steps can do."""

    @hookspec
    def towpath_template_languages(self, settings: Settings) -> Iterable[TemplateLanguage]:
        """Offer languages that templates are rendered by.

        Returns:
            Languages. Two for one template apiVersion stop start-up.

        Example:
            >>> @hookimpl
            ... def towpath_template_languages():
            ...     return [Nunjucks()]

        New in spec 1.
        """
        return ()

    @hookspec
    def towpath_actions(self, settings: Settings) -> Iterable[Action]:
        """Offer typed steps that templates call.

        Returns:
            Actions. Each `id` is unique among all plugins.

        Example:
            >>> @hookimpl
            ... def towpath_actions(settings):
            ...     return [PublishGit(root=settings["root"])]

        New in spec 1.
        """
        return ()


class ProvisioningSpecs:
    """What can be asked for, and which backends make it."""

    @hookspec
    def towpath_offerings(self, settings: Settings) -> Iterable[Offering]:
        """Offer things that developers can ask for.

        Returns:
            Offerings. Each `name` is unique; each names a provisioner that some plugin offers.

        Example:
            >>> @hookimpl
            ... def towpath_offerings():
            ...     return [SQLITE_DATABASE]

        New in spec 1.
        """
        return ()

    @hookspec
    def towpath_provisioners(self, settings: Settings) -> Iterable[Provisioner]:
        """Offer backends that make, read and remove resources.

        Returns:
            Provisioners. Each `name` is unique among all plugins. Powers beyond the required
            ones (`Bindable`) are found by their methods.

        Example:
            >>> @hookimpl
            ... def towpath_provisioners(settings):
            ...     return [SqliteProvisioner(folder=settings["folder"])]

        New in spec 1.
        """
        return ()


class RunSpecs:
    """What else can be done that takes time."""

    @hookspec
    def towpath_run_kinds(self, settings: Settings) -> Iterable[RunKind]:
        """Offer kinds of run: discovery, day-2 actions, clean-ups.

        Returns:
            Kinds. Each `name` is unique among all plugins and none of the platform's own, which
            are scaffold, provision, delete, bind, unbind and undo. The power to take effects
            back (`Undoable`) is found by its method.

        Example:
            >>> @hookimpl
            ... def towpath_run_kinds(settings):
            ...     return [RotateCertificates(settings["authority"])]

        New in spec 1.
        """
        return ()


class PolicySpecs:
    """What is allowed."""

    @hookspec
    def towpath_policies(self, settings: Settings) -> Iterable[Policy]:
        """Offer rule sets that narrow what principals may do.

        Returns:
            Policies. All are asked, in order of name; one Deny is enough.

        Example:
            >>> @hookimpl
            ... def towpath_policies(settings):
            ...     return [OfficeHours(settings)]

        New in spec 1.
        """
        return ()


SPEC_CLASSES: tuple[type, ...] = (
    CatalogSpecs,
    ScaffoldingSpecs,
    ProvisioningSpecs,
    RunSpecs,
    PolicySpecs,
)
