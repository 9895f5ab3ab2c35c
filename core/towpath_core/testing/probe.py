"""Load one plugin in a process of its own and tell what it did.

A plugin that hangs, exits, prints or reaches out while it is loaded does so there and not in
the vendor's test run. It must not know pytest, nor judge: contracts do.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from itertools import islice
from types import MappingProxyType
from typing import Any

import msgspec
import pluggy

from towpath_core.errors import SettingsError, TowpathError
from towpath_core.hookspecs import SPEC_CLASSES
from towpath_core.plugins import PluginConfig, PluginHost
from towpath_core.testing.offers import Offer, inspect_offer
from towpath_core.testing.quiet import forbid_io

__all__ = ("PROBE_SECONDS", "HookCall", "Probe", "probe_plugin")

GROUP = "towpath.plugins"
PROBE_SECONDS = 60.0
"""How long a plugin may take to load and to answer all hooks, three times."""

_MOST_OFFERS = 10_000
_BOOT = "from towpath_core.testing.probe import main; main()"


class HookCall(msgspec.Struct, frozen=True):
    """One hook that was called: what it gave, what it raised, what it tried on the way."""

    hook: str
    offers: tuple[Offer, ...] = ()
    error: str = ""
    settings_error: bool = False
    io: tuple[str, ...] = ()


class Probe(msgspec.Struct):
    """What was seen of a plugin.

    Attributes:
        candidates: distributions that have an entry point of the name.
        distribution: metadata fields of the one that was loaded; empty when none was.
        failure: why it could not be loaded, or why its hooks cannot be called.
        import_seconds: processor time of the import, without the core's own.
        spec: what `TOWPATH_SPEC` says, as it was written.
        calls: each hook called with the given settings.
        bare_calls: each hook called with empty settings.
        refusal: why the platform's own host does not list it as active; empty when it does.
    """

    candidates: list[str] = msgspec.field(default_factory=list)
    distribution: dict[str, list[str]] = msgspec.field(default_factory=dict)
    failure: str = ""
    import_seconds: float = 0.0
    spec: int | str | None = None
    calls: list[HookCall] = msgspec.field(default_factory=list)
    bare_calls: list[HookCall] = msgspec.field(default_factory=list)
    refusal: str = ""


class _Order(msgspec.Struct):
    path: list[str]
    entry_point: str
    settings: dict[str, Any]


def probe_plugin(entry_point: str, settings: Mapping[str, Any]) -> Probe:
    """Load the plugin of an entry point in a new process and call its hooks.

    Args:
        entry_point: its name in the group `towpath.plugins`.
        settings: its table of the configuration; JSON or TOML values.

    Returns:
        What was seen. A plugin that ends or outlives the process is a `failure`, not an error.
    """
    order = msgspec.json.encode(_Order(sys.path, entry_point, dict(settings)))
    try:
        done = subprocess.run(
            [sys.executable, "-B", "-c", _BOOT],
            input=order,
            capture_output=True,
            timeout=PROBE_SECONDS,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    except subprocess.TimeoutExpired:
        return Probe(failure=f"it did not come back within {PROBE_SECONDS:g} seconds")
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return Probe(failure=f"its process ended with {done.returncode}: {' '.join(last)}")
    try:
        return msgspec.json.decode(done.stdout, type=Probe)
    except msgspec.DecodeError:
        return Probe(failure="its process ended without an answer")


def main() -> None:
    """Read an order from standard input and write what was seen to standard output."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=_Order)
    answer = os.dup(1)
    os.dup2(2, 1)  # what a plugin prints must not mix with the answer
    sys.path[:] = order.path
    seen = _probe(order.entry_point, order.settings)
    with os.fdopen(answer, "wb") as pipe:
        pipe.write(msgspec.json.encode(seen))
        pipe.flush()
    os._exit(0)  # threads and exit handlers of the plugin have no say in how long this takes


def _probe(name: str, settings: Mapping[str, Any]) -> Probe:
    seen = Probe()
    found = list(entry_points(group=GROUP, name=name))
    seen.candidates = sorted(point.dist.name if point.dist else "?" for point in found)
    if len(found) != 1:
        return seen
    if found[0].dist:
        fields = found[0].dist.metadata
        seen.distribution = {key: [str(one) for one in fields.get_all(key, [])] for key in fields}
    try:
        hooks = _load(found[0], seen)
        seen.calls = [_call(hook, implementation, settings) for hook, implementation in hooks]
        seen.bare_calls = [_call(hook, implementation, {}) for hook, implementation in hooks]
        seen.refusal = _refusal(found[0], settings, seen.calls)
    except BaseException as error:  # SystemExit too: whatever a plugin raises is a finding
        seen.failure = _shown(error)
    return seen


def _load(point: EntryPoint, seen: Probe) -> list[tuple[str, pluggy.HookImpl]]:
    started = time.process_time()
    plugin = point.load()
    seen.import_seconds = time.process_time() - started
    spec = getattr(plugin, "TOWPATH_SPEC", None)
    seen.spec = spec if isinstance(spec, (int, str)) or spec is None else repr(spec)
    host = pluggy.PluginManager("towpath")
    for specs in SPEC_CLASSES:
        host.add_hookspecs(specs)
    host.register(plugin, name=point.name)
    host.check_pending()
    return [
        (caller.name, implementation)
        for caller in host.get_hookcallers(plugin) or ()
        for implementation in caller.get_hookimpls()
    ]


def _call(hook: str, implementation: pluggy.HookImpl, settings: Mapping[str, Any]) -> HookCall:
    frozen = MappingProxyType(dict(settings))
    offers: tuple[Offer, ...] = ()
    error: BaseException | None = None
    with forbid_io() as attempts:
        try:
            # A hook that gives no iterable fails here, with Python's own words for it.
            returned: Any = implementation.function(*(frozen for _ in implementation.argnames))
            objects = list(islice(returned, _MOST_OFFERS))
        except BaseException as raised:  # as above
            error = raised
    if error is None:
        offers = tuple(inspect_offer(hook, one) for one in objects)
    return HookCall(
        hook,
        offers,
        error="" if error is None else _shown(error),
        settings_error=isinstance(error, SettingsError),
        io=tuple(attempts),
    )


def _refusal(point: EntryPoint, settings: Mapping[str, Any], calls: list[HookCall]) -> str:
    offers = [offer for call in calls for offer in call.offers]
    own = {offer.name for offer in offers if offer.kind == "Provisioner"}
    # Alone, unless it offers what the provisioner of another installed plugin makes.
    alone = all(offer.needs in own for offer in offers if offer.needs)
    config = PluginConfig(settings={point.name: settings})
    try:
        with PluginHost.load(config, entry_points=[point] if alone else None) as host:
            listed = next(one for one in host.describe() if one.name == point.name)
    except TowpathError as error:
        return str(error)
    return "" if listed.state == "active" else f"{listed.state}: {listed.why}"


def _shown(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:2000]
