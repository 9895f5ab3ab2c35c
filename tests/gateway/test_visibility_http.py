"""What a policy hides is hidden from every read alike, however it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from towpath_core import hookimpl
from towpath_core.identity import Principal
from towpath_core.plugins import PluginConfig, PluginHost
from towpath_core.policy import Allow, Conditional, Not, Rule
from towpath_engine.platform import assemble
from towpath_engine.secrets import Sealer
from towpath_engine.settings import EngineSettings
from towpath_engine.store.database import Database
from towpath_engine.store.migrate import migrate
from towpath_gateway.app import create_app
from towpath_gateway.places import free_port
from towpath_gateway.serve import listening

pytestmark = pytest.mark.anyio

READER = Principal(
    issuer="towpath",
    subject="reader",
    kind="user",
    entity_ref="user:default/reader",
    scopes=frozenset({"platform:admin"}),
)
V1, API = "/api/v1/catalog", "/api/catalog"
LATER = "2999-01-01T00:00:00Z"
FILE = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: shown
  tags: [java]
spec: {type: service, lifecycle: production, owner: team-a}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: hidden
  title: A canary nobody may see
  tags: [secret-tag]
spec: {type: vault, lifecycle: production, owner: team-b}
"""


class Veil:
    name = "veil"

    def decide(self, request):
        if request.action == "catalog:read":
            return Conditional(Not(Rule("metadata.name", ("hidden",))))
        return Allow()


class VeilPlugin:
    @hookimpl
    def towpath_policies(self):
        return [Veil()]


@pytest.fixture
async def client(database_url: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    await asyncio.to_thread(migrate, database_url)
    folder = tmp_path / "catalog"
    folder.mkdir()
    (folder / "all.yaml").write_text(FILE)
    settings = EngineSettings(home=tmp_path, database_url=database_url)
    config = PluginConfig(
        only=("backstage",), settings={"backstage": {"roots": [str(folder)]}}, strict=True
    )
    host = PluginHost.load(config, extra={"veil": VeilPlugin()})
    port = free_port("127.0.0.1", 0)
    try:
        async with (
            Database(database_url, pool_size=5) as database,
            assemble(settings, database, host, Sealer(bytes(32))) as platform,
            listening(create_app(platform), "127.0.0.1", port, asyncio.Event()),
        ):
            report = await platform.catalog.register(READER, "file", str(folder / "all.yaml"))
            assert not report.problems
            token = (await platform.tokens.create(READER, "test", ["platform:admin"])).token
            uid = platform.index.by_ref("component:default/hidden").uid
            headers = {"authorization": f"Bearer {token}", "x-uid": uid}
            url = f"http://127.0.0.1:{port}"
            async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as found:
                yield found
    finally:
        host.close()


async def test_no_read_tells_of_what_is_hidden(client):
    uid = client.headers["x-uid"]
    reads = [
        client.get(f"{API}/entities"),
        client.get(f"{API}/entities", params={"filter": "metadata.name=hidden"}),
        client.get(f"{API}/entities", params={"order": "desc:metadata.title", "limit": 1}),
        client.get(f"{API}/entities/by-query"),
        client.get(f"{API}/entities/by-query", params={"orderField": "metadata.title,asc"}),
        client.get(
            f"{API}/entities/by-query",
            params={"fullTextFilterTerm": "canary", "fullTextFilterFields": "metadata.title"},
        ),
        client.post(f"{API}/entities/by-query", json={"query": {"spec.type": "vault"}}),
        client.post(f"{API}/entities/by-refs", json={"entityRefs": ["component:default/hidden"]}),
        client.post(
            f"{API}/entities/by-refs",
            json={"entityRefs": ["component:default/hidden"], "query": {"kind": "component"}},
        ),
        client.get(f"{API}/entity-facets", params={"facet": ["spec.type", "metadata.tags"]}),
        client.post(f"{API}/entity-facets", json={"facets": ["metadata.title", "metadata.name"]}),
        client.get(f"{API}/entities/by-uid/{uid}"),
        client.get(f"{API}/entities/by-name/component/default/HIDDEN"),
        client.get(f"{API}/entities/by-name/component/default/hidden/ancestry"),
        client.get(f"{API}/locations/by-entity/component/default/hidden"),
        client.get(f"{V1}/entities/component/default/hidden"),
        client.get(f"{V1}/entities/component/default/hidden", params={"as_of": LATER}),
        client.get(f"{V1}/history/component/default/hidden"),
        client.get(f"{V1}/explain/component/default/hidden"),
        client.delete(f"{V1}/entities/component/default/hidden"),
        client.get(f"{V1}/entities"),
        client.get(f"{V1}/problems"),
        client.get(f"{V1}/conflicts"),
        client.get(f"{V1}/tombstones"),
        client.get(f"{V1}/locations"),
    ]
    for answer in await asyncio.gather(*reads):
        assert answer.status_code in (200, 404), answer.url
        for word in ("canary", "vault", "secret-tag", "hidden", uid):
            if answer.status_code == 200 or word in ("canary", "vault", "secret-tag"):
                assert word not in answer.text, answer.url


async def test_what_is_shown_is_there_and_counted_without_the_hidden(client):
    page = (
        await client.get(f"{API}/entities/by-query", params={"filter": "kind=component"})
    ).json()
    assert page["totalItems"] == 1
    assert [one["metadata"]["name"] for one in page["items"]] == ["shown"]
    counts = (await client.get(f"{API}/entity-facets", params={"facet": "kind"})).json()["facets"]
    assert {"value": "Component", "count": 1} in counts["kind"]
    none = await client.get(f"{API}/entities/by-query", params={"filter": "metadata.name=hidden"})
    assert none.json() == {"items": [], "totalItems": 0, "pageInfo": {}}


@pytest.mark.parametrize(
    "path",
    [
        API + "/entities/by-name/component/default/{}",
        API + "/entities/by-name/component/default/{}/ancestry",
        API + "/locations/by-entity/component/default/{}",
        f"{V1}/entities/component/default/{{}}",
        f"{V1}/history/component/default/{{}}",
        f"{V1}/history/component/default/{{}}/1",
        f"{V1}/explain/component/default/{{}}",
    ],
)
async def test_what_is_hidden_looks_like_what_never_was(client, path):
    hidden, never = [await client.get(path.format(name)) for name in ("hidden", "absent")]
    assert hidden.status_code == never.status_code == 404
    assert hidden.text.replace("hidden", "x") == never.text.replace("absent", "x")
    assert (await client.get(path.format("shown"))).status_code in (200, 404)


async def test_a_watcher_is_not_told_of_what_is_hidden(client):
    told = ""
    async with client.stream("GET", f"{V1}/watch", params={"list": "true"}) as stream:
        lines = stream.aiter_lines()
        async for line in lines:
            told += line
            if "bookmark" in line:
                break
        entity = {
            "apiVersion": "backstage.io/v1alpha1",
            "kind": "Component",
            "metadata": {"name": "later"},
            "spec": {"type": "service", "lifecycle": "production", "owner": "team-a"},
        }
        for name in ("hidden-not", "later"):
            entity["metadata"]["name"] = name
            put = await client.put(f"{V1}/entities/component/default/{name}", json=entity)
            assert put.status_code == 201, put.text
        async for line in lines:
            told += line
            if "later" in line:
                break
    assert "shown" in told
    assert "canary" not in told
    assert client.headers["x-uid"] not in told
