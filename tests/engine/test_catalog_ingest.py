from __future__ import annotations

import asyncio
import json
import textwrap

import pytest
from descriptor_kit import component, joined, location, names, rows
from engine_kit import ADA, DictSource, Plugin, load_host, platform_of

from towpath_core.entities import Relation
from towpath_core.errors import Conflict, Forbidden, Invalid, NotFound, Problem
from towpath_core.policy import Deny
from towpath_engine.catalog.judging import KindJudge
from towpath_engine.catalog.reading import ReadingLimits
from towpath_engine.catalog.tables import ENTITIES, LOCATIONS, REVISIONS
from towpath_engine.store.tables import AUDIT

pytestmark = pytest.mark.anyio


@pytest.fixture
def source():
    return DictSource({})


@pytest.fixture
async def platform(engine_url, tmp_path, source):
    host = load_host(Plugin(sources=[source]), installed=["backstage"])
    async with platform_of(host, engine_url, tmp_path) as found:
        yield found


def said(report):
    return [str(found.problem) for found in report.problems]


async def test_what_was_registered_is_readable_at_once(platform, source):
    source.files["/all.yaml"] = joined(
        component("shop"), component("cart", dependsOn=["component:shop"])
    )
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    assert report.created
    assert report.entity_refs == ["component:default/shop", "component:default/cart"]
    assert said(report) == []
    assert names(platform) == ["cart", "shop"]
    shop = json.loads(platform.index.by_ref("component:default/shop").final)
    assert shop["metadata"]["annotations"] == {
        "backstage.io/managed-by-location": "mem:/all.yaml",
        "backstage.io/managed-by-origin-location": "mem:/all.yaml",
        "backstage.io/source-location": "mem:/",
    }
    assert {"type": "dependencyOf", "targetRef": "component:default/cart"} in shop["relations"]
    own = json.loads(platform.index.by_ref(report.location.entity_ref).final)
    assert own["spec"] == {"type": "mem", "target": "/all.yaml"}


async def test_good_and_bad_documents_of_a_file_are_told_apart_by_line(platform, source):
    source.files["/all.yaml"] = (
        joined(
            component("good-1"),
            component("Bad_Name!"),
            "kind: Component\n",
            component("no-owner", owner=None),
            "a: b: c\n",
        )
        + b"---\n"
        + component("good-2").encode()
    )
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    assert names(platform)[:1] == ["good-1"]
    by_line = sorted({(p.problem.place.file, p.problem.place.line) for p in report.problems})
    assert {file for file, _ in by_line} == {"/all.yaml"}
    lines = source.files["/all.yaml"].decode().splitlines()
    wrong = [lines[line - 1] for _, line in by_line]
    assert any("Bad_Name!" in line for line in wrong)
    assert any("kind: Component" in line for line in wrong)
    assert any("owner" in line for line in wrong)
    assert any("a: b: c" in line for line in wrong)
    stored = await platform.catalog.problems(location_id=report.location.id, level="error")
    assert [(p.file, p.line, p.message) for p in stored] == [
        (p.problem.place.file, p.problem.place.line, p.problem.message) for p in report.problems
    ]


async def test_a_refresh_of_the_same_writes_nothing(platform, source):
    source.files["/all.yaml"] = joined(component("a"), component("b"), "no: entity\n")
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    before = {t: await rows(platform, t) for t in (ENTITIES, REVISIONS, AUDIT)}
    version = platform.index.version
    again = await platform.catalog.refresh(ADA, report.location.id)
    assert not again.created
    assert (again.outcome.added, again.outcome.changed, again.outcome.deleted) == ([], [], [])
    for table, content in before.items():
        assert await rows(platform, table) == content
    assert platform.index.version == version
    assert said(again) == said(report)


async def test_changes_and_removals_are_taken_in(platform, source):
    source.files["/all.yaml"] = joined(component("a"), component("b"))
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    uid = platform.index.by_ref("component:default/a").uid
    source.files["/all.yaml"] = joined(component("a", type="library"), component("c"))
    again = await platform.catalog.refresh(ADA, report.location.id)
    assert again.outcome.changed == ["component:default/a"]
    assert again.outcome.added == ["component:default/c"]
    assert again.outcome.deleted == ["component:default/b"]
    assert names(platform) == ["a", "c"]
    a = platform.index.by_ref("component:default/a")
    assert a.uid == uid
    assert json.loads(a.final)["spec"]["type"] == "library"


