"""Entities that are put and removed over HTTP, with conditions and policies, and hostile ones."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from catalog_kit import Gateway, OwnersPlugin, address, component, serving

pytestmark = pytest.mark.anyio

FILE = """\
# the gate
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: gate}
spec: {type: service, lifecycle: production, owner: group:tolls}
"""


@pytest.fixture
async def here(migrated_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with serving(migrated_url, tmp_path) as gateway:
        yield gateway


@pytest.fixture
async def api(here: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with await here.client() as client:
        yield client


def pointers(answer: httpx.Response, status: int = 400) -> list[str | None]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return [error.get("pointer") for error in answer.json()["errors"]]


async def test_a_put_entity_is_readable_at_once_everywhere(api: httpx.AsyncClient) -> None:
    made = await api.put(address("pay"), json=component("pay", tags=["a"]))
    assert made.status_code == 201
    told = made.json()
    assert (told["change"], told["revision"]) == ("added", 1)
    read = await api.get(address("pay"))
    assert read.status_code == 200
    assert read.headers["etag"] == made.headers["etag"] == told["etag"]
    theirs = await api.get("/api/catalog/entities/by-name/component/default/pay")
    assert theirs.json() == read.json() == told["entity"]
    assert read.json()["relations"] == [{"type": "ownedBy", "targetRef": "group:default/tolls"}]
    annotations = read.json()["metadata"]["annotations"]
    assert set(annotations.values()) == {"api:entities"}
    found = await api.get("/api/catalog/entities", params={"filter": "metadata.tags=a"})
    assert [one["metadata"]["name"] for one in found.json()] == ["pay"]


async def test_the_same_again_changes_nothing(api: httpx.AsyncClient) -> None:
    first = await api.put(address("pay"), json=component("pay"))
    again = await api.put(address("pay"), json=component("pay"))
    assert again.status_code == 200
    assert (again.json()["change"], again.json()["revision"]) == ("unchanged", 1)
    assert again.headers["etag"] == first.headers["etag"]
    # What was read goes back as it is.
    read = await api.get(address("pay"))
    back = await api.put(address("PAY", "COMPONENT"), json=read.json())
    assert back.json()["change"] == "unchanged"
    other = await api.put(address("pay"), json=component("pay", title="Pay"))
    assert other.status_code == 200
    assert (other.json()["change"], other.json()["revision"]) == ("changed", 2)
    assert other.json()["uid"] == first.json()["uid"]
    assert other.headers["etag"] != first.headers["etag"]
    history = (await api.get("/api/v1/catalog/history/component/default/pay")).json()
    assert [one["change"] for one in history["items"]] == ["changed", "added"]


async def test_conditions_are_honoured(api: httpx.AsyncClient) -> None:
    url, body = address("pay"), component("pay")
    refused = await api.put(url, json=body, headers={"if-match": "*"})
    assert refused.status_code == 412
    assert refused.json()["code"] == "precondition-failed"
    made = await api.put(url, json=body, headers={"if-none-match": "*"})
    assert made.status_code == 201
    assert (await api.put(url, json=body, headers={"if-none-match": "*"})).status_code == 412
    tag = made.headers["etag"]
    seen = await api.get(url, headers={"if-none-match": f'"other", W/{tag}'})
    assert (seen.status_code, seen.content, seen.headers["etag"]) == (304, b"", tag)
    assert (await api.get(url, headers={"if-none-match": '"other"'})).status_code == 200
    changed = component("pay", title="1")
    good = await api.put(url, json=changed, headers={"if-match": f'"x-y", {tag}'})
    assert good.status_code == 200
    stale = await api.put(url, json=component("pay", title="2"), headers={"if-match": tag})
    assert stale.status_code == 412
    assert (await api.delete(url, headers={"if-match": tag})).status_code == 412
    assert (await api.get(url)).json()["metadata"]["title"] == "1"
    for bad in ("pay", '"a', '"a" "b"', '"\u00e9"'.encode(), '"a",,"b"', '"' + "a" * 3000 + '"'):
        answer = await api.put(url, json=body, headers=[(b"if-match", bad)])  # type: ignore[list-item]
        assert answer.status_code == 400, bad
    last = await api.delete(url, headers={"if-match": good.headers["etag"]})
    assert last.status_code == 200


async def test_what_a_neighbour_states_makes_no_write_fail(api: httpx.AsyncClient) -> None:
    made = await api.put(address("pay"), json=component("pay"))
    user = component("user")
    user["spec"]["dependsOn"] = ["component:pay"]
    assert (await api.put(address("user"), json=user)).status_code == 201
    read = await api.get(address("pay"))
    assert {"type": "dependencyOf", "targetRef": "component:default/user"} in read.json()[
        "relations"
    ]
    # A reader sees another tag, a writer is let through.
    assert read.headers["etag"] != made.headers["etag"]
    headers = {"if-match": made.headers["etag"]}
    changed = await api.put(address("pay"), json=component("pay", title="x"), headers=headers)
    assert changed.status_code == 200


async def test_of_writers_who_saw_the_same_one_wins(api: httpx.AsyncClient) -> None:
    made = await api.put(address("pay"), json=component("pay"))
    headers = {"if-match": made.headers["etag"]}
    answers = await asyncio.gather(
        *(
            api.put(address("pay"), json=component("pay", title=f"t{n}"), headers=headers)
            for n in range(12)
        )
    )
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [200] + [412] * 11
    fresh = {"if-none-match": "*"}
    answers = await asyncio.gather(
        *(api.put(address("new"), json=component("new"), headers=fresh) for _ in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [412] * 7


async def test_what_the_catalog_gives_is_not_taken(api: httpx.AsyncClient) -> None:
    made = (await api.put(address("pay"), json=component("pay"))).json()["entity"]
    before = await api.get(address("pay"))
    for path, value in (
        (("metadata", "uid"), "019aaf3c-5f0b-7c55-b1c5-0f6ad1d8a3f7"),
        (
            ("metadata", "annotations", "backstage.io/managed-by-location"),
            "url:https://evil.example",
        ),
        (("metadata", "annotations", "backstage.io/managed-by-origin-location"), "set:mine"),
        (("metadata", "annotations", "backstage.io/orphan"), "true"),
    ):
        body = copy.deepcopy(made)
        inner = body
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        pointer = "/" + "/".join(key.replace("/", "~1") for key in path)
        assert pointers(await api.put(address("pay"), json=body)) == [pointer]
    body = {
        **component("pay"),
        "relations": [{"type": "ownedBy", "targetRef": "group:default/evil"}],
        "status": {"items": []},
    }
    body["metadata"]["etag"] = "mine"
    assert (await api.put(address("pay"), json=body)).json()["change"] == "unchanged"
    assert (await api.get(address("pay"))).content == before.content
    assert pointers(
        await api.put(address("pay"), json={**component("pay"), "managedBy": "me"})
    ) == ["/managedBy"]


async def test_wrong_entities_are_refused_with_their_place(api: httpx.AsyncClient) -> None:
    url = address("pay")
    other = await api.put(url, json=component("other"))
    assert pointers(other) == ["/metadata/name"]
    assert pointers(await api.put(url, json=component("pay", namespace="away"))) == [
        "/metadata/namespace"
    ]
    lacking = component("pay")
    del lacking["spec"]["owner"]
    assert pointers(await api.put(url, json=lacking)) == ["/spec/owner"]
    unknown = {**component("pay"), "kind": "Boat"}
    assert pointers(await api.put(address("pay", "boat"), json=unknown)) == ["/kind"]
    location = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Location",
        "metadata": {"name": "pay"},
        "spec": {"target": "https://example.com/"},
    }
    answer = await api.put(address("pay", "location"), json=location)
    assert pointers(answer) == ["/kind"]
    assert "registered" in answer.text
    for body in (5, None, [], "text", {}):
        assert (await api.put(url, json=body)).status_code == 400
    assert (await api.get(url)).status_code == 404


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{" + b'"metadata":{' * 100_000, 400),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, 400),
        (b'{"metadata":{"name":"pay","x":' + b"9" * 100_000 + b"}}", 400),
        (b'{"metadata":{"name":"pay","x":NaN}}', 400),
        (b'{"metadata":{"name":"pay"},"kind":"Component","kind":"API"}', 400),
        (b'{"metadata":{"name":"\\ud800"}}', 400),
        (b'{"metadata":{"name":"\xff"}}', 400),
        (b'{"metadata":{"name":"a\\u0000b"}}', 400),
        (b"", 400),
        (b"metadata: {name: pay}", 400),
    ],
    ids=["deep", "nested", "digits", "nan", "twice", "surrogate", "bytes", "nul", "none",
         "yaml"],
)  # fmt: skip
async def test_hostile_bodies(api: httpx.AsyncClient, content: bytes, status: int) -> None:
    headers = {"content-type": "application/json"}
    answer = await api.put(address("pay"), content=content, headers=headers)
    assert answer.status_code == status, answer.text[:300]
    assert len(answer.content) < 20_000
    assert (await api.get(address("pay"))).status_code == 404


async def test_deep_and_large_specs_have_an_end(api: httpx.AsyncClient) -> None:
    for depth, status in ((95, 201), (120, 400), (900, 400)):
        deep = component(f"d{depth}")
        inner = deep["spec"]
        for _ in range(depth):
            inner["in"] = {}
            inner = inner["in"]
        answer = await api.put(address(f"d{depth}"), json=deep)
        assert answer.status_code == status, depth
    assert "deeper than 100" in answer.text
    large = component("large", description="x" * 5_000_000)
    answer = await api.put(address("large"), json=large)
    assert answer.status_code == 400
    assert "entity_bytes" in answer.text


@pytest.mark.parametrize(
    "path",
    ["component/default/a%2Fb", "component/default/%00", "component/default/..%2Fx",
     "component/default/a%0Ab", "component//pay", "component/default/", "component/default/%C0%AE"],
)  # fmt: skip
async def test_hostile_addresses(api: httpx.AsyncClient, path: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        body = component("pay") if method == "PUT" else None
        answer = await api.request(method, f"/api/v1/catalog/entities/{path}", json=body)
        assert answer.status_code in (400, 404, 405), (method, answer.text)


async def test_who_may_not_write_may_not(here: Gateway) -> None:
    async with await here.client(scopes=["catalog:read"]) as reader:
        for answer in (
            await reader.put(address("pay"), json=component("pay")),
            await reader.delete(address("pay")),
            await reader.put("/api/v1/catalog/sets/a", json={}),
            await reader.post("/api/v1/catalog/history/component/default/pay/1/restore"),
        ):
            assert answer.status_code == 403
            assert "insufficient_scope" in answer.headers["www-authenticate"]
    async with await here.client(scopes=["runs:read"]) as other:
        for path in (address("pay"), "/api/v1/catalog/watch", "/api/v1/catalog/sets"):
            assert (await other.get(path)).status_code == 403
    async with httpx.AsyncClient(base_url=here.url, timeout=60) as nobody:
        assert (await nobody.put(address("pay"), json={})).status_code == 401


async def test_ownership_needs_both_owners(migrated_url: str, tmp_path: Path) -> None:
    async with serving(migrated_url, tmp_path, OwnersPlugin()) as here:
        tolls = await here.client("ada", groups=["group:default/tolls"])
        gates = await here.client("bob", groups=["group:default/gates"])
        both = await here.client("eve", groups=["group:default/gates", "group:default/tolls"])
        async with tolls, gates, both:
            url = address("pay")
            assert (await gates.put(url, json=component("pay"))).status_code == 403
            assert (await tolls.put(url, json=component("pay"))).status_code == 201
            stolen = component("pay", owner="group:gates")
            # One who has the new owner only, one who has the old owner only.
            assert (await gates.put(url, json=stolen)).status_code == 403
            given = await tolls.put(url, json=stolen)
            assert given.status_code == 403
            assert "group:default/gates owns it" in given.text
            assert (await gates.delete(url)).status_code == 403
            assert (await both.put(url, json=stolen)).status_code == 200
            assert (await tolls.delete(url)).status_code == 403
            first = (await tolls.get("/api/v1/catalog/history/component/default/pay")).json()[
                "items"
            ][-1]
            restore = f"/api/v1/catalog/history/component/default/pay/{first['seq']}/restore"
            assert (await tolls.post(restore)).status_code == 403
            assert (await both.post(restore)).status_code == 200
            applied = await gates.put(
                "/api/v1/catalog/sets/gates",
                json={"entities": [component("x", owner="group:gates"), component("y")]},
            )
            assert applied.status_code == 403
            assert (await gates.get(address("x"))).status_code == 404


async def test_removing_says_whether_it_returns(
    here: Gateway, api: httpx.AsyncClient, tmp_path: Path
) -> None:
    file = tmp_path / "gate.yaml"
    file.write_text(FILE)
    made = await api.post("/api/v1/catalog/locations", json={"target": str(file)})
    assert made.status_code == 201, made.text
    held = await api.put(address("gate"), json=component("gate"))
    assert held.status_code == 409
    assert str(file) in held.json()["why"]
    assert made.json()["id"] in held.json()["next"]
    gone = (await api.delete(address("gate"))).json()
    (returns,) = gone["returns"]
    assert returns["holder"]["type"] == "location"
    assert returns["holder"]["file"] == str(file)
    assert returns["holder"]["locationId"] == made.json()["id"]
    assert "unregister" in returns["next"]
    assert (await api.get(address("gate"))).status_code == 404
    assert (await api.delete(address("gate"))).status_code == 404
    # And so it does.
    await api.post(f"/api/v1/catalog/locations/{made.json()['id']}/refresh")
    assert (await api.get(address("gate"))).status_code == 200
    await api.put(address("pay"), json=component("pay"))
    assert (await api.delete(address("pay"))).json()["returns"] == []


async def test_what_stands_for_a_resource_stays(here: Gateway, api: httpx.AsyncClient) -> None:
    from towpath_core.entities import Entity
    from towpath_core.identity import Principal

    who = Principal("towpath", "worker", "service", "user:default/worker")
    spec = {"type": "database", "owner": "group:tolls"}
    entity = Entity("backstage.io/v1alpha1", "Resource", {"name": "db"}, spec)
    catalog = here.platform.catalog
    async with here.platform.database.begin() as transaction:
        outcome = await catalog.put(transaction, who, entity, "towpath:resource/1")
    await here.platform.feed.catch_up(outcome.seq)
    url = address("db", "resource")
    body = (await api.get(url)).json()
    assert (await api.delete(url)).status_code == 409
    body["metadata"]["title"] = "mine"
    answer = await api.put(url, json=body)
    assert answer.status_code == 409
    assert "resource" in answer.json()["next"]


async def test_who_states_it_too_takes_it_at_once(api: httpx.AsyncClient, tmp_path: Path) -> None:
    await api.put(address("gate"), json=component("gate", title="ours"))
    file = tmp_path / "gate.yaml"
    file.write_text(FILE)
    await api.post("/api/v1/catalog/locations", json={"target": str(file)})
    assert (await api.get(address("gate"))).json()["metadata"]["title"] == "ours"
    (returns,) = (await api.delete(address("gate"))).json()["returns"]
    assert returns["holder"]["file"] == str(file)
    assert returns["when"].startswith("at once")
    assert "title" not in (await api.get(address("gate"))).json()["metadata"]
    held = await api.put(address("gate"), json=component("gate"))
    assert held.status_code == 409 and f"{file}:2" in held.json()["why"]
