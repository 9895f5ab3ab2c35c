"""Real descriptors that nobody here wrote: the good ones load, the bad ones say why."""

from __future__ import annotations

import csv
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from towpath_backstage.descriptors import YamlDescriptors
from towpath_backstage.folder import FolderSource
from towpath_backstage.kinds import KINDS
from towpath_core.catalog import Document
from towpath_core.entities import Entity, check_envelope, entity_from
from towpath_core.errors import NotFound, Problem

pytestmark = pytest.mark.corpus

BY_NAME = {kind.name.lower(): kind for kind in KINDS}
YAML = YamlDescriptors()


def problems_of(document: Document) -> list[Problem]:
    """What the platform finds wrong with a document, in its order of checks."""
    if document.problems:
        return list(document.problems)
    found = check_envelope(document.value)
    if found:
        return found
    entity = entity_from(document.value)
    return BY_NAME[entity.kind.lower()].check(entity)


def walk(source: FolderSource, *targets: str) -> Iterator[tuple[str, Entity]]:
    """All entities that are reached from some files through Locations."""
    todo, seen = deque(targets), set(targets)
    while todo:
        for file in source.read(todo.popleft(), max_bytes=1_000_000):
            for document in YAML.parse(file.content, file.target):
                assert problems_of(document) == [], document.place(file.target)
                entity = entity_from(document.value)
                yield file.target, entity
                if entity.kind != "Location":
                    continue
                spec = entity.spec
                for relative in [*spec.get("targets", []), *filter(None, [spec.get("target")])]:
                    target = source.resolve(file.target, relative)
                    if target not in seen:
                        seen.add(target)
                        todo.append(target)


def test_the_example_catalog_is_clean(corpus: Path) -> None:
    folder = corpus / "backstage-examples" / "v2025"
    source = FolderSource([folder.resolve()])
    root = folder.resolve()
    found = dict(
        (str(entity.ref), entity)
        for _, entity in walk(source, f"{root}/all.yaml", f"{root}/acme-corp.yaml")
    )
    # One user stands in two namespaces.
    assert len(found) == 62
    assert len({(entity.kind, entity.name) for entity in found.values()}) == 61
    kinds = Counter(entity.kind for entity in found.values())
    assert kinds["Component"] == 13
    assert set(kinds) == set(BY_NAME[name].name for name in BY_NAME) - {"Template", "AiResource"}
    relations = {r for e in found.values() for r in BY_NAME[e.kind.lower()].relations(e)}
    assert {relation.target for relation in relations} <= set(found)
    assert len(relations) == 152


def test_placeholders_of_the_example_catalog(corpus: Path) -> None:
    root = (corpus / "backstage-examples" / "v2025").resolve()
    source = FolderSource([root])
    target = f"{root}/apis/petstore-api.yaml"

    def read(relative: str) -> bytes:
        if "://" in relative:
            raise NotFound("No source reads URLs here.")
        (file,) = source.read(source.resolve(target, relative), max_bytes=1_000_000)
        return file.content

    (file,) = source.read(target, max_bytes=1_000_000)
    (document,) = YAML.parse(file.content, target)
    expanded = YAML.expand(document, read, target)
    assert expanded.problems == ()
    assert expanded.value["spec"]["definition"].startswith("openapi:")
    assert problems_of(expanded) == []


def reason(notes: str) -> str:
    """The first thing that the list of catalogs says is wrong with a file."""
    for note in notes.split(";"):
        name = note.partition(":")[0]
        if name in {"bad-name", "bad-ns", "yaml-error", "dependsOn-without-kind", "extra-root"}:
            return name
        if name in {"annotation-not-string", "kind"}:
            return name
    return ""


def verdict(problem: Problem) -> str:
    """The same words for what was found."""
    pointer = problem.place.pointer or ""
    if problem.code == "yaml-syntax":
        return "yaml-error"
    if problem.code == "ref":
        return "dependsOn-without-kind"
    if pointer.startswith("/metadata/annotations/"):
        return "annotation-not-string"
    names = {"/metadata/name": "bad-name", "/metadata/namespace": "bad-ns", "/kind": "kind"}
    return names.get(pointer) or ("extra-root" if problem.code == "envelope" else pointer)


def test_real_catalogs_are_taken_or_refused_for_the_known_reason(corpus: Path) -> None:
    rows = list(csv.DictReader((corpus / "catalogs.tsv").read_text().splitlines(), delimiter="\t"))
    assert len(rows) == 107
    reasons: Counter[str] = Counter()
    entities = 0
    for row in rows:
        content = (corpus / "catalogs" / row["file"]).read_bytes()
        first = ""
        for document in YAML.parse(content, row["file"]):
            entities += 1
            found = problems_of(document)
            for problem in found:
                place = document.place(row["file"], problem.place.pointer)
                assert place.line
                assert problem.message.isprintable()
            first = first or (verdict(found[0]) if found else "")
            if not found:
                entity = entity_from(document.value)
                list(BY_NAME[entity.kind.lower()].relations(entity))
        # Two files write `system:` and `links:` with nothing after it; the list does not say so.
        assert first == reason(row["notes"]) or first in ("/spec/system", "/metadata/links"), row
        reasons[first] += 1
    assert reasons == {
        "": 83,
        "bad-name": 10,
        "bad-ns": 1,
        "yaml-error": 3,
        "dependsOn-without-kind": 3,
        "annotation-not-string": 2,
        "kind": 2,
        "extra-root": 1,
        "/spec/system": 1,
        "/metadata/links": 1,
    }
    assert entities == 171


def test_a_broken_document_leaves_its_neighbours(corpus: Path) -> None:
    """Unrendered templates between good documents."""
    bad = 0
    for path in (corpus / "catalogs").iterdir():
        documents = YAML.parse(path.read_bytes(), path.name)
        if any(document.problems for document in documents):
            bad += 1
            joined = b"kind: First\n---\n" + path.read_bytes() + b"\n---\nkind: Last\n"
            again = YAML.parse(joined, path.name)
            assert [again[0].value, again[-1].value] == [{"kind": "First"}, {"kind": "Last"}]
            assert len(again) == len(documents) + 2
    assert bad == 3