async def test_a_spoilt_file_keeps_what_was_read_from_it(platform, source):
    source.files |= {"/x/1.yaml": joined(component("a")), "/x/2.yaml": joined(component("b"))}
    report = await platform.catalog.register(ADA, "mem", "/x/*.yaml")
    source.files["/x/1.yaml"] = b"a: [\n"
    again = await platform.catalog.refresh(ADA, report.location.id)
    assert names(platform) == ["a", "b"]
    assert again.outcome.deleted == []
    assert len(said(again)) == 1
    # What is gone with a whole file is gone, however spoilt its neighbour is.
    del source.files["/x/2.yaml"]
    await platform.catalog.refresh(ADA, report.location.id)
    assert names(platform) == ["a"]
    source.files["/x/1.yaml"] = joined(component("c"))
    await platform.catalog.refresh(ADA, report.location.id)
    assert names(platform) == ["c"]


async def test_a_spoilt_file_keeps_what_it_led_to(platform, source):
    source.files |= {
        "/all.yaml": joined(location("./a.yaml", "./b.yaml")),
        "/a.yaml": joined(component("a")),
        "/b.yaml": joined(component("b")),
    }
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    assert names(platform) == ["a", "b"]
    source.files["/all.yaml"] = b"spoilt: [\n"
    await platform.catalog.refresh(ADA, report.location.id)
    assert names(platform) == ["a", "b"]
    source.files["/all.yaml"] = joined(location("./a.yaml"))
    await platform.catalog.refresh(ADA, report.location.id)
    assert names(platform) == ["a"]


async def test_a_source_that_does_not_answer_deletes_nothing(platform, source):
    source.files["/all.yaml"] = joined(component("a"))
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    source.down = True
    again = await platform.catalog.refresh(ADA, report.location.id)
    assert names(platform) == ["a"]
    assert [p.problem.code for p in again.problems] == ["unavailable"]
    source.down = False
    del source.files["/all.yaml"]
    again = await platform.catalog.refresh(ADA, report.location.id)
    assert [p.problem.code for p in again.problems] == ["not-found"]
    assert names(platform) == ["a"]


async def test_a_location_that_is_named_in_another_may_be_gone(platform, source):
    source.files |= {
        "/all.yaml": joined(
            location("./a.yaml", "./b.yaml"), location("./c.yaml", name="c", presence="optional")
        ),
        "/a.yaml": joined(component("a")),
        "/b.yaml": joined(component("b")),
        "/c.yaml": joined(component("c")),
    }
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    assert names(platform) == ["a", "b", "c"]
    del source.files["/b.yaml"], source.files["/c.yaml"]
    again = await platform.catalog.refresh(ADA, report.location.id)
    assert names(platform) == ["a"]
    assert [(p.problem.code, p.problem.place.file) for p in again.problems] == [
        ("not-found", "/all.yaml")
    ]


async def test_the_first_holder_keeps_a_reference_until_it_lets_go(platform, source):
    source.files |= {
        "/1.yaml": joined(component("a")),
        "/2.yaml": joined(component("a", type="x"), component("b")),
    }
    first = await platform.catalog.register(ADA, "mem", "/1.yaml")
    second = await platform.catalog.register(ADA, "mem", "/2.yaml")
    assert second.entity_refs == ["component:default/b"]
    assert [p.problem.code for p in second.problems] == ["conflict"]
    assert "mem:/1.yaml" in said(second)[0]
    assert second.problems[0].problem.place.file == "/2.yaml"
    assert await platform.catalog.registrations.of_entity("component:default/A") == first.location
    await platform.catalog.unregister(ADA, first.location.id)
    assert names(platform) == ["a", "b"]
    assert await platform.catalog.registrations.of_entity("component:default/a") == second.location


async def test_a_reference_twice_in_one_location_is_named_with_both_places(platform, source):
    source.files |= {
        "/x/1.yaml": joined(component("a"), component("A")),
        "/x/2.yaml": joined(component("a", type="x")),
    }
    report = await platform.catalog.register(ADA, "mem", "/x/*.yaml")
    assert [p.problem.code for p in report.problems] == ["duplicate", "duplicate"]
    assert {p.problem.place.file for p in report.problems} == {"/x/1.yaml", "/x/2.yaml"}
    assert all("/x/1.yaml" in text for text in said(report))
    assert names(platform) == ["a"]


