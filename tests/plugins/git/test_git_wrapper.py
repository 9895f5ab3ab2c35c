"""How git is called."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from towpath_core.errors import LimitExceeded, StepFailed, Unavailable
from towpath_git import git as module
from towpath_git.git import Git, masked


@pytest.fixture
def git():
    return Git(StepFailed)


@pytest.fixture
def bare(root, git):
    git.run(["init", "--quiet", "--bare", "--template=", "--", str(root / "x.git")])
    return root / "x.git"


def fake_git(folder: Path, script: str, monkeypatch) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_the_machine_s_and_the_user_s_configuration_are_not_read(git, tmp_path, monkeypatch):
    config = "[alias]\n\tversion = !touch sprung\n[user]\n\tname = Eve\n"
    (tmp_path / ".gitconfig").write_text(config)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / ".gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.name")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "Eve")
    answer = git.run(["config", "--get", "user.name"], also_good=frozenset({1}))
    assert (answer.status, answer.output) == (1, b"")


def test_only_what_is_needed_of_the_environment_goes_through(git, tmp_path, monkeypatch):
    fake_git(tmp_path / "bin", "env", monkeypatch)
    monkeypatch.setenv("TOWPATH_SECRET", "hunter2")
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("GIT_SSH_COMMAND", "touch sprung")
    output = git.run(["status"]).output.decode()
    assert "hunter2" not in output
    assert "GIT_DIR" not in output
    assert "GIT_SSH_COMMAND" not in output
    assert "GIT_TERMINAL_PROMPT=0" in output


def test_no_transport_is_allowed(git, bare, tmp_path):
    for url in (
        f"file://{bare}",
        "https://127.0.0.1:1/x.git",
        f"ext::sh -c touch% {tmp_path}/sprung",
    ):
        with pytest.raises(StepFailed, match="not allowed"):
            git.run(["ls-remote", "--", url])
    assert not (tmp_path / "sprung").exists()


def test_a_failure_tells_why_without_passwords_and_paths(git, bare, tmp_path, monkeypatch):
    with pytest.raises(StepFailed, match="rev-parse failed") as caught:
        git.run(["rev-parse", "--verify", "refs/heads/none"], repository=bare)
    assert caught.value.why
    script = f'echo "{"x" * 1000} fatal: https://me:hunter2@host/x in {bare}" >&2; exit 3'
    fake_git(tmp_path / "bin", script, monkeypatch)
    with pytest.raises(StepFailed) as caught:
        git.run(["fetch"], repository=bare)
    assert caught.value.why.endswith("fatal: https://host/x in x.git")
    assert len(caught.value.why) <= 500


def test_the_class_of_failures_is_the_caller_s(bare):
    with pytest.raises(Unavailable):
        Git(Unavailable).run(["no-such-command"], repository=bare)


def test_no_git_is_unavailable(git, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="Install git"):
        git.run(["version"])


def test_time_is_limited_for_the_command_and_its_children(tmp_path, monkeypatch):
    fake_git(tmp_path / "bin", "sleep 100 & echo $!; wait", monkeypatch)
    started = time.monotonic()
    with pytest.raises(Unavailable, match=r"0\.3 seconds"):
        Git(StepFailed, timeout_seconds=0.3).run(["gc"])
    assert time.monotonic() - started < 60


def test_a_command_that_stops_reading_fails_with_its_own_reason(git, bare):
    feeding = git.feed(["fast-import", "--quiet", "--done"], repository=bare)
    with pytest.raises(StepFailed, match="fast-import failed"), feeding as pipe:
        for _ in range(1000):
            pipe.write(b"no such command\n" * 1000)


def test_a_stream_that_is_cut_off_is_a_failure(git, bare):
    feeding = git.feed(["fast-import", "--quiet", "--done"], repository=bare)
    with pytest.raises(StepFailed), feeding as pipe:
        pipe.write(b"commit refs/heads/main\ncommitter A <a@b> 0 +0000\ndata 1\nx\n\n")


def test_an_error_of_the_writer_is_passed_on_and_the_command_ended(git, bare, children):
    before = children()
    with pytest.raises(KeyError), git.feed(["fast-import"], repository=bare) as pipe:
        pipe.write(b"blob\n")
        assert children() > before
        raise KeyError
    assert children() <= before


def test_answers_are_limited(git, tmp_path, monkeypatch):
    fake_git(tmp_path / "bin", "head -c 2000 /dev/zero", monkeypatch)
    assert len(git.run(["show"]).output) == 2000
    monkeypatch.setattr(module, "_MAX_OUTPUT_BYTES", 1999)
    with pytest.raises(LimitExceeded):
        git.run(["show"])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:p@host/x", "https://host/x"),
        ("a ssh://git@host/x b https://t@h", "a ssh://host/x b https://h"),
        ("mail me@example.com", "mail me@example.com"),
    ],
)
def test_userinfo_is_masked(text, shown):
    assert masked(text) == shown
