from __future__ import annotations

import asyncio
import json
from uuid import UUID

import pytest
from engine_kit import ADA, DictSource, Plugin, load_host, platform_of
from sqlalchemy import select

from towpath_core.errors import Conflict, Forbidden, Invalid, NotFound
from towpath_core.policy import Deny
from towpath_engine.catalog.tables import LOCATIONS
from towpath_engine.store.tables import AUDIT

pytestmark = pytest.mark.anyio


def component(name: str) -> str:
    spec = {"type": "service", "lifecycle": "production", "owner": "team-a"}
    head = {"apiVersion": "backstage.io/v1alpha1", "kind": "Component"}
    return json.dumps({**head, "metadata": {"name": name}, "spec": spec})


def joined(*names: str) -> bytes:
    return "\n---\n".join(component(name) for name in names).encode()


@pytest.fixture
def source():
    return DictSource({f"/{name}.yaml": joined(name, "both") for name in ("one", "two")})


@pytest.fixture
async def platform(engine_url, tmp_path, source):
    host = load_host(Plugin(sources=[source]), installed=["backstage"])
    async with platform_of(host, engine_url, tmp_path) as found:
        yield found


def components(platform):
    refs = [ref for ref in platform.index._by_ref if ref.startswith("component:")]
    return sorted(ref.rpartition("/")[2] for ref in refs)


def shown(platform, ref):
    return json.loads(platform.index.by_ref(ref).final)


async def test_a_location_that_is_changed_keeps_its_id_and_its_name(platform):
    first = (await platform.catalog.register(ADA, "mem", "/one.yaml")).location
    uid = shown(platform, "component:default/both")["metadata"]["uid"]
    report = await platform.catalog.registrations.change(ADA, first.id, "mem", "/two.yaml")
    changed = report.location
    assert (changed.id, changed.entity_ref) == (first.id, first.entity_ref)
    assert changed.target == "/two.yaml"
    assert await platform.catalog.registrations.location(first.id) == changed
    # What stands in both keeps its uid; the rest follows.
    assert components(platform) == ["both", "two"]
    assert shown(platform, "component:default/both")["metadata"]["uid"] == uid
    own = shown(platform, first.entity_ref)
    assert own["spec"]["target"] == "/two.yaml"
    both = shown(platform, "component:default/both")["metadata"]["annotations"]
    assert both["backstage.io/managed-by-origin-location"] == "mem:/two.yaml"
    assert await platform.catalog.registrations.of_entity("component:default/two") == changed
    async with platform.database.begin() as transaction:
        query = select(AUDIT.c.subject, AUDIT.c.detail).where(AUDIT.c.action == "catalog:change")
        rows = (await transaction.execute(query)).all()
    assert [(row.subject, row.detail) for row in rows] == [
        ("mem:/two.yaml", {"from": "mem:/one.yaml"})
    ]


async def test_a_change_may_be_repeated_and_refreshed(platform, source):
    first = (await platform.catalog.register(ADA, "mem", "/one.yaml")).location
    change = platform.catalog.registrations.change
    await change(ADA, first.id, "mem", "/two.yaml")
    again = await change(ADA, first.id, "mem", "/two.yaml")
    assert again.outcome.added == again.outcome.changed == again.outcome.deleted == []
    source.files["/two.yaml"] = joined("two", "three")
    await platform.catalog.refresh(ADA, first.id)
    assert components(platform) == ["three", "two"]
    await change(ADA, first.id, "mem", "/one.yaml")
    assert components(platform) == ["both", "one"]
    await platform.catalog.unregister(ADA, first.id)
    assert components(platform) == []


async def test_the_place_that_was_left_can_be_registered_again(platform):
    first = (await platform.catalog.register(ADA, "mem", "/one.yaml")).location
    await platform.catalog.registrations.change(ADA, first.id, "mem", "/two.yaml")
    second = (await platform.catalog.register(ADA, "mem", "/one.yaml")).location
    assert second.id != first.id
    assert second.entity_ref != first.entity_ref
    assert second.entity_ref.startswith("location:default/generated-")
    assert shown(platform, second.entity_ref)["spec"]["target"] == "/one.yaml"
    assert shown(platform, first.entity_ref)["spec"]["target"] == "/two.yaml"
    assert components(platform) == ["both", "one", "two"]


async def test_a_place_that_is_taken_or_unknown_changes_nothing(platform):
    first = (await platform.catalog.register(ADA, "mem", "/one.yaml")).location
    await platform.catalog.register(ADA, "mem", "/two.yaml")
    change = platform.catalog.registrations.change
    with pytest.raises(Conflict, match=r"Location mem:/two\.yaml already exists"):
        await change(ADA, first.id, "mem", "/two.yaml")
    for wrong in ("", "   ", "/a\0b", "/" + "x" * 4096):
        with pytest.raises(Invalid):
            await change(ADA, first.id, "mem", wrong)
    with pytest.raises(Invalid, match="No source reads"):
        await change(ADA, first.id, "url", "gopher://x")
    with pytest.raises(NotFound, match="Found no location with ID"):
        await change(ADA, UUID(int=7), "mem", "/three.yaml")
    assert await platform.catalog.registrations.location(first.id) == first
    assert components(platform) == ["both", "one", "two"]


async def test_a_place_that_cannot_be_read_deletes_nothing(platform, source):
    first = (await platform.catalog.register(ADA, "mem", "/one.yaml")).location
    report = await platform.catalog.registrations.change(ADA, first.id, "mem", "/gone.yaml")
    assert report.problems
    assert components(platform) == ["both", "one"]
    source.files["/gone.yaml"] = joined("back")
    await platform.catalog.refresh(ADA, first.id)
    assert components(platform) == ["back"]


