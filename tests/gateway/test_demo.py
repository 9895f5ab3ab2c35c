"""The three jobs, done by the command over HTTP, as a user does them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from live import Live


def towpath(live: Live, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = live.env | {"TOWPATH_URL": live.url, "TOWPATH_TOKEN": live.token}
    return subprocess.run(
        [str(Path(sys.executable).parent / "towpath"), *arguments],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_demo_does_the_three_jobs_and_says_what_it_made(live: Live) -> None:
    done = towpath(live, "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "68 entities from" in done.stdout
    assert "holds 7 files" in done.stdout
    assert "is in the catalog" in done.stdout
    assert "logged in as" in done.stdout
    assert "deleted; logging in fails" in done.stdout
    assert "Everything is as it should be." in done.stdout
    # What was handed over is not printed, and progress is not data.
    assert "password=" not in done.stdout
    assert "Rendering" not in done.stdout
    assert "Render the skeleton: succeeded" in done.stderr


def test_the_command_walks_the_road_by_hand(live: Live, tmp_path: Path) -> None:
    made = towpath(
        live, "-o", "json", "create", "template:default/python-service", "-p", "name=by-hand"
    )
    assert made.returncode == 0, made.stderr
    assert '"entityRef":"component:default/by-hand"' in made.stdout.replace(": ", ":").replace(
        '" ', '"'
    )
    shown = towpath(live, "-o", "json", "get", "component:default/by-hand")
    assert '"by-hand"' in shown.stdout
    database = towpath(live, "provision", "postgres-database", "by-hand-db", "--yes")
    assert database.returncode == 0, database.stderr
    bound = towpath(live, "-o", "json", "bind", "by-hand-db")
    assert bound.returncode == 0, bound.stderr
    assert "postgresql://" in bound.stdout
    assert "postgresql://" not in bound.stderr
    removed = towpath(live, "resources", "delete", "by-hand-db", "--yes")
    assert removed.returncode == 0, removed.stderr
    missing = towpath(live, "get", "resource:default/by-hand-db")
    assert missing.returncode == 3


def test_the_first_start_prints_its_token_once_and_logs_the_command_in(live: Live) -> None:
    assert live.said.count(live.token) == 1
    assert "shown this once" in live.said
    env = {key: value for key, value in live.env.items() if not key.startswith("TOWPATH_")}
    command = str(Path(sys.executable).parent / "towpath")
    done = subprocess.run(
        [command, "get", "domain"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "cargo" in done.stdout
    log = (live.folder / "log").read_text()
    assert live.token not in log
