from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path

import httpx
from live import Live, finished, follow

TEMPLATE = "template:default/python-service"
TASKS = "/api/scaffolder/v2/tasks"


def create(api: httpx.Client, name: str, **more: object) -> str:
    values = {"name": name, **more}
    made = api.post(TASKS, json={"templateRef": TEMPLATE, "values": values})
    assert made.status_code == 201, made.text
    return made.json()["id"]


def test_actions_are_listed_in_order_with_schemas(api: httpx.Client) -> None:
    actions = api.get("/api/scaffolder/v2/actions").json()
    ids = [action["id"] for action in actions]
    assert ids == sorted(ids)
    assert {
        "catalog:register",
        "catalog:write",
        "debug:log",
        "fetch:plain",
        "fetch:template",
        "fs:delete",
        "fs:rename",
        "publish:git",
    } <= set(ids)
    assert all(action["schema"]["input"]["type"] == "object" for action in actions)


def test_a_form_has_its_pages(api: httpx.Client) -> None:
    url = "/api/scaffolder/v2/templates/default/template/python-service/parameter-schema"
    form = api.get(url).json()
    assert form["title"] == "Python service"
    assert [page["title"] for page in form["steps"]] == ["What is it", "Whose is it"]
    assert form["steps"][0]["schema"]["properties"]["name"]["ui:autofocus"] is True
    assert api.get(url.replace("python-service", "nope")).status_code == 404
    assert api.get(url.replace("/template/", "/component/")).status_code == 400


def test_a_template_makes_a_repository_and_its_component(
    live: Live, api: httpx.Client, tmp_path: Path
) -> None:
    name = f"svc-{uuid.uuid4().hex[:6]}"
    run = finished(api, create(api, name, port=9000, container=False))
    assert run["state"] == "succeeded", run
    assert [step["state"] for step in run["steps"]] == ["succeeded"] * 3
    clone = tmp_path / "clone"
    subprocess.run(
        ["git", "-c", "safe.directory=*", "clone", "-q", run["output"]["remoteUrl"], str(clone)],
        check=True,
    )
    files = {str(path.relative_to(clone)) for path in clone.rglob("*") if ".git/" not in f"{path}/"}
    package = name.replace("-", "_")
    assert {"README.md", "catalog-info.yaml", f"{package}/__main__.py"} <= files
    assert "Dockerfile" not in files
    assert "port 9000" in (clone / "README.md").read_text()
    assert (
        subprocess.run(["python3", "-m", "unittest", "-q"], cwd=clone, check=False).returncode == 0
    )
    entity = api.get(f"/api/catalog/entities/by-name/component/default/{name}").json()
    assert entity["spec"]["owner"] == "user:default/admin"
    assert entity["metadata"]["annotations"]["backstage.io/managed-by-location"].startswith(
        "url:git+file://"
    )
    assert run["output"]["entityRef"] == f"component:default/{name}"


def test_the_task_routes_are_a_view_of_the_run(api: httpx.Client) -> None:
    run_id = create(api, f"svc-{uuid.uuid4().hex[:6]}")
    events = []
    with api.stream("GET", f"{TASKS}/{run_id}/eventstream") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line[6:]) for line in stream.iter_lines() if line[:5] == "data:"]
    assert [event["id"] for event in events] == sorted({event["id"] for event in events})
    texts = [event["body"]["message"] for event in events]
    assert texts[0] == "Starting up task with 3 steps"
    assert "Beginning step Render the skeleton" in texts
    assert events[-1]["type"] == "completion"
    assert events[-1]["body"]["output"]["remoteUrl"].startswith("file://")
    task = api.get(f"{TASKS}/{run_id}").json()
    assert task["status"] == "completed"
    assert task["createdBy"] == "user:default/admin"
    listed = api.get(TASKS, params={"status": "completed"}).json()
    assert run_id in {task["id"] for task in listed["tasks"]}
    assert listed["totalTasks"] >= 1
    polled = api.get(f"{TASKS}/{run_id}/events", params={"after": 2}).json()
    assert polled[-1]["type"] == "completion"
    assert api.get(f"{TASKS}/{uuid.uuid4()}").status_code == 404


def test_values_that_do_not_fit_are_refused_with_their_place(api: httpx.Client) -> None:
    body = {"templateRef": TEMPLATE, "values": {"port": "many"}}
    answer = api.post(TASKS, json=body)
    assert answer.status_code == 400
    errors = {error["property"]: error for error in answer.json()["errors"]}
    assert errors["instance"]["name"] == "required"
    assert errors["instance"]["message"] == 'requires property "name"'
    assert errors["instance.port"]["name"] == "type"
    pattern = api.post(TASKS, json={"templateRef": TEMPLATE, "values": {"name": "Bad Name"}})
    assert pattern.json()["errors"][0]["property"] == "instance.name"


def test_an_unknown_template_is_404(api: httpx.Client) -> None:
    answer = api.post(TASKS, json={"templateRef": "template:default/nope", "values": {}})
    assert answer.status_code == 404
    assert answer.json()["error"]["name"] == "NotFoundError"


