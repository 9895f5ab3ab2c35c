"""The command on a terminal: questions, moving progress, and the interrupt key."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from contract_server import Platform as Served
from terminal import SECONDS, terminal

ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


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


def test_a_run_lives_on_a_terminal_of_any_size(environ: dict[str, str], served: Served) -> None:
    held = served.run("move-database", "Move the database orders to another server")
    held.add("state", state="running")
    held.step("copy", "running")
    held.add("progress", step="copy", done=250, total=1000, unit="rows")
    with terminal(environ, "runs", "logs", "-f", held.id) as screen:
        screen.until("━━━.*250 of 1,000 rows")
        screen.resize(60, 12)
        held.step("copy", "succeeded")
        held.step("ask", "running")
        held.wait("ask", "approval", question="Switch over?", approvers=["group:default/ops"])
        before = len(screen.seen)
        screen.until("Switch over")
        screen.until("waits for approval by group:default/ops")
        screen.until(f"towpath runs approve {held.id}")
        screen.until("waiting")
        widths = [len(one) for one in lines_of(screen.seen[before:])]
        assert widths and max(widths) == 59
        held.settle("approved", by="user:default/ann", reason="Tuesday")
        held.add("log", message="switched", level="info")
        held.add("state", state="running")
        held.end()
        screen.until("approved by user:default/ann: Tuesday")
        screen.until("switched")
        screen.until("✔ .*succeeded after .*: 2 steps done")
        assert screen.end() == 0


def lines_of(text: str) -> list[str]:
    """The lines that were written, without colours and moves."""
    return [ESCAPES.sub("", one) for one in re.split(r"\r\n|\x1b\[[0-9]+[EF]", text)]


def test_a_run_that_fails_on_a_terminal_says_what_to_do(
    environ: dict[str, str], served: Served
) -> None:
    held = served.run("scaffold", "Create boat")
    held.step("publish", "running")
    held.step("publish", "failed")
    held.end("failed", error={"code": "unavailable", "message": "The host is full."})
    with terminal({**environ, "NO_COLOR": "1"}, "runs", "logs", "-f", held.id) as screen:
        screen.until("✗ Publish")
        screen.until("✗ failed after .*: 1 failed")
        screen.until("The host is full.")
        screen.until(f"towpath runs retry {held.id}")
        assert screen.end() == 1
    assert re.findall(r"\x1b\[[0-9;]*3[0-9]m", screen.seen.partition("error:")[0]) == []


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(
    environ: dict[str, str], served: Served
) -> None:
    held = served.finished("scaffold", "Create boat", {})
    with terminal({**environ, "TERM": "dumb"}, "runs", "logs", "-f", held.id) as screen:
        assert screen.end() == 0
    assert screen.seen.splitlines() == [
        "--- Work: running",
        "doing Create boat",
        "--- Work: succeeded",
    ]


def test_taking_back_is_confirmed(environ: dict[str, str], served: Served) -> None:
    held = served.finished("scaffold", "Create boat", {})
    held.undos = [{"seq": 1, "step": "publish", "name": "delete repository", "owner": "git"}]
    with terminal(environ, "runs", "undo", held.id) as screen:
        screen.until("delete repository")
        screen.until(r"Take back 1 in this order\? \[y/N\]: ")
        screen.type("n\n")
        assert screen.end() == 1
    assert served.calls("POST", ".*/undo") == []


def test_a_secret_of_a_retry_is_asked_for_and_not_shown(
    environ: dict[str, str], served: Served
) -> None:
    held = served.run("scaffold", "Create boat")
    held.end("failed")
    words = ("runs", "retry", held.id, "--secret", "API_KEY", "--no-wait")
    with terminal(environ, *words) as screen:
        screen.until("API_KEY: ")
        screen.type("s3cret\n")
        assert screen.end() == 0
    assert "s3cret" not in screen.seen
    assert served.calls("POST", ".*/retry")[0].body == {"secrets": {"API_KEY": "s3cret"}}


@pytest.fixture
def hearing() -> Iterator[None]:
    """Let processes be interrupted although this one may be deaf: shells start jobs so."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("words", [("create", "python-service", "-p", "name=a", "-p", "owner=b")])
def test_the_interrupt_key_leaves_the_run_and_says_how_to_take_it_up(
    environ: dict[str, str], served: Served, words: tuple[str, ...], hearing: None
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
