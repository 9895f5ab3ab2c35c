"""What vanishes in large numbers waits, and what was removed can be brought back."""

from __future__ import annotations

import pytest
from descriptor_kit import component, joined, location, names, rows
from engine_kit import ADA, DictSource, Plugin, load_host, platform_of
from sqlalchemy import text

from towpath_core.errors import Conflict, NotFound, SettingsError
from towpath_engine.catalog.keeping import Keeping, read_keeping
from towpath_engine.catalog.tables import ENTITIES, LOCATIONS, REVISIONS, TOMBSTONES

pytestmark = pytest.mark.anyio


@pytest.fixture
def source():
    return DictSource({})


@pytest.fixture
async def platform(engine_url, tmp_path, source):
    host = load_host(Plugin(sources=[source]), installed=["backstage"])
    async with platform_of(host, engine_url, tmp_path) as found:
        yield found


def many(*numbers):
    return joined(*(component(f"c{number}") for number in numbers))


async def registered(platform, source, count=20):
    source.files["/all.yaml"] = many(*range(count))
    return (await platform.catalog.register(ADA, "mem", "/all.yaml")).location


@pytest.mark.parametrize(
    ("vanished", "total", "empty", "waits"),
    [
        (4, 4, False, False),
        (5, 5, False, True),
        (5, 50, False, False),
        (6, 50, False, True),
        (10, 100, False, False),
        (11, 100, False, True),
        (1, 1, True, True),
        (0, 0, True, False),
        (0, 100, False, False),
    ],
)
def test_the_limit_is_a_share_and_a_number(vanished, total, empty, waits):
    assert Keeping().waits(vanished, total, empty=empty) is waits
    assert not Keeping(guarded=False).waits(vanished, total, empty=empty)


def test_settings_are_checked():
    assert read_keeping({}) == Keeping()
    assert read_keeping({"guard_percent": 50, "tombstone_days": 0}) == Keeping(50, 5, 0)
    for wrong in (
        {"guard_percent": 101},
        {"guard_least": 0},
        {"tombstone_days": "7"},
        {"guard_percent": True},
    ):
        with pytest.raises(SettingsError, match=next(iter(wrong))):
            read_keeping(wrong)


async def test_what_vanishes_at_once_stays_until_somebody_confirms(platform, source):
    place = await registered(platform, source)
    source.files["/all.yaml"] = many(*range(14))
    report = await platform.catalog.refresh(ADA, place.id)
    assert len(names(platform)) == 20
    assert report.outcome.deleted == []
    assert report.held.refs == tuple(sorted(f"component:default/c{n}" for n in range(14, 20)))
    (problem,) = report.problems
    assert problem.problem.code == "held" and "6 entities" in problem.problem.message
    stored = await platform.catalog.problems(location_id=place.id, level="error")
    assert [one.code for one in stored] == ["held"]
    # It goes on waiting, though the file has not changed meanwhile, or something else in it did.
    again = await platform.catalog.refresh(ADA, place.id)
    assert again.held == report.held
    source.files["/all.yaml"] += b"---\n" + component("new").encode()
    assert (await platform.catalog.refresh(ADA, place.id)).held == report.held
    state = await platform.catalog.states.get(place.id)
    assert (state.held, state.errors, state.entities) == (report.held, 1, 21)
    gone = await platform.catalog.confirm(ADA, place.id, report.held.digest)
    assert tuple(gone) == report.held.refs
    assert names(platform) == sorted(["new", *(f"c{n}" for n in range(14))])
    state = await platform.catalog.states.get(place.id)
    assert (state.held, state.held_at, state.errors) == (None, None, 0)
    with pytest.raises(Conflict, match="Nothing is held"):
        await platform.catalog.confirm(ADA, place.id, report.held.digest)
    assert (await platform.catalog.refresh(ADA, place.id)).problems == ()


async def test_one_confirms_what_one_has_seen(platform, source):
    place = await registered(platform, source)
    source.files["/all.yaml"] = many(*range(14))
    seen = (await platform.catalog.refresh(ADA, place.id)).held
    source.files["/all.yaml"] = many(*range(12))
    now = (await platform.catalog.refresh(ADA, place.id)).held
    with pytest.raises(Conflict, match="changed meanwhile") as caught:
        await platform.catalog.confirm(ADA, place.id, seen.digest)
    assert now.digest in caught.value.next
    assert len(names(platform)) == 20
    await platform.catalog.confirm(ADA, place.id, now.digest)
    assert len(names(platform)) == 12


