"""Runs as they are seen over HTTP: filters, cursors, steps, the log, and by whom."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from here import ADA, BOB, Here, opened

from towpath_engine.runs.journal import Event

pytestmark = pytest.mark.anyio
RUNS = "/api/v1/runs"


@pytest.fixture
async def here(migrated_url: str, tmp_path: Path) -> AsyncIterator[Here]:
    async with opened(migrated_url, tmp_path) as found:
        yield found


@pytest.fixture
async def ada(here: Here) -> AsyncIterator[httpx.AsyncClient]:
    async with await here.known_as(ADA) as client:
        yield client


@pytest.fixture
async def bob(here: Here) -> AsyncIterator[httpx.AsyncClient]:
    async with await here.known_as(BOB) as client:
        yield client


async def ids(client: httpx.AsyncClient, **params: object) -> list[str]:
    answer = await client.get(RUNS, params=params)
    assert answer.status_code == 200, answer.text
    return [run["id"] for run in answer.json()["items"]]


async def test_filters_go_together(here: Here, ada: httpx.AsyncClient) -> None:
    parent = await here.run(ADA, kind="clean-up", title="Clean the lock", queue="night")
    child = await here.run(ADA, parent=(uuid.UUID(parent), "part"), state="running")
    schedule = uuid.uuid4()
    fired = await here.run(ADA, schedule=schedule, state="failed")
    await here.run(BOB)
    assert await ids(ada) == [fired, child, parent]
    assert await ids(ada, kind="clean-up") == [parent]
    assert await ids(ada, queue="night", q="LOCK") == [parent]
    assert await ids(ada, state=["running", "failed"]) == [fired, child]
    assert await ids(ada, parent=parent) == [child]
    assert await ids(ada, schedule=str(schedule)) == [fired]
    assert await ids(ada, createdBy="user:default/bob") == []
    assert await ids(ada, waitingFor="approval") == []
    at = (await ada.get(f"{RUNS}/{child}")).json()["createdAt"]
    assert await ids(ada, since=at) == [fired, child]
    assert await ids(ada, until=at) == [parent]
    run = (await ada.get(f"{RUNS}/{child}")).json()
    assert (run["parent"], run["queue"], run["input"]) == (parent, "default", {"n": 1})
    assert "input" not in (await ada.get(RUNS)).json()["items"][0]


async def test_what_has_no_effect_is_400(here: Here, ada: httpx.AsyncClient) -> None:
    for params in (
        {"state": "lost"},
        {"state": ""},
        {"waitingFor": "signal"},
        {"parent": "x"},
        {"schedule": "1"},
        {"since": "yesterday"},
        {"until": "2026-11-27T20:00:00"},
        {"limit": 0},
        {"limit": 1001},
        {"q": "a\x00b"},
        {"sort": "title"},
        {"kind": ["a", "b"]},
    ):
        answer = await ada.get(RUNS, params=params)
        assert answer.status_code == 400, (params, answer.text)
        assert answer.headers["content-type"].startswith("application/problem+json")


async def test_a_state_that_is_none_is_answered_with_those_there_are(
    here: Here, ada: httpx.AsyncClient
) -> None:
    said = (await ada.get(RUNS, params={"state": ["failed", "lost"]})).json()
    states = "queued or running or waiting or succeeded or failed or cancelled or unknown"
    assert said["detail"] == f"state must be {states}, not 'lost'."
    said = (await ada.get(RUNS, params={"waitingFor": "signal"})).json()
    assert said["detail"] == "waitingFor must be approval, not 'signal'."


async def test_cursors_are_good_for_their_asker_and_question_only(
    here: Here, ada: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    mine = [await here.run(ADA) for _ in range(5)]
    page = (await ada.get(RUNS, params={"limit": 2, "kind": "scaffold"})).json()
    cursor = page["nextCursor"]
    rest = await ids(ada, limit=10, kind="scaffold", cursor=cursor)
    assert [run["id"] for run in page["items"]] + rest == mine[::-1]
    changed = ("A" if cursor[0] != "A" else "B") + cursor[1:]
    for client, params in (
        (bob, {"kind": "scaffold", "cursor": cursor}),
        (ada, {"cursor": cursor}),
        (ada, {"kind": "scaffold", "state": "queued", "cursor": cursor}),
        (ada, {"kind": "scaffold", "cursor": changed}),
        (ada, {"kind": "scaffold", "cursor": cursor[:-4]}),
        (ada, {"kind": "scaffold", "cursor": "%%%"}),
        (ada, {"kind": "scaffold", "cursor": ""}),
    ):
        answer = await client.get(RUNS, params=params)
        assert answer.status_code == 400, (params, answer.text)


class TestRights:
    PATHS = ("", "/steps", "/events", "/log", "/stream")

    async def test_every_read_is_hidden_from_others(
        self, here: Here, ada: httpx.AsyncClient, bob: httpx.AsyncClient
    ) -> None:
        run = await here.run(ADA)
        await here.write(run, Event("state", {"state": "failed"}), state="failed")
        unknown = str(uuid.uuid4())
        for path in self.PATHS:
            assert (await ada.get(f"{RUNS}/{run}{path}")).status_code == 200, path
            hidden = await bob.get(f"{RUNS}/{run}{path}")
            missing = await bob.get(f"{RUNS}/{unknown}{path}")
            assert hidden.status_code == missing.status_code == 404, path
            # In the same words: that it is there is nobody's business.
            assert hidden.text.replace(run, "") == missing.text.replace(unknown, "")
        assert await ids(bob) == []

    async def test_who_is_asked_reads_all_of_it(self, here: Here, bob: httpx.AsyncClient) -> None:
        run = await here.run(ADA)
        await here.ask(run, "group:default/keepers")
        assert await ids(bob, waitingFor="approval") == [run]
        (seen,) = (await bob.get(RUNS)).json()["items"]
        assert seen["waiting"] == [
            {
                "step": "approval:go",
                "type": "approval",
                "name": "May I?",
                "question": "May I?",
                "approvers": ["group:default/keepers"],
            }
        ]
        await here.write(run, Event("state", {"state": "failed"}), state="failed")
        for path in self.PATHS:
            assert (await bob.get(f"{RUNS}/{run}{path}")).status_code == 200, path

    async def test_a_token_without_the_scope_is_403(self, here: Here) -> None:
        run = await here.run(ADA)
        made = await here.platform.tokens.create(ADA, "narrow", ["catalog:read"])
        async with here.client(made.token) as narrow, here.client("") as stranger:
            for path in (RUNS, *(f"{RUNS}/{run}{path}" for path in self.PATHS), "/metrics"):
                assert (await narrow.get(path)).status_code == 403, path
                assert (await stranger.get(path)).status_code == 401, path


async def test_the_log_is_lines_of_text_that_can_be_gone_on_with(
    here: Here, ada: httpx.AsyncClient
) -> None:
    run = await here.run(ADA)
    await here.write(
        run,
        Event("state", {"state": "running", "attempt": 1}),
        Event("log", {"message": "begun\nfor real", "level": "info", "step": "a"}),
        Event("log", {"message": "detail", "level": "debug", "step": "a"}),
        Event("acme:built", {"x": 1}),
        Event("log", {"message": "odd \x1b[31mred", "level": "warning", "step": "a"}),
        state="running",
    )
    answer = await ada.get(f"{RUNS}/{run}/log")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert [line.partition(" ")[2] for line in answer.text.splitlines()] == [
        "info run: queued",
        "info run: running",
        "info a: begun",
        "info a: for real",
        "warning a: odd \\x1b[31mred",
    ]
    last = answer.headers["towpath-last-event"]
    assert last == "6"
    assert (await ada.get(f"{RUNS}/{run}/log", params={"after": last})).text == ""
    failed = {"code": "x", "message": "No."}
    await here.write(run, Event("state", {"state": "failed", "error": failed}), state="failed")
    more = await ada.get(f"{RUNS}/{run}/log", params={"after": last})
    assert more.text.endswith(" error run: failed: No.\n")
    assert more.text.count("\n") == 1
    every = await ada.get(f"{RUNS}/{run}/log", params={"level": "debug"})
    assert "debug a: detail" in every.text
    only = await ada.get(f"{RUNS}/{run}/log", params={"level": "warning"})
    assert [line.split()[1] for line in only.text.splitlines()] == ["warning", "error"]
    head = await ada.head(f"{RUNS}/{run}/log")
    assert (head.status_code, head.content) == (200, b"")
    for params in ({"level": "loud"}, {"after": -1}, {"after": "x"}):
        assert (await ada.get(f"{RUNS}/{run}/log", params=params)).status_code == 400


async def test_a_long_log_comes_whole(here: Here, ada: httpx.AsyncClient) -> None:
    run = await here.run(ADA)
    await here.write(run, *(Event("log", {"message": f"line {n}"}) for n in range(1500)))
    lines = (await ada.get(f"{RUNS}/{run}/log")).text.splitlines()
    assert [line.rpartition(": ")[2] for line in lines[1:]] == [f"line {n}" for n in range(1500)]


async def test_a_stream_goes_on_over_the_end_of_an_earlier_attempt(
    here: Here, ada: httpx.AsyncClient
) -> None:
    run = await here.run(ADA)
    await here.write(run, Event("state", {"state": "failed"}), state="failed")
    await here.write(run, Event("state", {"state": "queued"}), state="queued")
    reading = asyncio.create_task(ada.get(f"{RUNS}/{run}/stream"))
    while here.followers == 0:
        await asyncio.sleep(0.01)
    await here.write(run, Event("state", {"state": "succeeded"}), state="succeeded")
    frames = (await reading).text.strip().split("\n\n")
    assert [frame.splitlines()[0] for frame in frames[:-1]] == [f"id: {n}" for n in range(1, 5)]
    assert frames[-1] == 'event: done\ndata: {"state":"succeeded"}'


class TestTasks:
    """The scaffolder's words for the same runs."""

    TASKS = "/api/scaffolder/v2/tasks"

    async def test_states_have_their_words(self, here: Here, ada: httpx.AsyncClient) -> None:
        words = {
            "queued": "open",
            "running": "processing",
            "waiting": "processing",
            "succeeded": "completed",
            "failed": "failed",
            "cancelled": "cancelled",
            "unknown": "failed",
        }
        made = {state: await here.run(ADA, state=state) for state in words}
        await here.run(ADA, kind="provision")
        for state, word in words.items():
            task = (await ada.get(f"{self.TASKS}/{made[state]}")).json()
            assert task["status"] == word
            listed = (await ada.get(self.TASKS, params={"status": word})).json()
            same = [id for other, id in made.items() if words[other] == word]
            assert [task["id"] for task in listed["tasks"]] == same[::-1]
            assert listed["totalTasks"] == len(same)
        every = (await ada.get(self.TASKS)).json()
        assert every["totalTasks"] == len(words)

    async def test_tasks_are_ordered_as_asked(self, here: Here, ada: httpx.AsyncClient) -> None:
        made = [
            await here.run(ADA, state=state) for state in ("failed", "queued", "unknown", "waiting")
        ]

        async def order(*order: str) -> list[int]:
            answer = await ada.get(self.TASKS, params={"order": list(order)})
            assert answer.status_code == 200, answer.text
            return [made.index(task["id"]) for task in answer.json()["tasks"]]

        assert await order() == [3, 2, 1, 0]
        assert await order("asc:created_at") == [0, 1, 2, 3]
        assert await order("asc:status", "asc:created_at") == [0, 2, 1, 3]
        assert await order("desc:status", "desc:created_at") == [3, 1, 2, 0]
        for wrong in ("created_at", "up:created_at", "asc:title", ""):
            answer = await ada.get(self.TASKS, params={"order": wrong})
            assert answer.status_code == 400

    async def test_an_earlier_end_is_not_told_as_the_completion(
        self, here: Here, ada: httpx.AsyncClient
    ) -> None:
        run = await here.run(ADA)
        no = {"code": "x", "message": "No."}
        await here.write(run, Event("state", {"state": "failed", "error": no}), state="failed")
        polled = (await ada.get(f"{self.TASKS}/{run}/events")).json()
        assert [(event["id"], event["type"]) for event in polled] == [(2, "completion")]
        again = Event("decision", {"decision": "retry", "by": "user:default/ada"})
        await here.write(run, again, Event("state", {"state": "queued"}), state="queued")
        await here.write(run, Event("log", {"message": "at it"}))
        polled = (await ada.get(f"{self.TASKS}/{run}/events")).json()
        assert [event["type"] for event in polled] == ["recovered", "log"]
        await here.write(run, Event("state", {"state": "failed", "error": no}), state="failed")
        # Something may be noted of a run that has ended.
        await here.write(run, Event("decision", {"decision": "undo", "by": "user:default/ada"}))
        polled = (await ada.get(f"{self.TASKS}/{run}/events")).json()
        assert [(event["id"], event["type"]) for event in polled] == [
            (3, "recovered"),
            (5, "log"),
            (6, "completion"),
        ]
        stream = (await ada.get(f"{self.TASKS}/{run}/eventstream")).text
        kinds = [line[7:] for line in stream.splitlines() if line.startswith("event: ")]
        assert kinds == ["recovered", "log", "completion"]


