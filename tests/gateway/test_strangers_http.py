"""What is somebody else's is not there: every verb of everything that has an owner answers 404."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import httpx
import pytest
from live import Live, finished

SCOPES = (
    "catalog:read",
    "scaffold:run",
    "provision:read",
    "provision:write",
    "runs:read",
)
OFFERING = "sqlite-database"


@pytest.fixture(scope="module")
def owner(live: Live) -> Iterator[httpx.Client]:
    with live.known_as("owner", *SCOPES) as client:
        yield client


@pytest.fixture(scope="module")
def stranger(live: Live) -> Iterator[httpx.Client]:
    with live.known_as("stranger", *SCOPES) as client:
        yield client


@pytest.fixture(scope="module")
def run_id(owner: httpx.Client) -> str:
    values = {"name": f"own-{uuid.uuid4().hex[:6]}"}
    body = {"templateRef": "template:default/python-service", "values": values}
    made = owner.post("/api/scaffolder/v2/tasks", json=body)
    assert made.status_code == 201, made.text
    finished(owner, made.json()["id"])
    return made.json()["id"]


@pytest.fixture(scope="module")
def resource(owner: httpx.Client) -> dict[str, str]:
    """Ids of a plan that is open, a resource, a binding that was not shown, and a run."""
    body = {"offering": "postgres-database", "name": f"own-{uuid.uuid4().hex[:6]}"}
    plan = owner.post("/api/v1/plans", json=body)
    assert plan.status_code == 201, plan.text
    url = f"/api/v1/plans/{plan.json()['id']}/apply"
    applied = owner.post(url, json={"hash": plan.json()["hash"]}).json()
    finished(owner, applied["runId"])
    bound = owner.post(f"/api/v1/resources/{applied['resourceId']}/bindings", json={}).json()
    finished(owner, bound["runId"])
    spare = {"offering": OFFERING, "name": f"own-{uuid.uuid4().hex[:6]}"}
    kept = owner.post("/api/v1/plans", json=spare).json()
    return {
        "plan": kept["id"],
        "hash": kept["hash"],
        "resource": applied["resourceId"],
        "binding": bound["bindingId"],
        "run": bound["runId"],
    }


def absent(answer: httpx.Response, like: httpx.Response) -> None:
    """As for an id that was never given, down to the words."""
    assert answer.status_code == like.status_code == 404, answer.text
    ids = {answer.request.url.path, like.request.url.path}
    texts = []
    for one in (answer, like):
        text = one.text
        for path in ids:
            for part in path.split("/"):
                text = text.replace(part, "*") if len(part) == 36 else text
        texts.append(text)
    assert texts[0] == texts[1]


def both(
    client: httpx.Client, method: str, pattern: str, id: str, json: object = None
) -> tuple[httpx.Response, httpx.Response]:
    real = client.request(method, pattern.format(id), json=json)
    return real, client.request(method, pattern.format(uuid.uuid4()), json=json)


@pytest.mark.parametrize(
    ("method", "pattern"),
    [
        ("GET", "/api/v1/runs/{}"),
        ("GET", "/api/v1/runs/{}/events"),
        ("GET", "/api/v1/runs/{}/stream"),
        ("POST", "/api/v1/runs/{}/cancel"),
        ("GET", "/api/scaffolder/v2/tasks/{}"),
        ("GET", "/api/scaffolder/v2/tasks/{}/events"),
        ("GET", "/api/scaffolder/v2/tasks/{}/eventstream"),
        ("POST", "/api/scaffolder/v2/tasks/{}/cancel"),
    ],
)
def test_a_run_of_another_is_not_there(
    owner: httpx.Client, stranger: httpx.Client, run_id: str, method: str, pattern: str
) -> None:
    absent(*both(stranger, method, pattern, run_id))
    known = owner.request(method, pattern.format(run_id))
    assert known.status_code != 404


def test_a_run_of_provisioning_is_no_task(owner: httpx.Client, resource: dict[str, str]) -> None:
    assert owner.get(f"/api/v1/runs/{resource['run']}").status_code == 200
    assert owner.get(f"/api/scaffolder/v2/tasks/{resource['run']}").status_code == 404


@pytest.mark.parametrize(
    ("method", "pattern", "what", "body"),
    [
        ("GET", "/api/v1/plans/{}", "plan", None),
        ("POST", "/api/v1/plans/{}/apply", "plan", {"hash": "0" * 64}),
        ("GET", "/api/v1/resources/{}", "resource", None),
        ("DELETE", "/api/v1/resources/{}", "resource", None),
        ("GET", "/api/v1/resources/{}/bindings", "resource", None),
        ("POST", "/api/v1/resources/{}/bindings", "resource", {"name": "mine"}),
        ("POST", "/api/v1/bindings/{}/credentials", "binding", None),
        ("DELETE", "/api/v1/bindings/{}", "binding", None),
        ("GET", "/api/v1/runs/{}", "run", None),
    ],
)
def test_a_resource_of_another_is_not_there(
    owner: httpx.Client,
    stranger: httpx.Client,
    resource: dict[str, str],
    method: str,
    pattern: str,
    what: str,
    body: object,
) -> None:
    before = owner.get(f"/api/v1/resources/{resource['resource']}").json()
    absent(*both(stranger, method, pattern, resource[what], body))
    assert owner.get(f"/api/v1/resources/{resource['resource']}").json() == before


def test_the_right_hash_does_not_open_the_plan_of_another(
    stranger: httpx.Client, resource: dict[str, str]
) -> None:
    url = f"/api/v1/plans/{resource['plan']}/apply"
    assert stranger.post(url, json={"hash": resource["hash"]}).status_code == 404


def test_lists_and_counts_hold_nothing_of_others(
    owner: httpx.Client, stranger: httpx.Client, run_id: str, resource: dict[str, str]
) -> None:
    assert stranger.get("/api/v1/runs").json()["items"] == []
    assert stranger.get("/api/v1/resources").json()["items"] == []
    url = "/api/scaffolder/v2/tasks"
    for params in ({}, {"createdBy": "user:default/owner"}, {"limit": 0}, {"status": "completed"}):
        assert stranger.get(url, params=params).json() == {"tasks": [], "totalTasks": 0}
    listed = owner.get(url, params={"createdBy": "User:Default/Owner"}).json()
    assert run_id in {task["id"] for task in listed["tasks"]}
    assert listed["totalTasks"] == len(listed["tasks"])
    mine = {run["id"] for run in owner.get("/api/v1/runs").json()["items"]}
    assert {run_id, resource["run"]} <= mine


def test_a_mark_of_another_list_shows_nothing_of_it(
    owner: httpx.Client, stranger: httpx.Client, run_id: str, resource: dict[str, str]
) -> None:
    cursor = owner.get("/api/v1/runs", params={"limit": 1}).json()["nextCursor"]
    assert stranger.get("/api/v1/runs", params={"cursor": cursor}).status_code == 400


def test_a_cursor_of_the_catalog_is_good_for_its_asker_only(
    owner: httpx.Client, stranger: httpx.Client
) -> None:
    url = "/api/catalog/entities/by-query"
    cursor = owner.get(url, params={"limit": 1}).json()["pageInfo"]["nextCursor"]
    assert owner.get(url, params={"cursor": cursor}).status_code == 200
    assert stranger.get(url, params={"cursor": cursor}).status_code == 400
    assert stranger.post(url, json={"cursor": cursor}).status_code == 400


def test_nobody_makes_things_for_others(stranger: httpx.Client) -> None:
    for owner in ("user:default/owner", "group:default/bookings", "user:default/admin"):
        body = {"offering": OFFERING, "name": f"s-{uuid.uuid4().hex[:6]}", "owner": owner}
        assert stranger.post("/api/v1/plans", json=body).status_code == 403


def test_a_member_sees_what_its_group_owns(live: Live, stranger: httpx.Client) -> None:
    group = "group:default/bookings"
    with live.known_as("member-a", *SCOPES, groups=(group,)) as a:
        body = {"offering": OFFERING, "name": f"g-{uuid.uuid4().hex[:6]}", "owner": group}
        plan = a.post("/api/v1/plans", json=body)
        assert plan.status_code == 201, plan.text
    url = f"/api/v1/plans/{plan.json()['id']}"
    with live.known_as("member-b", *SCOPES, groups=(group,)) as b:
        assert b.get(url).status_code == 200
    assert stranger.get(url).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/api/v1/tokens", "platform:admin"),
        ("POST", "/api/v1/tokens", "platform:admin"),
        ("DELETE", "/api/v1/tokens/x", "platform:admin"),
        ("GET", "/api/v1/plugins", "platform:read"),
        ("POST", "/api/v1/catalog/locations", "catalog:write"),
        ("POST", "/api/catalog/locations", "catalog:write"),
        ("DELETE", "/api/catalog/entities/by-uid/x", "catalog:write"),
        ("POST", "/api/catalog/refresh", "catalog:write"),
    ],
)
def test_a_missing_scope_is_named_before_the_body_is_read(
    stranger: httpx.Client, method: str, path: str, scope: str
) -> None:
    answer = stranger.request(method, path, content=b"{", headers={"content-type": "text/plain"})
    assert answer.status_code == 403
    assert scope in answer.text
    challenge = answer.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert f'scope="{scope}"' in challenge
