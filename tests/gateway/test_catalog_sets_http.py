"""Sets over HTTP: applied whole, planned, guarded, in conflict, removed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from catalog_kit import Gateway, address, component, serving

pytestmark = pytest.mark.anyio

SETS = "/api/v1/catalog/sets"


@pytest.fixture
async def here(migrated_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with serving(migrated_url, tmp_path) as gateway:
        yield gateway


@pytest.fixture
async def api(here: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with await here.client() as client:
        yield client


async def apply(
    api: httpx.AsyncClient, *names: str, id: str = "tolls", **params: Any
) -> httpx.Response:
    body = {"entities": [component(name) for name in names]}
    return await api.put(f"{SETS}/{id}", json=body, params=params)


def refs(*names: str) -> list[str]:
    return [f"component:default/{name}" for name in names]


async def test_a_set_is_what_was_applied_last(api: httpx.AsyncClient) -> None:
    first = await apply(api, "a", "b")
    assert first.status_code == 200, first.text
    assert first.json()["added"] == refs("a", "b")
    assert (await api.get(address("a"))).status_code == 200
    again = (await apply(api, "b", "a")).json()
    assert (again["unchanged"], again["added"], again["deleted"]) == (refs("a", "b"), [], [])
    body = {"entities": [component("b", title="B"), component("c")]}
    third = (await api.put(f"{SETS}/tolls", json=body)).json()
    assert third["added"] == refs("c")
    assert third["changed"] == refs("b")
    assert third["deleted"] == refs("a")
    assert (await api.get(address("a"))).status_code == 404
    found = (await api.get(f"{SETS}/tolls")).json()
    assert (found["entities"], found["entityRefs"]) == (2, refs("b", "c"))
    history = (await api.get("/api/v1/catalog/history/component/default/a")).json()["items"]
    assert [one["source"] for one in history] == ["set:tolls", "set:tolls"]


async def test_a_plan_changes_nothing(here: Gateway, api: httpx.AsyncClient) -> None:
    await apply(api, "a", "b")
    seq = here.platform.index.seq
    plan = (await apply(api, "b", "c", dryRun="true")).json()
    assert plan["dryRun"] is True
    assert (plan["added"], plan["unchanged"], plan["deleted"]) == (refs("c"), refs("b"), refs("a"))
    assert plan["guarded"] is False and plan["pruneDigest"]
    await here.platform.feed.catch_up()
    assert here.platform.index.seq == seq
    assert (await api.get(address("c"))).status_code == 404


async def test_much_vanishes_only_with_a_word(api: httpx.AsyncClient) -> None:
    names = [f"n{number:02}" for number in range(20)]
    await apply(api, *names)
    # Up to four may go, and more than that up to a tenth.
    assert (await apply(api, *names[4:])).json()["deleted"] == refs(*names[:4])
    refused = await apply(api, *names[9:])
    assert refused.status_code == 409
    problem = refused.json()
    assert problem["code"] == "vanishing"
    assert [error["detail"] for error in problem["errors"]] == refs(*names[4:9])
    assert (await api.get(address(names[4]))).status_code == 200
    plan = (await apply(api, *names[9:], dryRun="true")).json()
    assert plan["guarded"] is True
    assert plan["pruneDigest"] in problem["next"]
    # A word for other entities is none for these.
    other = (await apply(api, *names[10:], dryRun="true")).json()["pruneDigest"]
    assert (await apply(api, *names[9:], prune=other)).status_code == 409
    assert (await apply(api, *names[9:], prune="true")).status_code == 409
    done = await apply(api, *names[9:], prune=plan["pruneDigest"])
    assert done.json()["deleted"] == refs(*names[4:9])
    assert (await api.get(f"{SETS}/tolls")).json()["entities"] == 11


async def test_nothing_at_all_is_not_taken_for_a_wish(api: httpx.AsyncClient) -> None:
    await apply(api, "a")
    assert (await apply(api)).json()["code"] == "vanishing"
    gone = await api.delete(f"{SETS}/tolls")
    assert gone.json() == {"id": "tolls", "entityRefs": refs("a")}
    assert (await api.delete(f"{SETS}/tolls")).status_code == 404
    assert (await apply(api)).status_code == 200


async def test_it_is_all_or_nothing(here: Gateway, api: httpx.AsyncClient) -> None:
    await apply(api, "a", id="one")
    await api.put(address("single"), json=component("single"))
    for body in (
        [component("new"), component("a")],
        [component("new"), component("single")],
    ):
        answer = await api.put(f"{SETS}/two", json={"entities": body})
        assert answer.status_code == 409
        assert body[1]["metadata"]["name"] in answer.json()["errors"][0]["detail"]
        plan = await api.put(f"{SETS}/two", json={"entities": body}, params={"dryRun": "true"})
        (conflict,) = plan.json()["conflicts"]
        assert conflict["holder"]["type"] in ("set", "api")
    bad = component("bad")
    del bad["spec"]["type"]
    answer = await api.put(f"{SETS}/two", json={"entities": [component("new"), bad, bad]})
    assert answer.status_code == 400
    assert {e["pointer"] for e in answer.json()["errors"]} == {"/entities/2"}
    answer = await api.put(f"{SETS}/two", json={"entities": [component("new"), bad, 5]})
    assert {e["pointer"] for e in answer.json()["errors"]} == {"/entities/2"}
    answer = await api.put(f"{SETS}/two", json={"entities": [component("new"), bad]})
    assert {e["pointer"] for e in answer.json()["errors"]} == {"/entities/1/spec/type"}
    assert (await api.get(address("new"))).status_code == 404
    assert (await api.get(f"{SETS}/two")).status_code == 404
    # Whoever wants an entity that another holds takes it from there first.
    held = await api.put(address("a"), json=component("a", title="mine"))
    assert held.status_code == 409 and "sets/one" in held.json()["next"]
    gone = (await api.delete(address("a"))).json()
    assert gone["returns"][0]["holder"] == {"type": "set", "origin": "set:one"}


async def test_files_are_read_as_locations_are(api: httpx.AsyncClient) -> None:
    good = (
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: a}\n"
        "spec: {type: service, lifecycle: production, owner: group:tolls}\n---\n"
    )
    body = {
        "files": [{"name": "all.yaml", "text": good + good.replace("name: a", "name: b")}],
        "entities": [component("c")],
    }
    answer = await api.put(f"{SETS}/files", json=body)
    assert answer.json()["added"] == refs("a", "b", "c")
    wrong = good + "# here\n" + good.replace("lifecycle: production, ", "").replace("a}", "b}")
    body = {"files": [{"name": "sub/all.yaml", "text": wrong}]}
    answer = await api.put(f"{SETS}/files", json=body)
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert (error["file"], error["line"]) == ("sub/all.yaml", 10)
    for name, text in (("a.yaml", "a: [\n"), ("a.yaml", "a: 1\na: 2"), ("a.yaml", "\0")):
        answer = await api.put(f"{SETS}/files", json={"files": [{"name": name, "text": text}]})
        assert answer.status_code == 400, text
        assert answer.json()["errors"][0]["file"] == "a.yaml"
    answer = await api.put(f"{SETS}/files", json={"files": [{"name": "a.exe", "text": ""}]})
    assert answer.status_code == 400
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(97 + n)}: &{chr(97 + n)} [{','.join(['*' + chr(96 + n)] * 9)}]\n"
        for n in range(1, 12)
    )
    answer = await api.put(f"{SETS}/files", json={"files": [{"name": "b.yaml", "text": bomb}]})
    assert answer.status_code == 400


@pytest.mark.parametrize("id", ["A", "a_", "-a", "a b", "a" * 64, "%00", "ä", "set:a"])
async def test_ids_of_sets_have_one_form(api: httpx.AsyncClient, id: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        body = {"entities": []} if method == "PUT" else None
        answer = await api.request(method, f"{SETS}/{id}", json=body)
        assert answer.status_code == 400, answer.text


async def test_sets_are_listed_in_pages(api: httpx.AsyncClient) -> None:
    for number in range(5):
        await apply(api, f"x{number}", id=f"s{number}")
    await apply(api, *(f"y{number}" for number in range(5)), id="s5")
    seen, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await api.get(SETS, params=params)).json()
        seen += [(one["id"], one["entities"]) for one in page["items"]]
        if (cursor := page.get("nextCursor")) is None:
            break
    assert seen == [(f"s{n}", 1) for n in range(5)] + [("s5", 5)]
    page = (await api.get(f"{SETS}/s5", params={"limit": 3})).json()
    more = (await api.get(f"{SETS}/s5", params={"cursor": page["nextCursor"]})).json()
    assert page["entityRefs"] + more["entityRefs"] == refs(*(f"y{n}" for n in range(5)))
    assert "nextCursor" not in more


async def test_sets_applied_at_once_end_as_one_of_them(api: httpx.AsyncClient) -> None:
    lists = [("a", "b"), ("b", "c"), ("c", "a")]
    await asyncio.gather(*(apply(api, *names) for names in lists * 3))
    found = (await api.get(f"{SETS}/tolls")).json()["entityRefs"]
    assert found in [refs(*sorted(names)) for names in lists]


async def test_unknown_fields_and_values_are_refused(api: httpx.AsyncClient) -> None:
    for body in ({"entity": []}, [], {"entities": {}}, {"files": [{"name": "a.yaml"}]}):
        assert (await api.put(f"{SETS}/a", json=body)).status_code == 400, body
    assert (await apply(api, "a", dryRun="maybe")).status_code == 400
    assert (await apply(api, "a", dry="true")).status_code == 400
    many = {"entities": [component(f"n{n}") for n in range(20_001)]}
    answer = await api.put(f"{SETS}/a", json=many)
    assert answer.status_code == 422 and "20000" in answer.text
