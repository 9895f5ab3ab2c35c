"""Runs under somebody's hand, end to end over HTTP: a worker does them, people decide."""

from __future__ import annotations

import threading
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from here import ADA, BOB, Here, Kind, opened, somebody, working

from towpath_core.errors import StepFailed
from towpath_core.runs import StepTools

pytestmark = pytest.mark.anyio
RUNS = "/api/v1/runs"
TASKS = "/api/scaffolder/v2/tasks"


class World:
    """What the kinds of run of these tests do, and what they wait for."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.let_go = threading.Event()
        self.undoing = Kind("undoing", self._undoing)
        self.kinds = [
            Kind("steps", self._steps),
            Kind("asking", self._asking),
            Kind("listening", self._listening),
            Kind("parent", self._parent),
            Kind("stuck", self._stuck),
            Kind(
                "strict",
                lambda input, tools: input,
                {
                    "type": "object",
                    "required": ["system"],
                    "properties": {"system": {"type": "string"}},
                    "additionalProperties": False,
                },
            ),
            self.undoing,
        ]

    def _steps(self, input: dict[str, Any], tools: StepTools) -> Any:
        def work(name: str) -> Any:
            def do(tools: StepTools) -> Any:
                if name == "b" and tools.secret("key").reveal() != "right":
                    raise StepFailed("No.", next="Give another key.")
                self.done.append(name)
                return {"made": name}

            return do

        for name in ("a", "b", "c"):
            tools.step(name, work(name))
        return {"done": input.get("what", "all")}

    def _asking(self, input: dict[str, Any], tools: StepTools) -> Any:
        approvers = input.get("approvers", ["group:default/keepers"])
        said = tools.approval("go", "May I?", approvers=approvers, subject={"hash": "abc"})
        self.done.append("went")
        return {"by": said.by, "reason": said.reason}

    def _listening(self, input: dict[str, Any], tools: StepTools) -> Any:
        return {"first": tools.wait_for("crate"), "second": tools.wait_for("crate")}

    def _parent(self, input: dict[str, Any], tools: StepTools) -> Any:
        return {"child": tools.child("part", "listening", {})}

    def _stuck(self, input: dict[str, Any], tools: StepTools) -> Any:
        def hang(tools: StepTools) -> Any:
            # Deaf to requests to stop, as plugins are that call something slow.
            self.let_go.wait(60)

        tools.step("hang", hang)
        return {}

    def _undoing(self, input: dict[str, Any], tools: StepTools) -> Any:
        def make(tools: StepTools) -> Any:
            tools.undo("drop", {"what": "table"})
            tools.undo("drop", {"what": "row"})

        tools.step("make", make)
        tools.step("break", lambda tools: self._fail())
        return {}

    def _fail(self) -> None:
        raise StepFailed("It broke.")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def here(migrated_url: str, tmp_path: Path, world: World) -> AsyncIterator[Here]:
    async with opened(migrated_url, tmp_path, kinds=world.kinds) as found, working(found):
        yield found
        world.let_go.set()


@pytest.fixture
async def ada(here: Here) -> AsyncIterator[httpx.AsyncClient]:
    async with await here.known_as(ADA) as client:
        yield client


@pytest.fixture
async def bob(here: Here) -> AsyncIterator[httpx.AsyncClient]:
    async with await here.known_as(BOB) as client:
        yield client


async def start(api: httpx.AsyncClient, kind: str, **more: Any) -> str:
    answer = await api.post(RUNS, json={"kind": kind, "input": {}, **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def ended(api: httpx.AsyncClient, run: str) -> dict[str, Any]:
    """The run when its stream says that it is done."""
    stream = (await api.get(f"{RUNS}/{run}/stream")).text
    assert "event: done\n" in stream
    return dict((await api.get(f"{RUNS}/{run}")).json())


async def reaches(api: httpx.AsyncClient, run: str, state: str) -> dict[str, Any]:
    """The run once an event says that it is in a state."""
    async with api.stream("GET", f"{RUNS}/{run}/stream") as stream:
        async for line in stream.aiter_lines():
            if f'"state":"{state}"' in line and '"type":"state"' in line:
                break
    return dict((await api.get(f"{RUNS}/{run}")).json())


class TestStarting:
    async def test_a_run_is_started_on_its_terms(self, ada: httpx.AsyncClient) -> None:
        body = {
            "kind": "steps",
            "input": {"what": "it"},
            "title": "Do it",
            "priority": 7,
            "concurrencyKey": "the-one",
            "deadlineSeconds": 3600,
            "secrets": {"key": "right"},
        }
        made = await ada.post(RUNS, json=body)
        assert made.status_code == 201
        run = await ended(ada, made.json()["id"])
        assert (run["state"], run["output"], run["title"]) == ("succeeded", {"done": "it"}, "Do it")
        assert (run["priority"], run["concurrencyKey"]) == (7, "the-one")
        assert run["secretNames"] == ["key"]
        assert run["deadline"] > run["createdAt"]
        assert [step["key"] for step in run["steps"]] == ["a", "b", "c"]
        assert "right" not in str(run) + (await ada.get(f"{RUNS}/{run['id']}/log")).text

    async def test_the_same_request_with_its_key_is_one_run(
        self, ada: httpx.AsyncClient, bob: httpx.AsyncClient
    ) -> None:
        key = {"idempotency-key": uuid.uuid4().hex}
        body = {"kind": "steps", "input": {}, "deadlineSeconds": 60}
        first = await ada.post(RUNS, json=body, headers=key)
        again = await ada.post(RUNS, json=body, headers=key)
        assert first.status_code == again.status_code == 201
        assert first.json()["id"] == again.json()["id"]
        other = await ada.post(RUNS, json={**body, "deadlineSeconds": 61}, headers=key)
        assert other.status_code == 422
        theirs = await bob.post(RUNS, json=body, headers=key)
        assert theirs.json()["id"] != first.json()["id"]

    async def test_what_cannot_be_started_is_refused(self, ada: httpx.AsyncClient) -> None:
        steps = {"kind": "steps", "input": {}}
        for body, status in (
            ({"kind": "nope", "input": {}}, 404),
            ({"kind": "undo", "input": {}}, 404),
            ({"kind": "provision", "input": {}}, 404),
            ({"kind": "strict", "input": {}}, 400),
            ({"kind": "strict", "input": {"system": 5}}, 400),
            ({"kind": "strict", "input": {"system": "a", "more": 1}}, 400),
            ({"kind": "steps"}, 400),
            ({**steps, "state": "succeeded"}, 400),
            ({**steps, "createdBy": "user:default/root"}, 400),
            ({**steps, "priority": 101}, 400),
            ({**steps, "deadlineSeconds": 0}, 400),
            ({**steps, "deadlineSeconds": -1}, 400),
            ({**steps, "concurrencyKey": ""}, 400),
            ({**steps, "concurrencyKey": "resource:x"}, 400),
            ({**steps, "queue": "a\nb"}, 400),
            ({**steps, "secrets": {"a": 1}}, 400),
        ):
            answer = await ada.post(RUNS, json=body)
            assert answer.status_code == status, (body, answer.text)
        assert (await ada.get(RUNS)).json()["items"] == []

    async def test_kinds_are_listed_for_those_who_may_start_them(
        self, here: Here, ada: httpx.AsyncClient
    ) -> None:
        kinds = {
            kind["name"]: kind for kind in (await ada.get("/api/v1/run-kinds")).json()["items"]
        }
        assert {"steps", "strict", "scaffold"} <= set(kinds)
        assert kinds["strict"]["inputSchema"]["required"] == ["system"]
        async with await here.known_as(somebody("ro", "runs:read")) as reader:
            assert (await reader.get("/api/v1/run-kinds")).json()["items"] == []


class TestRetry:
    async def test_it_goes_on_at_the_step_that_failed_with_new_secrets(
        self, world: World, ada: httpx.AsyncClient
    ) -> None:
        run = await start(ada, "steps", secrets={"key": "wrong"})
        failed = await ended(ada, run)
        assert (failed["state"], failed["error"]["message"]) == ("failed", "No.")
        missing = await ada.post(f"{RUNS}/{run}/retry")
        assert missing.status_code == 400
        assert "key" in missing.text
        body = {"secrets": {"key": "right"}, "reason": "A better key.", "input": {"what": "more"}}
        headers = {"idempotency-key": uuid.uuid4().hex}
        again = await ada.post(f"{RUNS}/{run}/retry", json=body, headers=headers)
        assert again.status_code == 202, again.text
        assert (
            await ada.post(f"{RUNS}/{run}/retry", json=body, headers=headers)
        ).status_code == 202
        done = await ended(ada, run)
        assert (done["state"], done["output"]) == ("succeeded", {"done": "more"})
        assert world.done == ["a", "b", "c"]
        assert (await ada.post(f"{RUNS}/{run}/retry", json=body)).status_code == 409
        log = (await ada.get(f"{RUNS}/{run}/log")).text
        assert "info run: retry by user:default/ada: A better key." in log
        assert "right" not in log

    async def test_a_task_is_retried_in_the_scaffolder_s_words(
        self, here: Here, ada: httpx.AsyncClient
    ) -> None:
        run = await start(ada, "steps", secrets={"key": "wrong"})
        await ended(ada, run)
        # It is no task, whoever asks.
        assert (await ada.post(f"{TASKS}/{run}/retry")).status_code == 404
        assert (await ada.post(f"{TASKS}/{uuid.uuid4()}/retry")).status_code == 404
        open_run = await here.run(ADA, state="succeeded")
        conflict = await ada.post(f"{TASKS}/{open_run}/retry", json={"secrets": {}})
        assert conflict.status_code == 409
        assert conflict.json()["error"]["name"] == "ConflictError"


class TestCancel:
    async def test_a_waiting_run_ends_at_once_with_the_reason(
        self, world: World, ada: httpx.AsyncClient
    ) -> None:
        run = await start(ada, "asking")
        await reaches(ada, run, "waiting")
        answer = await ada.post(f"{RUNS}/{run}/cancel", json={"reason": "Not today."})
        assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
        assert (await ada.post(f"{RUNS}/{run}/cancel")).status_code == 202
        log = (await ada.get(f"{RUNS}/{run}/log")).text
        assert "cancel by user:default/ada: Not today." in log
        assert world.done == []

    async def test_one_that_is_deaf_is_ended_by_force(self, ada: httpx.AsyncClient) -> None:
        run = await start(ada, "stuck")
        await reaches(ada, run, "running")
        while not (await ada.get(f"{RUNS}/{run}/steps")).json()["items"]:
            pass
        asked = await ada.post(f"{RUNS}/{run}/cancel", json={"graceSeconds": 600})
        assert asked.json()["state"] == "running"
        assert asked.json()["cancelRequested"] is True
        assert asked.json()["cancelBy"] > asked.json()["createdAt"]
        forced = await ada.post(f"{RUNS}/{run}/cancel", json={"force": True})
        assert forced.status_code == 202
        # What it was at may have had an effect, which nobody recorded.
        assert (await ended(ada, run))["state"] == "unknown"
        found = {"happened": True, "reason": "I looked.", "output": {"n": 1}}
        resolved = await ada.post(f"{RUNS}/{run}/resolve", json=found)
        assert resolved.status_code == 202, resolved.text
        done = await ended(ada, run)
        assert done["state"] == "succeeded"
        assert done["steps"][0]["output"] == {"n": 1}
        assert (await ada.post(f"{RUNS}/{run}/resolve", json=found)).status_code == 409

    async def test_a_wrong_wish_is_400(self, ada: httpx.AsyncClient) -> None:
        run = await start(ada, "asking")
        for body in ({"graceSeconds": -1}, {"force": "yes"}, {"soon": True}, [], "x"):
            answer = await ada.post(f"{RUNS}/{run}/cancel", json=body)
            assert answer.status_code == 400, body
        assert (await ada.get(f"{RUNS}/{run}")).json().get("cancelRequested") is None


class TestApproval:
    async def test_a_yes_lets_it_go_on(
        self, world: World, ada: httpx.AsyncClient, bob: httpx.AsyncClient
    ) -> None:
        run = await start(ada, "asking")
        waiting = await reaches(ada, run, "waiting")
        (wait,) = waiting["waiting"]
        assert (wait["type"], wait["question"], wait["subject"]) == (
            "approval",
            "May I?",
            {"hash": "abc"},
        )
        own = await ada.post(f"{RUNS}/{run}/approve")
        assert own.status_code == 403
        listed = (await bob.get(RUNS, params={"waitingFor": "approval"})).json()["items"]
        assert [one["id"] for one in listed] == [run]
        said = await bob.post(f"{RUNS}/{run}/approve", json={"reason": "Looks right."})
        assert said.status_code == 200, said.text
        done = await ended(bob, run)
        assert done["output"] == {"by": "user:default/bob", "reason": "Looks right."}
        assert world.done == ["went"]
        # The same again changes nothing, another answer comes too late.
        assert (await bob.post(f"{RUNS}/{run}/approve")).status_code == 200
        no = await bob.post(f"{RUNS}/{run}/reject", json={"reason": "After all."})
        assert no.status_code == 409

    async def test_a_reason_that_cannot_be_searched_is_none(
        self, ada: httpx.AsyncClient, bob: httpx.AsyncClient
    ) -> None:
        """Kept in the journal, a NUL would have every later answer refused."""
        run = await start(ada, "asking")
        await reaches(ada, run, "waiting")
        assert (await bob.post(f"{RUNS}/{run}/reject", json={"reason": "No."})).status_code == 200
        await ended(ada, run)
        nul = {"reason": "once\0more"}
        assert (await ada.post(f"{RUNS}/{run}/retry", json=nul)).status_code == 400
        two_lines = {"reason": "Once\nmore.", "input": {}}
        assert (await ada.post(f"{RUNS}/{run}/retry", json=two_lines)).status_code == 202
        await reaches(ada, run, "waiting")
        assert (await bob.post(f"{RUNS}/{run}/approve", json=nul)).status_code == 400
        assert (await bob.post(f"{RUNS}/{run}/approve")).status_code == 200

    async def test_a_no_needs_its_reason_and_ends_it(
        self, world: World, ada: httpx.AsyncClient, bob: httpx.AsyncClient
    ) -> None:
        run = await start(ada, "asking")
        await reaches(ada, run, "waiting")
        assert (await bob.post(f"{RUNS}/{run}/reject", json={})).status_code == 400
        assert (await bob.post(f"{RUNS}/{run}/reject", json={"reason": " "})).status_code == 400
        said = await bob.post(f"{RUNS}/{run}/reject", json={"reason": "Not before the audit."})
        assert said.status_code == 200
        done = await ended(ada, run)
        assert (done["state"], done["error"]["code"]) == ("failed", "rejected")
        assert "Not before the audit." in done["error"]["why"]
        assert world.done == []


async def test_signals_are_kept_in_order_and_sent_once(ada: httpx.AsyncClient) -> None:
    run = await start(ada, "listening")
    await reaches(ada, run, "waiting")
    for number in (1, 2):
        key = {"idempotency-key": uuid.uuid4().hex}
        for _ in range(2):
            body = {"name": "crate", "body": {"n": number}}
            sent = await ada.post(f"{RUNS}/{run}/signals", json=body, headers=key)
            assert sent.status_code == 202, sent.text
    done = await ended(ada, run)
    assert done["output"] == {"first": {"n": 1}, "second": {"n": 2}}
    late = await ada.post(f"{RUNS}/{run}/signals", json={"name": "crate"})
    assert late.status_code == 409
    assert (await ada.post(f"{RUNS}/{run}/signals", json={"name": ""})).status_code == 400


async def test_a_child_is_a_run_of_its_own_and_stops_with_its_parent(
    ada: httpx.AsyncClient,
) -> None:
    parent = await start(ada, "parent")
    await reaches(ada, parent, "waiting")
    (child,) = (await ada.get(RUNS, params={"parent": parent})).json()["items"]
    assert (child["kind"], child["parent"]) == ("listening", parent)
    await reaches(ada, child["id"], "waiting")
    assert (await ada.post(f"{RUNS}/{parent}/cancel")).status_code == 202
    assert (await ended(ada, child["id"]))["state"] == "cancelled"
    assert (await ended(ada, parent))["state"] == "cancelled"


async def test_effects_are_listed_and_then_taken_back_last_first(
    world: World, ada: httpx.AsyncClient
) -> None:
    run = await start(ada, "undoing")
    assert (await ended(ada, run))["state"] == "failed"
    listed = (await ada.get(f"{RUNS}/{run}/undo")).json()["undos"]
    assert [(one["name"], one["data"], one["state"]) for one in listed] == [
        ("drop", {"what": "row"}, "ready"),
        ("drop", {"what": "table"}, "ready"),
    ]
    assert {one["owner"] for one in listed} == {"kind:undoing"}
    assert world.undoing.undone == []
    begun = await ada.post(f"{RUNS}/{run}/undo", json={"reason": "The wrong place."})
    assert begun.status_code == 202, begun.text
    assert (begun.json()["kind"], begun.json()["undoes"]) == ("undo", run)
    assert (await ended(ada, begun.json()["id"]))["state"] == "succeeded"
    assert world.undoing.undone == [("drop", {"what": "row"}), ("drop", {"what": "table"})]
    after = (await ada.get(f"{RUNS}/{run}/undo")).json()["undos"]
    assert {(one["state"], one["undoneBy"]) for one in after} == {("done", begun.json()["id"])}
    assert (await ada.post(f"{RUNS}/{run}/undo")).status_code == 409


class TestRights:
    VERBS = (
        ("cancel", None),
        ("cancel", {"force": True}),
        ("retry", None),
        ("resolve", {"happened": False, "reason": "x"}),
        ("undo", None),
        ("approve", None),
        ("reject", {"reason": "x"}),
        ("signals", {"name": "crate"}),
    )

    async def test_every_verb_is_hidden_from_others_and_changes_nothing(
        self, here: Here, ada: httpx.AsyncClient
    ) -> None:
        runs = [await here.run(ADA, kind="steps", state=state) for state in ("failed", "unknown")]
        waiting = await start(ada, "asking")
        await reaches(ada, waiting, "waiting")
        before = [(await ada.get(f"{RUNS}/{run}")).text for run in (*runs, waiting)]
        unknown = str(uuid.uuid4())
        eve = somebody("eve", groups=("group:default/others",))
        async with await here.known_as(eve) as other:
            for run in (*runs, waiting):
                for verb, body in self.VERBS:
                    hidden = await other.post(f"{RUNS}/{run}/{verb}", json=body)
                    missing = await other.post(f"{RUNS}/{unknown}/{verb}", json=body)
                    assert hidden.status_code == missing.status_code == 404, (verb, hidden.text)
                    assert hidden.text.replace(run, "") == missing.text.replace(unknown, "")
                assert (await other.get(f"{RUNS}/{run}/undo")).status_code == 404
            task = await here.run(ADA, state="failed")
            for verb in ("cancel", "retry"):
                assert (await other.post(f"{TASKS}/{task}/{verb}")).status_code == 404
        assert [(await ada.get(f"{RUNS}/{run}")).text for run in (*runs, waiting)] == before

    async def test_who_is_asked_may_answer_and_nothing_else(
        self, here: Here, ada: httpx.AsyncClient, bob: httpx.AsyncClient
    ) -> None:
        run = await start(ada, "asking")
        await reaches(ada, run, "waiting")
        for verb, body in self.VERBS:
            if verb not in ("approve", "reject"):
                answer = await bob.post(f"{RUNS}/{run}/{verb}", json=body)
                # Not 404: it can be read, so the answer may say whose it is.
                assert answer.status_code == 403, (verb, answer.text)
                assert answer.json()["why"] == "It was started by user:default/ada."
        assert (await bob.get(f"{RUNS}/{run}")).json()["state"] == "waiting"
        assert (await bob.get(f"{RUNS}/{run}/undo")).json() == {"undos": []}
        assert (await bob.post(f"{RUNS}/{run}/approve")).status_code == 200

    async def test_reading_is_not_enough_to_act(self, here: Here, ada: httpx.AsyncClient) -> None:
        run = await start(ada, "asking")
        await reaches(ada, run, "waiting")
        reader = somebody("ada", "runs:read", "scaffold:run")
        async with await here.known_as(reader) as client, here.client("") as stranger:
            for verb, body in self.VERBS:
                if verb != "cancel":
                    answer = await client.post(f"{RUNS}/{run}/{verb}", json=body)
                    assert answer.status_code == 403, (verb, answer.text)
                    assert 'scope="runs:write"' in answer.headers["www-authenticate"]
                assert (await stranger.post(f"{RUNS}/{run}/{verb}", json=body)).status_code == 401
            start_body = {"kind": "steps", "input": {}}
            assert (await client.post(RUNS, json=start_body)).status_code == 403
            # To stop what is one's own takes no more than to see it.
            assert (await client.post(f"{RUNS}/{run}/cancel")).status_code == 202

    async def test_an_administrator_acts_on_everybody_s(
        self, here: Here, ada: httpx.AsyncClient
    ) -> None:
        run = await start(ada, "asking", input={"approvers": []})
        await reaches(ada, run, "waiting")
        async with here.client() as admin:
            assert (await admin.post(f"{RUNS}/{run}/approve")).status_code == 200
            assert (await ended(admin, run))["output"]["by"] == "user:default/admin"


async def test_metrics_and_readiness_know_the_worker_and_its_steps(
    here: Here, ada: httpx.AsyncClient
) -> None:
    run = await start(ada, "steps", secrets={"key": "right"})
    await ended(ada, run)
    wanted = (
        'towpath_run_step_seconds_count{action="kind:steps",kind="steps",state="succeeded"} 3.0'
    )
    for _ in range(100):
        lines = (await ada.get("/metrics")).text.splitlines()
        if wanted in lines:
            break
    else:
        raise AssertionError("\n".join(line for line in lines if "step" in line))
    assert 'towpath_runs_ended_total{kind="steps",state="succeeded"} 1.0' in lines
    assert "towpath_workers 1.0" in lines
    ready = (await ada.get("/readyz")).json()
    assert ready["checks"]["workers"] == "ok"
    assert ready["runs"]["workers"] == 1
