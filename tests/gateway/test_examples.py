"""The examples, run as their readers run them."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from live import Live

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(live: Live, script: str, *arguments: str) -> str:
    env = live.env | {"TOWPATH_URL": live.url, "TOWPATH_TOKEN": live.token}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / script), *arguments],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_tested_and_listed() -> None:
    scripts = {path.name for path in EXAMPLES.glob("*.py")}
    assert scripts == {"owners.py", "service_with_database.py", "watch_a_run.py"}
    page = (EXAMPLES / "README.md").read_text()
    assert all(f"`{name}`" in page for name in scripts)


def test_owners(live: Live) -> None:
    lines = run(live, "owners.py").splitlines()
    counts = [int(line.split()[0]) for line in lines]
    assert counts == sorted(counts, reverse=True)
    assert any(line.endswith("group:default/bookings") for line in lines)


def test_a_service_with_a_database_twice(live: Live) -> None:
    name = f"ex-{uuid.uuid4().hex[:6]}"
    first = run(live, "service_with_database.py", name)
    assert f"demo/{name}.git" in first
    assert "will create" in first
    second = run(live, "service_with_database.py", name)
    assert second.splitlines() == [first.splitlines()[0], "database: there already"]


@pytest.mark.parametrize("name", [f"ex-{uuid.uuid4().hex[:6]}"], ids=["fresh"])
def test_watching_a_run(live: Live, name: str) -> None:
    lines = run(live, "watch_a_run.py", name).splitlines()
    assert "Starting up task with 3 steps" in lines[0]
    assert lines[-1] == "it succeeded"
