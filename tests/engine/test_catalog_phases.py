"""Reading twice: what has not changed is not parsed, and means the same as if it had been."""

from __future__ import annotations

import asyncio
import json
import random

import pytest
from descriptor_kit import component, joined, location, names, rows
from engine_kit import ADA, DictSource, Plugin, load_host, platform_of
from sqlalchemy import update

from towpath_core.errors import Invalid
from towpath_engine.catalog.tables import ENTITIES, FILES, PROBLEMS, REVISIONS

pytestmark = pytest.mark.anyio


@pytest.fixture
def source():
    return DictSource({})


@pytest.fixture
async def platform(engine_url, tmp_path, source):
    host = load_host(Plugin(sources=[source]), installed=["backstage"])
    async with platform_of(host, engine_url, tmp_path) as found:
        yield found


@pytest.fixture
def parsed(platform):
    """The files that are parsed from now on, by their names."""
    format = platform.host.contributions.descriptor_formats[".yaml"].value
    seen, parse = [], type(format).parse

    class Counting(type(format)):
        def parse(self, content, file):
            seen.append(file)
            return parse(self, content, file)

    format.__class__ = Counting
    return seen


def content(platform):
    return {ref: json.loads(platform.index.by_ref(ref).final) for ref in platform.index.refs()}


async def test_a_file_that_has_not_changed_is_not_parsed_again(platform, source, parsed):
    source.files |= {
        "/all.yaml": joined(location("./a.yaml", "./b.yaml")),
        "/a.yaml": joined(component("a")),
        "/b.yaml": joined(component("b")),
    }
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    assert sorted(parsed) == ["/a.yaml", "/all.yaml", "/b.yaml"]
    parsed.clear()
    source.files["/b.yaml"] = joined(component("b", type="library"), component("c"))
    again = await platform.catalog.refresh(ADA, report.location.id)
    assert parsed == ["/b.yaml"]
    assert (again.outcome.changed, again.outcome.added, again.outcome.deleted) == (
        ["component:default/b"],
        ["component:default/c"],
        [],
    )
    assert sorted(again.entity_refs) == [
        "component:default/a",
        "component:default/b",
        "component:default/c",
        "location:default/more",
    ]
    parsed.clear()
    await platform.catalog.refresh(ADA, report.location.id, full=True)
    assert sorted(parsed) == ["/a.yaml", "/all.yaml", "/b.yaml"]


async def test_a_file_that_two_lead_to_stays_when_one_of_them_no_longer_does(
    platform, source, parsed
):
    """What a file leads to is kept with it, also where another had led there first."""
    source.files |= {
        "/all.yaml": joined(location("./1.yaml", "./2.yaml", name="all")),
        "/1.yaml": joined(location("./a.yaml", name="one")),
        "/2.yaml": joined(location("./a.yaml", name="two")),
        "/a.yaml": joined(component("a")),
    }
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    source.files["/1.yaml"] = joined(component("b"))
    parsed.clear()
    again = await platform.catalog.refresh(ADA, report.location.id)
    assert parsed == ["/1.yaml"]
    assert names(platform) == ["a", "b"]
    assert again.problems == ()


async def test_a_file_with_problems_or_placeholders_is_parsed_each_time(platform, source, parsed):
    source.files |= {
        "/x/bad.yaml": joined(component("a"), "no: entity\n"),
        "/x/pulls.yaml": joined(component("b", note={"$text": "./note.txt"})),
        "/x/fine.yaml": joined(component("c", note="costs $5")),
        "/x/note.txt": b"one",
    }
    report = await platform.catalog.register(ADA, "mem", "/x/*.yaml")
    parsed.clear()
    source.files["/x/note.txt"] = b"two"
    await platform.catalog.refresh(ADA, report.location.id)
    assert sorted(parsed) == ["/x/bad.yaml", "/x/pulls.yaml"]
    assert content(platform)["component:default/b"]["spec"]["note"] == "two"


async def test_another_version_of_a_plugin_parses_everything_again(platform, source, parsed):
    source.files["/all.yaml"] = joined(component("a"))
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    parsed.clear()
    platform.reader._makers = "another version"
    await platform.catalog.refresh(ADA, report.location.id)
    assert parsed == ["/all.yaml"]


async def test_an_entity_that_moves_between_files_keeps_its_uid(platform, source):
    source.files |= {"/x/1.yaml": joined(component("a")), "/x/2.yaml": joined(component("b"))}
    report = await platform.catalog.register(ADA, "mem", "/x/*.yaml")
    uid = platform.index.by_ref("component:default/a").uid
    source.files["/x/1.yaml"] = joined(component("c"))
    source.files["/x/2.yaml"] = joined(component("b"), component("a"))
    again = await platform.catalog.refresh(ADA, report.location.id)
    assert again.outcome.deleted == []
    assert platform.index.by_ref("component:default/a").uid == uid
    source.files["/x/3.yaml"] = source.files.pop("/x/2.yaml")
    again = await platform.catalog.refresh(ADA, report.location.id)
    assert again.outcome.deleted == []
    assert names(platform) == ["a", "b", "c"]
    assert platform.index.by_ref("component:default/a").uid == uid


