"""The conformance kit: what a vendor proves a plugin with, in one pytest command.

Owns the contracts and their rules. It must not know any plugin, the engine or the gateway: a
vendor needs `towpath[testing]` and nothing else of ours.

Names are imported when they are first used: pytest loads `towpath_core.testing.plugin` in every
run, and a run without contracts should not pay for them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from towpath_core.testing.actions import ActionContract
    from towpath_core.testing.catalog import CatalogSourceContract
    from towpath_core.testing.conformance import LEVELS, Report
    from towpath_core.testing.contexts import RecordingContext
    from towpath_core.testing.kinds import EntityKindContract
    from towpath_core.testing.packaging import PluginContract
    from towpath_core.testing.provisioning import ProvisionerContract
    from towpath_core.testing.quiet import forbid_io
    from towpath_core.testing.rules import Contract, Rule, exempt, require, rule, rules_of
    from towpath_core.testing.run_kinds import RunKindContract
    from towpath_core.testing.runs import RecordedRun, take_back
    from towpath_core.testing.tools import RecordingTools

__all__ = (
    "LEVELS",
    "ActionContract",
    "CatalogSourceContract",
    "Contract",
    "EntityKindContract",
    "PluginContract",
    "ProvisionerContract",
    "RecordedRun",
    "RecordingContext",
    "RecordingTools",
    "Report",
    "Rule",
    "RunKindContract",
    "exempt",
    "forbid_io",
    "require",
    "rule",
    "rules_of",
    "take_back",
)

_HOMES = {
    "LEVELS": "conformance",
    "ActionContract": "actions",
    "CatalogSourceContract": "catalog",
    "Contract": "rules",
    "EntityKindContract": "kinds",
    "PluginContract": "packaging",
    "ProvisionerContract": "provisioning",
    "RecordedRun": "runs",
    "RecordingContext": "contexts",
    "RecordingTools": "tools",
    "Report": "conformance",
    "Rule": "rules",
    "RunKindContract": "run_kinds",
    "exempt": "rules",
    "forbid_io": "quiet",
    "require": "rules",
    "rule": "rules",
    "rules_of": "rules",
    "take_back": "runs",
}


def __getattr__(name: str) -> object:
    """Import a public name from the module that owns it."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        found: object = getattr(import_module(f"{__name__}.{home}"), name)
    except ModuleNotFoundError as error:
        if error.name not in ("pytest", "jsonschema_rs"):
            raise
        raise ImportError(f"The kit needs {error.name}: pip install 'towpath[testing]'.") from error
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
