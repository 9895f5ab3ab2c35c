from __future__ import annotations

import uuid
from pathlib import Path

import httpx
import pytest
from live import Live, finished, follow

SLOW = """\
apiVersion: scaffolder.backstage.io/v1beta3
kind: Template
metadata:
  name: {name}
spec:
  type: service
  steps:
"""


@pytest.fixture
def run_id(api: httpx.Client) -> str:
    body = {
        "templateRef": "template:default/python-service",
        "values": {"name": f"run-{uuid.uuid4().hex[:6]}"},
    }
    return api.post("/api/scaffolder/v2/tasks", json=body).json()["id"]


def test_events_are_numbered_without_gaps_and_resumable(api: httpx.Client, run_id: str) -> None:
    finished(api, run_id)
    events = api.get(f"/api/v1/runs/{run_id}/events").json()["items"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["type"] == "state"
    headers = {"last-event-id": "5"}
    with api.stream("GET", f"/api/v1/runs/{run_id}/stream", headers=headers) as stream:
        lines = list(stream.iter_lines())
    ids = [int(line[4:]) for line in lines if line.startswith("id: ")]
    assert ids == list(range(6, len(events) + 1))
    assert lines[-3] == "event: done"


@pytest.mark.parametrize("value", ["x", "-1", "9" * 30])
def test_a_wrong_event_id_is_400(api: httpx.Client, run_id: str, value: str) -> None:
    finished(api, run_id)
    headers = {"last-event-id": value}
    assert api.get(f"/api/v1/runs/{run_id}/stream", headers=headers).status_code == 400


def test_runs_are_listed_in_pages(api: httpx.Client, run_id: str) -> None:
    finished(api, run_id)
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 2, "kind": "scaffold"} | ({"cursor": cursor} if cursor else {})
        page = api.get("/api/v1/runs", params=params).json()
        seen += [run["id"] for run in page["items"]]
        cursor = page.get("nextCursor")
        if cursor is None:
            break
    assert run_id in seen
    assert len(seen) == len(set(seen))
    assert api.get("/api/v1/runs", params={"cursor": "%%%"}).status_code == 400
    states = api.get("/api/v1/runs", params={"state": "failed"}).json()["items"]
    assert all(run["state"] == "failed" for run in states)


def test_a_run_that_ended_cannot_be_cancelled(api: httpx.Client, run_id: str) -> None:
    finished(api, run_id)
    answer = api.post(f"/api/v1/runs/{run_id}/cancel")
    assert answer.status_code == 409


def test_a_running_run_is_cancelled_between_steps(api: httpx.Client, files: Path) -> None:
    name = f"slow-{uuid.uuid4().hex[:6]}"
    steps = "".join(f"    - action: debug:log\n      input: {{message: {n}}}\n" for n in range(400))
    (files / f"{name}.yaml").write_text(SLOW.format(name=name) + steps)
    api.post("/api/v1/catalog/locations", json={"target": str(files / f"{name}.yaml")})
    body = {"templateRef": f"template:default/{name}", "values": {}}
    run_id = api.post("/api/scaffolder/v2/tasks", json=body).json()["id"]
    with api.stream("GET", f"/api/v1/runs/{run_id}/stream") as stream:
        next(line for line in stream.iter_lines() if '"succeeded"' in line)
    assert api.post(f"/api/scaffolder/v2/tasks/{run_id}/cancel").json() == {"status": "cancelled"}
    run = finished(api, run_id)
    assert run["state"] == "cancelled"
    assert len(run["steps"]) < 400
    assert follow(api, run_id)[-1] == {"state": "cancelled"}
    assert api.get(f"/api/scaffolder/v2/tasks/{run_id}").json()["status"] == "cancelled"


def test_a_token_without_the_scope_sees_no_runs(live: Live, run_id: str, api: httpx.Client) -> None:
    finished(api, run_id)
    with live.scoped("catalog:read") as reader:
        assert reader.get(f"/api/v1/runs/{run_id}").status_code == 403


def test_plugins_are_listed_with_their_state(api: httpx.Client) -> None:
    plugins = {plugin["name"]: plugin for plugin in api.get("/api/v1/plugins").json()["items"]}
    assert {name for name, plugin in plugins.items() if plugin["state"] == "active"} >= {
        "backstage",
        "git",
        "postgres",
        "sqlite",
    }
    assert plugins["sqlite"]["distribution"] == "towpath-sqlite"
    assert "towpath_provisioners" in plugins["postgres"]["hooks"]