async def test_locations_that_go_in_circles_end(platform, source):
    source.files |= {
        "/a.yaml": joined(location("./b.yaml", name="a"), component("a")),
        "/b.yaml": joined(location("./a.yaml", "./b.yaml", name="b"), component("b")),
    }
    report = await platform.catalog.register(ADA, "mem", "/a.yaml")
    assert names(platform) == ["a", "b"]
    assert said(report) == []


async def test_locations_nest_to_a_depth(platform, source):
    for number in range(20):
        source.files[f"/{number}.yaml"] = joined(
            component(f"c{number}"), location(f"./{number + 1}.yaml", name=f"l{number}")
        )
    report = await platform.catalog.register(ADA, "mem", "/0.yaml")
    assert len(names(platform)) == ReadingLimits().depth + 1
    (problem,) = [p.problem for p in report.problems]
    assert problem.code == "limit"
    assert (problem.place.file, problem.place.line is not None) == ("/10.yaml", True)


async def test_a_target_that_may_not_be_read_is_a_problem_at_its_line(platform, source):
    source.files["/all.yaml"] = joined(
        component("a"), location("../../secret/x.yaml", "./none.yaml")
    )
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    assert names(platform) == ["a"]
    assert sorted(p.problem.code for p in report.problems) == ["forbidden", "not-found"]
    assert all(p.problem.place.file == "/all.yaml" for p in report.problems)
    assert all(
        "targets" in p.problem.place.pointer for p in report.problems if p.problem.place.pointer
    )


async def test_a_file_from_elsewhere_cannot_name_files_of_this_host(platform, source):
    source.files["/all.yaml"] = joined(location("/etc/passwd", type="file"), component("a"))
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    assert [p.problem.code for p in report.problems] == ["forbidden"]
    assert names(platform) == ["a"]


async def test_authors_cannot_say_who_manages_an_entity_or_what_its_id_is(platform, source):
    spoof = component("a").replace(
        "  name: a\n",
        "  name: a\n  uid: mine\n  etag: mine\n  annotations:\n"
        "    backstage.io/managed-by-location: url:https://evil\n"
        "    backstage.io/managed-by-origin-location: url:https://evil\n"
        "    mine: stays\n",
    )
    source.files["/all.yaml"] = spoof.encode()
    await platform.catalog.register(ADA, "mem", "/all.yaml")
    metadata = json.loads(platform.index.by_ref("component:default/a").final)["metadata"]
    assert "evil" not in str(metadata)
    assert metadata["annotations"]["mine"] == "stays"
    assert metadata["uid"] != "mine" != metadata["etag"]


async def test_names_that_the_catalog_gives_to_locations_cannot_be_taken(platform, source):
    source.files["/b.yaml"] = joined(component("b"))
    report = await platform.catalog.register(ADA, "mem", "/b.yaml")
    await platform.catalog.unregister(ADA, report.location.id)
    taken = report.location.entity_ref.rpartition("/")[2]
    source.files["/a.yaml"] = joined(location("./b.yaml", name=taken), component("a"))
    squat = await platform.catalog.register(ADA, "mem", "/a.yaml")
    assert [p.problem.code for p in squat.problems] == ["reserved"]
    own = squat.location.entity_ref.rpartition("/")[2]
    source.files["/a.yaml"] = joined(location("./b.yaml", name=own), component("a"))
    assert names(platform) == ["a"]
    await platform.catalog.refresh(ADA, squat.location.id)
    assert platform.index.by_ref(squat.location.entity_ref) is not None


@pytest.mark.parametrize(
    "owner", ["x\x01y", "\u202egroup", "a" * 180, "default/" + "\U0001f600" * 90, "b\\u0000"]
)
async def test_a_hostile_reference_spoils_its_entity_alone(platform, source, owner):
    source.files["/all.yaml"] = joined(component("good"), component("odd", owner=owner))
    await platform.catalog.register(ADA, "mem", "/all.yaml")
    assert "good" in names(platform)


