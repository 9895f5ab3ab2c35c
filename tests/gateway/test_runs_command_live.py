"""The command and the SDK against a real platform: runs from their start to being taken back."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from live import Live
from typer.testing import CliRunner, Result

from towpath_cli.main import app
from towpath_sdk import Conflict, Forbidden, Invalid, NotFound, Platform, RunFailed

Command = Callable[..., Result]


@pytest.fixture(scope="module")
def harbour() -> Iterator[Live]:
    """A platform with a plugin that moves boats."""
    platform = Live()
    site = platform.folder / "site"
    info = site / "towpath_moving-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: towpath-moving\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[towpath.plugins]\nmoving = moving_plugin\n")
    (site / "moving_plugin.py").write_text((Path(__file__).parent / "moving_plugin.py").read_text())
    platform.env["PYTHONPATH"] = str(site)
    try:
        platform.start()
        yield platform
    finally:
        if platform.process is not None:
            platform.stop()
        platform.remove()


@pytest.fixture
def towpath(harbour: Live, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs the command as who started the platform; `token` makes it somebody else."""
    for name in [name for name in os.environ if name.startswith("TOWPATH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TOWPATH_LOGINS", str(harbour.folder / "logins.json"))

    def run(*words: str, token: str | None = None) -> Result:
        env = {"TOWPATH_URL": harbour.url, "TOWPATH_TOKEN": token or harbour.token}
        return CliRunner().invoke(app, list(words), env=env, catch_exceptions=False)

    return run


@pytest.fixture
def platform(harbour: Live) -> Iterator[Platform]:
    with Platform(harbour.url, token=harbour.token) as platform:
        yield platform


@pytest.fixture(scope="module")
def ops(harbour: Live) -> str:
    """The token of another administrator."""
    with harbour.known_as("ops", "runs:read", "runs:write", "platform:admin") as client:
        return client.headers["authorization"].removeprefix("Bearer ")


def begin(towpath: Command, *words: str) -> str:
    done = towpath("runs", "start", "move-boat", "--no-wait", *words)
    assert done.exit_code == 0, done.stderr
    return done.stdout.strip()


def until_waiting(platform: Platform, id: str) -> None:
    for event in platform.runs.follow(id):
        if event.type == "state" and event.body["state"] == "waiting":
            return


def test_a_run_is_started_followed_listed_and_taken_back(towpath: Command) -> None:
    assert "move-boat" in towpath("runs", "kinds").stdout
    assert "boat*" in towpath("runs", "kinds", "move-boat").stdout
    words = ("-p", "boat=Alma", "-p", "crates=40", "--title", "Move Alma")
    done = towpath("runs", "start", "move-boat", *words)
    assert done.exit_code == 0, done.stderr
    assert "40 of 40 crates" in done.stderr and "loaded Alma" in done.stderr
    assert "boat: Alma" in done.stdout
    listed = json.loads(towpath("runs", "ls", "--mine", "--search", "alma", "-o", "json").stdout)
    assert [one["title"] for one in listed] == ["Move Alma"]
    id = listed[0]["id"]
    shown = towpath("runs", "show", id)
    assert f"towpath runs undo {id}" in shown.stderr and "load" in shown.stdout
    undone = towpath("runs", "undo", id, "--yes", "--reason", "not wanted")
    assert undone.exit_code == 0, undone.stderr
    assert "unload" in undone.stdout and "unload Alma" in undone.stderr
    assert towpath("runs", "undo", id, "--yes").exit_code == 6
    assert towpath("runs", "start", "move-boat", "-p", "boat=x", "-p", "rope=silk").exit_code == 2


def test_a_question_is_answered_by_somebody_else(
    towpath: Command, platform: Platform, ops: str
) -> None:
    id = begin(towpath, "-p", "boat=Berta", "-p", "ask=true")
    until_waiting(platform, id)
    assert towpath("runs", "logs", "-f", id, "--timeout", "0.5").exit_code == 8
    shown = towpath("runs", "show", id)
    assert "Cast off Berta?" in shown.stdout and f"towpath runs approve {id}" in shown.stderr
    assert id in towpath("runs", "ls", "--waiting-for", "approval", token=ops).stdout
    assert towpath("runs", "approve", id).exit_code == 4  # not by who asked
    done = towpath("runs", "approve", id, "--reason", "calm sea", token=ops)
    assert done.exit_code == 0 and "Approved: Cast off Berta?" in done.stderr
    followed = towpath("runs", "logs", "-f", id)
    assert followed.exit_code == 0
    assert "approved by user:default/ops: calm sea" in followed.stdout
    no = begin(towpath, "-p", "boat=Clara", "-p", "ask=true")
    until_waiting(platform, no)
    assert towpath("runs", "reject", no, "--reason", "storm", token=ops).exit_code == 0
    with pytest.raises(RunFailed) as failed:
        platform.runs.wait(no, timeout=60)
    assert failed.value.run.error is not None and failed.value.run.error.code == "rejected"


def test_a_signal_is_given(towpath: Command, platform: Platform) -> None:
    id = begin(towpath, "-p", "boat=Dora", "-p", "listen=true")
    until_waiting(platform, id)
    assert f"towpath runs signal {id} tide" in towpath("runs", "show", id).stderr
    assert towpath("runs", "signal", id, "tide", "--set", "metres=2").exit_code == 0
    assert platform.runs.wait(id, timeout=60).output["tide"] == {"metres": "2"}
    with pytest.raises(Conflict):
        platform.runs.signal(id, "tide")


def test_a_failed_run_is_taken_up_where_it_stopped(towpath: Command, platform: Platform) -> None:
    id = begin(towpath, "-p", "boat=Emma", "-p", "rope=torn")
    followed = towpath("runs", "logs", "-f", id)
    assert followed.exit_code == 1
    assert f"Take another rope. Take it up again: towpath runs retry {id}" in followed.stderr
    done = towpath("runs", "retry", id, "--set", "rope=good", "--reason", "new rope")
    assert done.exit_code == 0, done.stderr
    assert "loaded Emma" not in done.stderr  # that was done before
    log = platform.runs.log(id)
    assert log.count("loaded Emma") == 1 and "The rope is torn" in log
    steps = {step.key: step for step in platform.runs.steps(id)}
    assert {step.state for step in steps.values()} == {"succeeded"}
    assert towpath("runs", "retry", id).exit_code == 6


def test_what_is_unknown_is_resolved(harbour: Live, towpath: Command, platform: Platform) -> None:
    id = begin(towpath, "-p", "boat=Frieda", "-p", "rope=endless")
    for event in platform.runs.follow(id):
        if event.type == "step" and event.body["name"] == "tow":
            break
    assert towpath("runs", "cancel", id, "--force", "--reason", "stuck").exit_code == 0
    (harbour.folder / "site" / "cut").touch()
    followed = towpath("runs", "logs", "-f", id)
    assert followed.exit_code == 7, followed.stderr
    assert f"towpath runs resolve {id} --happened" in followed.stderr
    done = towpath("runs", "resolve", id, "--happened", "--reason", "it is in the other harbour")
    assert done.exit_code == 0, done.stderr
    run = platform.runs.get(id)
    assert run.state == "succeeded" and run.output["boat"] == "Frieda"


def test_errors_and_idempotence(harbour: Live, platform: Platform) -> None:
    first = platform.runs.start("move-boat", {"boat": "Gesa"}, idempotency_key="gesa-1")
    again = platform.runs.start("move-boat", {"boat": "Gesa"}, idempotency_key="gesa-1")
    assert first.id == again.id
    with pytest.raises(Invalid):
        platform.runs.start("move-boat", {"boat": 1})
    with pytest.raises(NotFound):
        platform.runs.start("no-such-kind", {})
    with harbour.scoped("runs:read") as client:
        token = client.headers["authorization"].removeprefix("Bearer ")
    with Platform(harbour.url, token=token) as reader, pytest.raises(Forbidden):
        reader.runs.start("move-boat", {"boat": "x"})
    ended = platform.runs.wait(first.id, timeout=60)
    with pytest.raises(Conflict):
        platform.runs.resolve(ended.id, happened=True, reason="x")
    with pytest.raises(Conflict):
        platform.runs.approve(ended.id)
    with pytest.raises(Conflict):
        platform.runs.cancel(ended.id)
