"""The contract of a plugin as a package: it can be installed, listed and loaded without harm.

Knows what a probe saw, nothing of what the offered objects do.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import msgspec
import pytest

from towpath_core.hookspecs import SPEC_VERSION
from towpath_core.testing.conformance import OFFERS
from towpath_core.testing.probe import Probe, probe_plugin
from towpath_core.testing.rules import Contract, exempt, require, rule, unchecked

__all__ = ("IMPORT_SECONDS", "PluginContract")

IMPORT_SECONDS = 0.5
"""Processor time that importing a plugin may take, beyond the core's own."""

_NEEDED_FIELDS = ("Name", "Version", "Summary", "Requires-Python")


class PluginContract(Contract):
    """What every plugin keeps to. Give `entry_point`, and `settings` where it needs some."""

    entry_point: ClassVar[str] = ""
    """Name of the entry point in the group `towpath.plugins`."""

    settings: ClassVar[Mapping[str, Any]] = {}
    """The plugin's table of the configuration that its hooks are called with."""

    @pytest.fixture
    def probe(self) -> Probe:
        """What a process of its own saw of the plugin; one process for all rules."""
        return _probe_once(type(self).entry_point, msgspec.json.encode(type(self).settings))

    @rule("plugin.entry-point-loads", level="bronze")
    def test_entry_point_loads(self, probe: Probe, request: pytest.FixtureRequest) -> None:
        """One distribution has the entry point, it imports, and its hooks fit the specs."""
        name = type(self).entry_point
        require(name, "the contract has no `entry_point`; give the name from pyproject.toml")
        require(
            len(probe.candidates) == 1 or probe.failure,
            f"entry point {name!r} in group towpath.plugins is offered by "
            f"{', '.join(probe.candidates) or 'no installed distribution'}",
        )
        require(not probe.failure, f"loading {name!r}: {probe.failure}")
        request.node.user_properties += [
            (OFFERS, f"{offer.kind} {offer.name}") for call in probe.calls for offer in call.offers
        ]

    @rule("plugin.spec-version", level="bronze")
    def test_spec_version(self, probe: Probe) -> None:
        """The plugin states the version of the hook specs that it was written for."""
        _loaded(probe)
        require(
            _states_spec(probe),
            f"TOWPATH_SPEC is {probe.spec!r}; write TOWPATH_SPEC = {SPEC_VERSION}",
        )

    @rule("plugin.hooks-do-no-io", level="bronze")
    def test_hooks_do_no_io(self, probe: Probe) -> None:
        """No hook opens a connection, starts a process or writes a file: objects do, later."""
        _loaded(probe)
        tried = _attempted(probe)
        require(not tried, f"while hooks ran, the plugin tried {_listed(tried)}")

    @rule("plugin.hooks-answer", level="bronze")
    def test_hooks_answer(self, probe: Probe) -> None:
        """With good settings every hook returns what it promises, and the platform takes it."""
        _loaded(probe)
        require(probe.calls, "the plugin has no hook at all; mark functions with @hookimpl")
        wrong = [f"{call.hook}: {call.error}" for call in probe.calls if call.error and not call.io]
        wrong += [offer.mistyped for call in probe.calls for offer in call.offers]
        require(not any(wrong), _listed(filter(None, wrong)))
        if not _faults(probe):  # which rules of their own tell
            require(not probe.refusal, f"the platform lists the plugin as {probe.refusal}")

    @rule("plugin.names-are-kebab", level="bronze")
    def test_names_are_kebab(self, probe: Probe) -> None:
        """Names are lower-case kebab-case; actions `group:verb`; entity kinds PascalCase."""
        _loaded(probe)
        wrong = _misnamed(probe)
        require(not wrong, _listed(wrong))

    @rule("plugin.names-are-unique", level="bronze")
    def test_names_are_unique(self, probe: Probe) -> None:
        """No name is offered twice by one hook."""
        _loaded(probe)
        wrong = _doubled(probe)
        require(not wrong, _listed(wrong))

    @rule("plugin.metadata-complete", level="bronze")
    def test_metadata_complete(self, probe: Probe) -> None:
        """The distribution states version, purpose, Python and licence, and depends on towpath."""
        _loaded(probe)
        fields = {name: values for name, values in probe.distribution.items() if any(values)}
        missing = [name for name in _NEEDED_FIELDS if name not in fields]
        classifiers = fields.get("Classifier", [])
        licensed = {"License", "License-Expression", "License-File"} & fields.keys()
        if not licensed and not any(one.startswith("License") for one in classifiers):
            missing.append("License-Expression")
        needs = [one.lower().strip() for one in fields.get("Requires-Dist", [])]
        ours = fields.get("Name") == ["towpath"]
        if not ours and not any(_is_towpath(one) for one in needs):
            missing.append("Requires-Dist: towpath")
        require(not missing, f"the distribution's metadata lack {', '.join(missing)}")

    @rule("plugin.offers-are-sound", level="bronze")
    def test_offers_are_sound(self, probe: Probe) -> None:
        """Schemas are objects, sizes set known parameters, and no output is secret."""
        _loaded(probe)
        wrong = _unsound(probe)
        require(not wrong, _listed(wrong))

    @rule("plugin.import-is-quick", level="silver")
    def test_import_is_quick(self, probe: Probe) -> None:
        """Importing the plugin takes less than half a second of processor time."""
        _loaded(probe)
        name, settings = type(self).entry_point, type(self).settings
        best = probe.import_seconds
        for _ in range(2):  # a busy machine is not the plugin's fault
            if best < IMPORT_SECONDS:
                return
            best = min(best, probe_plugin(name, settings).import_seconds)
        require(best < IMPORT_SECONDS, f"the import takes {best:.2f} s of processor time")

    @rule("plugin.settings-errors-are-typed", level="silver")
    def test_settings_errors_are_typed(self, probe: Probe) -> None:
        """With empty settings a hook answers, or raises SettingsError that says what is missing."""
        _loaded(probe)
        failing = {call.hook for call in probe.calls if call.error}  # told by plugin.hooks-answer
        wrong = [
            f"{call.hook}: {call.error}"
            for call in probe.bare_calls
            if call.error and not call.settings_error and not call.io and call.hook not in failing
        ]
        require(not wrong, f"with empty settings, {_listed(wrong)}")

    @rule("plugin.offers-are-described", level="gold")
    def test_offers_are_described(self, probe: Probe) -> None:
        """Offerings, actions, run kinds and their parts have words for the people who read them."""
        _loaded(probe)
        offers = [offer for call in probe.calls for offer in call.offers]
        if not any(offer.kind in ("Offering", "Action", "RunKind") for offer in offers):
            exempt("it offers nothing that people choose from")
        bare = [one for offer in offers for one in offer.undescribed]
        require(not bare, f"without words: {_listed(bare)}")


