from __future__ import annotations

import json
from uuid import UUID

import pytest
from engine_kit import ADA, DictSource, Plugin, load_host, platform_of

from towpath_core.entities import Entity
from towpath_core.errors import NotFound

pytestmark = pytest.mark.anyio


def entity(kind: str, name: str, **spec: object) -> str:
    head = {"apiVersion": "backstage.io/v1alpha1", "kind": kind, "metadata": {"name": name}}
    return json.dumps({**head, "spec": spec})


def component(name: str) -> str:
    return entity("Component", name, type="service", lifecycle="production", owner="team-a")


def joined(*documents: str) -> bytes:
    return "\n---\n".join(documents).encode()


@pytest.fixture
def source():
    return DictSource({})


@pytest.fixture
async def platform(engine_url, tmp_path, source):
    host = load_host(Plugin(sources=[source]), installed=["backstage"])
    async with platform_of(host, engine_url, tmp_path) as found:
        yield found


async def ancestors(platform, ref):
    return {one.ref: list(one.parents) for one in await platform.ancestry.of(ref)}


async def test_the_way_leads_from_an_entity_to_what_was_registered(platform, source):
    source.files |= {
        "/all.yaml": joined(entity("Location", "all", targets=["./teams/more.yaml"])),
        "/teams/more.yaml": joined(entity("Location", "more", target="../shop.yaml")),
        "/shop.yaml": joined(component("shop"), component("cart")),
    }
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    root = report.location.entity_ref
    way = await platform.ancestry.of("component:default/shop")
    assert [(one.ref, list(one.parents)) for one in way] == [
        ("component:default/shop", ["location:default/more"]),
        ("location:default/more", ["location:default/all"]),
        ("location:default/all", [root]),
        (root, []),
    ]
    assert await ancestors(platform, root) == {root: []}


async def test_an_entity_that_two_locations_lead_to_has_both_for_parents(platform, source):
    source.files |= {
        "/all.yaml": joined(
            entity("Location", "one", target="./shop.yaml"),
            entity("Location", "two", targets=["./*.yaml"]),
        ),
        "/shop.yaml": joined(component("shop")),
    }
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    found = await ancestors(platform, "component:default/shop")
    assert found["component:default/shop"] == ["location:default/one", "location:default/two"]
    # What it stands in is met by its own glob: it is not its own parent, but the other's.
    assert found["location:default/one"] == [
        report.location.entity_ref,
        "location:default/two",
    ]
    assert found["location:default/two"] == [report.location.entity_ref]


async def test_locations_in_a_circle_end(platform, source):
    source.files |= {
        "/all.yaml": joined(entity("Location", "one", target="./two.yaml")),
        "/two.yaml": joined(entity("Location", "two", target="./all.yaml"), component("shop")),
    }
    await platform.catalog.register(ADA, "mem", "/all.yaml")
    found = await ancestors(platform, "component:default/shop")
    assert found["component:default/shop"] == ["location:default/one"]
    assert "location:default/two" in found["location:default/one"]


async def test_an_entity_whose_location_is_gone_has_the_registered_one(platform, source):
    source.files["/all.yaml"] = joined(
        entity("Location", "more", target="./shop.yaml"),
    )
    source.files["/shop.yaml"] = joined(component("shop"))
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    more = json.loads(platform.index.by_ref("location:default/more").final)
    await platform.catalog.delete_entity(ADA, UUID(more["metadata"]["uid"]))
    found = await ancestors(platform, "component:default/shop")
    assert found == {
        "component:default/shop": [report.location.entity_ref],
        report.location.entity_ref: [],
    }


async def test_what_the_platform_holds_itself_has_no_parents(platform):
    head = {"name": "bucket", "namespace": "default"}
    spec = {"type": "bucket", "owner": "group:default/a"}
    held = Entity("backstage.io/v1alpha1", "Resource", head, spec)
    async with platform.database.begin() as transaction:
        await platform.catalog.put(transaction, ADA, held, "towpath:resource/1")
    assert await ancestors(platform, "resource:default/bucket") == {"resource:default/bucket": []}


async def test_there_must_be_such_an_entity(platform):
    with pytest.raises(NotFound, match="No such entity component:default/none"):
        await platform.ancestry.of("component:default/none")
