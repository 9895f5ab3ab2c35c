"""The packaging contract on a good plugin, and on one for each way to break one of its rules.

Run by `test_kit_bites.py` in a pytest of its own, with the distributions that it wrote on the
path: not collected with the other tests.
"""

from __future__ import annotations

import pytest

from towpath_core.testing import PluginContract, packaging

HEAD = """
from towpath_core import hookimpl
from towpath_core.provisioning import Offering, Output, Size

TOWPATH_SPEC = 1

def offering(name="good-box", title="Box", **fields):
    schema = {"type": "object", "properties": {"slots": {"type": "integer"}}}
    sizes = (Size("small", "One slot.", {"slots": 1}),)
    given = {"sizes": sizes, "parameters": schema, **fields}
    return Offering(name, title, "A box.", "box", "boxes", **given)
"""

BOXES = """
class Boxes:
    name = "boxes"
    def plan(self, request): return []
    def apply(self, request, tools): return None
    def read(self, resource): return None
    def delete(self, resource, tools): return None

@hookimpl
def towpath_provisioners():
    return [Boxes()]
"""
GOOD = (
    BOXES
    + """
@hookimpl
def towpath_offerings():
    return [offering()]
"""
)

# name -> (source of the plugin module, the rule it breaks)
PLUGINS = {
    "good": (HEAD + GOOD, None),
    "import-error": ("import towpath_of_nowhere", "plugin.entry-point-loads"),
    "dies": ("import os\nos._exit(7)", "plugin.entry-point-loads"),
    "unknown-hook": (
        HEAD + GOOD + "@hookimpl\ndef towpath_unicorns():\n    return []\n",
        "plugin.entry-point-loads",
    ),
    "no-spec": (HEAD.replace("TOWPATH_SPEC = 1", "") + GOOD, "plugin.spec-version"),
    "connects": (
        HEAD
        + BOXES
        + """
import socket

@hookimpl
def towpath_offerings():
    try:
        socket.create_connection(("127.0.0.1", 9), timeout=1)
    except OSError:
        print("nobody there")
    return [offering()]
""",
        "plugin.hooks-do-no-io",
    ),
    "wrong-type": (
        HEAD + BOXES + "@hookimpl\ndef towpath_offerings():\n    return ['good-box']\n",
        "plugin.hooks-answer",
    ),
    "gives-none": (
        HEAD + BOXES + "@hookimpl\ndef towpath_offerings():\n    return 3\n",
        "plugin.hooks-answer",
    ),
    "lacks-tools": (HEAD + GOOD.replace(", tools", ""), "plugin.hooks-answer"),
    "no-hooks": (HEAD, "plugin.hooks-answer"),
    "bad-name": (
        HEAD + GOOD.replace("offering()", "offering('Good_Box')"),
        "plugin.names-are-kebab",
    ),
    "twice": (
        HEAD + GOOD.replace("offering()", "offering(), offering()"),
        "plugin.names-are-unique",
    ),
    "no-metadata": (HEAD + GOOD, "plugin.metadata-complete"),
    "unsound": (
        HEAD + GOOD.replace("ing()]", "ing(sizes=(Size('big', 'Big.', {'slotz': 9}),))]"),
        "plugin.offers-are-sound",
    ),
    "slow": (
        HEAD
        + GOOD
        + "import time\nend = time.process_time() + 0.1\nwhile time.process_time() < end: pass\n",
        "plugin.import-is-quick",
    ),
    "needs-settings": (
        HEAD
        + BOXES
        + """
@hookimpl
def towpath_offerings(settings):
    return [offering(title=settings["title"])]
""",
        "plugin.settings-errors-are-typed",
    ),
    "undescribed": (
        HEAD + GOOD.replace("ing()]", "ing(title=' ')]"),
        "plugin.offers-are-described",
    ),
}


class _Fixtures(PluginContract):
    settings = {"title": "Box"}  # noqa: RUF012 - as a vendor writes it

    @pytest.fixture(autouse=True)
    def _impatient(self, monkeypatch):
        monkeypatch.setattr(packaging, "IMPORT_SECONDS", 0.08)


BREAKS = {f"Test_{name}": rule for name, (_, rule) in PLUGINS.items() if rule}
for _plugin in PLUGINS:
    globals()[f"Test_{_plugin}"] = type(
        f"Test_{_plugin}", (_Fixtures,), {"entry_point": _plugin, "__module__": __name__}
    )
