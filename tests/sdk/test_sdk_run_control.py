"""Starting runs, asking for them, and telling them what to do."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from contract_server import TOKEN, Answer
from contract_server import Platform as Served

from towpath_sdk import (
    BadArgument,
    Conflict,
    Event,
    Invalid,
    NotFound,
    Platform,
    Run,
    RunFailed,
    Undo,
    Waiting,
    WaitTimeout,
)


def test_a_run_is_started_with_all_that_can_be_said(platform: Platform, served: Served) -> None:
    run = platform.runs.start(
        "move-database",
        {"database": "orders"},
        title="Move orders",
        queue="slow",
        priority=-5,
        concurrency_key="orders",
        deadline=60,
        secrets={"password": "s3cret"},
    )
    [asked] = served.calls("POST", "/api/v1/runs")
    assert asked.body == {
        "kind": "move-database",
        "input": {"database": "orders"},
        "title": "Move orders",
        "queue": "slow",
        "priority": -5,
        "concurrencyKey": "orders",
        "deadlineSeconds": 60,
        "secrets": {"password": "s3cret"},
    }
    assert (run.title, run.queue, run.priority) == ("Move orders", "slow", -5)
    assert run.secret_names == ("password",)
    assert "s3cret" not in repr(run)


def test_a_lost_answer_starts_one_run(platform: Platform, served: Served) -> None:
    served.fail("POST", "/api/v1/runs", done=True)
    run = platform.runs.start("move-database", {"database": "orders"})
    assert list(served.runs) == [run.id]
    again = platform.runs.start("move-database", {"database": "a"}, idempotency_key="job-1")
    same = platform.runs.start("move-database", {"database": "a"}, idempotency_key="job-1")
    assert again.id == same.id != run.id


def test_what_cannot_be_started(platform: Platform, served: Served) -> None:
    with pytest.raises(NotFound):
        platform.runs.start("no-such-kind")
    with pytest.raises(Invalid) as refused:
        platform.runs.start("move-database")
    assert refused.value.problems[0].pointer == "/database"
    with pytest.raises(BadArgument):
        platform.runs.start("move-database", deadline=0)
    assert served.runs == {}


def test_the_kinds_say_what_they_ask_for(platform: Platform) -> None:
    [kind] = list(platform.runs.kinds())
    assert (kind.name, kind.queue) == ("move-database", "default")
    assert kind.input_schema["required"] == ["database"]


def test_runs_are_asked_for_by_everything(platform: Platform, served: Served) -> None:
    old, asks = served.run("scaffold", "Old"), served.run("provision", "Ask first")
    old.shape |= {"createdAt": "2020-01-01T00:00:00Z", "queue": "slow", "parent": "p"}
    old.end("failed")
    asks.step("ask", "running")
    asks.wait("ask", "approval", question="Really?", approvers=["group:default/ops"])
    lists = platform.runs.list

    def ids(**chosen: object) -> list[str]:
        return [run.id for run in lists(**chosen)]  # type: ignore[arg-type]

    assert ids() == [asks.id, old.id]
    assert ids(state=("failed", "waiting"), page_size=1) == [asks.id, old.id]
    assert ids(state="failed") == ids(queue="slow") == ids(parent="p") == [old.id]
    assert ids(waiting_for="approval") == ids(search="ask FIRST") == [asks.id]
    assert ids(kind="scaffold", created_by="user:default/ann") == [old.id]
    assert ids(schedule="s") == []
    since = datetime.now(UTC) - timedelta(hours=1)
    assert ids(since=since) == [asks.id] and ids(until=since) == [old.id]
    with pytest.raises(BadArgument):
        ids(since=datetime(2026, 1, 1))
    [run] = lists(waiting_for="approval")
    [waiting] = run.waiting
    assert waiting == Waiting(
        "approval", step="ask", name="Ask", question="Really?", approvers=("group:default/ops",)
    )


def test_steps_and_the_log(platform: Platform, served: Served) -> None:
    run = served.run("scaffold", "steps")
    run.step("fetch", "running")
    run.add("log", message="one", level="info")
    run.step("fetch", "succeeded", effect="pure")
    run.add("log", message="two \u2028", level="warning")
    [step] = platform.runs.steps(run.id)
    assert (step.key, step.state, step.attempts, step.effect) == ("fetch", "succeeded", 1, "pure")
    assert step.started_at and step.finished_at
    assert platform.runs.log(run.id) == "one\ntwo \u2028\n"
    assert platform.runs.log(run.id, after=2) == "two \u2028\n"
    assert platform.runs.log(run.id, level="warning") == "two \u2028\n"
    for ask in (platform.runs.steps, platform.runs.log, platform.runs.undo_plan):
        with pytest.raises(NotFound):
            ask("none")


def test_a_run_that_waits_is_waited_for(platform: Platform, served: Served) -> None:
    run = served.run("scaffold", "asks")
    run.step("ask", "running")
    run.wait("ask", "approval", question="Deploy?", approvers=["group:default/ops"])
    with pytest.raises(WaitTimeout) as caught:
        platform.runs.wait(run.id, timeout=0.1)
    assert "waiting" in str(caught.value) and not caught.value.run.ended
    heard: list[Event] = []

    def hear(event: Event) -> None:
        heard.append(event)
        if event.waiting is not None:
            answering.start()

    def answer() -> None:
        with Platform(platform.url, token=TOKEN) as ops:
            ops.runs.approve(run.id, step="ask", reason="Looks good.")
        run.end()

    answering = threading.Thread(target=answer)
    assert platform.runs.wait(run.id, timeout=60, on_event=hear).state == "succeeded"
    answering.join()
    texts = [event.text for event in heard if event.type in ("wait", "decision")]
    assert texts == [
        "waits for approval by group:default/ops: Deploy?",
        "approved by user:default/ann: Looks good.",
        "approved by user:default/ann: Looks good.",
    ]


def test_an_effect_that_nobody_recorded_is_told(platform: Platform, served: Served) -> None:
    run = served.run("provision", "Provide orders")
    run.step("create", "running")
    run.step("create", "unknown")
    run.end("unknown")
    with pytest.raises(RunFailed) as caught:
        platform.runs.wait(run.id)
    error = caught.value
    assert error.run.state == "unknown" and error.run.ended
    assert error.what == "Provide orders may have had an effect that nobody recorded."
    assert error.why == "Nobody recorded what became of Create."
    assert f"resolve run {run.id}" in (error.next or "")
    resolved = platform.runs.resolve(run.id, happened=True, output={"id": 1}, reason="It is there.")
    [asked] = served.calls("POST", ".*/resolve")
    assert asked.body == {"happened": True, "output": {"id": 1}, "reason": "It is there."}
    assert resolved.id == run.id
    assert platform.runs.wait(run.id).state == "succeeded"
    with pytest.raises(Conflict):
        platform.runs.resolve(run.id, happened=False, reason="x")


def test_a_run_is_taken_up_again(platform: Platform, served: Served) -> None:
    run = served.run("move-database", "Move")
    run.step("copy", "running")
    run.step("copy", "failed")
    run.end("failed", error={"code": "step-failed", "message": "Full."})
    platform.runs.retry(run.id, input={"rows": 1}, secrets={"password": "new"}, reason="Made room")
    [asked] = served.calls("POST", ".*/retry")
    assert asked.body == {
        "input": {"rows": 1},
        "secrets": {"password": "new"},
        "reason": "Made room",
    }
    assert asked.key
    assert platform.runs.wait(run.id).attempt == 2
    with pytest.raises(Conflict):
        platform.runs.retry(run.id)


def test_following_goes_on_where_a_run_was_taken_up_again(
    platform: Platform, served: Served
) -> None:
    run = served.run("scaffold", "again")
    run.end("failed")
    run.go_on("queued")
    heard = []
    # The end that was before is told as one by a platform that looks at events alone.
    served.fail("GET", ".*/stream", answer=told_as_ended(run.events[:1], "queued"))
    for event in platform.runs.follow(run.id):
        heard.append((event.seq, event.text))
        if event.text == "queued":
            run.end()
    assert heard == [(1, "failed"), (2, "queued"), (3, "succeeded")]


def told_as_ended(events: list[dict[str, object]], state: str) -> Answer:
    frames = [
        f"id: {one['seq']}\nevent: {one['type']}\ndata: {msgspec.json.encode(one).decode()}\n\n"
        for one in events
    ]
    text = "".join(frames) + f'event: done\ndata: {{"state": "{state}"}}\n\n'
    return Answer(200, text.encode(), "text/event-stream")


def test_a_run_is_stopped_with_grace(platform: Platform, served: Served) -> None:
    run = served.run("scaffold", "long")
    asked = platform.runs.cancel(run.id, force=True, grace=2.5, reason="Wrong one")
    assert asked.cancel_requested and asked.cancel_by is not None
    [call] = served.calls("POST", ".*/cancel")
    assert call.body == {"force": True, "graceSeconds": 2.5, "reason": "Wrong one"}
    assert platform.runs.cancel(run.id).state == "cancelled"
    assert served.calls("POST", ".*/cancel")[-1].body == {}


def test_what_a_run_did_is_taken_back(platform: Platform, served: Served) -> None:
    run = served.finished("scaffold", "Create boat", {})
    with pytest.raises(Conflict):
        platform.runs.undo(run.id)
    run.undos = [{"seq": 1, "step": "publish", "name": "delete repository", "owner": "git"}]
    assert platform.runs.undo_plan(run.id) == (Undo(1, "publish", "delete repository", "git"),)
    back = platform.runs.undo(run.id, reason="Not wanted")
    assert back.kind == "undo" and back.id != run.id
    assert served.calls("POST", ".*/undo")[-1].body == {"reason": "Not wanted"}


def test_no_is_said_with_a_reason(platform: Platform, served: Served) -> None:
    run = served.run("scaffold", "asks")
    run.step("ask", "running")
    with pytest.raises(Conflict):
        platform.runs.approve(run.id)
    run.wait("ask", "approval", question="Deploy?")
    assert platform.runs.reject(run.id, reason="On a Friday?").state == "failed"
    with pytest.raises(RunFailed) as caught:
        platform.runs.wait(run.id)
    assert caught.value.run.error is not None
    assert (caught.value.run.error.code, caught.value.why) == ("rejected", "On a Friday?")


def test_a_signal_wakes_a_run(platform: Platform, served: Served) -> None:
    run = served.run("scaffold", "listens")
    run.step("listen", "running")
    run.wait("listen", "signal", event="merged")
    platform.runs.signal(run.id, "merged", {"commit": "abc"})
    assert served.calls("POST", ".*/signals")[0].body == {
        "name": "merged",
        "body": {"commit": "abc"},
    }
    assert platform.runs.get(run.id).state == "queued"
    run.end()
    with pytest.raises(Conflict):
        platform.runs.signal(run.id, "merged")


@pytest.mark.parametrize(
    ("waiting", "text"),
    [
        (Waiting("approval"), "approval"),
        (Waiting("signal", event="merged"), "signal merged"),
        (Waiting("signal"), "a signal"),
        (Waiting("time", until=datetime(2026, 1, 2, 3, 4, tzinfo=UTC)), "2026-01-02 03:04:00 UTC"),
        (Waiting("child", run="0192"), "run 0192"),
        (Waiting("tide"), "tide"),
    ],
)
def test_what_is_waited_for_in_words(waiting: Waiting, text: str) -> None:
    assert waiting.text == text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"type": "approval", "outcome": "approved", "by": "user:a/b"}, "approved by user:a/b"),
        ({"type": "approval", "outcome": "rejected", "reason": "no"}, "rejected: no"),
        ({"type": "approval", "outcome": "timed-out"}, "the approval did not come in time"),
        ({"type": "signal", "outcome": "came"}, "the signal came"),
        ({"type": "time", "outcome": "passed"}, "the time has come"),
        ({"type": "child", "outcome": "ended", "run": "0192"}, "run 0192 has ended"),
        ({"type": "child", "outcome": "ended"}, "the run has ended"),
    ],
)
def test_what_became_of_a_wait_in_words(body: dict[str, str], text: str) -> None:
    event = Event(1, "wait", datetime.now(UTC), {"key": "a", **body})
    assert event.text == text and event.waiting is None


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"decision": "retry", "by": "user:a/b", "reason": "r"}, "taken up again by user:a/b: r"),
        ({"decision": "cancel", "by": "user:a/b"}, "asked to stop by user:a/b"),
        ({"decision": "rejected"}, "rejected"),
        ({"decision": "postponed"}, "postponed"),
    ],
)
def test_what_was_decided_in_words(body: dict[str, str], text: str) -> None:
    assert Event(1, "decision", datetime.now(UTC), body).text == text


def test_what_an_older_platform_says_is_read() -> None:
    old = {
        "id": "1",
        "kind": "scaffold",
        "title": "t",
        "state": "running",
        "attempt": 1,
        "createdBy": "user:default/ann",
        "createdAt": "2026-11-23T09:30:00Z",
        "output": None,
        "steps": [{"seq": 1, "key": "a", "name": "A", "state": "running", "attempts": 1}],
    }
    run = msgspec.convert(old, Run)
    assert (run.queue, run.waiting, run.secret_names, run.ended) == (None, (), (), False)


def test_what_a_newer_platform_waits_for_is_no_fault() -> None:
    event = Event(1, "wait", datetime.now(UTC), {"type": "tide", "approvers": "not a list"})
    assert event.text == "waits for tide"