async def test_two_changes_to_one_place_leave_one_there(platform):
    ids = []
    for name in ("one", "two"):
        ids.append((await platform.catalog.register(ADA, "mem", f"/{name}.yaml")).location.id)
    change = platform.catalog.registrations.change
    done = await asyncio.gather(
        *(change(ADA, id, "mem", "/new.yaml") for id in ids), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in done) == ["Conflict", "LocationReport"]
    assert len(await platform.catalog.registrations.all()) == 2


async def test_a_policy_may_refuse_either_place(engine_url, tmp_path, source):
    class Fence:
        name = "fence"
        closed = ""

        def decide(self, request):
            return Deny(("closed",)) if self.closed and self.closed in request.resource else None

    fence = Fence()
    host = load_host(Plugin(sources=[source], policies=[_allowing(fence)]), installed=["backstage"])
    async with platform_of(host, engine_url, tmp_path) as platform:
        first = (await platform.catalog.register(ADA, "mem", "/one.yaml")).location
        for closed in ("one", "two"):
            fence.closed = closed
            with pytest.raises(Forbidden):
                await platform.catalog.registrations.change(ADA, first.id, "mem", "/two.yaml")
    assert source.files


def _allowing(fence):
    from towpath_core.policy import Allow

    class Policy:
        name = fence.name

        def decide(self, request):
            return fence.decide(request) or Allow()

    return Policy()


@pytest.fixture
async def many(platform, source):
    for number in range(7):
        source.files[f"/team_{number}%/All.yaml"] = joined(f"c-{number}")
        await platform.catalog.register(ADA, "mem", f"/team_{number}%/All.yaml")
    return platform.catalog.registrations


async def found(many, query):
    return [one.target for one in (await many.page(query, limit=100)).items]


async def test_locations_are_paged_through_by_id(many):
    every = await many.all()
    seen, after = [], None
    while True:
        page = await many.page(limit=3, after=after)
        assert page.total == 7
        seen += page.items
        if not page.more:
            break
        after = page.items[-1].id
    assert seen == list(every)
    assert [one.id for one in seen] == sorted(one.id for one in seen)


async def test_predicates_over_locations(many):
    every = [one.target for one in await many.all()]
    first = (await many.all())[0]
    assert await found(many, {}) == every
    assert await found(many, {"type": "MEM"}) == every
    assert await found(many, {"TARGET": "/TEAM_3%/all.yaml"}) == ["/team_3%/All.yaml"]
    assert await found(many, {"id": str(first.id).upper()}) == [first.target]
    assert await found(many, {"id": {"$in": [str(first.id), "nope"]}}) == [first.target]
    assert await found(many, {"target": {"$hasPrefix": "/Team_4"}}) == ["/team_4%/All.yaml"]
    assert await found(many, {"$all": []}) == every
    assert await found(many, {"$any": []}) == []
    three = {"$any": [{"target": {"$hasPrefix": f"/team_{n}%"}} for n in (1, 2, 5)]}
    assert len(await found(many, three)) == 3
    assert len(await found(many, {"$not": three})) == 4
    assert await found(many, {"$all": [three, {"$not": {"target": {"$hasPrefix": "/team_1"}}}]})
    assert await found(many, {"target": {"$exists": True}}) == every
    assert await found(many, {"target": {"$exists": False}}) == []
    assert await found(many, {"target": {"$contains": "/team_1"}}) == []
    assert await found(many, {"target": {"$in": []}}) == []
    assert await found(many, {"type": 1}) == []
    assert await found(many, {"type": True}) == []


@pytest.mark.parametrize(
    "text",
    ["%", "_", "/team%", "/team__%", "' OR 1=1 --", "\\", "\0", "/team\0", "/team_1\\%"],
)
async def test_text_means_itself(many, text):
    assert await found(many, {"target": text}) == []
    assert await found(many, {"target": {"$hasPrefix": text}}) == []
    assert await found(many, {"id": {"$in": [text]}}) == []


@pytest.mark.parametrize(
    "query",
    [
        [],
        "mem",
        1,
        {"name": "x"},
        {"target": None},
        {"target": []},
        {"target": {}},
        {"target": {"$like": "x"}},
        {"target": {"$in": "x"}},
        {"target": {"$in": [None]}},
        {"target": {"$exists": "yes"}},
        {"target": {"$hasPrefix": 1}},
        {"target": {"$in": [], "$exists": True}},
        {"$any": {}},
        {"$none": []},
        {"$not": []},
        {"$all": [], "type": "mem"},
        {"$all": [1]},
    ],
)
async def test_bad_predicates_are_refused(platform, query):
    with pytest.raises(Invalid):
        await platform.catalog.registrations.page(query, limit=1)


async def test_large_predicates_are_refused(platform):
    deep: dict[str, object] = {"type": "mem"}
    for _ in range(60):
        deep = {"$not": deep}
    wide = {"$any": [{"type": str(n)} for n in range(1001)]}
    for query in (deep, wide, {"type": {"$in": ["x"] * 2000}}):
        with pytest.raises(Invalid):
            await platform.catalog.registrations.page(query, limit=1)


async def test_names_stay_unique_in_the_table(many, platform):
    async with platform.database.begin() as transaction:
        names = (await transaction.execute(select(LOCATIONS.c.name))).scalars().all()
    assert names == [None] * 7
