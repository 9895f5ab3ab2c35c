"""Runs by command: listed, shown, followed in plain lines, and told what to do."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
import yaml
from contract_server import Platform as Served
from contract_state import HeldRun, problem


def failed(served: Served) -> HeldRun:
    held = served.run("scaffold", "Create boat")
    held.step("fetch", "running")
    held.step("fetch", "succeeded")
    held.step("publish", "running")
    error = {"code": "unavailable", "message": "The host is full.", "next": "Make room."}
    held.step("publish/push", "running")
    held.step("publish/push", "failed", error=error)
    held.step("publish", "failed", error=error)
    held.shape["input"] = {"values": {"port": 9000, "name": "boat", "tags": ["a"]}, "dry": False}
    held.end("failed", error=error)
    return held


def asking(served: Served, title: str = "Deploy shop") -> HeldRun:
    held = served.run("deploy", title)
    held.step("ask", "running")
    held.wait("ask", "approval", question="Deploy?", approvers=["group:default/ops"])
    return held


def unknown(served: Served) -> HeldRun:
    held = served.run("provision", "Provide ledger")
    held.step("create", "running")
    held.step("create", "unknown", effect="external")
    held.end("unknown")
    return held


# ---- seeing -------------------------------------------------------------------------------------


def test_runs_are_listed_with_what_they_wait_for_and_where_they_are(
    run, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, queued = asking(served), served.run("move", "Move")
    queued.shape |= {"state": "queued", "held": "another run of orders goes on"}
    stopping = served.run("move", "Stop")
    stopping.shape["cancelRequested"] = True
    ended = failed(served)
    said = run("runs", "ls").stdout
    words = " ".join(said.split())
    assert said.split()[:5] == ["ID", "STATE", "TITLE", "PROGRESS", "AGE"]
    assert all(one.id in said for one in (held, queued, stopping, ended))
    assert "waiting:" in words and "approval" in words and "step 1" in words
    assert "held" in words and "stopping" in words
    assert said.index(ended.id) < said.index(held.id)  # newest first
    looked = served.calls("GET", f"/api/v1/runs/{ended.id}")
    assert looked == []  # only open ones are looked at one by one
    monkeypatch.setenv("COLUMNS", "160")
    wide = run("runs", "ls", width=160).stdout
    assert "step 1: Ask" in wide and "another run of orders goes on" in wide


def test_a_list_is_narrowed_by_everything(run, served: Served) -> None:
    held = asking(served)
    words = (
        "runs ls --kind deploy --state waiting --state queued --waiting-for approval --mine "
        "--queue q --parent p --schedule s --since 2h --until 2126-01-01 --search shop --limit 5"
    )
    assert run(*words.split()).exit_code == 0
    asked = served.calls("GET", "/api/v1/runs")[-1].query
    assert [value for name, value in asked if name == "state"] == ["waiting", "queued"]
    query = dict(asked)
    assert query["createdBy"] == "user:default/ann" and query["waitingFor"] == "approval"
    assert query["until"] == "2126-01-01T00:00:00+00:00" and query["since"] < query["until"]
    assert (query["q"], query["limit"], query["kind"]) == ("shop", "5", "deploy")
    assert (query["queue"], query["parent"], query["schedule"]) == ("q", "p", "s")
    assert held.id in run("runs", "ls", "--by", "user:default/ann").stdout
    [one] = json.loads(run("runs", "ls", "-o", "json").stdout)
    assert one == {k: v for k, v in held.shape.items() if k != "steps"}


@pytest.mark.parametrize("when", ["yesterday", "0s", "2x", "2026-13-01"])
def test_a_time_that_is_none(run, when: str) -> None:
    done = run("runs", "ls", "--since", when)
    assert done.exit_code == 2 and "30m" in done.stderr


def test_a_run_that_asks_shows_who_may_answer_and_how(run, served: Served) -> None:
    held = asking(served)
    done = run("runs", "show", held.id)
    for text in ("approval by group:default/ops", "Deploy?", "waiting", "STEP", "TRIES"):
        assert text in done.stdout
    assert f"  towpath runs approve {held.id}\n" in done.stderr
    assert f"  towpath runs reject {held.id} --reason WHY\n" in done.stderr
    assert "retry" not in done.stderr and "undo" not in done.stderr


def test_a_run_that_failed_shows_why_and_how_to_go_on(run, served: Served) -> None:
    held = failed(served)
    held.undos = [{"seq": 1, "step": "fetch", "name": "delete it", "owner": "git"}]
    held.shape["secretNames"] = ["API_KEY", "PASSWORD"]
    done = run("runs", "show", held.id)
    assert "The host is full. (unavailable)" in done.stdout and "Make room." in done.stdout
    assert "\n- Publish/push  failed" in done.stdout  # a part of the step above it
    assert f"  towpath runs retry {held.id} --secret API_KEY --secret PASSWORD\n" in done.stderr
    assert f"  towpath runs undo {held.id}\n" in done.stderr


def test_a_run_that_is_unknown_shows_how_to_resolve_it(run, served: Served) -> None:
    held = unknown(served)
    done = run("runs", "show", held.id)
    assert "effect external" in done.stdout
    assert f"towpath runs resolve {held.id} --happened" in done.stderr
    assert f"towpath runs resolve {held.id} --not-happened" in done.stderr


def test_everything_that_is_known_is_shown(run, served: Served) -> None:
    held = asking(served)
    held.shape |= {
        "queue": "slow",
        "priority": 7,
        "concurrencyKey": "shop",
        "deadline": "2126-01-01T00:00:00Z",
        "parent": "the-parent",
        "schedule": "the-schedule",
        "secretNames": ["API_KEY"],
        "cancelRequested": True,
        "cancelBy": "2126-01-01T00:00:00Z",
        "attempt": 3,
    }
    said = run("runs", "show", held.id).stdout
    for text in ("slow", "7", "shop", "the-parent", "the-schedule", "API_KEY", "in 3", "Attempt"):
        assert text in said
    assert json.loads(run("runs", "show", held.id, "-o", "json").stdout) == held.shape


def test_a_run_of_an_older_platform_is_shown(run, served: Served) -> None:
    held = served.finished("scaffold", "Create boat", {"links": [{"title": "Repo", "url": "u"}]})
    served.fail("GET", ".*/undo", answer=problem(404, "not-found", "There is no such route."))
    shown = run("runs", "show", held.id).stdout
    assert "Repo: u" in shown and "STEP" in shown and "Took" in shown


# ---- following ----------------------------------------------------------------------------------


def test_what_a_run_says(run, served: Served) -> None:
    held = served.finished("scaffold", "Create boat", {})
    assert run("runs", "logs", held.id).stdout.splitlines() == [
        "--- Work: running",
        "doing Create boat",
        "--- Work: succeeded",
    ]
    events = run("runs", "logs", held.id, "-o", "json").stdout.splitlines()
    assert [json.loads(one) for one in events] == held.events
    documents = list(yaml.safe_load_all(run("runs", "logs", held.id, "-o", "yaml").stdout))
    assert [one["seq"] for one in documents if one] == [1, 2, 3, 4]


def test_a_wait_is_said_with_its_answer(run, served: Served) -> None:
    held = asking(served)
    run("runs", "approve", held.id, "--reason", "Tuesday")
    held.end()
    said = run("runs", "logs", "-f", held.id).stdout.splitlines()
    assert said == [
        "--- Ask: running",
        "--- ask: waits for approval by group:default/ops: Deploy?",
        f"--- answer it: towpath runs approve {held.id}",
        "--- ask: approved by user:default/ann: Tuesday",
    ]


def test_a_failed_run_fails_the_command_and_says_how_to_go_on(run, served: Served) -> None:
    held = failed(served)
    done = run("runs", "logs", "-f", held.id)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == "--- Publish: failed"
    assert "why: The host is full." in done.stderr
    assert f"next: Make room. Take it up again: towpath runs retry {held.id}" in done.stderr


def test_an_unknown_run_has_an_exit_code_of_its_own(run, served: Served) -> None:
    held = unknown(served)
    done = run("runs", "logs", "-f", held.id)
    assert done.exit_code == 7
    assert "Provide ledger may have had an effect that nobody recorded." in done.stderr
    assert f"towpath runs resolve {held.id} --happened --reason WHY" in done.stderr


def test_a_wait_outlasts_the_time_of_the_command(run, served: Served) -> None:
    done = run("runs", "logs", "-f", asking(served).id, "--timeout", "0.1")
    assert done.exit_code == 8 and "It is waiting" in done.stderr


def test_a_followed_run_is_plain_lines_where_nobody_looks(run, served: Served) -> None:
    held = failed(served)
    seen = len(held.events)

    def work() -> None:
        with held.changed:
            assert held.changed.wait_for(lambda: len(held.events) > seen, 60)
        held.step("publish", "running")
        for done in (1, 2, 100):
            held.add("progress", step="publish", done=done, total=100, unit="rows")
        held.wait("publish", "signal", event="merged")
        held.settle("came")
        held.end()

    served.hold_runs = True
    working = threading.Thread(target=work)
    working.start()
    done = run("runs", "retry", held.id)
    working.join()
    assert done.exit_code == 0
    assert done.stderr.splitlines() == [
        f"Run {held.id}: Create boat",
        "run: taken up again by user:default/ann",
        "state queued",
        "Publish: running",
        "Publish: 1 of 100 rows",  # what follows at once is left out, but for the end
        "Publish: 100 of 100 rows",
        "Publish: waits for signal merged",
        f"  Answer it: towpath runs signal {held.id} merged",
        "Publish: the signal came",
        "state queued",
        "state succeeded",
    ]
    assert held.id in done.stdout


# ---- telling ------------------------------------------------------------------------------------


def test_a_run_is_cancelled(run, served: Served) -> None:
    held, other = served.run("scaffold", "long"), served.run("scaffold", "stuck")
    assert "cancelled" in run("runs", "cancel", held.id).stderr
    assert run("runs", "cancel", held.id).exit_code == 6
    done = run("runs", "cancel", other.id, "--force", "--grace", "3", "--reason", "x")
    assert "by force" in done.stderr and "running" in done.stderr
    body = served.calls("POST", ".*/cancel")[-1].body
    assert body == {"graceSeconds": 3.0, "reason": "x"}
    run("runs", "cancel", other.id, "--force")
    assert served.calls("POST", ".*/cancel")[-1].body == {"force": True}


def test_a_run_is_taken_up_again_as_it_was(run, served: Served) -> None:
    held = failed(served)
    done = run("runs", "retry", held.id, "-o", "json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["output"] == {"again": True}
    assert served.calls("POST", ".*/retry")[0].body == {}
    assert "The host" not in done.stderr and "fetch" not in done.stderr  # not what was before
    assert run("runs", "retry", held.id).exit_code == 6


def test_the_input_of_a_retry_is_changed(
    run, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = failed(served)
    monkeypatch.setenv("API_KEY", "s3cret")
    words = "--set values.port=9001 -p values.name=123 --set dry=yes --set values.new=x --no-wait"
    done = run("runs", "retry", held.id, *words.split(), "--secret", "API_KEY", "--reason", "r")
    assert done.exit_code == 0 and done.stdout == f"{held.id}\n"
    assert "s3cret" not in done.output
    body = served.calls("POST", ".*/retry")[0].body
    values = {"port": 9001, "name": "123", "tags": ["a"], "new": "x"}
    assert body == {
        "input": {"values": values, "dry": True},
        "secrets": {"API_KEY": "s3cret"},
        "reason": "r",
    }
    held.end("failed")
    file = tmp_path / "input.yaml"
    file.write_text("values: {port: 1}\n")
    assert run("runs", "retry", held.id, "--from-file", str(file), "--no-wait").exit_code == 0
    assert served.calls("POST", ".*/retry")[1].body == {"input": {"values": {"port": 1}}}
    held.end("failed")
    assert run("runs", "retry", held.id, "--secret", "NOT_THERE").exit_code == 2
    assert run("runs", "retry", held.id, "--set", "nothing").exit_code == 2
    assert len(served.calls("POST", ".*/retry")) == 2


def test_an_unknown_run_is_given_its_secrets_again(
    run, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = unknown(served)
    held.shape["secretNames"] = ["API_KEY"]
    shown = run("runs", "show", held.id).stderr
    assert f"  towpath runs resolve {held.id} --happened --reason WHY --secret API_KEY\n" in shown
    monkeypatch.setenv("API_KEY", "s3cret")
    words = ("--not-happened", "--reason", "no", "--secret", "API_KEY", "--no-wait")
    done = run("runs", "resolve", held.id, *words)
    assert done.exit_code == 0 and "s3cret" not in done.output
    body = served.calls("POST", ".*/resolve")[0].body
    assert body == {"happened": False, "reason": "no", "secrets": {"API_KEY": "s3cret"}}


def test_an_answered_question_shows_its_answer(run, served: Served) -> None:
    held = failed(served)
    wait = {"step": "ask", "type": "approval", "name": "Ask", "question": "Deploy?"}
    answer = {"outcome": "rejected", "by": "user:default/bob", "reason": "not today"}
    held.step("ask", "succeeded", wait=wait, output=answer)
    said = run("runs", "show", held.id, width=120).stdout
    assert "rejected by user:default/bob: not today" in said


def test_an_unknown_run_is_resolved(run, served: Served, tmp_path: Path) -> None:
    held = unknown(served)
    assert run("runs", "resolve", held.id, "--reason", "x").exit_code == 2
    assert run("runs", "resolve", held.id, "--happened").exit_code == 2
    (tmp_path / "made.json").write_text('{"id": 1}')
    words = ("--happened", "--reason", "It is there", "--result", str(tmp_path / "made.json"))
    done = run("runs", "resolve", held.id, *words)
    assert done.exit_code == 0 and "succeeded" in done.stdout
    body = served.calls("POST", ".*/resolve")[0].body
    assert body == {"happened": True, "output": {"id": 1}, "reason": "It is there"}
    other = unknown(served)
    words = ("--not-happened", "--reason", "no", "--no-wait")
    assert run("runs", "resolve", other.id, *words).stdout == f"{other.id}\n"
    assert served.calls("POST", ".*/resolve")[1].body == {"happened": False, "reason": "no"}


def test_taking_back_is_shown_before_it_is_done(run, served: Served) -> None:
    held = served.finished("scaffold", "Create boat", {})
    none = run("runs", "undo", held.id, "--yes")
    assert none.exit_code == 6 and "nothing to take back" in none.stderr
    held.undos = [
        {"seq": 2, "step": "publish", "name": "delete repo", "owner": "git", "data": {"a": 1}},
        {"seq": 1, "step": "register", "name": "remove", "owner": "catalog", "state": "done"},
        {"seq": 1, "step": "build", "name": "purge", "owner": "oci", "run": "0192f0c1"},
    ]
    error = {"code": "unavailable", "message": "No answer."}
    held.undos[2] |= {"state": "failed", "error": error}
    asked = run("runs", "undo", held.id)
    assert asked.exit_code == 2 and "--yes" in asked.stderr
    assert "delete repo" in asked.stdout and "a=1" in asked.stdout
    assert "remove" not in asked.stdout
    words = " ".join(asked.stdout.split())
    assert "build of run 0192f0c1" in words and "failed: No answer." in words
    listed = run("runs", "undo", held.id, "-o", "json")
    assert listed.exit_code == 0
    assert [one["name"] for one in json.loads(listed.stdout)] == ["delete repo", "purge"]
    assert served.calls("POST", ".*/undo") == []
    done = run("runs", "undo", held.id, "--yes", "--reason", "not wanted")
    assert done.exit_code == 0 and "Undo Create boat" in done.output
    assert served.calls("POST", ".*/undo")[0].body == {"reason": "not wanted"}


def test_a_question_is_answered(run, served: Served) -> None:
    one, other = asking(served), asking(served)
    done = run("runs", "approve", one.id, "--step", "ask", "--reason", "fine")
    assert "Approved: Deploy?" in done.stderr
    assert served.calls("POST", ".*/approve")[0].body == {"step": "ask", "reason": "fine"}
    assert run("runs", "approve", one.id).exit_code == 6
    assert run("runs", "reject", other.id).exit_code == 2
    done = run("runs", "reject", other.id, "--reason", "Friday")
    assert done.exit_code == 0 and "is failed" in done.stderr


def test_a_run_is_told_what_happened(run, served: Served) -> None:
    held = served.run("scaffold", "listens")
    held.step("listen", "running")
    held.wait("listen", "signal", event="merged")
    done = run("runs", "signal", held.id, "merged", "--set", "commit=4be", "--set", "by.name=ann")
    assert done.exit_code == 0
    body = {"commit": "4be", "by": {"name": "ann"}}
    assert served.calls("POST", ".*/signals")[0].body == {"name": "merged", "body": body}


# ---- starting -----------------------------------------------------------------------------------


def test_kinds_are_listed_and_one_is_shown(run) -> None:
    assert "move-database" in run("runs", "kinds").stdout
    said = run("runs", "kinds", "move-database").stdout
    assert "database*" in said and "integer" in said and "100" in said
    assert run("runs", "kinds", "none").exit_code == 3
    assert json.loads(run("runs", "kinds", "-o", "json").stdout)[0]["name"] == "move-database"


def test_a_run_is_started_and_followed(run, served: Served) -> None:
    words = (
        "runs start move-database -p database=orders --secret password=s3cret --title Orders "
        "--key orders --priority 5 --queue slow --deadline 1.5h --idempotency-key job-1"
    )
    done = run(*words.split())
    assert done.exit_code == 0 and "database: orders" in done.stdout
    assert "s3cret" not in done.output
    [asked] = served.calls("POST", "/api/v1/runs")
    assert asked.body == {
        "kind": "move-database",
        "input": {"database": "orders", "rows": 100},
        "title": "Orders",
        "queue": "slow",
        "priority": 5,
        "concurrencyKey": "orders",
        "deadlineSeconds": 5400.0,
        "secrets": {"password": "s3cret"},
    }
    assert asked.key == "job-1"


def test_what_is_missing_is_named(run, served: Served) -> None:
    done = run("runs", "start", "move-database")
    assert done.exit_code == 2 and "-p database=" in done.stderr
    assert run("runs", "start", "none").exit_code == 3
    words = ("runs", "start", "move-database", "-p", "database=a", "--deadline")
    assert run(*words, "soon").exit_code == 2
    assert served.runs == {}
    done = run(*words, "90", "--no-wait")
    assert done.stdout.strip() in served.runs
