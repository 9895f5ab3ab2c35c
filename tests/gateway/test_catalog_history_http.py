"""The past over HTTP: revisions with differences, reads as of a time, restoring, pruning."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from catalog_kit import Gateway, address, component, serving
from sqlalchemy import func, select, update

from towpath_engine.catalog.pruning import Pruner
from towpath_engine.catalog.tables import REVISIONS

pytestmark = pytest.mark.anyio

PAST = "/api/v1/catalog/entities"
HISTORY = "/api/v1/catalog/history/component/default"


@pytest.fixture
async def here(migrated_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with serving(migrated_url, tmp_path) as gateway:
        yield gateway


@pytest.fixture
async def api(here: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with await here.client() as client:
        yield client


def moment() -> str:
    return datetime.now(UTC).isoformat()


async def revisions(api: httpx.AsyncClient, name: str) -> list[dict[str, object]]:
    found = await api.get(f"{HISTORY}/{name}")
    assert found.status_code == 200, found.text
    items: list[dict[str, object]] = found.json()["items"]
    return items


async def test_every_change_is_told_with_its_differences(api: httpx.AsyncClient) -> None:
    await api.put(address("pay"), json=component("pay", tags=["a", "b"], **{"x/y~z": "1"}))
    other = component("pay", owner="group:gates", tags=["a", "c", "d"], title="Pay")
    await api.put(address("pay"), json=other)
    await api.delete(address("pay"))
    await api.put(address("pay"), json=component("pay"))
    found = await revisions(api, "pay")
    assert [one["change"] for one in found] == ["added", "deleted", "changed", "added"]
    assert [one["revision"] for one in found] == [4, 3, 2, 1]
    assert {one["actor"] for one in found} == {"towpath/ada"}
    seqs = [one["seq"] for one in found]
    assert seqs == sorted(seqs, reverse=True)
    assert {one["pointer"]: one for one in found[2]["differences"]} == {
        "/metadata/tags/1": {
            "op": "replace",
            "pointer": "/metadata/tags/1",
            "old": "b",
            "new": "c",
        },
        "/metadata/tags/2": {"op": "add", "pointer": "/metadata/tags/2", "new": "d"},
        "/metadata/x~1y~0z": {"op": "remove", "pointer": "/metadata/x~1y~0z", "old": "1"},
        "/metadata/title": {"op": "add", "pointer": "/metadata/title", "new": "Pay"},
        "/spec/owner": {
            "op": "replace",
            "pointer": "/spec/owner",
            "old": "group:tolls",
            "new": "group:gates",
        },
    }
    whole = (await api.get(f"{HISTORY}/pay/{found[2]['seq']}")).json()
    assert whole["entity"]["spec"]["owner"] == "group:gates"
    assert whole["differences"] == found[2]["differences"]
    assert "entity" not in (await api.get(f"{HISTORY}/pay/{found[1]['seq']}")).json()


async def test_pages_of_history_have_no_seams(api: httpx.AsyncClient) -> None:
    for number in range(7):
        await api.put(address("pay"), json=component("pay", title=f"t{number}"))
    whole = await revisions(api, "pay")
    seen: list[dict[str, object]] = []
    cursor = None
    while True:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await api.get(f"{HISTORY}/pay", params=params)).json()
        seen += page["items"]
        if (cursor := page.get("nextCursor")) is None:
            break
    assert seen == whole and len(seen) == 7
    exact = (await api.get(f"{HISTORY}/pay", params={"limit": 7})).json()
    assert exact["items"] == whole and "nextCursor" not in exact


async def test_large_changes_are_told_in_bounds(api: httpx.AsyncClient) -> None:
    await api.put(address("pay"), json=component("pay", description="a" * 100_000))
    many = {f"k{number}": number for number in range(1000)}
    changed = component("pay", description="b" * 100_000, **many)
    await api.put(address("pay"), json=changed)
    answer = await api.get(f"{HISTORY}/pay")
    newest = answer.json()["items"][0]
    assert newest["moreDifferences"] is True
    assert len(newest["differences"]) == 200
    assert newest["differences"][0]["cut"] is True
    assert len(answer.content) < 30_000


async def test_the_past_is_read_as_it_was(api: httpx.AsyncClient) -> None:
    before = moment()
    await api.put(address("pay"), json=component("pay", title="one"))
    one = moment()
    then = (await api.get(address("pay"))).json()
    user = component("user")
    user["spec"]["dependsOn"] = ["component:pay"]
    await api.put(address("user"), json=user)
    two = moment()
    both = (await api.get(address("pay"))).json()
    await api.put(address("pay"), json=component("pay", title="three"))
    await api.delete(address("user"))
    three = moment()
    assert (await api.get(address("pay"), params={"as_of": before})).status_code == 404
    for at, whole in ((one, then), (two, both)):
        answer = await api.get(address("pay"), params={"as_of": at})
        assert answer.json() == whole
        tag = {"if-none-match": answer.headers["etag"]}
        again = await api.get(address("pay"), params={"as_of": at}, headers=tag)
        assert again.status_code == 304
    listed = (await api.get(PAST, params={"as_of": two})).json()["items"]
    assert [item["metadata"]["name"] for item in listed] == ["pay", "user"]
    assert listed[0] == both
    page = (await api.get(PAST, params={"as_of": two, "limit": 1})).json()
    rest = (await api.get(PAST, params={"as_of": two, "cursor": page["nextCursor"]})).json()
    assert page["items"] + rest["items"] == listed
    now_there = (await api.get(PAST, params={"as_of": three})).json()["items"]
    assert now_there == [(await api.get(address("pay"))).json()]
    assert (await api.get(PAST, params={"as_of": two, "kind": "Component"})).json()["items"]
    assert (await api.get(PAST, params={"as_of": two, "kind": "api"})).json()["items"] == []


@pytest.mark.parametrize(
    "time", ["", "yesterday", "2026-01-01", "2026-01-01T00:00:00", "2999-01-01T00:00:00Z", "0"]
)
async def test_times_are_whole_and_not_to_come(api: httpx.AsyncClient, time: str) -> None:
    for path in (address("pay"), PAST):
        assert (await api.get(path, params={"as_of": time})).status_code == 400, time
    assert (await api.get(PAST)).json() == {"items": []}
    # A sign of a zone that was not encoded is no reason to refuse.
    assert (await api.get(f"{PAST}?as_of=2026-01-01T00:00:00+00:00")).status_code == 200


async def test_a_revision_is_restored_through_the_checks_of_now(api: httpx.AsyncClient) -> None:
    await api.put(address("pay"), json=component("pay", title="one"))
    await api.put(address("pay"), json=component("pay", title="two"))
    first = (await revisions(api, "pay"))[-1]["seq"]
    tag = (await api.get(address("pay"))).headers["etag"]
    url = f"{HISTORY}/pay/{first}/restore"
    stale = await api.post(url, headers={"if-match": '"0-0"'})
    assert stale.status_code == 412
    done = await api.post(url, headers={"if-match": tag})
    assert done.status_code == 200
    assert done.json()["entity"]["metadata"]["title"] == "one"
    assert (await api.post(url)).json()["change"] == "unchanged"
    assert (await revisions(api, "pay"))[0]["source"] == f"history:{first}"
    await api.delete(address("pay"))
    gone = (await revisions(api, "pay"))[0]["seq"]
    assert (await api.post(f"{HISTORY}/pay/{gone}/restore")).status_code == 409
    back = await api.post(url)
    assert back.status_code == 201
    assert back.json()["uid"] == done.json()["uid"]
    assert (await revisions(api, "pay"))[0]["reason"] == "restored"
    assert (await api.get(address("pay"))).json()["metadata"]["title"] == "one"
    assert (await api.post(f"{HISTORY}/other/{first}/restore")).status_code == 404


async def test_what_would_be_overwritten_is_not_restored(
    api: httpx.AsyncClient, tmp_path: Path
) -> None:
    body = {"entities": [component("pay", title="one")]}
    await api.put("/api/v1/catalog/sets/tolls", json=body)
    first = (await revisions(api, "pay"))[-1]["seq"]
    body = {"entities": [component("pay", title="two")]}
    await api.put("/api/v1/catalog/sets/tolls", json=body)
    answer = await api.post(f"{HISTORY}/pay/{first}/restore")
    assert answer.status_code == 409
    assert "applied" in answer.json()["why"] and "sets/tolls" in answer.json()["next"]
    file = tmp_path / "gate.yaml"
    text = (
        "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: gate}\n"
        "spec: {type: service, lifecycle: production, owner: group:tolls}\n"
    )
    file.write_text(text)
    made = await api.post("/api/v1/catalog/locations", json={"target": str(file)})
    first = (await revisions(api, "gate"))[-1]["seq"]
    file.write_text(text.replace("production", "experimental"))
    await api.post(f"/api/v1/catalog/locations/{made.json()['id']}/refresh")
    answer = await api.post(f"{HISTORY}/gate/{first}/restore")
    assert answer.status_code == 409
    assert "reading of the location" in answer.json()["why"]
    # Once it is gone with its location, it can come back by itself.
    await api.delete(f"/api/catalog/locations/{made.json()['id']}")
    back = await api.post(f"{HISTORY}/gate/{first}/restore")
    assert back.status_code == 201
    annotations = back.json()["entity"]["metadata"]["annotations"]
    assert annotations["backstage.io/managed-by-location"] == "api:entities"


@pytest.mark.parametrize("seq", ["0", "x", "-1", "9" * 18, "9" * 30, "1.5", "%00"])
async def test_revisions_that_are_none(api: httpx.AsyncClient, seq: str) -> None:
    await api.put(address("pay"), json=component("pay"))
    for method, path in (("GET", ""), ("POST", "/restore")):
        answer = await api.request(method, f"{HISTORY}/pay/{seq}{path}")
        assert answer.status_code in (400, 404), answer.text
    assert (await api.get(f"{HISTORY}/pay", params={"cursor": seq})).status_code in (200, 400)
    assert (await api.get(f"{HISTORY}/nothing")).status_code == 404
    assert (await api.get(f"{HISTORY}/pay", params={"limit": 101})).status_code == 400


async def test_old_revisions_are_forgotten(here: Gateway, api: httpx.AsyncClient) -> None:
    database = here.platform.database
    for title in ("one", "two", "three"):
        await api.put(address("pay"), json=component("pay", title=title))
    await api.put(address("old"), json=component("old"))
    await api.put(address("gone"), json=component("gone"))
    await api.delete(address("gone"))
    async with database.begin() as transaction:
        aged = REVISIONS.c.at - timedelta(days=400)
        await transaction.execute(update(REVISIONS).values(at=aged))
    await api.put(address("pay"), json=component("pay", title="four"))
    seen = (await revisions(api, "pay"))[1]["seq"]
    # What the third was could be told until now, so only those before it go.
    pruner = Pruner(database, 365)
    assert await pruner.prune() == 3
    assert await pruner.prune() == 0
    found = await revisions(api, "pay")
    assert [one["change"] for one in found] == ["changed", "changed"]
    assert found[1]["seq"] == seen and "differences" not in found[1]
    assert [one["change"] for one in await revisions(api, "gone")] == ["deleted"]
    assert (await revisions(api, "old"))[0]["change"] == "added"
    assert (await api.get(address("pay"))).json()["metadata"]["title"] == "four"
    days_ago = (datetime.now(UTC) - timedelta(days=300)).isoformat()
    then = await api.get(address("pay"), params={"as_of": days_ago})
    assert then.json()["metadata"]["title"] == "three"
    long_ago = (datetime.now(UTC) - timedelta(days=399)).isoformat()
    for path in (address("pay"), PAST):
        gone = await api.get(path, params={"as_of": long_ago})
        assert (gone.status_code, gone.json()["code"]) == (410, "gone")
    async with database.begin() as transaction:
        newest = (await transaction.execute(select(func.max(REVISIONS.c.seq)))).scalar_one()
    for after, status in ((0, 410), (1, 410), (newest + 1, 410), (newest, 200)):
        watch = {"after": after}
        async with api.stream("GET", "/api/v1/catalog/watch", params=watch) as answer:
            assert answer.status_code == status
