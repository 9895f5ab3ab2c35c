"""The plugin host: what the rest of the platform holds of its plugins.

Owns the calls of plugin objects and the listing. See the package for what it holds back.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint
from types import TracebackType
from typing import Any, Self

from towpath_core.errors import LimitExceeded, PluginError
from towpath_core.plugins.calling import Guard, Trace
from towpath_core.plugins.checks import TooMany, WrongType
from towpath_core.plugins.collecting import go_through
from towpath_core.plugins.discovery import Candidate, discover
from towpath_core.plugins.lanes import is_coroutine
from towpath_core.plugins.model import (
    Contribution,
    Contributions,
    PluginCall,
    PluginConfig,
    PluginInfo,
)
from towpath_core.plugins.starting import Plugin, start
from towpath_core.plugins.words import line_of, shown

__all__ = ("PluginHost",)

Method = str | Callable[..., object]
Types = type | tuple[type, ...]


class PluginHost:
    """The plugins of one platform. Make one with `load`; close it, or use it in `with`.

    Safe from any thread. Has no state of the process: two hosts do not know each other, but
    share imported modules.

    Attributes:
        contributions: what the active plugins offer; does not change.
    """

    contributions: Contributions

    def __init__(self, config: PluginConfig, candidates: Iterable[Candidate]) -> None:
        self._config = config
        self._trace = Trace(config.trace_size)
        self._plugins, self.contributions = start(config, candidates, self._trace)

    @classmethod
    def load(
        cls,
        config: PluginConfig | None = None,
        *,
        entry_points: Iterable[EntryPoint] | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> Self:
        """Find, import and ask all plugins; comes back when each answered or missed a deadline.

        A plugin that fails is listed with why, and nothing it offers is used; the others go on.

        Args:
            config: what the operator says; without it all installed plugins load.
            entry_points: instead of those of the installed distributions in `towpath.plugins`.
            extra: plugin objects of this process by name, for tests and embedding. They load
                whatever `config.only` says.

        Raises:
            SettingsError: two distributions have a plugin of one name, or two plugins offer one
                key; names both. Deterministic: it does not depend on the order of installing.
            PluginError: `config.strict`, and a plugin failed or is incompatible.
        """
        return cls(config or PluginConfig(), discover(entry_points, extra))

    async def call(
        self,
        contribution: Contribution[Any],
        method: Method,
        *args: object,
        seconds: float | None = None,
        collect: int | None = None,
        returns: Types | None = None,
        **kwargs: object,
    ) -> Any:
        """Call a method of a plugin's object without holding up the event loop.

        The method runs in a thread of the plugin, with the caller's context variables; one that
        gives a coroutine has it awaited in the event loop, which it must not block. Cancelling
        the caller stops the waiting; what runs in a thread goes on, its result is lost.

        Args:
            contribution: whose method.
            method: its name; or a function of the caller's, which gets the object as its first
                argument, to make many calls of the object in one guarded call.
            args: passed on.
            seconds: deadline from now; without it `call_seconds` of the configuration.
            collect: go through an iterable result in the thread, within the deadline, and give a
                list of at most so many items.
            returns: what the result must be an instance of; with `collect` each item.
            kwargs: passed on.

        Raises:
            TowpathError: the plugin's own, unchanged.
            LimitExceeded: there are more than `collect` items.
            Unavailable: no thread of the plugin was free, or the host is closed.
            PluginError: it raised anything else (SystemExit too), answered with the wrong type,
                or did not answer in time.
        """
        guard, limit = self._guard(contribution), self._seconds(seconds)
        name = _name(contribution, method)

        def then(result: object) -> object:
            return _shaped(name, result, collect, returns)

        def work() -> object:
            result = _bound(contribution, method)(*args, **kwargs)
            return result if is_coroutine(result) else then(result)

        return guard.value_of(name, await guard.ask_async(name, work, then, limit), limit)

    def call_sync(
        self,
        contribution: Contribution[Any],
        method: Method,
        *args: object,
        seconds: float | None = None,
        collect: int | None = None,
        returns: Types | None = None,
        **kwargs: object,
    ) -> Any:
        """Do what `call` does, and block until the answer. A coroutine runs in the thread."""
        guard, limit = self._guard(contribution), self._seconds(seconds)
        name = _name(contribution, method)

        def work() -> object:
            result = _bound(contribution, method)(*args, **kwargs)
            if is_coroutine(result):
                result = asyncio.run(result)
            return _shaped(name, result, collect, returns)

        return guard.value_of(name, guard.ask(name, work, limit), limit)

    def describe(self) -> tuple[PluginInfo, ...]:
        """List all plugins, also those that are not in use, ordered by name."""
        return tuple(self._info(plugin) for plugin in self._plugins.values())

    def trace(self) -> tuple[PluginCall, ...]:
        """The last `trace_size` calls of plugin code, in the order they ended."""
        return self._trace.calls()

    def close(self) -> None:
        """Take no more calls and let idle threads end. Waits for nobody; harmless to repeat."""
        for plugin in self._plugins.values():
            plugin.lane.close()

    def __enter__(self) -> Self:
        """Give the host itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def _guard(self, contribution: Contribution[Any]) -> Guard:
        plugin = self._plugins.get(contribution.plugin)
        if plugin is None:
            raise PluginError(f"This host has no plugin {contribution.plugin}.")
        return plugin.guard

    def _seconds(self, seconds: float | None) -> float:
        return self._config.call_seconds if seconds is None else seconds

    def _info(self, plugin: Plugin) -> PluginInfo:
        candidate, loaded = plugin.candidate, plugin.loaded
        summary, homepage = plugin.about
        return PluginInfo(
            name=line_of(candidate.name, 100),
            distribution=candidate.distribution,
            version=candidate.version,
            state=plugin.state,
            why=plugin.why,
            hooks=tuple(sorted({i.hook for i in loaded.implementations})) if loaded else (),
            contributions={hook: len(items) for hook, items in plugin.offered.items() if items},
            failures=self._trace.failures(candidate.name),
            spec=loaded.spec if loaded else None,
            summary=summary,
            homepage=homepage,
        )


def _name(contribution: Contribution[Any], method: Method) -> str:
    called = method if isinstance(method, str) else getattr(method, "__name__", "(function)")
    return f"{contribution.name}.{called}"


def _bound(contribution: Contribution[Any], method: Method) -> Callable[..., object]:
    if isinstance(method, str):
        found: Callable[..., object] = getattr(contribution.value, method)
        return found
    return functools.partial(method, contribution.value)


def _shaped(name: str, result: object, collect: int | None, returns: Types | None) -> object:
    """Check a result in the plugin's thread, where going through it may run foreign code."""

    def checked(item: object) -> object:
        if returns is not None and not isinstance(item, returns):
            raise WrongType(f"returned {shown(item)}")
        return item

    if collect is None:
        return checked(result)
    try:
        return go_through(result, collect, "results", checked)
    except TooMany:
        raise LimitExceeded(f"{name} gave more than {collect} results.") from None
