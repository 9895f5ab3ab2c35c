"""Schedules over HTTP: made, changed, fired by a worker beside it, with rights and tags."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from catalog_kit import Gateway, serving
from sqlalchemy import text

from towpath_core import hookimpl
from towpath_core.policy import Allow, Decision, Deny, PolicyRequest
from towpath_core.runs import StepTools
from towpath_engine.runs.worker import WorkerTimes

pytestmark = pytest.mark.anyio

BASE = "/api/v1/schedules"
RIGHTS = ("runs:read", "runs:write")
FAST = WorkerTimes(heartbeat=0.1, stalled=20.0, sweep=0.1, grace=20.0, poll=0.05, retry=0.01)
BODY = {"name": "nightly", "kind": "clean", "input": {"days": 30}, "cron": "0 2 * * *"}


class Clean:
    """A kind of run that says what it was asked."""

    name = "clean"
    title = "Clean up"
    description = "Cleans up."
    queue = "default"
    seconds = 30.0

    def __init__(self) -> None:
        self.input_schema = {
            "type": "object",
            "required": ["days"],
            "properties": {"days": {"type": "integer"}},
        }

    def run(self, input: dict[str, Any], tools: StepTools) -> Mapping[str, Any]:
        return {"days": tools.step("clean", lambda tools: input["days"])}


class Curfew:
    """A policy that a test may have say no."""

    name = "curfew"

    def __init__(self) -> None:
        self.closed = False

    def decide(self, request: PolicyRequest) -> Decision:
        if self.closed and request.action == "run:start":
            return Deny(("not by night",))
        if request.action == "run:schedule" and request.context["cron"].startswith("* "):
            return Deny(("not every minute",))
        return Allow()


class Plugin:
    def __init__(self) -> None:
        self.curfew = Curfew()

    @hookimpl
    def towpath_run_kinds(self) -> Iterable[Any]:
        return [Clean()]

    @hookimpl
    def towpath_policies(self) -> Iterable[Any]:
        return [self.curfew]


class Rooms:
    def __init__(self, gateway: Gateway, plugin: Plugin) -> None:
        self.gateway = gateway
        self.platform = gateway.platform
        self.curfew = plugin.curfew
        self.clients: list[httpx.AsyncClient] = []

    async def as_(self, subject: str = "ada", scopes: Iterable[str] = RIGHTS) -> httpx.AsyncClient:
        client = await self.gateway.client(subject, scopes)
        self.clients.append(client)
        return client

    async def come_due(self, ago: timedelta) -> None:
        """Have all schedules be due, as if nobody had been there for a while."""
        at = (datetime.now(UTC) - ago).replace(hour=2, minute=0, second=0, microsecond=0)
        async with self.platform.database.begin() as transaction:
            query = text("UPDATE schedules SET next_at = :at WHERE NOT paused")
            await transaction.execute(query, {"at": at})

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """What a worker process does: runs, and the clock."""
        worker = self.platform.worker(times=FAST)
        clock = asyncio.create_task(self.platform.clock().run())
        task = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            clock.cancel()
            worker.stop()
            await asyncio.gather(clock, task, return_exceptions=True)


@pytest.fixture
async def rooms(migrated_url: str, tmp_path: Path) -> AsyncIterator[Rooms]:
    plugin = Plugin()
    async with serving(migrated_url, tmp_path, plugin) as gateway:
        found = Rooms(gateway, plugin)
        yield found
        for client in found.clients:
            await client.aclose()


async def until(look: Any) -> Any:
    async with asyncio.timeout(60):
        while not (found := await look()):
            await asyncio.sleep(0.02)
        return found


async def test_a_schedule_starts_runs_that_a_worker_does(rooms: Rooms) -> None:
    ada = await rooms.as_()
    made = await ada.post(BASE, json={**BODY, "timeZone": "UTC", "title": "Clean up"})
    assert made.status_code == 201, made.text
    schedule = made.json()
    assert made.headers["etag"] == f'"{schedule["etag"]}"'
    assert len(schedule["next"]) == 3
    assert {one[11:16] for one in schedule["next"]} == {"02:00"}
    await rooms.come_due(timedelta(days=2))

    async def done() -> Any:
        runs = (await ada.get("/api/v1/runs")).json()["items"]
        return [run for run in runs if run["state"] == "succeeded"]

    async with rooms.working():
        [run] = await until(done)
    assert (run["kind"], run["title"], run["output"]) == ("clean", "Clean up", {"days": 30})
    shown = (await ada.get(f"{BASE}/nightly")).json()
    assert (shown["lastRun"], shown.get("trouble")) == (run["id"], None)
    assert shown["etag"] != schedule["etag"]
    assert shown["lastAt"] < shown["next"][0]


async def test_a_policy_is_asked_at_each_time_and_its_no_is_told(rooms: Rooms) -> None:
    ada = await rooms.as_()
    await ada.post(BASE, json=BODY)
    rooms.curfew.closed = True
    await rooms.come_due(timedelta(days=2))

    async def trouble() -> Any:
        return (await ada.get(f"{BASE}/nightly")).json().get("trouble")

    async with rooms.working():
        told = await until(trouble)
    assert told["code"] == "forbidden"
    assert "curfew: not by night" in told["why"]
    assert (await ada.get("/api/v1/runs")).json()["items"] == []
    # Nor can it be made, changed, resumed, or run now.
    for answer in (
        await ada.post(BASE, json={**BODY, "name": "other"}),
        await ada.patch(f"{BASE}/nightly", json={"input": {"days": 1}}),
        await ada.post(f"{BASE}/nightly/run"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    await ada.post(f"{BASE}/nightly/pause")
    assert (await ada.post(f"{BASE}/nightly/resume")).status_code == 403


async def test_a_policy_may_forbid_to_schedule_what_may_be_started(rooms: Rooms) -> None:
    ada = await rooms.as_()
    often = {"cron": "* * * * *"}
    await ada.post(BASE, json=BODY)
    for answer in (
        await ada.post(BASE, json={**BODY, **often, "name": "other"}),
        await ada.patch(f"{BASE}/nightly", json=often),
    ):
        assert answer.status_code == 403
        assert "curfew: not every minute" in answer.json()["why"]
    assert (await ada.post(f"{BASE}/nightly/run")).status_code == 201


async def test_it_is_changed_paused_run_and_removed_under_its_tag(rooms: Rooms) -> None:
    ada = await rooms.as_()
    first = (await ada.post(BASE, json=BODY)).headers["etag"]
    assert (await ada.get(f"{BASE}/nightly", headers={"if-none-match": first})).status_code == 304
    changed = await ada.patch(
        f"{BASE}/nightly",
        json={"cron": "*/5 * * * *", "timeZone": "Asia/Kolkata", "overlap": "queue"},
        headers={"if-match": first},
    )
    assert changed.status_code == 200
    assert changed.json()["next"][0].endswith("+05:30")
    for method, path in (
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/pause"),
        ("POST", "/resume"),
    ):
        answer = await ada.request(
            method,
            f"{BASE}/nightly{path}",
            json={"priority": 5} if method == "PATCH" else None,
            headers={"if-match": first},
        )
        assert (answer.status_code, answer.json()["code"]) == (412, "precondition-failed")
    assert (await ada.post(f"{BASE}/nightly/pause")).json()["next"] == []
    key = {"idempotency-key": "once"}
    run = await ada.post(f"{BASE}/nightly/run", headers=key)
    assert run.status_code == 201
    assert (await ada.post(f"{BASE}/nightly/run", headers=key)).json()["id"] == run.json()["id"]
    assert (await ada.post(f"{BASE}/nightly/resume")).json()["paused"] is False
    times = (await ada.get(f"{BASE}/nightly/next", params={"count": 4})).json()["times"]
    assert len(times) == 4
    assert (await ada.delete(f"{BASE}/nightly")).status_code == 204
    assert (await ada.get(f"{BASE}/nightly")).status_code == 404
    assert (await ada.get(f"/api/v1/runs/{run.json()['id']}")).status_code == 200


async def test_scopes_and_owners_are_asked_first(rooms: Rooms) -> None:
    ada = await rooms.as_()
    reader = await rooms.as_(scopes=("runs:read",))
    bob = await rooms.as_("bob")
    admin = await rooms.as_("root", ("platform:admin",))
    nobody = await rooms.as_(scopes=("catalog:read",))
    id = (await ada.post(BASE, json=BODY)).json()["id"]
    assert (await reader.get(f"{BASE}/{id}")).status_code == 200
    assert (await nobody.get(BASE)).status_code == 403
    for method, path in (
        ("POST", ""),
        ("PATCH", f"/{id}"),
        ("DELETE", f"/{id}"),
        ("POST", f"/{id}/pause"),
        ("POST", f"/{id}/resume"),
        ("POST", f"/{id}/run"),
    ):
        body = {"priority": 1} if method == "PATCH" else BODY if not path else None
        answer = await reader.request(method, f"{BASE}{path}", json=body)
        assert answer.status_code == 403, (method, path)
        if path:
            answer = await bob.request(method, f"{BASE}{path}", json=body)
            assert answer.status_code == 404, (method, path)
    assert (await bob.get(BASE)).json()["items"] == []
    assert (await bob.get(f"{BASE}/nightly/next")).status_code == 404
    assert [one["id"] for one in (await admin.get(BASE)).json()["items"]] == [id]
    paused = await admin.post(f"{BASE}/{id}/pause")
    assert (paused.json()["paused"], paused.json()["createdBy"]) == (True, "user:default/ada")


async def test_lists_come_in_pages(rooms: Rooms) -> None:
    ada = await rooms.as_()
    for name in ("c", "a", "b"):
        await ada.post(BASE, json={**BODY, "name": name})
    page = (await ada.get(BASE, params={"limit": 2})).json()
    rest = (await ada.get(BASE, params={"cursor": page["nextCursor"]})).json()
    assert [one["name"] for one in (*page["items"], *rest["items"])] == ["a", "b", "c"]
    assert "nextCursor" not in rest


@pytest.mark.parametrize(
    ("change", "status", "pointer"),
    [
        ({"cron": "0 2 * *"}, 400, "/cron"),
        ({"timeZone": "../../etc/passwd"}, 400, "/timeZone"),
        ({"name": "No"}, 400, "/name"),
        ({"input": {}}, 400, "/input"),
        ({"catchUp": "some"}, 400, "/catchUp"),
        ({"cronn": "@daily"}, 400, None),
        ({"kind": "mars"}, 404, None),
        ({"input": {"days": "x"}}, 400, "/input/days"),
    ],
)
async def test_what_is_wrong_is_told_with_its_place(
    rooms: Rooms, change: dict[str, Any], status: int, pointer: str | None
) -> None:
    ada = await rooms.as_()
    answer = await ada.post(BASE, json={**BODY, **change})
    assert answer.status_code == status, answer.text
    if pointer is not None:
        assert pointer in [error.get("pointer") for error in answer.json()["errors"]]
    assert (await ada.get(BASE)).json()["items"] == []
    assert (await ada.post(BASE, json=BODY, headers={"idempotency-key": "k"})).status_code == 201
    assert (await ada.post(BASE, json=BODY)).status_code == 409


async def test_what_is_no_id_and_no_name_is_not_there(rooms: Rooms) -> None:
    ada = await rooms.as_()
    for which in ("x" * 300, "No Name", "%00", "..", "a'b"):
        answer = await ada.get(f"{BASE}/{which}")
        assert answer.status_code in (400, 404), which