@pytest.mark.parametrize("first", [True, False])
async def test_two_files_with_one_reference_are_settled_as_if_both_were_parsed(
    platform, source, first
):
    """The file that is read first has it, whichever of them changed."""
    source.files |= {"/x/1.yaml": joined(component("b")), "/x/2.yaml": joined(component("c"))}
    holder, late = ("/x/2.yaml", "/x/1.yaml") if first else ("/x/1.yaml", "/x/2.yaml")
    source.files[holder] = joined(component("a", type=holder))
    report = await platform.catalog.register(ADA, "mem", "/x/*.yaml")
    source.files[late] = joined(component("a", type=late))
    again = await platform.catalog.refresh(ADA, report.location.id)
    assert content(platform)["component:default/a"]["spec"]["type"] == "/x/1.yaml"
    (problem,) = again.problems
    assert (problem.problem.code, problem.problem.place.file) == ("duplicate", "/x/2.yaml")
    assert "/x/1.yaml" in problem.problem.message
    full = await platform.catalog.refresh(ADA, report.location.id, full=True)
    assert full.problems == again.problems
    assert full.outcome.changed == []
    # The one that came behind has it as soon as the first lets go.
    source.files["/x/1.yaml"] = joined(component("d"))
    await platform.catalog.refresh(ADA, report.location.id)
    assert content(platform)["component:default/a"]["spec"]["type"] == "/x/2.yaml"


async def test_random_histories_end_as_if_all_had_been_parsed_at_once(platform, source):
    """Whatever changes step by step, the catalog is what a full reading of the end would give."""
    chance = random.Random(7)
    files = [f"/x/{number}.yaml" for number in range(6)]
    source.files["/x/0.yaml"] = joined(component("c0"))
    report = await platform.catalog.register(ADA, "mem", "/x/*.yaml")
    for _ in range(25):
        for name in chance.sample(files, 2):
            some = chance.sample(range(8), chance.randrange(1, 4))
            documents = [component(f"c{n}", note=f"{name} {chance.random()}") for n in some]
            source.files[name] = joined(*documents)
        if len(source.files) > 3 and chance.random() < 0.5:
            del source.files[chance.choice(sorted(source.files))]
        again = await platform.catalog.refresh(ADA, report.location.id)
        stepwise = content(platform)
        full = await platform.catalog.refresh(ADA, report.location.id, full=True)
        assert (full.outcome.added, full.outcome.changed, full.outcome.deleted) == ([], [], [])
        assert content(platform) == stepwise
        assert [p.problem for p in full.problems] == [p.problem for p in again.problems]


async def test_lines_follow_without_a_revision(platform, source):
    source.files["/all.yaml"] = joined(component("a"), component("b"))
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    before = {row["ref"]: row["line"] for row in await rows(platform, ENTITIES)}
    count = len(await rows(platform, REVISIONS))
    source.files["/all.yaml"] = b"# a word\n" + source.files["/all.yaml"]
    again = await platform.catalog.refresh(ADA, report.location.id)
    assert again.outcome.changed == []
    after = {row["ref"]: row["line"] for row in await rows(platform, ENTITIES)}
    assert after["component:default/b"] == before["component:default/b"] + 1
    assert len(await rows(platform, REVISIONS)) == count


async def test_what_another_took_in_meanwhile_is_not_taken_for_kept(platform, source):
    """While one reads, another takes in a change that is taken back: the first must look again."""
    source.files |= {"/x/1.yaml": joined(component("a")), "/x/2.yaml": joined(component("b"))}
    report = await platform.catalog.register(ADA, "mem", "/x/*.yaml")
    old = source.files["/x/1.yaml"]
    read, slow, go = platform.reader.read, asyncio.Event(), asyncio.Event()

    async def slowly(*what):
        reading = await read(*what)
        platform.reader.read = read
        slow.set()
        await go.wait()
        return reading

    platform.reader.read = slowly
    late = asyncio.create_task(platform.catalog.refresh(ADA, report.location.id))
    await slow.wait()
    # As if a reading that began before had ended only now.
    async with platform.database.begin() as transaction:
        await transaction.execute(
            update(FILES).where(FILES.c.file == "/x/1.yaml").values(etag="another")
        )
    source.files["/x/1.yaml"] = old
    go.set()
    again = await late
    assert again.outcome.deleted == []
    assert names(platform) == ["a", "b"]
    assert {row["etag"] for row in await rows(platform, FILES)} != {"another"}


