"""Reads through `backstage-catalog-client` from PyPI; run by its own Python.

TOKEN=... python read_with_pypi_client.py http://127.0.0.1:7007
"""

import asyncio
import os
import sys

import httpx
from backstage_catalog_client import HttpxClient

REF = "component:default/artist-lookup"


async def main(url: str) -> int:
    headers = {"authorization": f"Bearer {os.environ['TOKEN']}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as http:
        client = HttpxClient(client=http)
        for name, check in CHECKS.items():
            await check(client)
            print(f"pypi   ok: {name}")
    return 0


async def get_entities(client: HttpxClient) -> None:
    everything = (await client.get_entities()).items
    assert len(everything) > 60, len(everything)
    found = await client.get_entities(
        entity_filter=[{"kind": ["Component", "API"]}],
        fields=["kind", "metadata.name"],
        order={"field": "metadata.name", "order": "desc"},
        limit=5,
        offset=0,
    )
    assert len(found.items) == 5
    names = [entity["metadata"]["name"] for entity in found.items]
    assert names == sorted(names, reverse=True), names
    assert all(set(entity) == {"kind", "metadata"} for entity in found.items)


async def query_entities(client: HttpxClient) -> None:
    page = await client.query_entities(
        entity_filter=[{"kind": "component"}],
        search_term="a",
        search_fields=["metadata.name"],
        limit=3,
    )
    assert len(page.items) == 3
    assert page.total_items > 3
    more = await client.query_entities(cursor=page.page_info.nextCursor, limit=3)
    assert more.total_items == page.total_items
    assert more.page_info.prevCursor


async def by_refs(client: HttpxClient) -> None:
    answer = await client.get_entities_by_refs([REF, "component:default/none"])
    # This client hands over the whole body.
    first, second = answer.items["items"]
    assert first["metadata"]["name"] == "artist-lookup"
    assert second is None


async def by_ref(client: HttpxClient) -> None:
    entity = await client.get_entity_by_ref(REF)
    assert entity["kind"] == "Component"
    assert await client.get_entity_by_ref("component:default/none") is None
    location = await client.get_location_by_entity(REF)
    assert location["target"].endswith("all.yaml"), location


CHECKS = {
    "get_entities": get_entities,
    "query_entities": query_entities,
    "get_entities_by_refs (with a slash at the end)": by_refs,
    "get_entity_by_ref, get_location_by_entity": by_ref,
}

if __name__ == "__main__":
    raise SystemExit(asyncio.run(main(sys.argv[1])))
