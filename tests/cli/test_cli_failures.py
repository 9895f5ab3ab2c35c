"""How the command fails: exit codes, words with why and next, and nothing secret in them."""

from __future__ import annotations

import functools
import json
import socket

import pytest
from contract_server import TOKEN, Answer, problem
from contract_server import Platform as Served

import towpath_sdk

INFO = "/api/v1/plugins"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, 2),
        (401, 4),
        (403, 4),
        (404, 3),
        (409, 6),
        (410, 6),
        (412, 6),
        (413, 2),
        (422, 2),
        (429, 5),
        (500, 1),
        (502, 5),
        (503, 5),
        (504, 5),
    ],
)
def test_exit_codes(run, served: Served, status: int, code: int) -> None:
    said = problem(status, "x", "What.", why="Why.", next="Next.")
    served.fail("GET", INFO, answer=said, times=99)
    done = run("plugins")
    assert done.exit_code == code
    assert done.stderr == "error: What.\n  why: Why.\n  next: Next.\n"
    assert done.stdout == ""


def test_a_fault_of_a_plugin_is_not_asked_for_again(run, served: Served) -> None:
    served.fail("GET", INFO, answer=problem(502, "plugin-error", "It broke its contract."))
    assert run("plugins").exit_code == 1
    assert len(served.requests) == 1


def test_many_problems_are_cut_short(run, served: Served) -> None:
    faults = [{"code": "c", "detail": f"fault {n}", "file": "a.yaml", "line": n} for n in range(99)]
    served.fail("GET", INFO, answer=problem(400, "invalid", "Wrong.", errors=faults))
    lines = run("plugins").stderr.splitlines()
    assert lines[1] == "a.yaml:0: fault 0"
    assert lines[-1] == "... and 49 more"


def test_an_answer_of_something_else(run, served: Served) -> None:
    served.fail("GET", INFO, answer=Answer(200, b"<html>", "text/html"))
    done = run("plugins")
    assert done.exit_code == 1 and "cannot read" in done.stderr


def test_nobody_answers(run) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        done = run("plugins", "--url", f"http://127.0.0.1:{free.getsockname()[1]}")
    assert done.exit_code == 5
    assert "could not connect" in done.stderr and "next:" in done.stderr


def test_a_timeout_for_an_answer(run, monkeypatch) -> None:
    once = functools.partial(towpath_sdk.Platform, retries=0)
    monkeypatch.setattr(towpath_sdk, "Platform", once)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = run("plugins", "--url", address, "--timeout", "0.1")
    assert done.exit_code == 5 and "timed out" in done.stderr


def test_the_time_for_a_run_is_over(run, served: Served) -> None:
    held = served.run("scaffold", "long")
    done = run("runs", "logs", "-f", held.id, "--timeout", "0.1")
    assert done.exit_code == 8
    assert f"towpath runs logs -f {held.id}" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("gett",),
        ("get", "-o", "xml"),
        ("get", "--timeout", "0"),
        ("get", "--timeout", "nan"),
        ("get", "--limit", "0"),
        ("get", "component:"),
        ("get", "a/b"),
        ("runs", "show", ".."),
        ("create", "python-service", "-p", "name"),
        ("create", "python-service", "--values", "/none/such"),
        ("login", "--url", "ftp://x", "--token-stdin"),
    ],
)
def test_usage(run, served: Served, words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.exit_code in (2, 4)
    assert done.stderr and "Traceback" not in done.stderr
    assert [r for r in served.requests if r.method == "POST"] == []


def test_a_slip_is_guessed(run) -> None:
    assert "Did you mean 'get'" in run("gett").stderr


def test_no_platform_is_named(run, monkeypatch) -> None:
    monkeypatch.delenv("TOWPATH_URL")
    done = run("get")
    assert done.exit_code == 4
    assert "TOWPATH_URL" in done.stderr and "towpath login" in done.stderr


@pytest.mark.parametrize("words", [("plugins",), ("runs", "ls"), ("get",), ("login",)])
@pytest.mark.parametrize("token", [TOKEN, "tow_pat_wrong_wrongwrong", "line\nbreak"])
def test_nothing_shows_the_token(run, words: tuple[str, ...], token: str) -> None:
    done = run("--token", token, *words)
    assert done.exit_code == (0 if token == TOKEN else 4)
    assert token not in done.output and "wrongwrong" not in done.output


def test_words_are_on_stderr_and_data_alone_on_stdout(run, served: Served) -> None:
    words = ("create", "python-service", "-p", "name=a", "-p", "owner=b", "-o", "json")
    done = run(*words)
    assert json.loads(done.stdout)["state"] == "succeeded"
    assert "Work: succeeded" in done.stderr


def test_colours_only_where_they_are_wanted(run, served: Served) -> None:
    served.finished("scaffold", "boat", {})
    for words in (("runs", "ls"), ("runs", "show", "none"), ("--no-color", "runs", "ls")):
        assert "\x1b" not in run(*words).output
