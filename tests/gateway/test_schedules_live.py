"""Schedules of a whole platform: its worker process keeps the time, without a catalog in memory."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

import httpx
import psycopg
import pytest
from live import Live, finished

from towpath_engine.store.embedded import EmbeddedServer


@pytest.fixture
def database(live: Live) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    server = EmbeddedServer(live.home / "postgres")
    server.start()  # it runs; this is one more who uses it
    try:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            yield connection
    finally:
        server.stop()


def test_the_worker_starts_and_does_a_golden_path_when_its_time_has_come(
    api: httpx.Client, database: psycopg.Connection[tuple[object, ...]]
) -> None:
    name = f"yearly-{uuid.uuid4().hex[:6]}"
    template = "template:default/python-service"
    body = {
        "name": name,
        "kind": "scaffold",
        "input": {"template": template, "values": {"name": name}},
        "cron": "@yearly",
    }
    wrong = {**body, "input": {"template": template, "values": {}}}
    assert api.post("/api/v1/schedules", json=wrong).status_code == 400
    made = api.post("/api/v1/schedules", json=body)
    assert made.status_code == 201, made.text
    id = made.json()["id"]
    database.execute(
        "UPDATE schedules SET next_at = date_trunc('year', now(), 'UTC') WHERE id = %s", [id]
    )
    deadline = time.monotonic() + 60
    while "lastRun" not in (shown := api.get(f"/api/v1/schedules/{name}").json()):
        assert time.monotonic() < deadline, shown
        time.sleep(0.1)
    run = finished(api, shown["lastRun"])
    assert (run["state"], run["kind"], run["title"]) == ("succeeded", "scaffold", name)
    assert run["schedule"] == id
    assert shown["next"][0][:4] > shown["lastAt"][:4]
    listed = api.get("/api/v1/runs", params={"schedule": id}).json()["items"]
    assert [one["id"] for one in listed] == [run["id"]]
    assert api.delete(f"/api/v1/schedules/{name}").status_code == 204