async def test_what_comes_back_is_held_no_more(platform, source):
    place = await registered(platform, source)
    source.files["/all.yaml"] = many(*range(10))
    assert (await platform.catalog.refresh(ADA, place.id)).held is not None
    source.files["/all.yaml"] = many(*range(20))
    report = await platform.catalog.refresh(ADA, place.id)
    assert (report.held, report.problems) == (None, ())
    # So few are believed at once.
    source.files["/all.yaml"] = many(*range(18))
    report = await platform.catalog.refresh(ADA, place.id)
    assert report.held is None
    assert len(report.outcome.deleted) == 2


async def test_an_empty_answer_deletes_nothing(platform, source):
    place = await registered(platform, source, 3)
    source.files["/all.yaml"] = b""
    report = await platform.catalog.refresh(ADA, place.id)
    assert len(report.held.refs) == 3
    assert names(platform) == ["c0", "c1", "c2"]
    source.read = lambda target, *, max_bytes: []
    report = await platform.catalog.refresh(ADA, place.id)
    assert [p.problem.code for p in report.problems] == ["empty", "held"]
    assert names(platform) == ["c0", "c1", "c2"]
    assert len(report.held.refs) == 3


async def test_a_partial_answer_deletes_nothing_and_forgets_nothing(platform, source):
    source.files |= {
        "/all.yaml": joined(location("./a.yaml", "./b.yaml")),
        "/a.yaml": many(*range(20)),
        "/b.yaml": joined(component("b")),
    }
    place = (await platform.catalog.register(ADA, "mem", "/all.yaml")).location
    source.files["/a.yaml"] = many(*range(10))
    held = (await platform.catalog.refresh(ADA, place.id)).held
    source.down = True
    report = await platform.catalog.refresh(ADA, place.id)
    assert report.held == held
    assert len(names(platform)) == 21
    source.down = False
    assert (await platform.catalog.refresh(ADA, place.id)).held == held


async def test_removing_a_location_is_not_guarded(platform, source):
    place = await registered(platform, source)
    await platform.catalog.unregister(ADA, place.id)
    assert names(platform) == []
    assert {row["reason"] for row in await rows(platform, TOMBSTONES)} == {"unregistered"}
    assert len(await rows(platform, TOMBSTONES)) == 20


async def test_what_comes_back_from_its_origin_is_what_it_was(platform, source):
    place = await registered(platform, source, 3)
    uid = platform.index.by_ref("component:default/c0").uid
    source.files["/all.yaml"] = many(1, 2)
    await platform.catalog.refresh(ADA, place.id)
    (buried,) = await platform.catalog.tombstones.page()
    assert (str(buried.uid), buried.reason, buried.file) == (uid, "vanished", "/all.yaml")
    assert (buried.expires_at - buried.deleted_at).days == 7
    source.files["/all.yaml"] = many(0, 1, 2)
    await platform.catalog.refresh(ADA, place.id)
    assert platform.index.by_ref("component:default/c0").uid == uid
    assert await platform.catalog.tombstones.page() == []
    past = [row for row in await rows(platform, REVISIONS) if str(row["uid"]) == uid]
    assert [(row["revision"], row["action"], row["reason"]) for row in past] == [
        (1, "put", None),
        (2, "delete", "vanished"),
        (3, "put", "returned"),
    ]


async def test_an_entity_that_moves_to_another_location_keeps_its_uid(platform, source):
    place = await registered(platform, source, 3)
    uid = platform.index.by_ref("component:default/c0").uid
    source.files["/all.yaml"] = many(1, 2)
    await platform.catalog.refresh(ADA, place.id)
    source.files |= {"/other.yaml": many(0)}
    await platform.catalog.register(ADA, "mem", "/other.yaml")
    assert platform.index.by_ref("component:default/c0").uid == uid
    # What only has the same name is something else.
    source.files["/all.yaml"] = many(2)
    await platform.catalog.refresh(ADA, place.id)
    uid = (await platform.catalog.tombstones.page())[0].uid
    source.files["/third.yaml"] = joined(component("c1", type="another"))
    await platform.catalog.register(ADA, "mem", "/third.yaml")
    assert platform.index.by_ref("component:default/c1").uid != str(uid)


