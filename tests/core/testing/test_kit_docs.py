"""The pages about the kit say what is so: tables are made, and the tutorials run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from towpath_core.testing import (
    ActionContract,
    CatalogSourceContract,
    EntityKindContract,
    ProvisionerContract,
    RunKindContract,
)
from towpath_core.testing.conformance import contracts, rule_table

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = (ROOT / "docs" / "reference" / "vendor-kit.md").read_text()


def test_the_table_of_rules_is_the_one_that_is_made():
    between = REFERENCE.partition("rule_table() -->\n")[2].partition("<!-- end of rules -->")[0]

    assert between.strip() == rule_table().strip()


@pytest.mark.parametrize(
    "contract",
    [
        ActionContract,
        CatalogSourceContract,
        EntityKindContract,
        ProvisionerContract,
        RunKindContract,
    ],
)
def test_every_fixture_is_on_the_page(contract):
    inner = {"ask", "bindable", "bound", "run", "start"}
    fixtures = {
        name
        for parent in contract.__mro__
        for name, member in vars(parent).items()
        if type(member).__name__ == "FixtureFunctionDefinition" and not name.startswith("_")
    }

    assert fixtures - inner, "the kit's fixtures were not recognised"
    section = REFERENCE.partition(f"### `{contract.__name__}`")[2].partition("\n### ")[0]
    missing = {one for one in fixtures - inner if f"`{one}`" not in section}
    assert not missing


def test_every_contract_has_a_section():
    assert all(f"### `{one.__name__}`" in REFERENCE for one in contracts())


# page, the package in it, a part of the name of the test to run, and the lines to take out
TUTORIALS = [
    (
        "write-a-plugin.md",
        "towpath_folders",
        "deadline",
        ["        tools.check()  # the run may have been cancelled, or its deadline passed"],
    ),
    (
        "write-a-run-kind.md",
        "towpath_releases",
        "crash",
        ["            repeatable=False,", "            observe=self._announced,"],
    ),
]

each_tutorial = pytest.mark.parametrize(("page", "package", "test", "lines"), TUTORIALS)


@each_tutorial
def test_the_tutorial_reaches_what_it_says(vendor, page, package, test, lines):
    made = vendor(page)

    code, said = made.run("--contract-level", "silver")

    assert code == 0, said
    assert made.blocks["conformance"] in said


@each_tutorial
def test_the_tutorials_fault_is_caught_as_it_says(vendor, page, package, test, lines):
    made = vendor(page)
    made.without(f"{package}/plugin.py", *lines)

    code, said = made.run("--contract-level", "silver", "-k", test)

    assert code == 1
    assert made.blocks["broken"] in said


@each_tutorial
def test_the_tutorials_code_is_clean(vendor, page, package, test, lines):
    ruff = shutil.which("ruff", path=Path(sys.executable).parent) or shutil.which("ruff")
    if ruff is None:
        pytest.skip("ruff is not installed")
    made = vendor(page)
    config = ["--config", str(ROOT / "pyproject.toml")]
    for verb in (["check", "--no-cache", *config], ["format", "--check", "--no-cache", *config]):
        done = subprocess.run(
            [ruff, *verb, str(made.folder / package)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