@functools.cache
def _probe_once(entry_point: str, settings: bytes) -> Probe:
    return probe_plugin(entry_point, msgspec.json.decode(settings))


def _loaded(probe: Probe) -> None:
    if len(probe.candidates) != 1 or probe.failure:
        unchecked("the plugin did not load; see plugin.entry-point-loads")


def _states_spec(probe: Probe) -> bool:
    return type(probe.spec) is int and probe.spec == SPEC_VERSION


def _attempted(probe: Probe) -> list[str]:
    calls = [*probe.calls, *probe.bare_calls]
    return [f"{call.hook}: {io}" for call in calls for io in call.io]


def _misnamed(probe: Probe) -> list[str]:
    offers = (offer for call in probe.calls for offer in call.offers)
    return [f"{offer.kind} {offer.misnamed}" for offer in offers if offer.misnamed]


def _doubled(probe: Probe) -> list[str]:
    return [
        f"{call.hook} offers {name!r} {count} times"
        for call in probe.calls
        for name, count in Counter(offer.name.lower() for offer in call.offers).items()
        if count > 1
    ]


def _unsound(probe: Probe) -> list[str]:
    return [one for call in probe.calls for offer in call.offers for one in offer.unsound]


def _faults(probe: Probe) -> bool:
    lists = (_attempted, _misnamed, _doubled, _unsound)
    return not _states_spec(probe) or any(faults(probe) for faults in lists)


def _is_towpath(requirement: str) -> bool:
    rest = requirement.removeprefix("towpath")
    return rest != requirement and not rest[:1].isalnum() and rest[:1] not in ("-", "_", ".")


def _listed(sentences: Iterable[str]) -> str:
    found = list(dict.fromkeys(sentences))
    more = f"; and {len(found) - 5} more" if len(found) > 5 else ""
    return "; ".join(found[:5]) + more