async def test_what_is_restored_stays_until_its_source_states_it_again(platform, source):
    place = await registered(platform, source, 3)
    uid = platform.index.by_ref("component:default/c0").uid
    source.files["/all.yaml"] = many(1, 2)
    await platform.catalog.refresh(ADA, place.id)
    (buried,) = await platform.catalog.tombstones.page()
    assert await platform.catalog.tombstones.restore(ADA, buried.uid) == "component:default/c0"
    assert platform.index.by_ref("component:default/c0").uid == uid
    assert await platform.catalog.tombstones.page() == []
    await platform.catalog.refresh(ADA, place.id)
    assert names(platform) == ["c0", "c1", "c2"]
    (row,) = [r for r in await rows(platform, ENTITIES) if r["ref"] == "component:default/c0"]
    assert (row["origin"], row["location_id"]) == ("api:restored:mem:/all.yaml", None)
    source.files["/all.yaml"] = many(0, 1, 2)
    report = await platform.catalog.refresh(ADA, place.id)
    assert report.problems == ()
    (row,) = [r for r in await rows(platform, ENTITIES) if r["ref"] == "component:default/c0"]
    assert (row["origin"], row["location_id"]) == ("mem:/all.yaml", place.id)
    assert str(row["uid"]) == uid
    source.files["/all.yaml"] = many(1, 2)
    await platform.catalog.refresh(ADA, place.id)
    assert names(platform) == ["c1", "c2"]


async def test_a_tombstone_whose_place_is_taken_cannot_be_restored(platform, source):
    from uuid import uuid4

    place = await registered(platform, source, 3)
    source.files["/all.yaml"] = many(1, 2)
    await platform.catalog.refresh(ADA, place.id)
    (buried,) = await platform.catalog.tombstones.page()
    source.files["/other.yaml"] = joined(component("c0", type="another"))
    await platform.catalog.register(ADA, "mem", "/other.yaml")
    with pytest.raises(Conflict, match="there already"):
        await platform.catalog.tombstones.restore(ADA, buried.uid)
    with pytest.raises(NotFound):
        await platform.catalog.tombstones.restore(ADA, uuid4())


async def test_a_tombstone_has_its_time_and_goes(platform, source):
    place = await registered(platform, source, 4)
    source.files["/all.yaml"] = many(1, 2, 3)
    await platform.catalog.refresh(ADA, place.id)
    (buried,) = await platform.catalog.tombstones.page()
    async with platform.database.begin() as transaction:
        await transaction.execute(
            text("UPDATE catalog_tombstones SET expires_at = now() - interval '1 second'")
        )
    assert await platform.catalog.tombstones.page() == []
    with pytest.raises(NotFound):
        await platform.catalog.tombstones.restore(ADA, buried.uid)
    source.files["/all.yaml"] = many(0, 2, 3)
    await platform.catalog.refresh(ADA, place.id)
    assert platform.index.by_ref("component:default/c0").uid != str(buried.uid)
    assert [row["ref"] for row in await rows(platform, TOMBSTONES)] == ["component:default/c1"]


async def test_tombstones_are_listed_in_pages(platform, source):
    place = await registered(platform, source)
    await platform.catalog.unregister(ADA, place.id)
    seen, before = [], None
    while page := await platform.catalog.tombstones.page(before=before, limit=7):
        seen += page
        before = (page[-1].deleted_at, page[-1].uid)
    assert len({one.uid for one in seen}) == len(seen) == 20
    (one,) = await platform.catalog.tombstones.page(ref="component:default/c3")
    assert one.ref == "component:default/c3"


async def test_locations_are_listed_as_they_stand(platform, source):
    await registered(platform, source)
    source.files["/bad.yaml"] = joined(component("x"), "no: entity\n")
    bad = await platform.catalog.register(ADA, "mem", "/bad.yaml")
    first, second = await platform.catalog.states.page()
    assert (first.target, first.entities, first.errors, first.warnings) == ("/all.yaml", 20, 0, 20)
    assert (second.target, second.entities) == ("/bad.yaml", 1)
    assert second.errors == len(bad.problems) > 0
    assert await platform.catalog.states.page(after=first.id) == [second]
    assert first.read_at is not None
    from uuid import uuid4

    with pytest.raises(NotFound):
        await platform.catalog.states.get(uuid4())
    assert len(await rows(platform, LOCATIONS)) == 2
