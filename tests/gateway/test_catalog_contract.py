"""Backstage's contract beyond plain reads: locations, ancestry, validation, analysis, transport."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from contract import BASE, Repository, entity, refused
from live import Live

pytestmark = pytest.mark.usefixtures("lives_on")

GONE = f"{BASE}/locations/{uuid.uuid4()}"


@pytest.fixture
def repository(live: Live, tmp_path: Path) -> Repository:
    return Repository(live, tmp_path)


@pytest.fixture
def registered(api: httpx.Client, repository: Repository) -> Iterator[dict[str, Any]]:
    """A location with one component, named after the repository."""
    target = repository.write("catalog-info.yaml", entity(repository.name))
    made = api.post(f"{BASE}/locations", json={"type": "url", "target": target})
    assert made.status_code == 201, made.text
    yield made.json()["location"]
    api.delete(f"{BASE}/locations/{made.json()['location']['id']}")


def by_name(api: httpx.Client, name: str, kind: str = "component") -> httpx.Response:
    return api.get(f"{BASE}/entities/by-name/{kind}/default/{name}")


def test_registering_answers_to_the_letter(
    api: httpx.Client, repository: Repository, registered: dict[str, Any]
) -> None:
    assert set(registered) == {"id", "type", "target", "entityRef"}
    body = {"type": "url", "target": registered["target"]}
    refused(
        api.post(f"{BASE}/locations", json=body),
        409,
        "ConflictError",
        f"Location url:{registered['target']} already exists",
    )
    again = api.post(f"{BASE}/locations", json=body, params={"onConflict": "refresh"})
    assert (again.status_code, again.json()) == (201, {"location": registered, "entities": []})
    reject = api.post(f"{BASE}/locations", json=body, params={"onConflict": "reject"})
    assert reject.status_code == 409
    assert {"data": registered} in api.get(f"{BASE}/locations").json()
    assert api.get(f"{BASE}/locations/{registered['id']}").json() == registered
    path = f"{BASE}/locations/by-entity/Component/Default/{repository.name}"
    assert api.get(path).json() == registered


def test_a_dry_run_tells_all_and_does_nothing(api: httpx.Client, repository: Repository) -> None:
    repository.write("more.yaml", entity(f"{repository.name}-2"))
    more = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Location",
        "metadata": {"name": f"{repository.name}-more"},
        "spec": {"target": "./more.yaml"},
    }
    target = repository.write("catalog-info.yaml", entity(repository.name), more)
    body = {"type": "url", "target": target, "presence": "required"}
    before = api.get(f"{BASE}/entities/by-query?limit=0").json()["totalItems"]
    answer = api.post(f"{BASE}/locations", json=body, params={"dryRun": "true"})
    assert answer.status_code == 201, answer.text
    tried = answer.json()
    assert tried["exists"] is False
    location = tried["location"]
    assert location["id"] == f"url:{target}"
    assert location["entityRef"].startswith("location:default/generated-")
    assert [one["metadata"]["name"] for one in tried["entities"]] == [
        location["entityRef"].rpartition("/")[2],
        repository.name,
        f"{repository.name}-more",
        f"{repository.name}-2",
    ]
    assert api.get(f"{BASE}/entities/by-query?limit=0").json()["totalItems"] == before
    made = api.post(f"{BASE}/locations", json=body)
    assert made.json()["entities"] == []
    again = api.post(f"{BASE}/locations", json=body, params={"dryRun": "true"}).json()
    assert again["exists"] is True
    assert again["location"]["entityRef"] == made.json()["location"]["entityRef"]
    api.delete(f"{BASE}/locations/{made.json()['location']['id']}")


def test_a_dry_run_of_what_is_wrong_is_400(api: httpx.Client, repository: Repository) -> None:
    twice = repository.write("twice.yaml", entity("a-b"), entity("A-B"))
    bad = repository.write("bad.yaml", entity("not a name"))
    for target in (twice, bad, repository.target("gone.yaml")):
        body = {"type": "url", "target": target}
        answer = api.post(f"{BASE}/locations", json=body, params={"dryRun": "true"})
        refused(answer, 400, "InputError")
    body = {"type": "url", "target": repository.target("gone.yaml"), "presence": "optional"}
    answer = api.post(f"{BASE}/locations", json=body, params={"dryRun": "true"})
    assert answer.status_code == 201
    assert len(answer.json()["entities"]) == 1


@pytest.mark.parametrize(
    ("body", "query"),
    [
        ({"target": "https://e.com/x"}, {}),
        ({"type": "url"}, {}),
        ({"type": "url", "target": "https://e.com/x", "id": "x"}, {}),
        ({"type": "file", "target": "/etc/passwd"}, {}),
        ({"type": "url", "target": " "}, {}),
        ({"type": "url", "target": "git+file:///x\0.git/-/blob/main/a.yaml"}, {}),
        ({"type": "url", "target": "https://e.com/x", "presence": "maybe"}, {}),
        ({"type": "url", "target": "https://e.com/x"}, {"dryRun": "perhaps"}),
        ({"type": "url", "target": "https://e.com/x"}, {"onConflict": "ignore"}),
        ({"type": "url", "target": "https://e.com/x"}, {"dry_run": "true"}),
    ],
)
def test_odd_registrations_are_400(api: httpx.Client, body: Any, query: Any) -> None:
    refused(api.post(f"{BASE}/locations", json=body, params=query), 400, "InputError")


def test_a_location_is_changed(
    api: httpx.Client, repository: Repository, registered: dict[str, Any]
) -> None:
    other = f"{repository.name}-moved"
    target = repository.write("moved/catalog-info.yaml", entity(other))
    url = f"{BASE}/locations/{registered['id']}"
    changed = api.put(url, json={"type": "url", "target": target})
    assert changed.status_code == 200, changed.text
    assert changed.json() == {**registered, "target": target}
    assert api.get(url).json() == changed.json()
    assert by_name(api, other).status_code == 200
    assert by_name(api, repository.name).status_code == 404
    own = by_name(api, registered["entityRef"].rpartition("/")[2], "location").json()
    assert own["spec"]["target"] == target
    assert api.put(f"{url}/", json={"type": "url", "target": target}).status_code == 200
    refused(
        api.put(GONE, json={"type": "url", "target": registered["target"]}),
        404,
        "NotFoundError",
        "Found no location with ID",
    )
    spare = repository.write("spare.yaml", entity(f"{repository.name}-spare"))
    body = {"type": "url", "target": spare}
    made = api.post(f"{BASE}/locations", json=body).json()["location"]
    refused(api.put(url, json=body), 409, "ConflictError", f"Location url:{spare} already exists")
    api.delete(f"{BASE}/locations/{made['id']}")
    for wrong in (
        {"type": "url"},
        {**body, "presence": "optional"},
        {"type": "file", "target": "/"},
    ):
        refused(api.put(url, json=wrong), 400, "InputError")
    refused(api.put(f"{BASE}/locations/x", json=body), 404, "NotFoundError")


def test_locations_are_queried_and_paged(
    api: httpx.Client, live: Live, registered: dict[str, Any]
) -> None:
    url = f"{BASE}/locations/by-query"
    every = [one["data"] for one in api.get(f"{BASE}/locations").json()]
    assert len(every) >= 2
    page = api.post(url, json={"limit": 1}).json()
    assert set(page) == {"items", "totalItems", "pageInfo"}
    seen = page["items"]
    while cursor := page["pageInfo"].get("nextCursor"):
        assert json.loads(base64.b64decode(cursor))["limit"] == 1
        page = api.post(url, json={"cursor": cursor, "limit": 50, "query": {"type": "x"}}).json()
        assert len(page["items"]) == 1
        seen += page["items"]
    assert seen == every
    assert page["totalItems"] == len(every)
    query = {"query": {"target": registered["target"].upper()}}
    found = api.post(f"{url}/", json=query).json()
    assert found == {"items": [registered], "totalItems": 1, "pageInfo": {}}
    ref = registered["entityRef"]
    for asked in (ref.upper(), {"$in": ["location:default/x", ref]}, {"$hasPrefix": ref[:-1]}):
        assert api.post(url, json={"query": {"entityRef": asked}}).json() == found
    others = {"query": {"$not": {"EntityRef": ref}}}
    assert api.post(url, json=others).json()["totalItems"] == len(every) - 1
    for odd in ({"$exists": False}, {"$contains": ref}, {"$hasPrefix": "location:default/gen%"}):
        assert api.post(url, json={"query": {"entityRef": odd}}).json()["items"] == []
    assert api.post(url, json={"query": {"entityRef": {"$exists": True}}}).json()["items"] == every
    for limit in ({}, {"limit": 10**30}):
        assert api.post(url, json=limit).json()["items"] == every


@pytest.mark.usefixtures("registered")
def test_a_cursor_of_locations_is_signed(api: httpx.Client, live: Live) -> None:
    url = f"{BASE}/locations/by-query"
    files = [{"target": {"$hasPrefix": prefix}} for prefix in ("/", "git", "f", "x")]
    first = api.post(url, json={"limit": 1, "query": {"$any": files}}).json()
    text = first["pageInfo"]["nextCursor"]
    read = json.loads(base64.b64decode(text))
    changed = base64.b64encode(json.dumps({**read, "limit": 9}).encode()).decode()
    unsigned = base64.b64encode(b'{"limit":1}').decode()
    for wrong in (changed, unsigned, "", "not-a-cursor", "e30=", text[:-4]):
        refused(api.post(url, json={"cursor": wrong}), 400, "InputError", "Malformed cursor")
    with live.known_as("stranger", "catalog:read") as stranger:
        refused(stranger.post(url, json={"cursor": text}), 400, "InputError", "Malformed cursor")


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 0},
        {"limit": -1},
        {"limit": "1"},
        {"limit": 1.5},
        {"query": []},
        {"query": {"name": "x"}},
        {"query": {"entityRef": {"$like": "x"}}},
        {"query": {"entityRef": None}},
        {"query": {"$all": [], "type": "url"}},
        {"offset": 1},
        {"cursor": 1},
        [],
    ],
)
def test_odd_questions_for_locations_are_400(api: httpx.Client, body: Any) -> None:
    refused(api.post(f"{BASE}/locations/by-query", json=body), 400, "InputError")


def test_the_way_of_an_entity_is_told(
    api: httpx.Client, repository: Repository, registered: dict[str, Any]
) -> None:
    url = f"{BASE}/entities/by-name/Component/default/{repository.name.upper()}/ancestry"
    way = api.get(url).json()
    ref = f"component:default/{repository.name}"
    assert way["rootEntityRef"] == ref
    parents = [item["parentEntityRefs"] for item in way["items"]]
    assert parents == [[registered["entityRef"]], []]
    assert way["items"][0]["entity"] == by_name(api, repository.name).json()
    missing = f"{BASE}/entities/by-name/component/default/none/ancestry"
    refused(api.get(missing), 404, "NotFoundError", "No such entity component:default/none")
    refused(api.get(f"{url}?fields=kind"), 400, "InputError", "fields")


def validated(api: httpx.Client, body: Any) -> list[dict[str, Any]]:
    answer = api.post(f"{BASE}/validate-entity", json=body)
    if answer.status_code == 200:
        assert answer.content == b""
        return []
    assert answer.status_code == 400, answer.text
    assert set(answer.json()) == {"errors"}
    errors: list[dict[str, Any]] = answer.json()["errors"]
    assert errors and all(error["name"] and error["message"] for error in errors)
    return errors


def test_an_entity_is_validated_without_being_kept(
    api: httpx.Client, repository: Repository
) -> None:
    location = "url:https://example.com/catalog-info.yaml"
    good = entity("fine")
    assert validated(api, {"entity": good, "location": location}) == []
    assert by_name(api, "fine").status_code == 404
    wrong = {**entity("not a name", owner=None), "relations": []}
    found = validated(api, {"entity": wrong, "location": location})
    assert {error["pointer"] for error in found} >= {"/metadata/name", "/relations"}
    (fault,) = validated(api, {"entity": entity("x", owner=None), "location": location})
    assert fault["pointer"] == "/spec/owner"
    (fault,) = validated(api, {"entity": entity("x", kind="Nope"), "location": location})
    assert "Nope" in fault["message"]
    repository.write("openapi.yaml", {"openapi": "3.1.0"})
    api_entity = entity("x", kind="API", definition={"$text": "./openapi.yaml"})
    beside = f"url:{repository.target('catalog-info.yaml')}"
    assert validated(api, {"entity": api_entity, "location": beside}) == []
    deeper = f"url:{repository.target('deeper/catalog-info.yaml')}"
    (fault,) = validated(api, {"entity": api_entity, "location": deeper})
    assert fault["code"] == "placeholder"


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"entity": entity("x")},
        {"entity": "x", "location": "url:https://e.com"},
        {"entity": entity("x"), "location": "https://e.com/a"},
        {"entity": entity("x"), "location": "file:/etc/passwd"},
        {"entity": entity("x"), "location": "url:"},
        {"entity": entity("x"), "location": ""},
        {"entity": entity("x"), "location": "url:https://e.com", "dryRun": True},
    ],
)
def test_an_odd_question_is_answered_with_errors(api: httpx.Client, body: Any) -> None:
    assert validated(api, body)


def test_what_an_address_holds_is_told(
    api: httpx.Client, repository: Repository, registered: dict[str, Any]
) -> None:
    repository.write("docs/other.yaml", entity(f"{repository.name}-2"))
    url = f"{BASE}/analyze-location"

    def analyzed(target: str, **more: str) -> Any:
        answer = api.post(url, json={"location": {"type": "url", "target": target}, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()

    folder = registered["target"].rpartition("/")[0]
    found = analyzed(folder)
    (one,) = found["existingEntityFiles"]
    assert one["location"] == {"type": "url", "target": registered["target"]}
    assert one["isRegistered"] is True
    assert one["entity"]["metadata"]["name"] == repository.name
    assert found["generateEntities"] == []
    for spelling in ("catalogFilename", "catalogFileName"):
        (one,) = analyzed(folder, **{spelling: "other.yaml"})["existingEntityFiles"]
        assert one["isRegistered"] is False
    made = analyzed("https://github.com/canal/toll-gate")
    assert made["existingEntityFiles"] == []
    (suggestion,) = made["generateEntities"]
    assert suggestion["entity"]["metadata"]["name"] == "toll-gate"
    states = {field["field"]: field["state"] for field in suggestion["fields"]}
    assert states["spec.owner"] == "needsUserInput"
    for target in ("toll-gate", "/etc/passwd", ""):
        body = {"location": {"type": "url", "target": target}}
        refused(api.post(url, json=body), 400, "InputError", "is not a URL")
    body = {"location": {"type": "file", "target": "/etc"}}
    refused(api.post(url, json=body), 400, "InputError", "Unsupported location type")
    secret = analyzed("git+file:///etc/x.git/-/blob/main/catalog-info.yaml")
    assert secret["existingEntityFiles"] == []


def test_the_catalog_has_a_document_of_its_own(api: httpx.Client) -> None:
    document = api.get(f"{BASE}/openapi.json").json()
    whole = api.get("/api/v1/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert {path for path in whole["paths"] if path.startswith(f"{BASE}/")} == set(
        document["paths"]
    )
    methods = sum(
        method != "get" or not path.endswith("openapi.json")
        for path, operations in document["paths"].items()
        for method in operations
    )
    assert methods == 20
