from __future__ import annotations

import uuid

import httpx
import psycopg
import pytest
from live import Live, finished

OFFERING = "postgres-database"


def fresh() -> str:
    return f"db-{uuid.uuid4().hex[:8]}"


def plan(api: httpx.Client, name: str, **more: object) -> dict[str, object]:
    made = api.post("/api/v1/plans", json={"offering": OFFERING, "name": name, **more})
    assert made.status_code == 201, made.text
    return made.json()


def provision(api: httpx.Client, name: str) -> str:
    planned = plan(api, name)
    accepted = api.post(f"/api/v1/plans/{planned['id']}/apply", json={"hash": planned["hash"]})
    assert accepted.status_code == 202, accepted.text
    run = finished(api, accepted.json()["runId"])
    assert run["state"] == "succeeded", run
    return accepted.json()["resourceId"]


def test_a_database_is_made_handed_over_and_taken_back(api: httpx.Client) -> None:
    name = fresh()
    planned = plan(api, name)
    assert {change["action"] for change in planned["changes"]} == {"create"}
    resource_id = provision(api, fresh())
    resource = api.get(f"/api/v1/resources/{resource_id}").json()
    assert resource["phase"] == "active"
    entity = api.get(f"/api/catalog/entities/by-name/resource/default/{resource['name']}").json()
    assert entity["spec"] == {"type": "database", "owner": "user:default/admin"}
    assert {"type": "ownedBy", "targetRef": "user:default/admin"} in entity["relations"]
    bound = api.post(f"/api/v1/resources/{resource_id}/bindings", json={"name": "app"}).json()
    assert finished(api, bound["runId"])["state"] == "succeeded"
    shown = api.post(f"/api/v1/bindings/{bound['bindingId']}/credentials")
    values = shown.json()["values"]
    with psycopg.connect(values["uri"]) as connection:
        connection.execute("CREATE TABLE t (x int)")
        connection.execute("INSERT INTO t VALUES (1)")
    again = api.post(f"/api/v1/bindings/{bound['bindingId']}/credentials")
    assert again.status_code == 410
    listed = api.get(f"/api/v1/resources/{resource_id}/bindings")
    assert listed.json()["items"][0]["shown"] is True
    everywhere = listed.text + api.get("/api/v1/resources").text
    everywhere += api.get(f"/api/v1/runs/{bound['runId']}").text
    everywhere += api.get(f"/api/v1/runs/{bound['runId']}/events").text
    assert values["password"] not in everywhere
    removed = api.delete(f"/api/v1/resources/{resource_id}")
    assert removed.status_code == 202
    assert finished(api, removed.json()["runId"])["state"] == "succeeded"
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(values["uri"])
    assert api.get(f"/api/v1/resources/{resource_id}").json()["phase"] == "deleted"
    gone = api.get(f"/api/catalog/entities/by-name/resource/default/{resource['name']}")
    assert gone.status_code == 404


def test_a_binding_alone_is_taken_back(api: httpx.Client) -> None:
    resource_id = provision(api, fresh())
    uris = []
    for name in ("one", "two"):
        bound = api.post(f"/api/v1/resources/{resource_id}/bindings", json={"name": name}).json()
        finished(api, bound["runId"])
        shown = api.post(f"/api/v1/bindings/{bound['bindingId']}/credentials").json()["values"]
        uris.append((bound["bindingId"], shown["uri"]))
    accepted = api.delete(f"/api/v1/bindings/{uris[0][0]}").json()
    assert finished(api, accepted["runId"])["state"] == "succeeded"
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(uris[0][1])
    psycopg.connect(uris[1][1]).close()


