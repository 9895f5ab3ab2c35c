"""The envelope: what is good, what is wrong and where, and that nothing makes the check raise."""

from __future__ import annotations

import copy
import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towpath_core.entities import Entity, Relation, check_envelope, entity_from
from towpath_core.errors import Problem
from towpath_core.refs import EntityRef

GOOD = {
    "apiVersion": "backstage.io/v1alpha1",
    "kind": "Component",
    "metadata": {
        "name": "shop",
        "namespace": "team-a",
        "title": "The shop",
        "description": "",
        "labels": {"acme.com/tier": "gold", "plain": "", "x": "v1.2"},
        "annotations": {"backstage.io/techdocs-ref": "dir:.", "a": "any: text\nat all"},
        "tags": ["java", "c++", "c#", "a:b-c+d"],
        "links": [
            {"url": "https://acme.example/x", "title": "X", "icon": "web", "type": "admin"},
            {"url": "mailto:team@acme.example"},
        ],
        "unknown": {"is": ["allowed"]},
    },
    "spec": {"type": "service"},
}


def with_(pointer, value):
    document = copy.deepcopy(GOOD)
    owner = document
    *path, last = pointer.split("/")[1:]
    for part in path:
        owner = owner[part]
    if value is ...:
        del owner[last]
    else:
        owner[last] = value
    return document


def test_a_good_document_has_no_problems():
    assert check_envelope(GOOD) == []
    assert check_envelope(with_("/spec", ...)) == []


@pytest.mark.parametrize("version", ["v1", "acme.com/v1", "scaffolder.backstage.io/v1beta3"])
def test_good_api_versions(version):
    assert check_envelope(with_("/apiVersion", version)) == []


@pytest.mark.parametrize("name", ["a", "A", "0", "a-b_c.D", "x" * 63, "UPPER"])
def test_good_names(name):
    assert check_envelope(with_("/metadata/name", name)) == []


@pytest.mark.parametrize("key", ["a", "a/b", "a.b-c.d/E_f.g", "x" * 63, f"{'y.' * 126}y/x"])
def test_good_keys(key):
    assert check_envelope(with_("/metadata/labels", {key: "v"})) == []


@pytest.mark.parametrize(
    ("pointer", "value", "at"),
    [
        ("/extra", 1, "/extra"),
        ("/a~b", 1, "/a~0b"),
        ("/apiVersion", ..., "/apiVersion"),
        ("/apiVersion", None, "/apiVersion"),
        ("/apiVersion", 1, "/apiVersion"),
        ("/apiVersion", "", "/apiVersion"),
        ("/apiVersion", "a/b/c", "/apiVersion"),
        ("/apiVersion", "/v1", "/apiVersion"),
        ("/apiVersion", "Acme.com/v1", "/apiVersion"),
        ("/apiVersion", "acme.com/v-1", "/apiVersion"),
        ("/apiVersion", f"{'y.' * 127}y/v1", "/apiVersion"),
        ("/kind", ..., "/kind"),
        ("/kind", "My-Kind", "/kind"),
        ("/kind", "1Kind", "/kind"),
        ("/kind", "x" * 64, "/kind"),
        ("/kind", ["Component"], "/kind"),
        ("/metadata", ..., "/metadata"),
        ("/metadata", [], "/metadata"),
        ("/metadata/name", ..., "/metadata/name"),
        ("/metadata/name", "", "/metadata/name"),
        ("/metadata/name", "-a", "/metadata/name"),
        ("/metadata/name", "a-", "/metadata/name"),
        ("/metadata/name", "a b", "/metadata/name"),
        ("/metadata/name", "a/b", "/metadata/name"),
        ("/metadata/name", "a:b", "/metadata/name"),
        ("/metadata/name", "../etc", "/metadata/name"),
        ("/metadata/name", "über", "/metadata/name"),
        ("/metadata/name", "a\n", "/metadata/name"),
        ("/metadata/name", "a\u202eb", "/metadata/name"),
        ("/metadata/name", "x" * 64, "/metadata/name"),
        ("/metadata/name", 5, "/metadata/name"),
        ("/metadata/namespace", "Team", "/metadata/namespace"),
        ("/metadata/namespace", "-a", "/metadata/namespace"),
        ("/metadata/namespace", "", "/metadata/namespace"),
        ("/metadata/title", "", "/metadata/title"),
        ("/metadata/title", None, "/metadata/title"),
        ("/metadata/uid", 5, "/metadata/uid"),
        ("/metadata/description", 5, "/metadata/description"),
        ("/metadata/labels", None, "/metadata/labels"),
        ("/metadata/labels", ["a"], "/metadata/labels"),
        ("/metadata/labels", {"a": "b c"}, "/metadata/labels/a"),
        ("/metadata/labels", {"a": "x" * 64}, "/metadata/labels/a"),
        ("/metadata/labels", {"a b": "x"}, "/metadata/labels/a b"),
        ("/metadata/labels", {"a/b/c": "x"}, "/metadata/labels/a~1b~1c"),
        ("/metadata/annotations", {"a/b": True}, "/metadata/annotations/a~1b"),
        ("/metadata/annotations", {"a/b": None}, "/metadata/annotations/a~1b"),
        ("/metadata/annotations", {5: "x"}, "/metadata/annotations"),
        ("/metadata/tags", "java", "/metadata/tags"),
        ("/metadata/tags", ["java", "Java"], "/metadata/tags/1"),
        ("/metadata/tags", [""], "/metadata/tags/0"),
        ("/metadata/tags", [None], "/metadata/tags/0"),
        ("/metadata/tags", ["x" * 64], "/metadata/tags/0"),
        ("/metadata/tags", None, "/metadata/tags"),
        ("/spec", None, "/spec"),
        ("/metadata/namespace", None, "/metadata/namespace"),
        ("/metadata/links", None, "/metadata/links"),
        ("/metadata/links", [{"url": "x:y", "title": " "}], "/metadata/links/0/title"),
        ("/metadata/links", [{"url": "JavaScript:alert(1)"}], "/metadata/links/0/url"),
        ("/metadata/links", [{"url": "data:text/html,x"}], "/metadata/links/0/url"),
        ("/metadata/links", {}, "/metadata/links"),
        ("/metadata/links", ["x"], "/metadata/links/0"),
        ("/metadata/links", [{}], "/metadata/links/0/url"),
        ("/metadata/links", [{"url": "acme.example"}], "/metadata/links/0/url"),
        ("/metadata/links", [{"url": "https://"}], "/metadata/links/0/url"),
        ("/metadata/links", [{"url": "https://[::1"}], "/metadata/links/0/url"),
        ("/metadata/links", [{"url": "x:y", "icon": ""}], "/metadata/links/0/icon"),
        ("/spec", [], "/spec"),
    ],
)
def test_a_fault_has_one_problem_at_its_place(pointer, value, at):
    [problem] = check_envelope(with_(pointer, value))
    assert problem.place.pointer == at
    assert problem.code in ("envelope", "metadata")
    assert problem.message


