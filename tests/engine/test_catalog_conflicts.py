"""Two sources that want one reference: both sides see it, and who waits gets it at once."""

from __future__ import annotations

import asyncio
import json

import pytest
from descriptor_kit import component, joined, names, rows
from engine_kit import ADA, DictSource, Plugin, load_host, platform_of

from towpath_engine.catalog.tables import CONFLICTS, REVISIONS, TOMBSTONES

pytestmark = pytest.mark.anyio

REF = "component:default/a"


@pytest.fixture
def source():
    return DictSource({})


@pytest.fixture
async def platform(engine_url, tmp_path, source):
    host = load_host(Plugin(sources=[source]), installed=["backstage"])
    async with platform_of(host, engine_url, tmp_path) as found:
        yield found


def type_of(platform):
    return json.loads(platform.index.by_ref(REF).final)["spec"]["type"]


async def two(platform, source, **other):
    source.files |= {
        "/1.yaml": joined(component("a"), component("x")),
        "/2.yaml": joined(component("b"), component("a", **other)),
    }
    first = await platform.catalog.register(ADA, "mem", "/1.yaml")
    second = await platform.catalog.register(ADA, "mem", "/2.yaml")
    return first.location, second.location


async def test_a_conflict_is_seen_on_both_sides(platform, source):
    first, second = await two(platform, source, type="other")
    for wanted in ({}, {"location_id": first.id}, {"location_id": second.id}, {"ref": REF}):
        (found,) = await platform.catalog.conflicts.page(**wanted)
        assert (found.ref, found.origin, found.holder) == (REF, "mem:/2.yaml", "mem:/1.yaml")
        assert (found.file, found.line) == ("/2.yaml", 10)
        assert (found.holder_file, found.holder_line) == ("/1.yaml", 1)
        assert (found.location_id, found.holder_location_id) == (second.id, first.id)
    assert await platform.catalog.conflicts.page(ref="component:default/b") == []
    since = found.since
    await platform.catalog.refresh(ADA, second.id)
    (found,) = await platform.catalog.conflicts.page()
    assert found.since == since
    stored = await platform.catalog.problems(location_id=second.id, level="error")
    assert [(one.code, one.entity_ref) for one in stored] == [("conflict", REF)]


async def test_the_loser_gets_it_the_moment_the_holder_lets_go(platform, source):
    first, second = await two(platform, source, type="other")
    uid = platform.index.by_ref(REF).uid
    source.files["/1.yaml"] = joined(component("x"))
    report = await platform.catalog.refresh(ADA, first.id)
    assert report.outcome.handed == [REF]
    assert report.outcome.deleted == []
    assert type_of(platform) == "other"
    # It says something else, so it is something else: the old one is kept as a tombstone.
    assert platform.index.by_ref(REF).uid != uid
    assert [str(row["uid"]) for row in await rows(platform, TOMBSTONES)] == [uid]
    assert await platform.catalog.conflicts.page() == []
    assert await platform.catalog.problems(location_id=second.id, level="error") == []
    again = await platform.catalog.refresh(ADA, second.id)
    assert again.problems == ()
    assert again.outcome.changed == []
    assert await platform.catalog.registrations.of_entity(REF) == second


async def test_what_moves_with_its_content_keeps_its_uid_without_a_gap(platform, source):
    first, second = await two(platform, source)
    uid = platform.index.by_ref(REF).uid
    source.files["/1.yaml"] = joined(component("x"))
    await platform.catalog.refresh(ADA, first.id)
    entry = platform.index.by_ref(REF)
    assert entry.uid == uid
    assert b"mem:/2.yaml" in entry.final
    assert await rows(platform, TOMBSTONES) == []
    past = [row for row in await rows(platform, REVISIONS) if row["ref"] == REF]
    assert [(row["action"], row["revision"], row["reason"]) for row in past] == [
        ("put", 1, None),
        ("put", 2, "handed-over"),
    ]
    assert await platform.catalog.registrations.of_entity(REF) == second


async def test_removing_the_holder_hands_over_and_removing_the_loser_forgets(platform, source):
    first, second = await two(platform, source, type="other")
    source.files["/3.yaml"] = joined(component("a", type="third"))
    third = await platform.catalog.register(ADA, "mem", "/3.yaml")
    assert len(await rows(platform, CONFLICTS)) == 2
    await platform.catalog.unregister(ADA, first.id)
    assert type_of(platform) == "other"  # who waited longest
    (left,) = await platform.catalog.conflicts.page()
    assert (left.origin, left.holder) == ("mem:/3.yaml", "mem:/2.yaml")
    await platform.catalog.unregister(ADA, third.location.id)
    assert await rows(platform, CONFLICTS) == []
    await platform.catalog.unregister(ADA, second.id)
    assert names(platform) == []


async def test_who_states_it_no_more_waits_no_more(platform, source):
    first, second = await two(platform, source, type="other")
    source.files["/2.yaml"] = joined(component("b"))
    report = await platform.catalog.refresh(ADA, second.id)
    assert report.problems == ()
    assert await rows(platform, CONFLICTS) == []
    await platform.catalog.unregister(ADA, first.id)
    assert names(platform) == ["b"]


async def test_an_entity_removed_by_hand_is_not_handed_over(platform, source):
    """Its location still states it, and gets it back."""
    from uuid import UUID

    first, _ = await two(platform, source, type="other")
    uid = platform.index.by_ref(REF).uid
    await platform.catalog.delete_entity(ADA, UUID(uid))
    assert "a" not in names(platform)
    await platform.catalog.refresh(ADA, first.id)
    assert (platform.index.by_ref(REF).uid, type_of(platform)) == (uid, "service")


async def test_conflicts_are_listed_in_pages(platform, source):
    source.files |= {
        "/1.yaml": joined(*(component(f"c{n}") for n in range(20))),
        "/2.yaml": joined(*(component(f"c{n}") for n in range(20))),
    }
    for target in source.files:
        await platform.catalog.register(ADA, "mem", target)
    seen, after = [], ("", "")
    while page := await platform.catalog.conflicts.page(after=after, limit=6):
        seen += page
        after = (page[-1].ref, page[-1].origin)
    assert len({one.ref for one in seen}) == len(seen) == 20


async def test_many_at_once_leave_one_holder_and_the_rest_waiting(platform, source):
    targets = [f"/{number}.yaml" for number in range(6)]
    for target in targets:
        source.files[target] = joined(component("a", type=target), component(f"own{target[1]}"))
    await asyncio.gather(*(platform.catalog.register(ADA, "mem", target) for target in targets))
    assert len(await rows(platform, CONFLICTS)) == 5
    assert len(names(platform)) == 7
    holder = type_of(platform)
    places = {place.target: place for place in await platform.catalog.locations()}
    for _ in range(5):
        await platform.catalog.unregister(ADA, places.pop(holder).id)
        assert "a" in names(platform)
        holder = type_of(platform)
        assert holder in places
    assert await rows(platform, CONFLICTS) == []
