"""Real descriptors through the whole engine: folder source, YAML, kinds, store, feed, index."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from engine_kit import ADA, load_host, platform_of
from sqlalchemy import select

from towpath_engine.catalog.feed import CatalogFeed
from towpath_engine.catalog.index import CatalogIndex
from towpath_engine.catalog.tables import ENTITIES, REVISIONS

pytestmark = [pytest.mark.anyio, pytest.mark.corpus]


@pytest.fixture
async def platform(engine_url, tmp_path, corpus):
    settings = {"backstage": {"roots": [str(corpus)]}}
    host = load_host(installed=["backstage"], settings=settings)
    async with platform_of(host, engine_url, tmp_path) as found:
        yield found


# What `catalogs.tsv` notes of a file that spoils a document in it.
SPOILT = (
    "bad-name",
    "bad-ns",
    "yaml-error",
    "annotation-not-string",
    "dependsOn-without-kind",
    "extra-root",
    "kind:component",
)


def noted(corpus):
    """By file: how many documents it has, and what is odd about it."""
    lines = (corpus / "catalogs.tsv").read_text().splitlines()
    header = lines[0].split("\t")
    rows = [dict(zip(header, line.split("\t"), strict=False)) for line in lines[1:]]
    return {row["file"]: (len(row["kinds"].split(",")), row.get("notes") or "") for row in rows}


async def stored(platform):
    async with platform.database.begin() as transaction:
        query = select(ENTITIES.c.ref, ENTITIES.c.uid, ENTITIES.c.hash, ENTITIES.c.file)
        entities = (await transaction.execute(query)).all()
        revisions = (await transaction.execute(select(REVISIONS.c.seq))).all()
    return {row.ref: row for row in entities}, len(revisions)


async def test_real_descriptors_are_taken_in_or_listed_with_their_place(platform, corpus):
    notes = noted(corpus)
    assert len(notes) == 107
    report = await platform.catalog.register(ADA, "file", f"{corpus}/catalogs/*.yaml")
    entities, revisions = await stored(platform)
    assert len(report.entity_refs) >= 140
    assert set(entities) == {*report.entity_refs, report.location.entity_ref}
    by_file = Counter(row.file.rpartition("/")[2] for row in entities.values() if row.file)
    places = {}
    for found in report.problems:
        place = found.problem.place
        assert place.file is not None, found
        assert place.line is not None, found
        places.setdefault(place.file.rpartition("/")[2], []).append(found)
    for file, (documents, odd) in notes.items():
        assert by_file[file] == documents or file in places, f"a part of {file} was passed over"
        if any(word in odd for word in SPOILT):
            assert file in places, f"{file} is spoilt, and nothing is said of it"

    again = await platform.catalog.refresh(ADA, report.location.id)
    assert (again.outcome.added, again.outcome.changed, again.outcome.deleted) == ([], [], [])
    assert again.problems == report.problems
    assert await stored(platform) == (entities, revisions)


async def test_the_catalog_that_backstage_ships_loads_whole(platform, corpus):
    examples = corpus / "backstage-examples" / "v2025"
    reports = [
        await platform.catalog.register(ADA, "file", str(examples / name))
        for name in ("all.yaml", "acme-corp.yaml")
    ]
    # Three definitions are addresses of another host, which a folder does not read.
    problems = [found.problem for report in reports for found in report.problems]
    assert [problem.code for problem in problems] == ["placeholder"] * 3
    refs = [ref for report in reports for ref in report.entity_refs]
    assert len(refs) == len(set(refs)) == 62
    # Grown by two writes, or built from the store at once: the same, to the byte.
    fresh = CatalogIndex()
    await CatalogFeed(platform.database, fresh).load()
    assert len(fresh) == len(platform.index) == 64
    for ref, entry in fresh._by_ref.items():
        assert platform.index.by_ref(ref).final == entry.final
    relations = [
        relation
        for ref in refs
        for relation in json.loads(platform.index.by_ref(ref).final)["relations"]
    ]
    assert len(relations) > 150
    dangling = {r["targetRef"] for r in relations} - set(refs)
    assert len(dangling) < 10