def test_the_guest_provisions_through_the_same_door(api: httpx.Client) -> None:
    body = {"offering": "sqlite-database", "name": fresh()}
    planned = api.post("/api/v1/plans", json=body).json()
    accepted = api.post(f"/api/v1/plans/{planned['id']}/apply", json={"hash": planned["hash"]})
    run = finished(api, accepted.json()["runId"])
    assert run["state"] == "succeeded", run
    resource = api.get(f"/api/v1/resources/{accepted.json()['resourceId']}").json()
    assert resource["offering"] == "sqlite-database"
    assert resource["phase"] == "active"


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"connection_limit": "many"}, "/parameters/connection_limit"),
        ({"connection_limit": 10**9}, "/parameters/connection_limit"),
        ({"nope": 1}, None),
    ],
)
def test_wrong_parameters_are_refused_with_their_place(
    api: httpx.Client, parameters: dict[str, object], pointer: str | None
) -> None:
    body = {"offering": OFFERING, "name": fresh(), "parameters": parameters}
    answer = api.post("/api/v1/plans", json=body)
    assert answer.status_code == 400, answer.text
    errors = answer.json()["errors"]
    if pointer is None:
        assert "'nope' is not a parameter" in errors[0]["detail"]
    else:
        assert any(
            error.get("pointer") == pointer or "connection_limit" in error["detail"]
            for error in errors
        )


@pytest.mark.parametrize("name", ["", "Has-Caps", "a b", "../x", "a" * 51, "-x", "x_y", "ünï"])
def test_bad_names_are_refused(api: httpx.Client, name: str) -> None:
    answer = api.post("/api/v1/plans", json={"offering": OFFERING, "name": name})
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"


def test_unknown_offering_size_field_and_owner(live: Live, api: httpx.Client) -> None:
    missing = api.post("/api/v1/plans", json={"offering": "nope", "name": "x"})
    assert missing.status_code == 404
    assert OFFERING in missing.json()["next"]
    size = api.post("/api/v1/plans", json={"offering": OFFERING, "name": "x", "size": "huge"})
    assert size.status_code == 400
    assert "small" in size.json()["next"]
    field = api.post("/api/v1/plans", json={"offering": OFFERING, "name": "x", "ownr": "me"})
    assert field.status_code == 400
    with live.scoped("provision:read", "provision:write") as client:
        body = {"offering": OFFERING, "name": fresh(), "owner": "group:default/bookings"}
        assert client.post("/api/v1/plans", json=body).status_code == 403


def test_a_wrong_hash_and_a_second_apply_are_conflicts(api: httpx.Client) -> None:
    planned = plan(api, fresh())
    url = f"/api/v1/plans/{planned['id']}/apply"
    wrong = api.post(url, json={"hash": "0" * 64})
    assert wrong.status_code == 409
    assert wrong.json()["code"] == "plan-stale"
    assert "resources" in api.get("/api/v1/resources").request.url.path
    first = api.post(url, json={"hash": planned["hash"]})
    assert first.status_code == 202
    second = api.post(url, json={"hash": planned["hash"]})
    assert second.status_code == 409
    finished(api, first.json()["runId"])


def test_a_repeated_request_with_its_key_has_one_effect(api: httpx.Client) -> None:
    planned = plan(api, fresh())
    url = f"/api/v1/plans/{planned['id']}/apply"
    key = {"idempotency-key": uuid.uuid4().hex}
    answers = [api.post(url, json={"hash": planned["hash"]}, headers=key) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    other = api.post(url, json={"hash": "1" * 64}, headers=key)
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency-mismatch"
    finished(api, answers[0].json()["runId"])


def test_a_taken_name_is_a_conflict(api: httpx.Client) -> None:
    name = fresh()
    first, second = plan(api, name), plan(api, name)
    accepted = api.post(f"/api/v1/plans/{first['id']}/apply", json={"hash": first["hash"]})
    late = api.post(f"/api/v1/plans/{second['id']}/apply", json={"hash": second["hash"]})
    assert late.status_code == 409
    assert "Choose another name" in late.json()["next"]
    finished(api, accepted.json()["runId"])
    demo = api.post("/api/v1/plans", json={"offering": OFFERING, "name": "bookings-db"})
    assert demo.status_code == 409


@pytest.mark.parametrize("path", ["/api/v1/resources/x", "/api/v1/plans/1", "/api/v1/runs/../x"])
def test_ids_that_are_none_are_clear_errors(api: httpx.Client, path: str) -> None:
    assert api.get(path).status_code in (400, 404)
