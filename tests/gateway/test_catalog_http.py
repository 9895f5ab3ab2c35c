from __future__ import annotations

import uuid
from pathlib import Path

import httpx
import pytest
from live import Live

COMPONENT = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: {name}
spec:
  type: service
  lifecycle: production
  owner: group:bookings
"""


def by_name(api: httpx.Client, kind: str, name: str) -> httpx.Response:
    return api.get(f"/api/catalog/entities/by-name/{kind}/default/{name}")


def test_the_demo_is_there(api: httpx.Client) -> None:
    entities = api.get("/api/catalog/entities").json()
    assert len(entities) >= 61
    gate = by_name(api, "Component", "Gate-Controller").json()
    assert gate["metadata"]["uid"]
    assert len(gate["metadata"]["etag"]) == 40
    assert {"type": "ownedBy", "targetRef": "group:default/gatekeepers"} in gate["relations"]
    team = by_name(api, "group", "gatekeepers").json()
    assert {
        "type": "ownerOf",
        "targetRef": "component:default/gate-controller",
    } in team["relations"]


def test_by_uid_and_by_refs(api: httpx.Client) -> None:
    gate = by_name(api, "component", "gate-controller").json()
    assert api.get(f"/api/catalog/entities/by-uid/{gate['metadata']['uid']}").json() == gate
    refs = ["component:default/nope", "component:default/gate-controller"]
    body = {"entityRefs": [*refs, refs[1]], "fields": ["metadata.name"]}
    answer = api.post("/api/catalog/entities/by-refs", json=body)
    name = {"metadata": {"name": "gate-controller"}}
    assert answer.json() == {"items": [None, name, name]}
    # The Python client of others asks with a slash at the end.
    assert api.post("/api/catalog/entities/by-refs/", json=body).json() == answer.json()


def test_filters_are_alternatives_of_conjunctions(api: httpx.Client) -> None:
    params = {"filter": ["kind=component,spec.type=library", "kind=domain"]}
    found = api.get("/api/catalog/entities", params=params).json()
    assert {entity["metadata"]["name"] for entity in found} == {
        "toll-calculator",
        "service-kit",
        "cargo",
        "developer-experience",
        "waterway-operations",
    }


def test_a_walk_visits_every_entity_once_both_ways(api: httpx.Client) -> None:
    url = "/api/catalog/entities/by-query"
    params = {"limit": 5, "orderField": "metadata.name,asc", "filter": "kind=user"}
    page = api.get(url, params=params).json()
    assert "prevCursor" not in page["pageInfo"]
    pages = [page]
    while "nextCursor" in page["pageInfo"]:
        page = api.get(url, params={"limit": 5, "cursor": page["pageInfo"]["nextCursor"]}).json()
        pages.append(page)
    names = [entity["metadata"]["name"] for page in pages for entity in page["items"]]
    assert names == sorted(names)
    assert len(names) == len(set(names)) == page["totalItems"] == 15
    for earlier in reversed(pages[:-1]):
        page = api.get(url, params={"limit": 5, "cursor": page["pageInfo"]["prevCursor"]}).json()
        assert page["items"] == earlier["items"]
    assert "prevCursor" not in page["pageInfo"]


def test_a_cursor_is_signed_and_belongs_to_whom_it_was_given(live: Live, api: httpx.Client) -> None:
    url = "/api/catalog/entities/by-query"
    cursor = api.get(url, params={"limit": 1}).json()["pageInfo"]["nextCursor"]
    assert api.get(url, params={"cursor": cursor}).status_code == 200
    changed = cursor[:30] + ("A" if cursor[30] != "A" else "B") + cursor[31:]
    for bad in (changed, "not-a-cursor", "", "e30="):
        answer = api.get(url, params={"cursor": bad})
        assert answer.status_code == 400, bad
        assert answer.json()["error"]["name"] == "InputError"


def test_predicates_and_counts(api: httpx.Client) -> None:
    query = {"$all": [{"kind": "component"}, {"$not": {"spec.type": {"$in": ["service"]}}}]}
    body = {"query": query, "orderBy": [{"field": "metadata.name", "order": "desc"}], "limit": 2}
    answer = api.post("/api/catalog/entities/by-query", json=body).json()
    names = [entity["metadata"]["name"] for entity in answer["items"]]
    assert names == sorted(names, reverse=True)
    assert answer["totalItems"] == 6
    nothing = {"query": {"kind": "component"}, "totalItems": "exclude", "limit": 0}
    assert api.post("/api/catalog/entities/by-query", json=nothing).json() == {
        "items": [],
        "totalItems": 0,
        "pageInfo": {},
    }


def test_facets_keep_the_case_of_values(api: httpx.Client) -> None:
    params = {"facet": ["kind", "spec.lifecycle", "no.such"], "filter": "kind=component"}
    facets = api.get("/api/catalog/entity-facets", params=params).json()["facets"]
    assert [row["value"] for row in facets["kind"]] == ["Component"]
    assert [row["value"] for row in facets["spec.lifecycle"]] == [
        "deprecated",
        "experimental",
        "production",
    ]
    assert facets["no.such"] == []


def test_pages_of_the_plain_list_are_linked(api: httpx.Client) -> None:
    params = {"limit": 2, "filter": "kind=domain", "order": "desc:metadata.name"}
    first = api.get("/api/catalog/entities", params=params)
    link = first.headers["link"]
    assert link.endswith('; rel="next"')
    target = link[1 : link.index(">")]
    second = api.get(f"/api/catalog{target}")
    names = [entity["metadata"]["name"] for entity in (*first.json(), *second.json())]
    assert names == ["waterway-operations", "developer-experience", "cargo"]
    assert "link" not in second.headers


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/entities?nope=1", "nope"),
        ("/entities?limit=-1", "limit must be 1 or more, not '-1'"),
        ("/entities?limit=x", "limit"),
        ("/entities?after=%25%25", "cursor"),
        ("/entities?filter==x", "key"),
        ("/entities?order=sideways:kind", "as asc:metadata.name"),
        ("/entities?fields=kind,a[0]", "'a[0]'; brackets"),
        ("/entities/by-query?limit=-1", "limit must be 0 or more, not '-1'"),
        ("/entities/by-query?orderField=kind,up", "as metadata.name,asc"),
        ("/entities/by-query?totalItems=perhaps", "totalItems must be include or exclude, not"),
        ("/entity-facets", "facet=kind"),
        ("/entity-facets?facet=", "facet=kind"),
    ],
)
def test_bad_parameters_are_400_and_named(api: httpx.Client, path: str, says: str) -> None:
    answer = api.get(f"/api/catalog{path}")
    assert answer.status_code == 400, answer.text
    body = answer.json()
    assert body["error"]["name"] == "InputError"
    assert says in body["error"]["message"]
    assert body["response"] == {"statusCode": 400}
    assert body["request"]["method"] == "GET"


def test_facets_without_a_name_are_passed_over(api: httpx.Client) -> None:
    asked = api.get("/api/catalog/entity-facets", params={"facet": ["", "kind"]}).json()
    assert list(asked["facets"]) == ["kind"]
    assert api.post("/api/catalog/entity-facets", json={"facets": ["", "kind"]}).json() == asked
    assert api.post("/api/catalog/entity-facets", json={"facets": [""]}).status_code == 400


def test_a_field_to_order_by_may_have_a_comma(api: httpx.Client) -> None:
    body = {"orderBy": [{"field": "spec.a,b", "order": "asc"}]}
    answer = api.post("/api/catalog/entities/by-query", json=body)
    assert answer.json() == {"items": [], "totalItems": 0, "pageInfo": {}}
    body = {"orderBy": [{"field": " ", "order": "asc"}]}
    answer = api.post("/api/catalog/entities/by-query", json=body)
    assert answer.status_code == 400
    assert "/orderBy/0/field" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "query",
    [
        [],
        "component",
        {"kind": {"$like": "x"}},
        {"$any": "x"},
        {"$all": [], "kind": "x"},
        {"kind": {"$contains": {"type": 1}}},
        {"a": None},
    ],
)
def test_bad_predicates_are_400(api: httpx.Client, query: object) -> None:
    answer = api.post("/api/catalog/entities/by-query", json={"query": query})
    assert answer.status_code == 400, answer.text


def test_a_predicate_of_great_depth_is_400(api: httpx.Client) -> None:
    query: dict[str, object] = {"kind": "x"}
    for _ in range(500):
        query = {"$not": query}
    answer = api.post("/api/catalog/entities/by-query", json={"query": query})
    assert answer.status_code == 400


def test_missing_things_are_404_in_both_styles(api: httpx.Client) -> None:
    missing = by_name(api, "component", "nope")
    assert missing.status_code == 404
    assert missing.json()["error"] == {
        "name": "NotFoundError",
        "message": "No entity named 'nope' found, with kind 'component' in namespace 'default'",
    }
    other = api.get(f"/api/v1/resources/{uuid.uuid4()}")
    assert other.status_code == 404
    assert other.headers["content-type"] == "application/problem+json"
    assert other.json()["type"] == "urn:towpath:problem:not-found"


def test_a_file_is_registered_changed_and_removed(api: httpx.Client, files: Path) -> None:
    name = f"c-{uuid.uuid4().hex[:8]}"
    file = files / f"{name}.yaml"
    file.write_text(COMPONENT.format(name=name))
    made = api.post("/api/v1/catalog/locations", json={"target": str(file)})
    assert made.status_code == 201, made.text
    assert made.json()["entityRefs"] == [f"component:default/{name}"]
    assert made.json()["problems"] == []
    # Readable as soon as the answer is there, without waiting.
    entity = by_name(api, "component", name).json()
    assert entity["metadata"]["annotations"]["backstage.io/managed-by-location"] == f"file:{file}"
    file.write_text(COMPONENT.format(name=name).replace("production", "deprecated"))
    assert (
        api.post("/api/catalog/refresh", json={"entityRef": f"component:default/{name}"}).text == ""
    )
    changed = by_name(api, "component", name).json()
    assert changed["spec"]["lifecycle"] == "deprecated"
    assert changed["metadata"]["uid"] == entity["metadata"]["uid"]
    assert changed["metadata"]["etag"] != entity["metadata"]["etag"]
    again = api.post("/api/v1/catalog/locations", json={"target": str(file)})
    assert again.status_code == 200
    assert again.json()["id"] == made.json()["id"]
    location = api.get(f"/api/catalog/locations/by-entity/component/default/{name}").json()
    assert location["id"] == made.json()["id"]
    assert api.delete(f"/api/catalog/locations/{location['id']}").status_code == 204
    assert by_name(api, "component", name).status_code == 404
    assert api.delete(f"/api/catalog/locations/{location['id']}").status_code == 404


def test_a_bad_document_is_listed_with_its_place_and_stops_no_other(
    api: httpx.Client, files: Path
) -> None:
    name = f"c-{uuid.uuid4().hex[:8]}"
    file = files / f"{name}.yaml"
    bad = COMPONENT.format(name="not a name").replace("  owner: group:bookings\n", "")
    file.write_text(f"{COMPONENT.format(name=name)}---\n{bad}---\nowner: [\n")
    made = api.post("/api/v1/catalog/locations", json={"target": str(file)}).json()
    assert made["entityRefs"] == [f"component:default/{name}"]
    places = {(p.get("line"), p.get("pointer")) for p in made["problems"]}
    assert (13, "/metadata/name") in places
    assert any(line is not None and line >= 19 for line, _ in places)
    stored = api.get("/api/v1/catalog/problems", params={"location": made["id"]}).json()["items"]
    assert len(stored) == len(made["problems"])
    assert all(problem["file"] == str(file) for problem in stored)


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, "a: &a [*a]\n", "x: !!python/object/apply:os.system ['id']\n", "\0\1\2", "{"],
    ids=["brackets", "recursive alias", "python tag", "bytes", "open brace"],
)
def test_hostile_files_are_reported_and_the_platform_lives(
    api: httpx.Client, files: Path, content: str
) -> None:
    file = files / f"h-{uuid.uuid4().hex[:8]}.yaml"
    file.write_text(content)
    made = api.post("/api/v1/catalog/locations", json={"target": str(file)})
    assert made.status_code == 201, made.text
    assert made.json()["entityRefs"] == []
    assert made.json()["problems"]
    assert api.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize(
    "target",
    ["/etc/passwd", "file:///etc/hosts", "../../etc/passwd", "/proc/self/environ"],
)
def test_files_outside_the_roots_are_not_read(api: httpx.Client, target: str) -> None:
    made = api.post("/api/v1/catalog/locations", json={"type": "file", "target": target})
    assert "root:" not in made.text
    if made.status_code == 201:
        assert made.json()["entityRefs"] == []
        assert made.json()["problems"]
        api.delete(f"/api/catalog/locations/{made.json()['id']}")
    else:
        assert made.status_code in (400, 403)


def test_the_compatible_route_takes_urls_only_and_strictly(api: httpx.Client) -> None:
    url = "/api/catalog/locations"
    assert api.post(url, json={"type": "file", "target": "/etc/passwd"}).status_code == 400
    for wrong in ({"extra": 1}, {"presence": "perhaps"}, {"target": ""}, {"type": 1}):
        body = {"type": "url", "target": "https://e.com/x", **wrong}
        assert api.post(url, json=body).status_code == 400, wrong
    assert api.post(url, json={}).status_code == 400
    assert api.post(url, content=b"{").status_code == 400
    unread = api.post(url, json={"type": "url", "target": "gopher://example.com/x.yaml"})
    assert unread.status_code == 400
    assert "No source reads" in unread.json()["error"]["message"]


def test_a_bodyless_request_with_a_json_content_type_is_fine(api: httpx.Client) -> None:
    headers = {"content-type": "application/json"}
    assert api.get("/api/catalog/locations", headers=headers).status_code == 200
    missing = api.delete(f"/api/catalog/entities/by-uid/{uuid.uuid4()}", headers=headers)
    assert missing.status_code == 204


def test_a_body_that_is_too_large_is_refused(api: httpx.Client) -> None:
    answer = api.post("/api/catalog/entities/by-refs", content=b'"' + b"x" * (11 << 20) + b'"')
    assert answer.status_code == 413
    assert api.get("/healthz").status_code == 200
