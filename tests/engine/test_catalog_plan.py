"""A plan shows what would be done, and writes nothing at all."""

from __future__ import annotations

import pytest
from descriptor_kit import component, joined, names, rows
from engine_kit import ADA, DictSource, Plugin, load_host, platform_of
from sqlalchemy import text
from sqlmodel import SQLModel

from towpath_core.errors import Forbidden, Invalid
from towpath_core.policy import Allow, Deny

pytestmark = pytest.mark.anyio


class NoShop:
    name = "no-shop"

    def decide(self, request):
        return Deny(("hands off",)) if "shop" in request.resource else Allow()


@pytest.fixture
def source():
    return DictSource({})


@pytest.fixture
async def platform(engine_url, tmp_path, source):
    host = load_host(Plugin(sources=[source], policies=[NoShop()]), installed=["backstage"])
    async with platform_of(host, engine_url, tmp_path) as found:
        yield found


async def everything(platform):
    """All rows of all tables, and where the sequences are."""
    found = {}
    for name, table in SQLModel.metadata.tables.items():
        found[name] = await rows(platform, table)
    async with platform.database.begin() as transaction:
        query = text("SELECT sequencename, last_value FROM pg_sequences ORDER BY 1")
        found["sequences"] = (await transaction.execute(query)).all()
    return found


async def test_a_plan_of_a_new_location_shows_what_would_come(platform, source):
    source.files |= {"/1.yaml": joined(component("a")), "/2.yaml": joined(component("a"))}
    await platform.catalog.register(ADA, "mem", "/1.yaml")
    source.files["/2.yaml"] = joined(component("a"), component("b"), "no: entity\n")
    before = await everything(platform)
    plan = await platform.catalog.planner.plan(ADA, "mem", "/2.yaml")
    assert plan.location_id is None
    assert (plan.adds[0].ref, plan.adds[0].line) == ("component:default/b", 10)
    assert [(one.ref, one.holder) for one in plan.conflicts] == [
        ("component:default/a", "mem:/1.yaml")
    ]
    assert (plan.changes, plan.deletes, plan.held, plan.unchanged) == ([], [], [], 0)
    assert {found.problem.code for found in plan.problems} >= {"conflict", "envelope"}
    assert await everything(platform) == before
    assert names(platform) == ["a"]


async def test_a_plan_says_what_the_refresh_then_does(platform, source):
    source.files |= {
        "/x/1.yaml": joined(*(component(f"c{n}") for n in range(12)), component("gone")),
        "/x/2.yaml": joined(component("handed")),
        "/other.yaml": joined(component("handed", type="other")),
    }
    place = (await platform.catalog.register(ADA, "mem", "/x/*.yaml")).location
    await platform.catalog.register(ADA, "mem", "/other.yaml")
    source.files["/x/1.yaml"] = joined(
        *(component(f"c{n}") for n in range(11)), component("c11", type="library"), component("new")
    )
    source.files["/x/2.yaml"] = joined(component("more"))
    before = await everything(platform)
    plan = await platform.catalog.planner.plan(ADA, "mem", "/x/*.yaml")
    assert await everything(platform) == before
    report = await platform.catalog.refresh(ADA, place.id)
    assert [one.ref for one in plan.adds] == sorted(report.outcome.added)
    assert [one.ref for one in plan.changes] == report.outcome.changed == ["component:default/c11"]
    assert [one.ref for one in plan.deletes] == report.outcome.deleted == ["component:default/gone"]
    assert [one.ref for one in plan.handed] == report.outcome.handed == ["component:default/handed"]
    (field,) = plan.changes[0].fields
    assert (field.op, field.pointer, field.old, field.new) == (
        "replace",
        "/spec/type",
        "service",
        "library",
    )
    empty = await platform.catalog.planner.plan(ADA, "mem", "/x/*.yaml")
    assert (empty.adds, empty.changes, empty.deletes) == ([], [], [])
    assert empty.unchanged == 15


async def test_a_plan_shows_what_would_wait_and_what_would_come_back(platform, source):
    source.files["/1.yaml"] = joined(*(component(f"c{n}") for n in range(20)))
    place = (await platform.catalog.register(ADA, "mem", "/1.yaml")).location
    source.files["/1.yaml"] = joined(*(component(f"c{n}") for n in range(19)))
    await platform.catalog.refresh(ADA, place.id)
    source.files["/1.yaml"] = joined(*(component(f"c{n}") for n in (*range(10), 19)))
    plan = await platform.catalog.planner.plan(ADA, "mem", "/1.yaml")
    assert [one.ref for one in plan.held] == [f"component:default/c{n}" for n in range(10, 19)]
    assert plan.deletes == []
    assert [(one.ref, one.back) for one in plan.adds] == [("component:default/c19", True)]


async def test_a_plan_of_a_removal_shows_what_would_go(platform, source):
    source.files |= {
        "/1.yaml": joined(component("a"), component("b")),
        "/2.yaml": joined(component("a", type="other")),
    }
    place = (await platform.catalog.register(ADA, "mem", "/1.yaml")).location
    await platform.catalog.register(ADA, "mem", "/2.yaml")
    before = await everything(platform)
    plan = await platform.catalog.planner.plan_removal(ADA, place)
    assert [one.ref for one in plan.deletes] == ["component:default/b", place.entity_ref]
    assert [one.ref for one in plan.handed] == ["component:default/a"]
    assert await everything(platform) == before


async def test_a_plan_is_for_those_who_may_do_it(platform, source):
    source.files["/shop.yaml"] = joined(component("a"))
    with pytest.raises(Forbidden, match="not allowed"):
        await platform.catalog.planner.plan(ADA, "mem", "/shop.yaml")
    with pytest.raises(Invalid):
        await platform.catalog.planner.plan(ADA, "nope", "/a.yaml")
