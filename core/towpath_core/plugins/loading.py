"""One plugin from candidate to hooks: import, spec version, registration with pluggy.

Each plugin has a pluggy manager of its own, so that what one registers can neither stop nor
change another. Runs in the plugin's lane; knows nothing of what hooks return.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Callable

import msgspec
import pluggy

from towpath_core.hookspecs import SPEC_CLASSES, SPEC_VERSION
from towpath_core.plugins.discovery import Candidate
from towpath_core.plugins.model import PluginState
from towpath_core.plugins.rules import HOOK_RULES
from towpath_core.plugins.words import line_of, nearest, shown

__all__ = ("Implementation", "Loaded", "NotLoaded", "load")


class NotLoaded(Exception):
    """A plugin that is not used, with its state and why."""

    def __init__(self, state: PluginState, why: str) -> None:
        super().__init__(why)
        self.state = state
        self.why = why


class Implementation(msgspec.Struct, frozen=True, eq=False):
    """One function of a plugin that implements a hook, and the arguments it wants."""

    hook: str
    function: Callable[..., object]
    arguments: tuple[str, ...]


class Loaded(msgspec.Struct, frozen=True, eq=False):
    """What a plugin turned out to hold: the spec version it states and its implementations."""

    spec: int | None
    implementations: tuple[Implementation, ...]


def load(candidate: Candidate) -> Loaded:
    """Import a plugin and read its hooks, in the order of the specs.

    Raises:
        NotLoaded: it is `unavailable`, `incompatible`, or misuses a hook (`failed`).
        BaseException: whatever its import raises.
    """
    plugin = _import(candidate)
    if plugin is None:
        raise NotLoaded("failed", "its entry point names None")
    spec = _stated_spec(plugin, candidate.entry_point)
    found = _register(candidate.name, plugin)
    if not found:
        raise NotLoaded("failed", "it implements no hook" + _unmarked(plugin))
    order = list(HOOK_RULES)
    return Loaded(spec, tuple(sorted(found, key=lambda i: order.index(i.hook))))


def _import(candidate: Candidate) -> object:
    entry_point = candidate.entry_point
    if entry_point is None:
        return candidate.plugin
    try:
        return entry_point.load()
    except ImportError as error:
        # The plugin's own modules and the core come with the distribution: no extra brings them.
        missing = (error.name or "").partition(".")[0]
        own = entry_point.module.partition(".")[0]
        if candidate.extras and missing not in (own, "towpath_core"):
            why = f"needs {candidate.extras}"
            detail = f" (no module named {missing!r})" if missing else ""
            raise NotLoaded("unavailable", line_of(why + detail)) from None
        raise


def _stated_spec(plugin: object, entry_point: importlib.metadata.EntryPoint | None) -> int | None:
    spec = getattr(plugin, "TOWPATH_SPEC", None)
    if spec is None and entry_point is not None:
        spec = getattr(sys.modules.get(entry_point.module), "TOWPATH_SPEC", None)
    if spec is None:
        return None
    if type(spec) is not int or spec != SPEC_VERSION:
        needed = str(spec) if type(spec) is int else shown(spec)
        raise NotLoaded("incompatible", f"needs spec {needed}; this platform has {SPEC_VERSION}")
    return spec


def _register(name: str, plugin: object) -> list[Implementation]:
    manager = pluggy.PluginManager("towpath")
    for specs in SPEC_CLASSES:
        manager.add_hookspecs(specs)
    try:
        manager.register(plugin, name)
    except pluggy.PluginValidationError as error:
        raise NotLoaded("failed", _readable(str(error), manager)) from None
    found = []
    for caller in manager.get_hookcallers(plugin) or ():
        for impl in caller.get_hookimpls():
            if not caller.has_spec():
                if impl.optionalhook:
                    continue
                hint = nearest(caller.name, list(HOOK_RULES))
                raise NotLoaded("failed", f"there is no hook {shown(caller.name)}{hint}")
            if impl.wrapper or impl.hookwrapper:
                why = f"{caller.name} is a wrapper; each implementation is called alone"
                raise NotLoaded("failed", why)
            # pluggy leaves out arguments with a default; here `settings=None` gets the settings.
            wanted = (*impl.argnames, *impl.kwargnames)
            found.append(Implementation(caller.name, impl.function, wanted))
    return found


def _readable(message: str, manager: pluggy.PluginManager) -> str:
    """Say pluggy's message about an argument in one line."""
    hook = re.search(r"for hook '(\w+)'", message)
    unknown = re.search(r"Argument\(s\) \{(.*?)\}", message)
    if hook is None or unknown is None:
        return line_of(message)
    names = ", ".join(sorted(re.findall(r"\w+", unknown[1])))
    spec = getattr(manager.hook, hook[1]).spec
    return line_of(f"{hook[1]} has no argument {names}; it has: {', '.join(spec.argnames)}")


def _unmarked(plugin: object) -> str:
    names = [hook for hook in HOOK_RULES if callable(getattr(plugin, hook, None))]
    return f"; {names[0]} lacks the decorator @hookimpl" if names else ""
