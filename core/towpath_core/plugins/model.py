"""What the host takes and what it shows: configuration, contributions, listing and trace.

Data only; knows nothing of how plugins are found or called.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Generic, Literal, TypeVar

import msgspec

from towpath_core.catalog import CatalogSource, DescriptorFormat, EntityKind
from towpath_core.errors import SettingsError
from towpath_core.policy import Policy
from towpath_core.provisioning import Offering, Provisioner
from towpath_core.runs import RunKind
from towpath_core.scaffolding import Action, TemplateLanguage

__all__ = (
    "Contribution",
    "Contributions",
    "PluginCall",
    "PluginConfig",
    "PluginInfo",
    "PluginState",
)

T = TypeVar("T")

PluginState = Literal["active", "disabled", "failed", "incompatible", "unavailable"]
"""`incompatible` states another spec version, `unavailable` lacks what an extra would install."""

CallOutcome = Literal["ok", "refused", "suspended", "error", "timeout", "wrong-type", "busy"]
"""`refused` is an error of `towpath_core.errors`, `suspended` a run that waits: regular answers."""


class PluginConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may say about plugins. Shows no setting in its repr.

    Attributes:
        only: names of the installed plugins to load; None loads all, empty loads none.
        disabled: names of plugins that stay off, whatever `only` says.
        settings: one table a plugin, by its name. A plugin sees its own alone.
        load_seconds: deadline of one plugin's import.
        call_seconds: deadline of one hook, and of a call that states none.
        strict: refuse to start where a plugin failed or is incompatible.
        threads: how many calls one plugin may have open; more wait, then are refused as busy.
        max_items: how many objects one hook may return.
        trace_size: how many calls `PluginHost.trace` remembers.
    """

    only: tuple[str, ...] | None = None
    disabled: frozenset[str] = frozenset()
    settings: Mapping[str, Mapping[str, Any]] = {}
    load_seconds: float = 30.0
    call_seconds: float = 15.0
    strict: bool = False
    threads: int = 32
    max_items: int = 1000
    trace_size: int = 1000

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> PluginConfig:
        """Read `TOWPATH_PLUGINS`: unset loads all, `a,b` these only, empty none."""
        text = environ.get("TOWPATH_PLUGINS")
        if text is None:
            return cls()
        return cls(only=tuple(name for part in text.split(",") if (name := part.strip())))

    def __post_init__(self) -> None:
        """Refuse numbers that are not positive and settings that are not tables.

        Raises:
            SettingsError: says which one.
        """
        for field in ("load_seconds", "call_seconds", "threads", "max_items", "trace_size"):
            if not getattr(self, field) > 0:
                raise SettingsError(f"The plugin setting {field} must be greater than 0.")
        for name, table in self.settings.items():
            if not isinstance(table, Mapping):
                raise SettingsError(f"The settings of the plugin {name!r} must be a table.")

    def __repr__(self) -> str:
        """Name the plugins that have settings without showing these."""
        shown = f"only={self.only!r}, disabled={sorted(self.disabled)!r}, strict={self.strict!r}"
        return f"PluginConfig({shown}, settings of {sorted(self.settings)!r})"


class Contribution(msgspec.Struct, Generic[T], frozen=True, eq=False):
    """One object that a plugin offers, with where it comes from. Equal only to itself.

    Attributes:
        plugin: name of the plugin.
        distribution: the plugin's distribution and version, for messages: `acme-tools 1.2`.
        name: the object's name or id as it was at start-up.
        value: the object. Call it through the host, which guards the call.
    """

    plugin: str
    distribution: str
    name: str
    value: T

    def __repr__(self) -> str:
        """Say what it is and whose; the object itself is foreign and may hold secrets."""
        return f"Contribution({self.name!r} of {self.plugin} ({self.distribution}))"


class Contributions(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """All that the active plugins offer; read-only, each mapping ordered by its key.

    Attributes:
        catalog_sources: by name.
        descriptor_formats: by file suffix; a format stands under each of its own.
        entity_kinds: by lower-case kind and apiVersion; a kind stands under each of its own.
        template_languages: by template apiVersion; a language stands under each of its own.
        actions: by id.
        offerings: by name. The values are the host's own deep copies.
        provisioners: by name.
        run_kinds: by name.
        policies: by name, which is the order they are asked in.
    """

    catalog_sources: Mapping[str, Contribution[CatalogSource]]
    descriptor_formats: Mapping[str, Contribution[DescriptorFormat]]
    entity_kinds: Mapping[tuple[str, str], Contribution[EntityKind]]
    template_languages: Mapping[str, Contribution[TemplateLanguage]]
    actions: Mapping[str, Contribution[Action]]
    offerings: Mapping[str, Contribution[Offering]]
    provisioners: Mapping[str, Contribution[Provisioner]]
    run_kinds: Mapping[str, Contribution[RunKind]]
    policies: Mapping[str, Contribution[Policy]]


class PluginInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin as it is listed.

    Attributes:
        name: name of its entry point.
        distribution: who brought it; `in process` for one that was passed in.
        version: the distribution's version, where it is known.
        state: whether it works.
        why: why it does not; None for an active one. One line, without secrets of its settings.
        hooks: the hooks it implements, sorted; empty where it was not loaded.
        contributions: number of objects in use by hook, without the hooks that gave none.
        failures: calls since the start that broke the contract (not those it refused).
        spec: the spec version it states; None where it states none or was not loaded.
        summary: one line of its metadata.
        homepage: http(s) address of its metadata.
    """

    name: str
    distribution: str
    version: str | None
    state: PluginState
    why: str | None = None
    hooks: tuple[str, ...] = ()
    contributions: dict[str, int] = {}
    failures: int = 0
    spec: int | None = None
    summary: str | None = None
    homepage: str | None = None


class PluginCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call of plugin code, as it went.

    Attributes:
        at: when it began, in seconds since 1970 (UTC).
        plugin: name of the plugin.
        call: `import`, a hook, or `<contribution>.<method>`.
        milliseconds: until the answer, or until the host stopped waiting.
        outcome: how it ended.
        detail: what went wrong, in one line; None for `ok`.
    """

    at: float
    plugin: str
    call: str
    milliseconds: float
    outcome: CallOutcome
    detail: str | None = None
