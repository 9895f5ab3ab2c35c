"""Streams end when they should and hold nothing: an application in this process, over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from here import ADMIN, Here, opened, until

from towpath_engine.clock import new_id
from towpath_engine.runs.journal import Event
from towpath_gateway import sse
from towpath_gateway.scaffolder import following

pytestmark = pytest.mark.anyio


@pytest.fixture
async def here(migrated_url: str, tmp_path: Path) -> AsyncIterator[Here]:
    async with opened(migrated_url, tmp_path) as found:
        yield found


@contextlib.asynccontextmanager
async def streams(
    client: httpx.AsyncClient, run_id: str, count: int, path: str = "/api/v1/runs/{}/stream"
) -> AsyncIterator[list[httpx.Response]]:
    async with contextlib.AsyncExitStack() as stack:
        url = path.format(run_id)
        opened = [
            stack.enter_async_context(client.stream("GET", url, params={"after": 0}))
            for _ in range(count)
        ]
        yield [await one for one in opened]


@pytest.mark.parametrize(
    "path", ["/api/v1/runs/{}/stream", "/api/scaffolder/v2/tasks/{}/eventstream"]
)
async def test_streams_that_are_dropped_let_their_followers_go(here: Here, path: str) -> None:
    run_id = await here.run()
    tasks = len(asyncio.all_tasks())
    async with here.client() as client, streams(client, run_id, 50, path) as opened:
        assert {answer.status_code for answer in opened} == {200}
        await until(lambda: here.followers == 50)
    await until(lambda: here.followers == 0)
    assert here.followers == 0
    await until(lambda: len(asyncio.all_tasks()) <= tasks)


async def test_a_hundred_followers_leave_connections_to_others(here: Here) -> None:
    run_id = await here.run()
    async with here.client() as client, streams(client, run_id, 100):
        await until(lambda: here.followers == 100)
        answers = await asyncio.gather(*(client.get("/api/v1/runs") for _ in range(40)))
        assert {answer.status_code for answer in answers} == {200}
        stopped = await client.post(f"/api/v1/runs/{run_id}/cancel")
        assert stopped.json()["state"] == "cancelled"
        await until(lambda: here.followers == 0)


async def test_each_follower_sees_the_end_once(here: Here) -> None:
    run_id = await here.run()
    async with here.client() as client, streams(client, run_id, 20) as opened:
        readers = [asyncio.create_task(answer.aread()) for answer in opened]
        await until(lambda: here.followers == 20)
        await client.post(f"/api/v1/runs/{run_id}/cancel")
        for text in await asyncio.gather(*readers):
            frames = text.decode().strip().split("\n\n")
            heads = [frame.splitlines()[0] for frame in frames]
            assert heads == ["id: 1", "id: 2", "id: 3", "event: done"]
            assert [frame.splitlines()[1] for frame in frames[1:3]] == [
                "event: decision",
                "event: state",
            ]
            assert frames[-1].endswith('data: {"state":"cancelled"}')


async def test_a_stream_ends_with_its_token(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "CHECK_SECONDS", 0.05)
    run_id = await here.run()
    made = await here.platform.tokens.create(ADMIN, "short", ["platform:admin"])
    async with here.client() as client:
        client.headers["authorization"] = f"Bearer {made.token}"
        async with streams(client, run_id, 3) as opened:
            readers = [asyncio.create_task(answer.aread()) for answer in opened]
            await until(lambda: here.followers == 3)
            await asyncio.sleep(0.2)
            assert not any(reader.done() for reader in readers)
            await here.platform.tokens.revoke(ADMIN, made.id)
            async with asyncio.timeout(60):
                texts = await asyncio.gather(*readers)
        assert not any(b"event: done" in text for text in texts)
        assert (await client.get(f"/api/v1/runs/{run_id}/stream")).status_code == 401
    assert here.followers == 0


async def test_streams_end_when_the_platform_stops(here: Here) -> None:
    run_id = await here.run()
    async with here.client() as client, streams(client, run_id, 10) as opened:
        chunks = [answer.aiter_bytes() for answer in opened]
        first = [await anext(chunk) for chunk in chunks]
        assert all(text.startswith(b"id: 1\nevent: state\n") for text in first)
        here.stop()
        async with asyncio.timeout(60):
            rest = [[text async for text in chunk] for chunk in chunks]
    assert not any(b"event: done" in text for texts in rest for text in texts)
    await until(lambda: here.followers == 0)


async def test_a_poll_waits_for_the_first_event_and_no_longer(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = await here.run()
    url = f"/api/scaffolder/v2/tasks/{run_id}/events"
    async with here.client() as client:
        waiting = asyncio.create_task(client.get(url))
        await until(lambda: here.followers == 1)
        assert not waiting.done()
        await client.post(f"/api/v1/runs/{run_id}/cancel")
        async with asyncio.timeout(60):
            (event,) = (await waiting).json()
        assert event["type"] == "completion"
        assert event["body"]["error"]["name"] == "cancelled"
        # Behind the last event it is told again, so that no client asks for ever.
        again = await client.get(url, params={"after": event["id"]})
        assert again.json() == [event]
        assert (await client.get(url, params={"after": event["id"] + 5})).json() == []
        assert here.followers == 0
        monkeypatch.setattr(following, "POLL_SECONDS", 0.2)
        other = await here.run()
        start = time.monotonic()
        empty = await client.get(f"/api/scaffolder/v2/tasks/{other}/events")
        assert empty.json() == []
        assert 0.1 < time.monotonic() - start < 20  # it is 30 s otherwise
        assert here.followers == 0


async def test_a_list_of_tasks_is_paged_and_counted(here: Here) -> None:
    ids = [await here.run() for _ in range(7)]
    async with here.client() as client:
        url = "/api/scaffolder/v2/tasks"
        page = (await client.get(url, params={"limit": 3, "offset": 2})).json()
        assert page["totalTasks"] == 7
        assert [task["id"] for task in page["tasks"]] == ids[::-1][2:5]
        await client.post(f"/api/v1/runs/{ids[0]}/cancel")
        for status, count in (("open", 6), ("cancelled", 1), ("failed", 0), ("waiting", 0)):
            found = (await client.get(url, params={"status": status, "limit": 0})).json()
            assert found == {"tasks": [], "totalTasks": count}
        both = (await client.get(url, params={"status": ["open", "cancelled"]})).json()
        assert both["totalTasks"] == 7


async def test_an_unknown_run_is_404_before_a_stream_begins(here: Here) -> None:
    async with here.client() as client:
        for id in (str(uuid.uuid4()), str(new_id())):
            assert (await client.get(f"/api/v1/runs/{id}/stream")).status_code == 404


async def test_who_reads_nothing_is_let_go(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "TAKE_SECONDS", 0.5)
    monkeypatch.setattr(sse, "END_SECONDS", 0.1)
    run_id = await here.run()
    big = [Event("log", {"message": "x" * 100_000})] * 100
    for _ in range(3):
        await here.write(run_id, *big)
    address = here.url.removeprefix("http://").split(":")
    for path in ("stream", "log"):
        reader, writer = await asyncio.open_connection(address[0], int(address[1]), limit=1024)
        writer.write(
            f"GET /api/v1/runs/{run_id}/{path} HTTP/1.1\r\nhost: x\r\n"
            f"authorization: Bearer {here.token}\r\n\r\n".encode()
        )
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        if path == "stream":
            await until(lambda: here.followers == 1)
        await until(lambda: here.followers == 0)
        writer.close()
