"""The kit bites: the reference passes gold, and each seeded fault is caught by exactly its rule."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from towpath_core.testing.conformance import contracts
from towpath_core.testing.rules import rules_of

pytestmark = pytest.mark.timeout(600)  # all cases run at once, and a machine may be busy

CASES = Path(__file__).parent / "cases"
FILES = ("actions", "kinds", "plugins", "provisioners", "run_kinds", "sources")
BREAKS = {name: runpy.run_path(str(CASES / f"{name}.py"))["BREAKS"] for name in FILES}
METADATA = """Metadata-Version: 2.4
Name: towpath-{name}
Version: 1.0
"""
COMPLETE = """Summary: A plugin.
Requires-Python: >=3.11
License-Expression: Apache-2.0
Requires-Dist: towpath<0.2,>=0.1
"""


def _install(folder: Path) -> None:
    plugins = runpy.run_path(str(CASES / "plugins.py"))["PLUGINS"]
    for name, (source, _) in plugins.items():
        module = "towpath_" + name.replace("-", "_")
        (folder / f"{module}.py").write_text(source)
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir()
        metadata = METADATA.format(name=name) + (COMPLETE if name != "no-metadata" else "")
        (info / "METADATA").write_text(metadata)
        (info / "entry_points.txt").write_text(f"[towpath.plugins]\n{name} = {module}\n")


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, tuple[str, str]]]:
    """Of each test class of the cases: its level under "", and what came of its rules."""
    folder = tmp_path_factory.mktemp("kit")
    site = folder / "site"
    site.mkdir()
    _install(site)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider"]
    command += ["-p", "no:randomly", "-p", "no:xdist", "-p", "no:hypothesispytest"]
    command += ["-c", str(folder / "pytest.ini"), "--rootdir", str(CASES)]
    command += ["--basetemp", str(folder / "tmp"), "--contract-report", str(folder / "report.json")]
    done = subprocess.run(
        [*command, *(str(CASES / f"{name}.py") for name in FILES)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=560,
    )
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr[-3000:]
    assert not (folder / "kit-was-here").exists()
    report = json.loads((folder / "report.json").read_text())
    return {
        one["name"]: {
            "": (one["level"], one["contract"]),
            **{rule["id"]: (rule["status"], rule["reason"]) for rule in one["rules"]},
        }
        for one in report["subjects"]
    }


@pytest.mark.parametrize(
    ("name", "contract"),
    [
        ("actions.py::TestWriteNote", "ActionContract"),
        ("kinds.py::TestBoat", "EntityKindContract"),
        ("plugins.py::Test_good", "PluginContract"),
        ("provisioners.py::TestMemory", "ProvisionerContract"),
        ("provisioners.py::TestWaitsForIt", "ProvisionerContract"),
        ("run_kinds.py::TestMoveBoat", "RunKindContract"),
        ("sources.py::TestShelf", "CatalogSourceContract"),
    ],
)
def test_reference_reaches_gold(subjects, name, contract):
    found = dict(subjects[name])

    assert found.pop("") == ("gold", contract)
    assert {status for status, _ in found.values()} <= {"done", "exempt"}
    # These claim all there is to claim, so no rule is exempt for them.
    all_claimed = contract in ("ProvisionerContract", "RunKindContract")
    assert not all_claimed or {status for status, _ in found.values()} == {"done"}


@pytest.mark.parametrize(
    ("name", "rule"),
    [(f"{file}.py::{name}", rule) for file in FILES for name, rule in BREAKS[file].items()],
)
def test_fault_is_caught_by_its_rule_only(subjects, name, rule):
    found = dict(subjects[name])
    del found[""]

    caught = {
        id
        for id, (status, reason) in found.items()
        if status not in ("done", "exempt") and not reason.startswith("not checked: ")
    }

    assert caught == {rule}, {id: found[id] for id in caught}


def test_every_rule_has_a_fault():
    faults = {rule for cases in BREAKS.values() for rule in cases.values()}

    assert {rule.id for contract in contracts() for rule in rules_of(contract)} == faults