async def test_placeholders_are_read_beside_the_file(platform, source):
    api = textwrap.dedent(
        """\
        apiVersion: backstage.io/v1alpha1
        kind: API
        metadata: {name: pay}
        spec:
          type: openapi
          lifecycle: production
          owner: a
          definition:
            $text: ./openapi.yaml
        """
    )
    source.files |= {"/api/all.yaml": api.encode(), "/api/openapi.yaml": b"openapi: 3.1.0"}
    report = await platform.catalog.register(ADA, "mem", "/api/all.yaml")
    assert said(report) == []
    final = json.loads(platform.index.by_ref("api:default/pay").final)
    assert final["spec"]["definition"] == "openapi: 3.1.0"
    # While the file cannot be read the entity stays as it was.
    del source.files["/api/openapi.yaml"]
    again = await platform.catalog.refresh(ADA, report.location.id)
    assert [p.problem.code for p in again.problems] == ["placeholder"]
    assert json.loads(platform.index.by_ref("api:default/pay").final) == final


async def test_an_entity_that_is_too_large_is_refused_alone(platform, source):
    platform.reader._limits = ReadingLimits(entity_bytes=2000)
    source.files["/all.yaml"] = joined(component("a"), component("b", note="x" * 3000))
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    assert names(platform) == ["a"]
    assert [p.problem.code for p in report.problems] == ["limit"]


async def test_files_that_are_too_large_or_too_many_are_named(platform, source):
    platform.reader._limits = ReadingLimits(file_bytes=1000, target_bytes=1500, files=3)
    for number in range(4):
        source.files[f"/x/{number}.yaml"] = joined(component(f"c{number}")) + b"#" * 200
    source.files["/big/1.yaml"] = b"#" * 1001
    big = await platform.catalog.register(ADA, "mem", "/big/1.yaml")
    assert [p.problem.code for p in big.problems] == ["limit-exceeded"]
    many = await platform.catalog.register(ADA, "mem", "/x/*.yaml")
    assert [p.problem.code for p in many.problems] == ["limit-exceeded"]
    assert names(platform) == []
    del source.files["/x/3.yaml"]
    platform.reader._limits = ReadingLimits(file_bytes=1000, target_bytes=700, files=3)
    heavy = await platform.catalog.refresh(ADA, many.location.id)
    assert "700 bytes together" in said(heavy)[0]


class OddKind:
    """A kind whose answers a test gives."""

    name = "Odd"
    api_versions = frozenset({"odd/v1"})

    def __init__(self):
        self.problems = []
        self.edges = []

    def check(self, entity):
        return self.problems(entity) if callable(self.problems) else self.problems

    def relations(self, entity):
        return self.edges(entity) if callable(self.edges) else self.edges


def explode(_):
    raise RuntimeError("canary of a foreign exception")


ODD = b"apiVersion: odd/v1\nkind: Odd\nmetadata: {name: o}\n"


@pytest.mark.parametrize(
    ("problems", "edges"),
    [
        (explode, []),
        ([], explode),
        (["no problem"], []),
        (None, []),
        ([], ["no relation"]),
        ([], None),
        ([], [Relation("odd:default/o", "x", 5)]),
        ([], [Relation("odd:default/o", "x", "y" * 256)]),
        ([], [Relation("odd:default/o", "x", "nul\0")]),
        ([], [Relation("odd:default/o", "", "y")]),
        ([], [Relation("odd:default/o", "t", f"a:b/{n}") for n in range(10_001)]),
        ([Problem("odd", "it says no")], explode),
    ],
)
async def test_a_kind_that_fails_spoils_its_entities_alone(
    engine_url, tmp_path, source, problems, edges
):
    kind = OddKind()
    kind.problems, kind.edges = problems, edges
    host = load_host(Plugin(sources=[source], kinds=[kind]), installed=["backstage"])
    async with platform_of(host, engine_url, tmp_path) as platform:
        source.files["/all.yaml"] = joined(component("a")) + b"---\n" + ODD
        report = await platform.catalog.register(ADA, "mem", "/all.yaml")
        assert names(platform) == ["a"]
        assert len(said(report)) == 1
        assert "canary" not in said(report)[0]
        assert report.problems[0].problem.place.line == 10


