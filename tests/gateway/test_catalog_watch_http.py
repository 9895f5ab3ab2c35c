"""Watching the catalog over HTTP: lists, filters, resuming, slow readers, and the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from catalog_kit import Frames, Gateway, address, component, serving, watching

from towpath_core.identity import Principal
from towpath_engine.catalog import watching as engine
from towpath_gateway import sse
from towpath_gateway.catalog import watch

pytestmark = pytest.mark.anyio

ADMIN = Principal(
    issuer="towpath",
    subject="admin",
    kind="user",
    entity_ref="user:default/admin",
    scopes=frozenset({"platform:admin"}),
)


@pytest.fixture
async def here(migrated_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with serving(migrated_url, tmp_path) as gateway:
        yield gateway


@pytest.fixture
async def api(here: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    async with await here.client() as client:
        yield client


async def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


async def put(api: httpx.AsyncClient, name: str, **metadata: object) -> None:
    answer = await api.put(address(name), json=component(name, **metadata))
    assert answer.status_code in (200, 201), answer.text


async def test_a_change_is_told_as_it_is_read(here: Gateway, api: httpx.AsyncClient) -> None:
    async with watching(api) as frames:
        await until(lambda: here.platform.hub.watchers == 1)
        await put(api, "pay")
        found = await frames.next()
        assert found["event"] == "put"
        assert found["id"] == str(found["data"]["seq"])
        assert found["data"]["entity"] == (await api.get(address("pay"))).json()
        assert found["data"]["entityRef"] == "component:default/pay"
        assert found["data"]["actor"] == "towpath/ada"
        await api.delete(address("pay"))
        gone = await frames.next()
        assert gone["event"] == "delete"
        assert gone["data"]["uid"] == found["data"]["uid"]
        assert "entity" not in gone["data"]
    await until(lambda: here.platform.hub.watchers == 0)


async def test_a_list_and_what_comes_after_it_have_no_seam(api: httpx.AsyncClient) -> None:
    for number in range(5):
        await put(api, f"n{number}")
    writing = asyncio.create_task(_write_on(api))
    async with watching(api, list="true") as frames:
        known = {}
        listed = True
        while listed or len(known) < 25:
            found = await frames.next()
            if found["event"] == "bookmark":
                assert "id" in found
                listed = False
                continue
            assert ("id" in found) != listed
            name = found["data"]["entity"]["metadata"]["name"]
            assert name not in known
            known[name] = found
    await writing


async def _write_on(api: httpx.AsyncClient) -> None:
    for number in range(5, 25):
        await put(api, f"n{number}")


async def test_filters_let_go_of_what_passes_no_longer(
    here: Gateway, api: httpx.AsyncClient
) -> None:
    params = {"filter": ["metadata.tags=A", "spec.type=library"], "kind": "Component"}
    async with watching(api, **params) as frames:
        await until(lambda: here.platform.hub.watchers == 1)
        await put(api, "other")
        await put(api, "pay", tags=["a"])
        await put(api, "pay", tags=["b"])
        await put(api, "pay", tags=["c"])
        await put(api, "pay", tags=["a"])
        await api.delete(address("pay"))
        await api.delete(address("other"))
        await put(api, "end", tags=["a"])
        told = [await frames.next() for _ in range(5)]
    assert [(one["event"], one["data"]["entityRef"][18:]) for one in told] == [
        ("put", "pay"),
        ("delete", "pay"),
        ("put", "pay"),
        ("delete", "pay"),
        ("put", "end"),
    ]
    both = {"filter": "kind=api", "kind": "component", "list": "true"}
    async with watching(api, **both) as frames:
        assert (await frames.next())["event"] == "bookmark"


async def test_relations_of_others_can_be_watched_for(
    here: Gateway, api: httpx.AsyncClient
) -> None:
    await put(api, "base")
    user = component("user")
    user["spec"]["dependsOn"] = ["component:base"]
    await api.put(address("user"), json=user)
    params = {"filter": "relations.dependencyof=component:default/user"}
    async with watching(api, list="true", **params) as frames:
        assert (await frames.next())["data"]["entity"]["metadata"]["name"] == "base"
        assert (await frames.next())["event"] == "bookmark"
        await put(api, "base", title="x")
        found = await frames.next()
        assert found["event"] == "put" and found["data"]["entity"]["metadata"]["name"] == "base"


async def test_it_resumes_from_any_number(here: Gateway, api: httpx.AsyncClient) -> None:
    async with watching(api, after=0) as frames:
        for number in range(6):
            await put(api, f"n{number}")
        await api.delete(address("n0"))
        whole = [await frames.next() for _ in range(7)]
    for at, seen in enumerate(whole[:-1]):
        async with watching(api, last=seen["id"], list="true") as frames:
            rest = [await frames.next() for _ in whole[at + 1 :]]
        assert rest == whole[at + 1 :]
    newest = int(whole[-1]["id"])
    for bad, status in ((newest + 1, 410), (str(2**62), 400), ("x", 400), ("-1", 400)):
        answer = await api.get("/api/v1/catalog/watch", headers={"last-event-id": str(bad)})
        assert answer.status_code == status, answer.text
    assert (
        "list=true"
        in (await api.get("/api/v1/catalog/watch", params={"after": newest + 1})).json()["next"]
    )


async def test_a_restarted_gateway_goes_on(migrated_url: str, tmp_path: Path) -> None:
    async with serving(migrated_url, tmp_path) as first, await first.client() as api:
        await put(api, "a")
        async with watching(api, after=0) as frames:
            last = (await frames.next())["id"]
        await put(api, "b")
    async with (
        serving(migrated_url, tmp_path) as second,
        await second.client() as api,
        watching(api, last=last) as frames,
    ):
        assert (await frames.next())["data"]["entityRef"] == "component:default/b"


async def test_another_process_is_heard_too(migrated_url: str, tmp_path: Path) -> None:
    async with (
        serving(migrated_url, tmp_path) as one,
        serving(migrated_url, tmp_path) as other,
        await one.client() as writer,
        await other.client() as reader,
        watching(reader) as frames,
    ):
        await until(lambda: other.platform.hub.watchers == 1)
        await put(writer, "pay")
        found = await frames.next()
        assert found["data"]["entity"] == (await reader.get(address("pay"))).json()


async def test_silent_watchers_get_bookmarks(
    here: Gateway, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "BEAT_SECONDS", 0.05)
    async with watching(api, filter="kind=api") as frames:
        await until(lambda: here.platform.hub.watchers == 1)
        await put(api, "pay")
        found = await frames.next()
        assert found["event"] == "bookmark"
        assert found["id"] == str(here.platform.index.seq)
        with pytest.raises(TimeoutError):
            await frames.next(0.3)  # comments only
    async with watching(api, last=found["id"]) as frames:
        await put(api, "pay", title="x")
        assert (await frames.next())["event"] == "put"


async def test_hundreds_share_one_reader(
    here: Gateway, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0
    really = engine.read_changes

    async def counted(*arguments: object, **options: object) -> object:
        nonlocal reads
        reads += 1
        return await really(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "read_changes", counted)
    async with contextlib.AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(watching(api)) for _ in range(200)]
        await until(lambda: here.platform.hub.watchers == 200)
        await put(api, "warm")
        await asyncio.gather(*(frames.next() for frames in opened))
        before = reads
        for number in range(5):
            await put(api, f"n{number}")
        told = await asyncio.gather(*(_names(frames, 5) for frames in opened))
        assert {tuple(names) for names in told} == {tuple(f"n{number}" for number in range(5))}
        assert reads - before <= 10
    await until(lambda: here.platform.hub.watchers == 0)


async def _names(frames: Frames, count: int) -> list[str]:
    found = [await frames.next() for _ in range(count)]
    return [one["data"]["entity"]["metadata"]["name"] for one in found]


async def test_who_reads_too_slowly_is_told_to_come_again(
    here: Gateway, api: httpx.AsyncClient
) -> None:
    here.platform.hub._limits = engine.HubLimits(changes=20, size=1 << 20)
    token = api.headers["authorization"]
    slow = _never_reads(here.url, token)
    try:
        await until(lambda: here.platform.hub.watchers == 1)
        async with watching(api, after=here.platform.index.seq) as quick:
            number = 0
            # More than the socket's buffers hold, so that the stream stands still.
            while here.platform.hub.watchers == 2 and number < 400:
                await put(api, "large", description="x" * 200_000, number=number)
                found = await quick.next()
                assert found["data"]["entity"]["metadata"]["number"] == number
                number += 1
                if any(queue.lost for queue in here.platform.hub._queues):
                    break
        text = await asyncio.to_thread(_read_all, slow)
    finally:
        slow.close()
    frames = [frame for frame in text.split("\n\n") if "event: " in frame]
    assert "event: resume" in frames[-1]
    last = json.loads(frames[-1].rpartition("data: ")[2])["seq"]
    async with watching(api, last=last) as rest:
        found = await rest.next()
        assert found["data"]["seq"] > last
    await until(lambda: here.platform.hub.watchers == 0)


def _never_reads(url: str, token: str) -> socket.socket:
    host, _, port = url.removeprefix("http://").partition(":")
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    found.connect((host, int(port)))
    head = f"GET /api/v1/catalog/watch HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n"
    found.sendall(head.encode())
    return found


def _read_all(found: socket.socket) -> str:
    found.settimeout(60)
    parts = []
    with contextlib.suppress(TimeoutError):
        while part := found.recv(1 << 20):
            parts.append(part)
            if b"event: resume" in part:
                found.settimeout(5)
    return b"".join(parts).decode("utf-8", "replace")


async def test_watches_end_with_the_token(here: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "CHECK_SECONDS", 0.05)
    async with await here.client("bob") as bob, watching(bob) as frames:
        await until(lambda: here.platform.hub.watchers == 1)
        await here.platform.tokens.revoke(ADMIN, here.token_id)
        await frames.rest()
        assert (await bob.get("/api/v1/catalog/watch")).status_code == 401
    await until(lambda: here.platform.hub.watchers == 0)


async def test_watches_end_when_the_platform_stops(here: Gateway, api: httpx.AsyncClient) -> None:
    async with watching(api) as one, watching(api, list="true") as other:
        assert (await other.next())["event"] == "bookmark"
        here.stop()
        await one.rest()
        await other.rest()
    await until(lambda: here.platform.hub.watchers == 0)


async def test_wrong_questions_are_refused_before_the_stream(api: httpx.AsyncClient) -> None:
    for params in (
        {"filter": "=x"},
        {"filter": ["kind=api"] * 101},
        {"after": "x"},
        {"list": "maybe"},
        {"other": "1"},
    ):
        answer = await api.get("/api/v1/catalog/watch", params=params)
        assert answer.status_code == 400, params
        assert answer.headers["content-type"] == "application/problem+json"
    head = await api.head("/api/v1/catalog/watch")
    assert (head.status_code, head.content) == (200, b"")


async def _heard(frames: Frames) -> float:
    await frames.next()
    return time.perf_counter()


async def test_from_write_to_event_takes_little_time(here: Gateway, api: httpx.AsyncClient) -> None:
    async with watching(api) as frames:
        await until(lambda: here.platform.hub.watchers == 1)
        late = []
        for number in range(30):
            hearing = asyncio.create_task(_heard(frames))
            await put(api, f"n{number}")
            answered = time.perf_counter()
            late.append(await hearing - answered)
    # Below zero where it is told before the write is answered.
    print(f"median {sorted(late)[15] * 1000:.1f} ms after the answer")
    assert sorted(late)[15] < 1
