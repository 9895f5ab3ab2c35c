"""Start-up: every plugin imported, asked and, where it is at fault, left out.

Owns the order of these steps and the state each plugin ends in. One plugin's failure never stops
another; only a contradiction between plugins, or `strict`, stops the platform.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from towpath_core.errors import PluginError, Problem
from towpath_core.plugins.calling import Guard, Trace
from towpath_core.plugins.checks import KEBAB
from towpath_core.plugins.collecting import (
    Share,
    assemble,
    consume,
    freeze,
    missing_provisioner,
    repeated,
)
from towpath_core.plugins.discovery import Candidate, about
from towpath_core.plugins.lanes import Lane
from towpath_core.plugins.loading import Implementation, Loaded, NotLoaded, load
from towpath_core.plugins.model import Contributions, PluginConfig, PluginState
from towpath_core.plugins.rules import Offered
from towpath_core.plugins.words import line_of, mask_for, nearest, shown

__all__ = ("Plugin", "start")


class Plugin:
    """One plugin during the life of its host."""

    def __init__(self, candidate: Candidate, config: PluginConfig, trace: Trace) -> None:
        settings = config.settings.get(candidate.name, {})
        self.candidate = candidate
        self.settings: Any = freeze(settings)
        self.lane = Lane(candidate.name, config.threads)
        self.guard = Guard(candidate.name, candidate.origin, self.lane, mask_for(settings), trace)
        self.state: PluginState = "active"
        self.why: str | None = None
        self.loaded: Loaded | None = None
        self.offered: dict[str, tuple[Offered, ...]] = {}

    @functools.cached_property
    def about(self) -> tuple[str | None, str | None]:
        """Summary and homepage; read when first asked for, because that takes a millisecond."""
        return about(self.candidate)

    def stop(self, state: PluginState, why: str) -> None:
        """Take it out of use, with all that it offers and its threads."""
        self.state, self.why, self.offered = state, line_of(self.guard.mask(why)), {}
        self.lane.close()


def start(
    config: PluginConfig, candidates: Iterable[Candidate], trace: Trace
) -> tuple[dict[str, Plugin], Contributions]:
    """Bring up all plugins, in order of name.

    Raises:
        SettingsError: two plugins offer one key.
        PluginError: `strict`, and a plugin failed or is incompatible; the problems name each.
    """
    found = list(candidates)
    every = [Plugin(c, config, trace) for c in [*found, *_absent(config, found)]]
    plugins = {plugin.candidate.name: plugin for plugin in sorted(every, key=_name)}
    try:
        for plugin in plugins.values():
            if _admit(plugin, config):
                _load(plugin, config)
        for plugin in plugins.values():
            _collect(plugin, config)
        while missing := missing_provisioner(_shares(plugins)):
            plugins[missing[0]].stop("failed", missing[1])
        if config.strict:
            _refuse_failures(plugins)
        return plugins, assemble(_shares(plugins))
    except BaseException:
        for plugin in plugins.values():
            plugin.lane.close()
        raise


def _name(plugin: Plugin) -> str:
    return plugin.candidate.name


def _absent(config: PluginConfig, found: list[Candidate]) -> list[Candidate]:
    """Plugins that the configuration names and nobody brings: shown, so that typing errors are."""
    names = [candidate.name for candidate in found]
    named = {*(config.only or ()), *config.disabled, *config.settings} - set(names)
    return [
        Candidate(
            name=name,
            distribution="not installed",
            fault=f"the settings name it, and no distribution brings it{nearest(name, names)}",
        )
        for name in named
    ]


def _admit(plugin: Plugin, config: PluginConfig) -> bool:
    """Whether the plugin is to be loaded; where not, its state says why."""
    candidate = plugin.candidate
    installed = candidate.entry_point is not None
    if candidate.fault:
        state: PluginState = "disabled" if candidate.name in config.disabled else "failed"
        plugin.stop(state, candidate.fault)
    elif candidate.name in config.disabled:
        plugin.stop("disabled", "switched off in the settings")
    elif installed and config.only is not None and candidate.name not in config.only:
        plugin.stop("disabled", "not among the plugins that the settings list (TOWPATH_PLUGINS)")
    elif not KEBAB.fullmatch(candidate.name):
        plugin.stop("failed", f"its name {shown(candidate.name)} is not lower-case kebab-case")
    return plugin.state == "active"


def _load(plugin: Plugin, config: PluginConfig) -> None:
    candidate = plugin.candidate
    answer = plugin.guard.ask("import", lambda: load(candidate), config.load_seconds)
    if isinstance(answer.value, Loaded):
        plugin.loaded = answer.value
    elif type(error := answer.error) is NotLoaded:  # `isinstance` would ask a foreign `__class__`
        plugin.stop(error.state, error.why)
    elif answer.outcome == "timeout":
        # The thread goes on and holds the import locks of the modules it is at: whoever else
        # imports these waits too, and runs into the same deadline.
        plugin.stop("failed", f"its import did not end within {config.load_seconds:g} s")
    else:
        plugin.stop("failed", answer.detail or answer.outcome)


def _collect(plugin: Plugin, config: PluginConfig) -> None:
    offered: dict[str, tuple[Offered, ...]] = {}
    for implementation in plugin.loaded.implementations if plugin.loaded else ():
        items = _ask(plugin, implementation, config)
        if items is None:
            return
        offered[implementation.hook] = offered.get(implementation.hook, ()) + items
    plugin.offered = offered
    if twice := repeated(offered):
        plugin.stop("failed", twice)


def _ask(
    plugin: Plugin, implementation: Implementation, config: PluginConfig
) -> tuple[Offered, ...] | None:
    def work() -> object:
        return consume(implementation, plugin.settings, config.max_items)

    answer = plugin.guard.ask(implementation.hook, work, config.call_seconds)
    if isinstance(answer.value, tuple):
        return answer.value
    plugin.stop("failed", f"{implementation.hook}: {answer.detail}")
    return None


def _shares(plugins: dict[str, Plugin]) -> list[Share]:
    return [
        Share(name, plugin.candidate.origin, plugin.offered) for name, plugin in plugins.items()
    ]


def _refuse_failures(plugins: dict[str, Plugin]) -> None:
    failed = [p for p in plugins.values() if p.state in ("failed", "incompatible")]
    problems = [
        Problem(f"plugin-{p.state}", f"{p.candidate.name} ({p.candidate.origin}): {p.why}")
        for p in failed
    ]
    if problems:
        raise PluginError(
            f"Start-up stopped, because plugins must all work: {problems[0].message}.",
            next="Repair or disable them, or switch strict off.",
            problems=problems,
        )