async def test_a_kind_that_hangs_is_given_up_and_holds_up_nothing(source, monkeypatch):
    import threading

    wake = threading.Event()
    kind = OddKind()
    kind.problems = lambda _: wake.wait(60) and []
    from towpath_core.entities import Entity

    with load_host(Plugin(kinds=[kind]), installed=["backstage"]) as host:
        odd = Entity("odd/v1", "Odd", {"name": "o", "namespace": "default"})
        group = Entity(
            "backstage.io/v1alpha1",
            "Group",
            {"name": "g", "namespace": "default"},
            {"type": "team", "children": []},
        )
        for seconds in (0.1, 1.0, 10.0):  # longer where the machine is busy
            monkeypatch.setattr("towpath_engine.catalog.judging._SECONDS", seconds)
            stuck, fine = await KindJudge(host).judge([odd, group])
            if not fine.problems:
                break
    wake.set()
    assert [problem.code for problem in stuck.problems] == ["plugin-error"]
    assert fine.problems == ()


async def test_kinds_that_nobody_knows_are_named_with_what_is_known(platform, source):
    source.files["/all.yaml"] = joined(
        component("a").replace("Component", "Komponent"),
        component("b").replace("Component", "component"),
        component("c").replace("v1alpha1", "v9"),
    )
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    first, second, third = said(report)
    assert "Komponent" in first and "component" in first
    assert "'Component'" in second
    assert "v9" in third and "backstage.io/v1alpha1" in third


async def test_a_file_that_no_format_reads_is_named(platform, source):
    source.files["/all.toml"] = b"x = 1"
    report = await platform.catalog.register(ADA, "mem", "/all.toml")
    assert [p.problem.code for p in report.problems] == ["format"]


@pytest.mark.parametrize(
    ("type", "target"),
    [("nope", "/a"), ("mem", "relative"), ("mem", ""), ("mem", "/a\0"), ("mem", "/" * 5000)],
)
async def test_a_location_that_nothing_reads_is_refused(platform, type, target):
    with pytest.raises(Invalid):
        await platform.catalog.register(ADA, type, target)
    assert await platform.catalog.locations() == []


async def test_a_source_that_breaks_is_a_problem(platform, source):
    source.files["/all.yaml"] = joined(component("a"))
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    for answer in (explode, lambda _: [1], lambda _: None):
        source.read = lambda target, *, max_bytes, answer=answer: answer(target)
        again = await platform.catalog.refresh(ADA, report.location.id)
        assert [p.problem.code for p in again.problems] == ["plugin-error"]
        assert names(platform) == ["a"]
    source.claims = lambda type, target: explode(target)
    with pytest.raises(Invalid):
        await platform.catalog.refresh(ADA, report.location.id)


async def test_registering_twice_is_a_conflict_and_again_a_refresh(platform, source):
    source.files["/all.yaml"] = joined(component("a"))
    first = await platform.catalog.register(ADA, "mem", "/all.yaml")
    with pytest.raises(Conflict, match="already exists"):
        await platform.catalog.register(ADA, "mem", "/all.yaml")
    again = await platform.catalog.register(ADA, "mem", "/all.yaml", again=True)
    assert not again.created
    assert again.location == first.location


async def test_five_at_once_register_one_location(platform, source):
    source.files["/all.yaml"] = joined(component("a"))
    results = await asyncio.gather(
        *(platform.catalog.register(ADA, "mem", "/all.yaml") for _ in range(5)),
        return_exceptions=True,
    )
    assert sum(not isinstance(result, Exception) for result in results) == 1
    assert all(isinstance(r, Conflict) for r in results if isinstance(r, Exception))
    agains = await asyncio.gather(
        *(platform.catalog.register(ADA, "mem", "/b.yaml", again=True) for _ in range(5))
    )
    assert sum(report.created for report in agains) == 1
    assert len({report.location.id for report in agains}) == 1
    assert len(await rows(platform, LOCATIONS)) == 2


async def test_a_reading_that_began_earlier_does_not_undo_a_later_one(platform, source):
    """The slow reader saw the old content; what it brings is old news."""
    source.files["/all.yaml"] = joined(component("a"))
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    read, slow, go = platform.reader.read, asyncio.Event(), asyncio.Event()

    async def slowly(*what):
        reading = await read(*what)
        slow.set()
        await go.wait()
        return reading

    platform.reader.read = slowly
    late = asyncio.create_task(platform.catalog.refresh(ADA, report.location.id))
    await slow.wait()
    platform.reader.read = read
    source.files["/all.yaml"] = joined(component("b"))
    await platform.catalog.refresh(ADA, report.location.id)
    assert names(platform) == ["b"]
    go.set()
    assert (await late).outcome.added == []
    assert names(platform) == ["b"]