@pytest.mark.parametrize("document", [None, [], "x", 5, True])
def test_a_document_that_is_no_mapping_has_one_problem(document):
    assert check_envelope(document) == [Problem("envelope", "an entity must be a mapping")]


def test_every_fault_is_listed():
    document = {"kind": 1, "metadata": {"name": "-", "tags": ["A", "B"]}, "extra": 1}
    pointers = {p.place.pointer for p in check_envelope(document)}
    assert pointers == {
        "/extra",
        "/apiVersion",
        "/kind",
        "/metadata/name",
        "/metadata/tags/0",
        "/metadata/tags/1",
    }


def deep():
    found = []
    for _ in range(200_000):
        found = [found]
    return found


HOSTILE = {
    "deep": deep(),
    "deeper": {"a": deep()},
    "digits": 10**5000,
    "nan": float("nan"),
    "long": "x" * 5_000_000,
    "surrogate": "\ud800",
    "escape": "\x1b[31m",
    "bytes": b"x",
}
KEYS = [name for name, value in HOSTILE.items() if not isinstance(value, list | dict)]


@pytest.mark.parametrize(
    ("field", "name"),
    [
        *itertools.product(["kind", "name", "tag", "label", "title"], HOSTILE),
        *itertools.product(["key", "root"], KEYS),
    ],
)
def test_hostile_values_give_short_messages_that_can_be_sent(field, name):
    value = HOSTILE[name]
    good = {"apiVersion": "v1", "kind": "K", "metadata": {"name": "n"}}
    metadata = good["metadata"]
    if field == "kind":
        good["kind"] = value
    elif field == "root":
        good[value] = 1
    elif field == "name":
        metadata["name"] = value
    elif field == "tag":
        metadata["tags"] = [value]
    elif field == "title":
        metadata["title"] = [value]
    else:
        metadata["labels"] = {value: "x"} if field == "key" else {"x": value}
    problems = check_envelope(good)
    assert problems
    for problem in problems:
        assert len(str(problem)) < 500
        assert "\x1b" not in str(problem)
    assert msgspec.json.encode(problems)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=4)
    ),
    max_leaves=15,
)
FIELDS = st.sampled_from(
    ["name", "namespace", "title", "labels", "annotations", "tags", "links", "description", "uid"]
)
LIKE_AN_ENTITY = st.fixed_dictionaries(
    {},
    optional={
        "apiVersion": JSON | st.just("v1"),
        "kind": JSON | st.just("Component"),
        "metadata": st.dictionaries(FIELDS, JSON) | JSON,
        "spec": JSON,
        "relations": JSON,
    },
)


@given(JSON | LIKE_AN_ENTITY)
@settings(deadline=None, max_examples=300)
def test_the_check_never_raises_and_what_passes_makes_an_entity(document):
    problems = check_envelope(document)
    assert all(isinstance(problem, Problem) for problem in problems)
    if not problems:
        entity = entity_from(document)
        assert entity.name == document["metadata"]["name"]
        assert str(entity.ref) == str(entity.ref).lower()


def test_an_entity_has_its_namespace_and_not_what_the_catalog_assigns():
    document = with_("/metadata/namespace", None)
    document["metadata"] |= {"uid": "made-up", "etag": "made-up"}
    before = copy.deepcopy(document)
    entity = entity_from(document)
    assert document == before
    assert (entity.name, entity.namespace, entity.kind) == ("shop", "default", "Component")
    assert entity.ref == EntityRef("component", "default", "shop")
    assert not {"uid", "etag"} & set(entity.metadata)
    assert entity.annotations["backstage.io/techdocs-ref"] == "dir:."


def test_an_entity_without_much():
    entity = entity_from({"apiVersion": "v1", "kind": "K", "metadata": {"name": "n"}, "spec": None})
    assert (entity.spec, entity.annotations) == ({}, {})
    assert msgspec.json.decode(msgspec.json.encode(entity)) == {
        "apiVersion": "v1",
        "kind": "K",
        "metadata": {"name": "n", "namespace": "default"},
    }
    assert Entity("v1", "K", {"name": "n"}).namespace == "default"


def test_relations_sort_and_can_be_members_of_sets():
    one = Relation("component:default/a", "dependsOn", "component:default/b")
    two = Relation("component:default/a", "ownedBy", "group:default/g")
    assert sorted([two, one]) == [one, two]
    assert len({one, two, Relation(*msgspec.structs.astuple(one))}) == 2
