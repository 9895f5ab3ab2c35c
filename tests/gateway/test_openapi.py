"""The OpenAPI document: whole, fresh, and true of what a running platform answers."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema_rs import Draft202012Validator
from litestar.routes import HTTPRoute
from live import Live, finished

from towpath_core.identity import SCOPES
from towpath_gateway.app import routes_alone
from towpath_gateway.openapi.document import document, operations, text
from towpath_gateway.openapi.operation import OPERATION
from towpath_gateway.parameters import query_fields
from towpath_gateway.problems import is_compatible
from towpath_gateway.routing import OPEN, SCOPE

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "reference" / "openapi.json"
APP = routes_alone()
DOCUMENT: Mapping[str, Any] = document(APP)
OPERATIONS = {
    operation["operationId"]: (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


@cache
def validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator({**json.loads(schema), "components": DOCUMENT["components"]})


def check(schema: Mapping[str, Any], value: Any) -> None:
    faults = [
        f"{'/'.join(map(str, fault.instance_path))}: {fault.message}"
        for fault in validator(json.dumps(schema)).iter_errors(value)
    ]
    assert faults == [], json.dumps(value)[:500]


def resolved(node: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in node:
        return node
    found: Any = DOCUMENT
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


EVERY = [pytest.param(*found, id=identity) for identity, found in OPERATIONS.items()]


def test_the_committed_document_is_the_one_that_is_generated() -> None:
    assert COMMITTED.read_text("utf-8") == text(APP), "stale; run: make api"


def test_what_is_served_is_the_committed_document(api: httpx.Client) -> None:
    answer = api.get("/api/v1/openapi.json")
    assert answer.json() == json.loads(COMMITTED.read_text("utf-8"))


def test_the_document_is_one_of_openapi() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert len(OPERATIONS) == sum(len(methods) for methods in DOCUMENT["paths"].values()) > 45
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator({**schema, "components": DOCUMENT["components"]})
        assert schema.get("description"), schema
    for _, _, operation in OPERATIONS.values():
        assert set(operation["tags"]) <= {tag["name"] for tag in DOCUMENT["tags"]}


@pytest.mark.parametrize(("path", "method", "operation"), EVERY)
def test_an_operation_is_described(path: str, method: str, operation: Any) -> None:
    assert operation["tags"] and operation["summary"] and operation["description"]
    closed = "security" not in operation
    responses = operation["responses"]
    assert "default" in responses
    if closed:
        assert operation["x-scope"] in SCOPES
        style = "Backstage" if is_compatible(path) else "Problem"
        for status in ("401", "403"):
            assert responses[status] == {"$ref": f"#/components/responses/{style}{status}"}
    good = [resolved(responses[status]) for status in responses if status.startswith("2")]
    assert good
    for response in good:
        assert response["description"]
        empty = (
            operation["operationId"] in ("refreshEntity", "validateEntity") or "204" in responses
        )
        assert bool(response.get("content")) != empty
    names = [resolved(parameter)["name"] for parameter in operation["parameters"]]
    assert len(names) == len(set(names))
    for parameter in map(resolved, operation["parameters"]):
        assert parameter["description"] and parameter["schema"], parameter
        assert parameter["required"] == (parameter["in"] == "path")
    for part in path.split("{")[1:]:
        assert part.partition("}")[0] in names
    assert ("requestBody" in operation) <= (method in ("post", "put", "patch"))


@pytest.mark.parametrize(("path", "method", "operation"), EVERY)
def test_examples_are_what_their_schemas_say(path: str, method: str, operation: Any) -> None:
    shown = [resolved(response) for response in operation["responses"].values()]
    if "requestBody" in operation:
        shown.append(operation["requestBody"])
    contents = [media for one in shown for media in one.get("content", {}).values()]
    assert contents
    for media in contents:
        check(media["schema"], media["example"])


def test_streams_and_keys_are_described() -> None:
    for identity in ("followRun", "followTask", "watchEntities"):
        operation = OPERATIONS[identity][2]
        assert list(operation["responses"]["200"]["content"]) == ["text/event-stream"]
        assert {"$ref": "#/components/parameters/Last-Event-ID"} in operation["parameters"]
    keyed = {
        identity
        for identity, (_, _, operation) in OPERATIONS.items()
        if {"$ref": "#/components/parameters/Idempotency-Key"} in operation["parameters"]
    }
    assert keyed == {
        "applyPlan",
        "createBinding",
        "createPlan",
        "createSchedule",
        "createTask",
        "createToken",
        "deleteBinding",
        "deleteResource",
        "retryRun",
        "retryTask",
        "revealCredentials",
        "runSchedule",
        "signalRun",
        "startRun",
        "undoRun",
    }
    assert all("422" in OPERATIONS[identity][2]["responses"] for identity in keyed)


def test_every_route_names_a_scope_and_every_parameter_is_known() -> None:
    described = {id(handler) for _, _, handler in operations(APP)}
    for route in APP.routes:
        assert isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items():
            if method == "OPTIONS":
                continue
            assert id(handler) in described, (method, route.path)
            assert handler.opt[SCOPE] in {*SCOPES, OPEN}
            assert handler.opt[OPERATION].id in OPERATIONS
            asked = {field.name for field in query_fields(handler).values()}
            named = set(handler.parsed_fn_signature.parameters) - {"request"}
            assert named == asked | set(route.path_parameters)


Call = Callable[..., Any]


@pytest.fixture
def call(api: httpx.Client) -> Call:
    """Asks for an operation by its id, and holds the answer against the document."""

    def do(
        identity: str,
        *,
        by: httpx.Client | None = None,
        status: int | None = None,
        headers: Any = None,
        json: Any = None,
        params: Any = None,
        **names: str,
    ) -> Any:
        path, method, operation = OPERATIONS[identity]
        url = path.format_map(names)
        answer = (by or api).request(method, url, headers=headers, json=json, params=params)
        assert status is None or answer.status_code == status, (identity, answer.text)
        hold_against(operation, answer)
        return answer.json() if answer.content else None

    return do


def hold_against(operation: Any, answer: httpx.Response) -> None:
    responses = operation["responses"]
    assert str(answer.status_code) in responses, answer.text
    content = resolved(responses[str(answer.status_code)]).get("content")
    if content is None:
        assert answer.content == b""
        return
    media_type = answer.headers["content-type"].partition(";")[0]
    assert media_type in content
    check(content[media_type]["schema"], answer.json())


def test_reads_of_the_catalog_answer_as_described(call: Call) -> None:
    entity = call("getEntityByName", kind="component", namespace="default", name="gate-controller")
    assert call("getEntityByUid", uid=entity["metadata"]["uid"]) == entity
    call("listEntities", params={"limit": 3})
    page = call("queryEntities", params={"limit": 2, "orderField": "metadata.name,desc"})
    call("queryEntities", params={"cursor": page["pageInfo"]["nextCursor"]})
    query = {"query": {"kind": "component"}, "limit": 1}
    call("queryEntitiesByPredicate", json=query)
    refs = ["component:default/gate-controller", "component:default/nope"]
    assert call("getEntitiesByRefs", json={"entityRefs": refs})["items"] == [entity, None]
    call("getFacets", params={"facet": ["kind", "spec.type"]})
    call("getFacetsByPredicate", json={"facets": ["kind"], "query": {"kind": "group"}})
    locations = call("listLocations")
    call("getLocation", location_id=locations[0]["data"]["id"])
    name = {"kind": "component", "namespace": "default", "name": "gate-controller"}
    call("getLocationByEntity", **name)
    call("listProblems")


def test_writes_of_the_catalog_answer_as_described(call: Call, files: Path) -> None:
    name = f"o-{uuid.uuid4().hex[:8]}"
    file = files / f"{name}.yaml"
    good = f"apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {{name: {name}}}\n"
    good += "spec: {type: service, lifecycle: production, owner: group:bookings}\n"
    file.write_text(good + "---\nkind: [\n")
    made = call("registerLocation", json={"target": str(file)}, status=201)
    assert made["problems"]
    assert call("listProblems", params={"location": made["id"]})["items"]
    file.write_text(good)
    call("registerLocation", json={"target": str(file)}, status=200)
    call("refreshLocation", location_id=made["id"])
    call("refreshEntity", json={"entityRef": f"component:default/{name}"}, status=200)
    entity = call("getEntityByName", kind="component", namespace="default", name=name)
    call("deleteEntity", uid=entity["metadata"]["uid"], status=204)
    call("deleteLocation", location_id=made["id"], status=204)
    call("deleteLocation", location_id=made["id"], status=404)
    call("getLocation", location_id=made["id"], status=404)
    call("addLocation", json={"target": "ftp://example.com/x.yaml"}, status=400)


def test_written_entities_answer_as_described(call: Call) -> None:
    name = f"o-{uuid.uuid4().hex[:8]}"
    at = {"kind": "component", "namespace": "default", "name": name}
    spec = {"type": "service", "lifecycle": "production", "owner": "group:bookings"}
    body = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": name},
        "spec": spec,
    }
    call("putEntity", **at, json=body, status=201)
    call("putEntity", **at, json={**body, "spec": {**spec, "lifecycle": "x"}}, status=200)
    call("putEntity", **at, json=body, headers={"if-none-match": "*"}, status=412)
    call("putEntity", **at, json={**body, "spec": {}}, status=400)
    call("putEntity", **at, json={}, status=400)
    call("readEntity", **at, status=200)
    call("readEntity", **at, headers={"if-none-match": "*"}, status=304)
    call("readEntity", **at, params={"as_of": "2001-01-01T00:00:00Z"}, status=404)
    assert call("listPastEntities", params={"limit": 2})["items"]
    revisions = call("listRevisions", **at)["items"]
    assert revisions[0]["differences"]
    seq = str(revisions[1]["seq"])
    assert call("getRevision", **at, seq=seq)["entity"]["spec"] == spec
    call("restoreRevision", **at, seq=seq, status=200)
    call("removeEntity", **at, headers={"if-match": '"x"'}, status=412)
    assert call("removeEntity", **at, status=200)["returns"] == []
    call("removeEntity", **at, status=404)
    call("restoreRevision", **at, seq=seq, status=201)
    gate = {"kind": "component", "namespace": "default", "name": "gate-controller"}
    entity = call("readEntity", **gate)
    call("putEntity", **gate, json=entity, status=409)


def test_sets_answer_as_described(call: Call) -> None:
    name = f"o-{uuid.uuid4().hex[:8]}"
    entity = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": name},
        "spec": {"type": "service", "lifecycle": "production", "owner": "group:bookings"},
    }
    body = {"entities": [entity]}
    assert call("applySet", set_id=name, json=body, params={"dryRun": "true"})["added"]
    call("applySet", set_id=name, json=body, status=200)
    other = {"entities": [{**entity, "metadata": {"name": "gate-controller"}}]}
    call("applySet", set_id=name, json=other, status=409)
    plan = call("applySet", set_id=name, json=other, params={"dryRun": "true"})
    assert plan["conflicts"] and plan["deleted"]
    call("applySet", set_id=name, json={"entities": [5]}, status=400)
    assert call("getSet", set_id=name)["entityRefs"]
    assert call("listSets")["items"]
    assert call("removeSet", set_id=name, status=200)["entityRefs"]
    call("removeSet", set_id=name, status=404)
    call("getSet", set_id=name, status=404)


def test_what_the_catalog_keeps_answers_as_described(call: Call, files: Path) -> None:
    name = f"k-{uuid.uuid4().hex[:8]}"
    file = files / f"{name}.yaml"
    text = "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {{name: {}}}\n"
    text += "spec: {{type: service, lifecycle: production, owner: group:bookings}}\n"
    file.write_text("---\n".join(text.format(f"{name}-{number}") for number in range(9)))
    made = call("registerLocation", json={"target": str(file)}, status=201)
    other = files / f"{name}-other.yaml"
    other.write_text(text.format(f"{name}-0"))
    rival = call("registerLocation", json={"target": str(other)}, status=201)
    assert call("listConflicts", params={"location": rival["id"]})["items"]
    file.write_text(text.format(f"{name}-0").replace("service", "library"))
    plan = call("planLocation", json={"target": str(file)})
    assert plan["changes"] and plan["held"]
    held = call("refreshLocation", location_id=made["id"])["held"]
    assert call("getLocationState", location_id=made["id"])["held"] == held
    assert call("listLocationStates")["items"]
    body = {"digest": held["digest"]}
    call("confirmLocation", location_id=made["id"], json=body)
    call("confirmLocation", location_id=made["id"], json=body, status=409)
    buried = call("listTombstones", params={"limit": 3})["items"]
    call("restoreTombstone", uid=buried[0]["uid"])
    call("restoreTombstone", uid=buried[0]["uid"], status=404)
    for number in (0, 5, 99):
        call("explainEntity", kind="component", namespace="default", name=f"{name}-{number}")
    call("removeLocation", location_id=made["id"], params={"dryRun": "true"})
    call("removeLocation", location_id=made["id"])
    call("removeLocation", location_id=made["id"], status=404)


def test_a_template_answers_as_described(call: Call, api: httpx.Client) -> None:
    actions = call("listActions")
    assert len(actions) > 5
    call("getTemplateForm", namespace="default", kind="template", name="python-service")
    call("getTemplateForm", namespace="default", kind="template", name="nope", status=404)
    ref = "template:default/python-service"
    call("createTask", json={"templateRef": ref, "values": {"port": "x"}}, status=400)
    call("createTask", json={"templateRef": ref, "values": 5}, status=400)
    body = {"templateRef": ref, "values": {"name": f"o-{uuid.uuid4().hex[:8]}"}}
    key = {"idempotency-key": uuid.uuid4().hex}
    task = call("createTask", json=body, headers=key, status=201)
    assert call("createTask", json=body, headers=key, status=201) == task
    call("createTask", json={**body, "values": {"name": "other"}}, headers=key, status=422)
    finished(api, task["id"])
    assert call("getTask", task_id=task["id"])["status"] == "completed"
    assert call("listTaskEvents", task_id=task["id"])[-1]["type"] == "completion"
    assert call("listTasks", params={"limit": 2})["tasks"]
    call("cancelTask", task_id=task["id"], status=409)
    call("retryTask", task_id=task["id"], json={"secrets": {}}, status=409)
    run = call("getRun", run_id=task["id"])
    assert run["steps"]
    assert call("listRuns", params={"limit": 1})["items"]
    assert call("listRunEvents", run_id=task["id"])["items"]
    assert call("listRunSteps", run_id=task["id"])["items"] == run["steps"]
    call("cancelRun", run_id=task["id"], status=409)
    call("cancelRun", run_id=task["id"], json={"graceSeconds": -1}, status=400)
    call("retryRun", run_id=task["id"], status=409)
    call("resolveRun", run_id=task["id"], json={"happened": True, "reason": "x"}, status=409)
    call("approveRun", run_id=task["id"], status=409)
    call("rejectRun", run_id=task["id"], json={"reason": "No."}, status=409)
    call("signalRun", run_id=task["id"], json={"name": "crate"}, status=409)
    call("listUndos", run_id=task["id"])
    assert call("listRunKinds")["items"]
    call("startRun", json={"kind": "nope", "input": {}}, status=404)
    values = {"name": f"o-{uuid.uuid4().hex[:8]}"}
    start = {"kind": "scaffold", "input": {"template": ref, "values": values}}
    started = call(
        "startRun", json=start, headers={"idempotency-key": uuid.uuid4().hex}, status=201
    )
    assert finished(api, started["id"])["state"] == "succeeded"
    call("getRun", run_id=str(uuid.uuid4()), status=404)


def test_provisioning_answers_as_described(call: Call, api: httpx.Client) -> None:
    assert call("listOfferings")["items"]
    call("getOffering", name="postgres-database")
    call("getOffering", name="nope", status=404)
    name = f"o-{uuid.uuid4().hex[:8]}"
    call("createPlan", json={"offering": "postgres-database", "name": "Bad Name"}, status=400)
    plan = call("createPlan", json={"offering": "postgres-database", "name": name}, status=201)
    assert call("getPlan", plan_id=plan["id"])["hash"] == plan["hash"]
    call("applyPlan", plan_id=plan["id"], json={"hash": "0" * 64}, status=409)
    applied = call("applyPlan", plan_id=plan["id"], json={"hash": plan["hash"]}, status=202)
    finished(api, applied["runId"])
    resource_id = applied["resourceId"]
    assert call("getResource", resource_id=resource_id)["phase"] == "active"
    assert call("listResources", params={"limit": 1})["items"]
    bound = call("createBinding", resource_id=resource_id, json={"name": "app"}, status=202)
    finished(api, bound["runId"])
    assert call("listBindings", resource_id=resource_id)["items"][0]["state"] == "active"
    binding_id = bound["bindingId"]
    assert call("revealCredentials", binding_id=binding_id, status=200)["values"]
    call("revealCredentials", binding_id=binding_id, status=410)
    unbound = call("deleteBinding", binding_id=binding_id, status=202)
    finished(api, unbound["runId"])
    removed = call("deleteResource", resource_id=resource_id, status=202)
    finished(api, removed["runId"])
    call("deleteResource", resource_id=resource_id, status=409)
    call("getRun", run_id=removed["runId"])


def test_the_platform_answers_as_described(call: Call, live: Live, api: httpx.Client) -> None:
    call("getInfo")
    call("listPlugins")
    call("isReady")
    call("isAlive")
    assert api.get("/metrics").headers["content-type"].startswith("text/plain")
    call("getOpenapi")
    made = call("createToken", json={"name": "o", "scopes": ["catalog:read"]}, status=201)
    call("createToken", json={"name": "o", "scopes": ["nope"]}, status=400)
    assert made["id"] in {one["id"] for one in call("listTokens")["items"]}
    with live.client(made["token"]) as reader:
        call("listPlugins", by=reader, status=403)
        call("addLocation", by=reader, json={"target": "https://e.com/x"}, status=403)
    call("revokeToken", token_id=made["id"], status=204)
    call("revokeToken", token_id="0" * 22, status=404)
    with live.client("") as stranger:
        call("listRuns", by=stranger, status=401)
        call("listEntities", by=stranger, status=401)
    with live.client("") as stranger:
        call("isReady", by=stranger)
