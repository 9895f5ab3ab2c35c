"""The command, run against a platform that answers as the published API says."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "sdk"))

import contract_server
from typer.testing import CliRunner, Result

import towpath_sdk

Run = Callable[..., Result]
WIDTH = 80


@pytest.fixture(scope="session")
def server() -> Iterator[contract_server.Server]:
    with contract_server.listening() as server:
        yield server


@pytest.fixture
def served() -> contract_server.Platform:
    return contract_server.Platform()


@pytest.fixture
def url(server: contract_server.Server, served: contract_server.Platform) -> Iterator[str]:
    with server.serving(served) as address:
        yield address


@pytest.fixture
def environ(url: str, tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who says by variables which platform to use."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "SYSTEMROOT")}
    return {
        **kept,
        "TOWPATH_LOGINS": str(tmp_path / "logins.json"),
        "TOWPATH_URL": url,
        "TOWPATH_TOKEN": contract_server.TOKEN,
    }


@pytest.fixture
def run(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process; attempts follow each other at once."""
    from towpath_cli.main import app

    for name in [name for name in os.environ if name.startswith("TOWPATH_")]:
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    hasty = functools.partial(towpath_sdk.Platform, backoff=towpath_sdk.Backoff(first=0))
    monkeypatch.setattr(towpath_sdk, "Platform", hasty)

    def invoke(*args: str, width: int = WIDTH, **how: str) -> Result:
        done = CliRunner().invoke(app, list(args), catch_exceptions=False, **how)  # type: ignore[arg-type]
        # Lines of logs and problems are for other programs too; not folded, nor are addresses.
        if not {"json", "yaml", "logs", "problems", "demo"} & set(args):
            assert [one for one in done.stdout.splitlines() if len(one) > width] == []
        return done

    return invoke


@pytest.fixture
def spawn(environ: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command as a process of its own."""

    def go(*args: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "towpath_cli", *args],
            env={**environ, **more},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return go