async def test_a_location_removed_while_it_is_read_stays_removed(platform, source):
    source.files["/all.yaml"] = joined(component("a"))
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    read = platform.reader.read

    async def meanwhile(*what):
        reading = await read(*what)
        await platform.catalog.unregister(ADA, report.location.id)
        return reading

    platform.reader.read = meanwhile
    with pytest.raises(NotFound, match="removed"):
        await platform.catalog.refresh(ADA, report.location.id)
    assert names(platform) == []
    assert await rows(platform, ENTITIES) == []


async def test_unregistering_takes_the_entities_and_problems_along(platform, source):
    source.files["/all.yaml"] = joined(component("a"), "no: entity\n")
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    assert await platform.catalog.problems()
    await platform.catalog.unregister(ADA, report.location.id)
    assert names(platform) == []
    assert await platform.catalog.problems() == []
    with pytest.raises(NotFound):
        await platform.catalog.location(report.location.id)
    with pytest.raises(NotFound):
        await platform.catalog.unregister(ADA, report.location.id)
    actions = [row["action"] for row in await rows(platform, AUDIT)]
    assert actions == ["catalog:register", "catalog:ingest", "catalog:unregister"]


async def test_a_deleted_entity_comes_back_with_its_location(platform, source):
    from uuid import UUID, uuid4

    source.files["/all.yaml"] = joined(component("a"))
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    uid = platform.index.by_ref("component:default/a").uid
    await platform.catalog.delete_entity(ADA, UUID(uid))
    assert names(platform) == []
    await platform.catalog.delete_entity(ADA, UUID(uid))
    await platform.catalog.delete_entity(ADA, uuid4())
    await platform.catalog.refresh_entity(ADA, report.location.entity_ref.upper())
    assert names(platform) == ["a"]
    assert platform.index.by_ref("component:default/a").uid == uid
    with pytest.raises(NotFound):
        await platform.catalog.refresh_entity(ADA, "component:default/none")
    with pytest.raises(NotFound):
        await platform.catalog.registrations.of_entity("component:default/none")


class NoShop:
    name = "no-shop"

    def decide(self, request):
        from towpath_core.policy import Allow

        return Deny(("hands off",)) if "shop" in request.resource else Allow()


async def test_policies_are_asked_before_anything_is_written(engine_url, tmp_path, source):
    from uuid import UUID

    host = load_host(Plugin(sources=[source], policies=[NoShop()]), installed=["backstage"])
    async with platform_of(host, engine_url, tmp_path) as platform:
        source.files |= {
            "/shop.yaml": joined(component("a")),
            "/all.yaml": joined(component("shop")),
        }
        for ask in (platform.catalog.register, platform.catalog.look):
            with pytest.raises(Forbidden, match="hands off"):
                await ask(ADA, "mem", "/shop.yaml")
        assert await platform.catalog.locations() == []
        await platform.catalog.register(ADA, "mem", "/all.yaml")
        uid = UUID(platform.index.by_ref("component:default/shop").uid)
        # Also where this process does not know the entity yet.
        platform.index.apply([], [str(uid)])
        with pytest.raises(Forbidden, match="hands off"):
            await platform.catalog.delete_entity(ADA, uid)
        assert len(await rows(platform, ENTITIES)) == 2


async def test_looking_writes_nothing(platform, source):
    source.files["/all.yaml"] = joined(component("a"), "no: entity\n")
    reading = await platform.catalog.look(ADA, "mem", "/all.yaml")
    assert list(reading.drafts) == ["component:default/a"]
    assert {found.problem.place.line for found in reading.problems} == {10}
    assert await platform.catalog.locations() == []
    assert names(platform) == []


async def test_an_entity_is_given_as_stored_to_who_may_read(platform, source):
    from engine_kit import principal

    source.files["/all.yaml"] = joined(component("a"))
    await platform.catalog.register(ADA, "mem", "/all.yaml")
    assert (await platform.catalog.stored(ADA, "a")).name == "a"
    assert await platform.catalog.stored(ADA, "component:default/none") is None
    assert await platform.catalog.stored(principal("x", scopes=["runs:read"]), "a") is None