async def test_a_file_that_does_not_parse_in_a_batch_spoils_itself_alone(
    platform, source, monkeypatch
):
    format = platform.host.contributions.descriptor_formats[".yaml"].value
    parse = type(format).parse

    def break_on_two(self, content, file):
        if file == "/x/2.yaml":
            raise RuntimeError("canary of a foreign exception")
        return parse(self, content, file)

    monkeypatch.setattr(type(format), "parse", break_on_two)
    for number in range(5):
        source.files[f"/x/{number}.yaml"] = joined(component(f"c{number}"))
    report = await platform.catalog.register(ADA, "mem", "/x/*.yaml")
    assert names(platform) == ["c0", "c1", "c3", "c4"]
    (problem,) = report.problems
    assert (problem.problem.code, problem.problem.place.file) == ("plugin-error", "/x/2.yaml")


async def test_a_dangling_reference_is_a_warning_until_it_leads_somewhere(platform, source):
    source.files |= {
        "/1.yaml": joined(component("a", dependsOn=["component:b"], owner="team")),
        "/2.yaml": joined(component("b", owner="team")),
    }
    report = await platform.catalog.register(ADA, "mem", "/1.yaml")
    assert report.problems == ()
    assert [(w.level, w.target, w.problem.place.line) for w in report.warnings] == [
        ("warning", "component:default/b", 1),
        ("warning", "group:default/team", 1),
    ]
    assert "dependsOn component:default/b" in report.warnings[0].problem.message
    await platform.catalog.register(ADA, "mem", "/2.yaml")
    left = await platform.catalog.problems(location_id=report.location.id)
    assert [problem.target for problem in left] == ["group:default/team"]
    assert await platform.catalog.problems(level="error") == []
    assert len(await rows(platform, PROBLEMS)) == 3


@pytest.mark.parametrize("name", ["nul", "surrogate"])
async def test_what_cannot_be_stored_leaves_everything_as_it_was(platform, source, name):
    """Thirty entities go by COPY; one file name that no text column takes spoils the reading."""
    for number in range(30):
        source.files[f"/x/{number}.yaml"] = joined(component(f"c{number}"))
    report = await platform.catalog.register(ADA, "mem", "/x/*.yaml")
    bad = "/x/\0.yaml" if name == "nul" else "/x/\ud800.yaml"
    source.files[bad] = joined(*(component(f"d{number}") for number in range(30)))
    before = {table.name: await rows(platform, table) for table in (ENTITIES, REVISIONS, FILES)}
    with pytest.raises(Invalid):
        await platform.catalog.refresh(ADA, report.location.id)
    for table in (ENTITIES, REVISIONS, FILES):
        assert await rows(platform, table) == before[table.name]
    del source.files[bad]
    again = await platform.catalog.refresh(ADA, report.location.id)
    assert again.problems == ()
    assert len(names(platform)) == 30


async def test_text_of_every_sort_comes_through_whole(platform, source):
    """What COPY must escape, and a body of megabytes."""
    texts = [
        "tab\there",
        "back\\slash \\N \\.",
        "new\nline",
        "\r\n",
        "é \U0001f6a4",
        "x" * 3_000_000,
    ]
    documents = [component(f"c{n}", note=text) for n, text in enumerate(texts)]
    documents += [component(f"more{n}") for n in range(30)]
    source.files["/all.yaml"] = joined(*documents)
    await platform.catalog.register(ADA, "mem", "/all.yaml")
    stored = {row["ref"]: row for row in await rows(platform, ENTITIES)}
    revised = {row["ref"]: row for row in await rows(platform, REVISIONS)}
    for number, text in enumerate(texts):
        ref = f"component:default/c{number}"
        assert content(platform)[ref]["spec"]["note"] == text
        assert json.loads(stored[ref]["body"])["spec"]["note"] == text
        assert revised[ref]["body"] == stored[ref]["body"]


async def test_many_changes_at_once_are_all_taken_in(platform, source):
    source.files["/all.yaml"] = joined(*(component(f"c{n}") for n in range(1200)))
    report = await platform.catalog.register(ADA, "mem", "/all.yaml")
    uids = {row["ref"]: row["uid"] for row in await rows(platform, ENTITIES)}
    source.files["/all.yaml"] = joined(*(component(f"c{n}", type="x\\y") for n in range(1200)))
    again = await platform.catalog.refresh(ADA, report.location.id)
    assert len(again.outcome.changed) == 1200
    for row in await rows(platform, ENTITIES):
        assert row["uid"] == uids[row["ref"]]
        if row["file"]:
            assert row["revision"] == 2
            assert json.loads(row["body"])["spec"]["type"] == "x\\y"