def register(api: httpx.Client, files: Path, steps: str) -> str:
    name = f"t-{uuid.uuid4().hex[:8]}"
    file = files / f"{name}.yaml"
    file.write_text(
        "apiVersion: scaffolder.backstage.io/v1beta3\nkind: Template\n"
        f"metadata:\n  name: {name}\nspec:\n  type: service\n  steps:\n{steps}"
    )
    made = api.post("/api/v1/catalog/locations", json={"target": str(file)})
    assert made.json()["problems"] == [], made.text
    return f"template:default/{name}"


def test_a_template_with_an_unknown_action_is_refused_before_it_runs(
    api: httpx.Client, files: Path
) -> None:
    ref = register(api, files, "    - id: deploy\n      action: acme:deploy\n")
    answer = api.post(TASKS, json={"templateRef": ref, "values": {}})
    assert answer.status_code == 400
    assert "acme:deploy" in answer.json()["error"]["message"]
    assert "fetch:template" in answer.json()["error"]["message"]


def test_a_missing_input_fails_the_step_with_its_place(api: httpx.Client, files: Path) -> None:
    ref = register(api, files, "    - id: fetch\n      action: fetch:template\n      input: {}\n")
    made = api.post(TASKS, json={"templateRef": ref, "values": {}})
    run = finished(api, made.json()["id"])
    assert run["state"] == "failed"
    assert "Invalid input passed to action fetch:template" in run["error"]["message"]
    assert "url" in run["error"]["message"]


def test_secrets_reach_actions_and_nothing_else(api: httpx.Client, files: Path) -> None:
    steps = (
        "    - id: say\n      action: debug:log\n      input:\n"
        "        message: token ${{ secrets.TOKEN }} upper ${{ secrets.TOKEN | upper }}\n"
        "    - id: if\n      if: ${{ secrets.TOKEN === 'x' }}\n      action: debug:log\n"
        "      input: {message: leaked}\n"
    )
    ref = register(api, files, steps)
    secret = "s3cr3t-" + uuid.uuid4().hex
    body = {"templateRef": ref, "values": {}, "secrets": {"TOKEN": secret}}
    run_id = api.post(TASKS, json=body).json()["id"]
    events = follow(api, run_id)
    everything = json.dumps(events) + api.get(f"/api/v1/runs/{run_id}").text
    assert secret not in api.get(f"{TASKS}/{run_id}").text
    assert secret not in everything
    assert secret.upper() not in everything
    assert "token ***" in everything
    assert "leaked" not in json.dumps(events)


def test_a_task_that_failed_is_taken_up_where_it_stopped(api: httpx.Client, files: Path) -> None:
    missing = files / f"skeleton-{uuid.uuid4().hex[:8]}"
    steps = (
        "    - id: say\n      action: debug:log\n      input: {message: begun}\n"
        f"    - id: fetch\n      action: fetch:plain\n      input: {{url: file://{missing}}}\n"
        "    - id: end\n      action: debug:log\n"
        "      input: {message: 'token ${{ secrets.TOKEN }}'}\n"
    )
    ref = register(api, files, steps)
    body = {"templateRef": ref, "values": {}, "secrets": {"TOKEN": "first-secret"}}
    task = api.post(TASKS, json=body).json()["id"]
    assert finished(api, task)["state"] == "failed"
    before = api.get(f"{TASKS}/{task}/events").json()
    assert before[-1]["type"] == "completion"
    assert api.post(f"{TASKS}/{task}/retry").status_code == 400
    missing.mkdir()
    (missing / "README.md").write_text("here\n")
    again = api.post(f"{TASKS}/{task}/retry", json={"secrets": {"TOKEN": "second-secret"}})
    assert (again.status_code, again.json()) == (201, {"id": task})
    run = finished(api, task)
    assert run["state"] == "succeeded", run
    assert [step["attempts"] for step in run["steps"]] == [1, 2, 1]
    events = api.get(f"{TASKS}/{task}/events").json()
    kinds = [event["type"] for event in events]
    assert kinds.count("recovered") == kinds.count("completion") == 1
    assert kinds[-1] == "completion"
    assert kinds.index("recovered") < kinds.index("completion")
    assert api.get(f"{TASKS}/{task}").json()["status"] == "completed"
    assert api.post(f"{TASKS}/{task}/retry", json={"secrets": {}}).status_code == 409
    assert "second-secret" not in json.dumps(events) + api.get(f"/api/v1/runs/{task}/log").text


def test_a_bomb_fails_its_run_and_the_platform_lives(api: httpx.Client, files: Path) -> None:
    steps = (
        "    - id: bomb\n      action: debug:log\n      input:\n        message: >-\n"
        "          {% for a in range(9999) %}{% for b in range(9999) %}"
        "{% for c in range(9999) %}x{% endfor %}{% endfor %}{% endfor %}\n"
    )
    ref = register(api, files, steps)
    run = finished(api, api.post(TASKS, json={"templateRef": ref, "values": {}}).json()["id"])
    assert run["state"] == "failed"
    assert run["error"]["code"] == "limit-exceeded"
    assert api.get("/readyz").status_code == 200
