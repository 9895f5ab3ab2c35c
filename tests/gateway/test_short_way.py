"""The short way answers as the long way does, to the byte, or not at all."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from towpath_core.identity import Principal
from towpath_core.plugins import PluginConfig
from towpath_engine.catalog.index import StoredEntity
from towpath_engine.platform import open_platform
from towpath_engine.settings import EngineSettings
from towpath_gateway.app import create_app
from towpath_gateway.catalog.short import ShortWay
from towpath_gateway.places import free_port
from towpath_gateway.serve import listening

READER = Principal(
    issuer="towpath",
    subject="reader",
    kind="user",
    entity_ref="user:default/reader",
    scopes=frozenset({"catalog:read"}),
)


def stored(number: int) -> StoredEntity:
    name, kind = f"Entity-{number}", ("Component", "API", "Group")[number % 3]
    body = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default", "tags": ["java", "web"][: number % 3]},
        "spec": {"type": ("service", "Service", "library")[number % 3], "rank": number},
    }
    ref = f"{kind}:default/{name}".lower()
    return StoredEntity(f"uid-{number:03}", ref, json.dumps(body), ((ref, "ownedBy", "group:x/y"),))


class Ways:
    """An application in this process, asked the short way and the long way."""

    def __init__(self, app: Any, tokens: dict[str, str], loop: asyncio.AbstractEventLoop) -> None:
        self.app = app
        self.short = app._app
        assert isinstance(self.short, ShortWay)
        self.long = self.short._app
        self.tokens = tokens
        self.loop = loop

    def ask(
        self, way: Any, path: str, query: str, token: str, body: bytes | None = None, *extra: Any
    ) -> list[Any]:
        sent: list[Any] = []
        headers = [(b"host", b"x"), *extra]
        if token:
            headers.append((b"authorization", f"Bearer {token}".encode()))
        if body is not None:
            headers.append((b"content-length", b"%d" % len(body)))
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1",
            "method": "GET" if body is None else "POST",
            "scheme": "http", "path": path, "raw_path": path.encode(), "root_path": "",
            "query_string": query.encode(), "headers": headers, "client": ("127.0.0.1", 1),
            "server": ("x", 80), "state": {},
        }  # fmt: skip

        # A body comes in some pieces; as our server does it, the last one is empty.
        whole = body or b""
        parts = [whole[:9], whole[9:]] if len(whole) % 2 else [whole[:9], whole[9:], b""]
        if (b"x-whole", b"1") in extra:
            parts = [whole]

        async def receive() -> Any:
            if parts:
                return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        self.loop.run_until_complete(way(scope, receive, send))
        return sent

    def both(
        self,
        path: str,
        query: str = "",
        who: str = "reader",
        body: bytes | None = None,
        *extra: tuple[bytes, bytes],
    ) -> int:
        token = self.tokens[who]
        long = self.ask(self.long, path, query, token, body, *extra)
        short = self.ask(self.short, path, query, token, body, *extra)
        assert [m["type"] for m in short] == [m["type"] for m in long]
        assert short[0]["status"] == long[0]["status"], (path, query)
        if short[0]["status"] < 500:
            assert sorted(short[0]["headers"]) == sorted(long[0]["headers"])
            assert short[1]["body"] == long[1]["body"], (path, query)
        return short[0]["status"]


@pytest.fixture(scope="module")
def ways(pg_server, tmp_path_factory):
    url = pg_server.url("postgres")
    loop = asyncio.new_event_loop()
    name = f"w_{uuid.uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
    home: Path = tmp_path_factory.mktemp("home")
    setting = EngineSettings(
        home=home, database_url=pg_server.url(name), plugins=PluginConfig(only=("backstage",))
    )
    opening = open_platform(setting)
    platform = loop.run_until_complete(opening.__aenter__())
    platform.index.apply([stored(number) for number in range(40)], ())

    async def token(*scopes: str) -> str:
        return (await platform.tokens.create(READER, "test", scopes)).token

    tokens = {
        "reader": loop.run_until_complete(token("catalog:read")),
        "other": "tow_pat_nobody",
        "nobody": "",
    }
    yield Ways(create_app(platform), tokens, loop)
    loop.run_until_complete(opening.__aexit__(None, None, None))
    loop.close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


BASE = "/api/catalog"
PATHS = [
    "/entities/by-name/component/default/entity-0",
    "/entities/by-name/COMPONENT/Default/ENTITY-0",
    "/entities/by-name/component/default/none",
    "/entities/by-name/component/default/entity-0/",
    "/entities/by-name/component/default",
    "/entities/by-name//default/entity-0",
    "/entities/by-uid/uid-001",
    "/entities/by-query",
    "/entities/by-query/",
    "/entities/by-querys",
    "/entity-facets",
    "/entity-facets/",
    "/entities",
]


@pytest.mark.parametrize("who", ["reader", "other", "nobody"])
@pytest.mark.parametrize("path", PATHS)
def test_every_path_answers_alike(ways, path, who):
    status = ways.both(BASE + path, who=who)
    assert status in ((200, 400, 404) if who == "reader" else (401, 404))


PARTS = st.sampled_from(
    [
        "filter=kind%3Dcomponent", "filter=kind=API,metadata.tags", "filter=", "filter==x",
        "filter=spec.type%3Dservice&filter=kind%3Dgroup", "filter=%ff", "filter=%00",
        "fields=kind,metadata.name", "fields=a[0]", "fields=", "limit=3", "limit=0", "limit=-1",
        "limit=1e3", "limit=007", "limit=٣", "limit=9999999999", "limit=", "limit=+5", "offset=5",
        "offset=x", "totalItems=exclude", "totalItems=include", "totalItems=some",
        "orderField=metadata.name,desc", "orderField=metadata.name", "orderField=spec.rank,up",
        "orderField=,asc", "orderField=spec.none,asc", "cursor=", "cursor=abc", "unknown=1",
        "fullTextFilterTerm=ENTITY-1", "fullTextFilterFields=metadata.name,spec.type",
        "facet=kind", "facet=spec.type", "facet=none", "facet=", "facet=metadata.tags", "a",
        "&", "filter=a;b", "limit=2;offset=1", "filter=kind+%3D+component", "%66ilter=kind",
    ]
)  # fmt: skip


@settings(
    deadline=None,
    max_examples=400,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(path=st.sampled_from(["/entities/by-query", "/entity-facets"]), parts=st.lists(PARTS))
def test_every_query_answers_alike(ways, path, parts):
    assert ways.both(BASE + path, "&".join(parts)) in (200, 400)


JSON = (b"content-type", b"application/json")
BODIES = [
    b'{"entityRefs":["component:default/entity-0","group:x/none","component:default/entity-0"]}',
    b'{"entityRefs":["COMPONENT:default/entity-0"]}',
    b'{"entityRefs":["component:default/entity-0"],"fields":["kind"]}',
    b'{"entityRefs":["component:default/entity-0"],"fields":[]}',
    b'{"entityRefs":["component:default/entity-0"],"query":{"kind":"api"}}',
    b'{"entityRefs":["component:default/entity-0"],"query":null}',
    b'{"entityRefs":[]}',
    b'{"entityRefs":["a"],"entityRefs":["component:default/entity-0"]}',
    b'{"entityRefs":"a"}',
    b'{"entityRefs":[1]}',
    b'{"entityRefs":["a"],"more":1}',
    b"{}",
    b"[]",
    b"",
    b"{",
    b"[" * 5000,
    b'{"entityRefs":["\xff"]}',
    b'{"entityRefs":[' + b",".join([b'"component:default/entity-1"'] * 10_001) + b"]}",
    b'{"entityRefs":["' + b"x" * 120_000 + b'"]}',
]


@pytest.mark.parametrize("who", ["reader", "nobody"])
@pytest.mark.parametrize(
    "headers",
    [
        (JSON,),
        (JSON, (b"x-whole", b"1")),
        ((b"content-type", b"application/json; charset=utf-8"), (b"x-whole", b"1")),
        ((b"content-type", b"text/plain"), (b"x-whole", b"1")),
        (JSON, (b"content-encoding", b"gzip"), (b"x-whole", b"1")),
        ((b"x-whole", b"1"),),
    ],
    ids=["parts", "whole", "charset", "text", "gzip", "untyped"],
)
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_every_body_answers_alike(ways, body, headers, who):
    status = ways.both(f"{BASE}/entities/by-refs", "", who, body, *headers)
    assert status in ((200, 400, 413, 415, 422) if who == "reader" else (401,))
    ways.both(f"{BASE}/entities/by-refs/", "", who, body, *headers)
    ways.both(f"{BASE}/entities/by-refs", "filter=kind%3Dapi", who, body, *headers)


def test_a_walk_by_cursors_is_the_same_on_both_ways(ways):
    query, pages = "limit=7&orderField=spec.rank,desc", 0
    while True:
        assert ways.both(f"{BASE}/entities/by-query", query) == 200
        body = ways.ask(ways.short, f"{BASE}/entities/by-query", query, ways.tokens["reader"])[1][
            "body"
        ]
        pages += 1
        cursor = json.loads(body)["pageInfo"].get("nextCursor")
        if cursor is None:
            break
        query = f"limit=7&cursor={cursor}"
    assert pages == 6


def test_plain_reads_do_take_the_short_way(ways, monkeypatch):
    async def no_entry(*_: Any) -> None:
        raise AssertionError("it took the long way")

    monkeypatch.setattr(ways.short, "_app", no_entry)
    token = ways.tokens["reader"]
    for path, query in (
        ("/entities/by-name/component/default/entity-0", ""),
        ("/entities/by-query", "filter=kind%3Dcomponent&limit=20&orderField=metadata.name,asc"),
        ("/entity-facets", "facet=kind&facet=spec.type&filter=spec.rank"),
    ):
        assert ways.ask(ways.short, BASE + path, query, token)[0]["status"] == 200
    for extra in ((JSON,), (JSON, (b"x-whole", b"1"))):
        asked = ways.ask(ways.short, f"{BASE}/entities/by-refs", "", token, BODIES[0], *extra)
        items = json.loads(asked[1]["body"])["items"]
        assert [bool(item) for item in items] == [True, False, True]


@pytest.mark.parametrize("size", [0, 30_000])
def test_a_body_that_the_server_hands_on_takes_the_short_way(ways, monkeypatch, size):
    async def no_entry(*_: Any) -> None:
        raise AssertionError("it took the long way")

    monkeypatch.setattr(ways.short, "_app", no_entry)
    port = free_port("127.0.0.1", 0)
    content = BODIES[0] + b" " * size  # what is long comes in several pieces
    headers = {
        "authorization": f"Bearer {ways.tokens['reader']}",
        "content-type": "application/json",
    }

    async def asked() -> httpx.Response:
        async with (
            listening(ways.app, "127.0.0.1", port, asyncio.Event()),
            httpx.AsyncClient() as client,
        ):
            url = f"http://127.0.0.1:{port}{BASE}/entities/by-refs"
            return await client.post(url, content=content, headers=headers)

    answer = ways.loop.run_until_complete(asked())
    assert answer.status_code == 200
    assert [bool(item) for item in answer.json()["items"]] == [True, False, True]


def test_a_body_that_does_not_come_is_given_up(ways, monkeypatch):
    from towpath_gateway.catalog import short

    monkeypatch.setattr(short, "BODY_SECONDS", 0.05)
    sent: list[Any] = []
    bearer = (b"authorization", f"Bearer {ways.tokens['reader']}".encode())
    scope = {
        "type": "http", "method": "POST", "path": f"{BASE}/entities/by-refs",
        "query_string": b"", "headers": [JSON, bearer, (b"content-length", b"9")], "state": {},
    }  # fmt: skip

    async def receive() -> Any:
        await asyncio.sleep(60)

    async def send(message: Any) -> None:
        sent.append(message)

    ways.loop.run_until_complete(ways.short(scope, receive, send))
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["error"]["name"] == "InputError"
