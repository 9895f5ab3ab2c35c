"""The command on a terminal: questions, moving progress, and the interrupt key."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from contract_server import Platform as Served

SECONDS = 30


class Terminal:
    """A process on a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self.seen = ""
        self._master = master
        self._at = 0

    def until(self, pattern: str) -> None:
        """Read on until something matches, after what matched before."""
        end = time.monotonic() + SECONDS
        while not (match := re.compile(pattern).search(self.seen, self._at)):
            assert time.monotonic() < end, self.seen
            if not self._read():
                raise AssertionError(f"it ended without {pattern!r}: {self.seen}")
        self._at = match.end()

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def end(self) -> int:
        while self._read():
            pass
        return self.process.wait(SECONDS)

    def _read(self) -> bool:
        if not select.select([self._master], [], [], SECONDS)[0]:
            raise AssertionError(f"it stands still: {self.seen}")
        try:
            chunk = os.read(self._master, 65536)
        except OSError:  # the other side is closed
            return False
        self.seen += chunk.decode(errors="replace")
        return bool(chunk)


@contextmanager
def terminal(environ: dict[str, str], *args: str) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "towpath_cli", *args],
        env={**environ, "TERM": "xterm", "COLUMNS": "80"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(SECONDS)
        os.close(master)


def test_what_is_missing_is_asked_for(environ: dict[str, str], served: Served) -> None:
    fields = served.schema["steps"][0]["schema"]
    fields["required"] += ["port", "key"]
    del fields["properties"]["port"]["default"]
    fields["properties"]["key"] = {"type": "string", "ui:field": "Secret"}
    with terminal(environ, "create", "python-service") as screen:
        screen.until(r"Name \(name\): ")
        screen.type("boat\n")
        screen.until(r"owner: ")
        screen.type("canal\n")
        screen.until(r"port: ")
        screen.type("many\n")
        screen.until(r"'many' is not an integer")
        screen.type("80\n")
        screen.until(r"key: ")
        screen.type("s3cret\n")
        assert screen.end() == 0
    assert "s3cret" not in screen.seen
    body = served.calls("POST", ".*/tasks")[0].body
    assert body["values"] == {"name": "boat", "owner": "canal", "port": 80, "public": False}
    assert body["secrets"] == {"key": "s3cret"}


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 1)])
def test_a_plan_is_confirmed(
    environ: dict[str, str], served: Served, answer: str, code: int
) -> None:
    with terminal(environ, "provision", "postgres-database", "orders") as screen:
        screen.until(r"create\s+database orders")
        screen.until(r"as planned\? \[y/N\]: ")
        screen.type(f"{answer}\n")
        assert screen.end() == code
    assert len(served.resources) == (answer == "y")


def test_a_token_is_asked_for_and_not_shown(environ: dict[str, str]) -> None:
    token = environ.pop("TOWPATH_TOKEN")
    with terminal(environ, "login") as screen:
        screen.until("Token: ")
        screen.type(f"{token}\n")
        assert screen.end() == 0
    assert token not in screen.seen and "Logged in" in screen.seen


def test_progress_moves_on_a_terminal(environ: dict[str, str], served: Served) -> None:
    held = served.run("scaffold", "Create boat")
    held.add("step", key="fetch", name="Fetch", state="running")
    served.hold_runs = True
    with terminal(environ, "create", "python-service", "-p", "name=a", "-p", "owner=b") as screen:
        screen.until("Work")
        [run] = [one for id, one in served.runs.items() if id != held.id]
        run.add("log", message="half way", level="info")
        screen.until("half way")
        run.add("step", key="work", name="Work", state="succeeded")
        screen.until("✔ .*Work")
        run.end(output={"remoteUrl": "https://git.example.com/a"})
        assert screen.end() == 0
    assert "\x1b[" in screen.seen and "https://git.example.com/a" in screen.seen


@pytest.mark.parametrize("words", [("create", "python-service", "-p", "name=a", "-p", "owner=b")])
def test_the_interrupt_key_leaves_the_run_and_says_how_to_take_it_up(
    environ: dict[str, str], served: Served, words: tuple[str, ...]
) -> None:
    served.hold_runs = True
    process = subprocess.Popen(
        [sys.executable, "-m", "towpath_cli", *words],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = ""
    while "doing" not in said:
        said += process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    [id] = served.runs
    assert f"towpath runs logs -f {id}" in err and f"towpath runs cancel {id}" in err
    assert "Traceback" not in err and out == ""
    assert served.runs[id].shape["state"] == "running"


def test_a_reader_that_leaves_early_is_no_fault(environ: dict[str, str], served: Served) -> None:
    held = served.run("scaffold", "chatty")
    for number in range(5000):
        held.add("log", message=f"line {number} {'x' * 100}", level="info")
    held.end()
    served.keep_alive = 1
    command = f"{sys.executable} -m towpath_cli runs logs -f {held.id} | head -1"
    done = subprocess.run(
        ["sh", "-c", command], env=environ, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.stdout.startswith("line 0")
    assert "Traceback" not in done.stderr
