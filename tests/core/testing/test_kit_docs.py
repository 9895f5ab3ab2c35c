"""The pages about the kit say what is so: tables are made, and the tutorial runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
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
TUTORIAL = (ROOT / "docs" / "how-to" / "write-a-plugin.md").read_text()
BLOCK = re.compile(
    r'^```\w+ title="(?P<title>[^"]+)"\n(?P<text>.*?)^```$', re.DOTALL | re.MULTILINE
)
BLOCKS = {found["title"]: found["text"] for found in BLOCK.finditer(TUTORIAL)}
FILES = [title for title in BLOCKS if "." in title]


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


@pytest.fixture
def vendor(tmp_path):
    """The tutorial's files in a folder, installed as pip would."""
    for title in FILES:
        file = tmp_path / title
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(BLOCKS[title])
    project = tomllib.loads(BLOCKS["pyproject.toml"])["project"]
    info = tmp_path / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.4\nName: {project['name']}\nVersion: {project['version']}\n"
        f"Summary: {project['description']}\nLicense-Expression: {project['license']}\n"
        f"Requires-Python: {project['requires-python']}\n"
        + "".join(f"Requires-Dist: {one}\n" for one in project["dependencies"])
    )
    points = project["entry-points"]["towpath.plugins"]
    lines = [f"{name} = {module}" for name, module in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[towpath.plugins]", *lines, ""]))
    return tmp_path


def run(vendor: Path, *options: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [*command, "-p", "no:hypothesispytest", "--tb=no", *options],
        cwd=vendor,
        env={**os.environ, "PYTHONPATH": str(vendor), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout


def test_the_tutorial_reaches_what_it_says(vendor):
    code, said = run(vendor, "--contract-level", "silver")

    assert code == 0, said
    assert BLOCKS["conformance"] in said


def test_the_tutorials_fault_is_caught_as_it_says(vendor):
    plugin = vendor / "towpath_folders" / "plugin.py"
    line = "        tools.check()  # the run may have been cancelled, or its deadline passed\n"
    assert plugin.read_text().count(line) == 1
    plugin.write_text(plugin.read_text().replace(line, ""))

    code, said = run(vendor, "--contract-level", "silver", "-k", "deadline")

    assert code == 1
    assert BLOCKS["broken"] in said


def test_the_tutorials_code_is_clean(vendor):
    ruff = shutil.which("ruff", path=Path(sys.executable).parent) or shutil.which("ruff")
    if ruff is None:
        pytest.skip("ruff is not installed")
    config = ["--config", str(ROOT / "pyproject.toml")]
    for verb in (["check", "--no-cache", *config], ["format", "--check", "--no-cache", *config]):
        done = subprocess.run(
            [ruff, *verb, str(vendor / "towpath_folders")], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