class TestMetrics:
    async def test_a_scrape_tells_of_all_runs(self, here: Here, ada: httpx.AsyncClient) -> None:
        run = await here.run(ADA, queue="night")
        await here.run(BOB, state="running")
        await here.write(run, Event("state", {"state": "succeeded"}), state="succeeded")
        answer = await ada.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=")
        assert answer.headers["cache-control"] == "no-store"
        lines = set(answer.text.splitlines())
        assert 'towpath_runs{kind="scaffold",state="running"} 1.0' in lines
        assert 'towpath_runs_ended_total{kind="scaffold",state="succeeded"} 1.0' in lines
        assert "towpath_workers 0.0" in lines
        assert any(line.startswith('towpath_queue_age_seconds{queue="default"}') for line in lines)
        accept = {"accept": "application/openmetrics-text; version=1.0.0"}
        open_form = await ada.get("/metrics", headers=accept)
        assert open_form.headers["content-type"].startswith("application/openmetrics-text")
        assert open_form.text.endswith("# EOF\n")


class TestReadiness:
    async def test_missing_workers_are_told_and_harm_no_answers(
        self, here: Here, ada: httpx.AsyncClient
    ) -> None:
        async with here.client("") as stranger:
            answer = await stranger.get("/readyz")
            assert answer.status_code == 200
            body = answer.json()
            assert body["checks"]["workers"].startswith("none is alive")
            assert body["runs"] == {
                "workers": 0,
                "oldestSeconds": 0.0,
                "deserted": None,
                "queues": None,
            }
            await here.run(ADA, queue="night")
            told = (await ada.get("/readyz")).json()["runs"]
            assert told["deserted"] == ["night"]
            assert [queue["name"] for queue in told["queues"]] == ["night"]
            assert "night" not in (await stranger.get("/readyz")).text
