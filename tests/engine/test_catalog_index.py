"""The index against a naive model that looks at every entity each time."""

from __future__ import annotations

import json
import uuid
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towpath_core.errors import Invalid
from towpath_engine.catalog.index import CatalogIndex, StoredEntity
from towpath_engine.catalog.leaves import leaves
from towpath_engine.catalog.numbers import bitmap_of
from towpath_engine.catalog.query import (
    Order,
    facets,
    parse_filters,
    pick,
    predicate,
    search,
    select,
    walk,
)
from towpath_engine.catalog.snapshot import read_snapshot, write_snapshot

KINDS = ["Component", "API", "group"]
NAMES = ["a", "B", "c", "dd"]
TYPES = ["ownedBy", "partOf"]
OWNED, X = "ownedBy", "group:default/x"


def ref_of(kind, name):
    return f"{kind}:default/{name}".lower()


def stored(kind, name, spec, relations=(), uid=None):
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "default"}}
    body["spec"] = spec
    uid = uid or str(uuid.uuid5(uuid.NAMESPACE_URL, ref_of(kind, name)))
    return StoredEntity(uid, ref_of(kind, name), json.dumps(body), tuple(relations))


stored_as = stored


class Model:
    """What the index must hold, worked out anew for each question."""

    def __init__(self):
        self.entities = {}

    def put(self, entity):
        self.entities = {u: e for u, e in self.entities.items() if e.ref != entity.ref}
        self.entities[entity.uid] = entity

    def delete(self, uid):
        self.entities.pop(uid, None)

    def finals(self):
        edges = defaultdict(set)
        for entity in self.entities.values():
            for source, kind, target in entity.relations:
                edges[source].add((kind, target))
        finals = {}
        for entity in self.entities.values():
            body = json.loads(entity.body)
            body["relations"] = [
                {"type": kind, "targetRef": target} for kind, target in sorted(edges[entity.ref])
            ]
            body["metadata"]["uid"] = entity.uid
            finals[entity.uid] = body
        return finals

    def leaves(self):
        return {uid: list(leaves(final)) for uid, final in self.finals().items()}

    def written(self, key):
        found = defaultdict(set)
        for uid, pairs in self.leaves().items():
            for k, v in pairs:
                if k == key and v is not None:
                    found[v].add(uid)
        return dict(found)

    def matching(self, key, value):
        return {
            uid
            for uid, pairs in self.leaves().items()
            if any(
                k == key and (value is None or (v is not None and v.lower() == value))
                for k, v in pairs
            )
        }

    def ordered(self, key, among):
        rows = []
        for uid, pairs in self.leaves().items():
            values = [v.lower() for k, v in pairs if k == key and v is not None]
            if values and uid in among:
                rows.append((min(values), uid))
        return sorted(rows)


specs = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["Service", "service", "web", 1, True, None]),
        "tags": st.lists(st.sampled_from(["x", "Y", "y"]), max_size=3),
        "deep": st.fixed_dictionaries({"n": st.integers(0, 3)}),
    },
)
refs = st.builds(ref_of, st.sampled_from(KINDS), st.sampled_from(NAMES))
edges = st.lists(st.tuples(refs, st.sampled_from(TYPES), refs), max_size=3, unique=True)
puts = st.builds(
    stored,
    st.sampled_from(KINDS),
    st.sampled_from(NAMES),
    specs,
    edges,
    st.none() | st.uuids().map(str),
)
changes = st.lists(
    st.tuples(st.lists(puts, max_size=4), st.lists(st.integers(0, 20), max_size=2)), max_size=6
)


def grown(history, between=lambda index: index):
    """An index and a model that went through the same changes.

    `between` gives the index that goes on.
    """
    index, model = CatalogIndex(), Model()
    for added, deleted in history:
        index = between(index)
        known = sorted(model.entities)
        gone = [known[n % len(known)] for n in deleted] if known else []
        for uid in gone:
            model.delete(uid)
        for entity in added:
            model.put(entity)
        index.apply(added, [*gone, "unknown"])
    return index, model


def uids(index, numbers):
    return {index.by_number(number).uid for number in numbers}


@settings(deadline=None, max_examples=80)
@given(history=changes)
def test_entities_have_the_relations_that_anybody_states(history):
    index, model = grown(history)
    assert len(index) == len(index.everything) == len(model.entities)
    for uid, final in model.finals().items():
        entry = index.by_uid(uid)
        got = json.loads(entry.final)
        assert got["metadata"].pop("etag") == entry.etag
        assert got == final
        assert index.by_ref(entry.ref) is entry


@settings(deadline=None, max_examples=60)
@given(history=changes)
def test_grown_step_by_step_is_the_same_as_built_at_once(history):
    assert_built_at_once(*grown(history))


@settings(deadline=None, max_examples=60)
@given(history=changes)
def test_written_and_read_between_all_changes_is_the_same(history, tmp_path_factory):
    path = tmp_path_factory.mktemp("index") / "index"

    def between(index):
        hashes = {entry.uid: f"hash of {entry.uid}" for entry in index.entries()}
        write_snapshot(path, index, hashes)
        found, read = read_snapshot(path)
        assert read == hashes
        return found

    index, model = grown(history, between)
    assert_built_at_once(between(index), model)


def assert_built_at_once(index, model):
    fresh = CatalogIndex()
    fresh.apply(model.entities.values(), ())
    for uid in model.entities:
        assert index.by_uid(uid).final == fresh.by_uid(uid).final
    keys = {key for pairs in model.leaves().values() for key, _ in pairs}
    assert set(index._keys) == set(fresh._keys)
    assert set(index._flags) == set(fresh._flags)
    assert set(index._keys) | set(index._flags) == keys
    assert dict(index._edges) == dict(fresh._edges)
    for key in keys:
        grown_key, fresh_key = index.postings(key), fresh.postings(key)
        for of, mine in ((index, grown_key), (fresh, fresh_key)):
            held = {value: uids(of, bitmap_of(n)) for value, n in mine.written()}
            assert held == model.written(key)
            assert uids(of, mine.having()) == set().union(*held.values())
            assert uids(of, of.matching(key, None)) == model.matching(key, None)
        assert grown_key.counts() == fresh_key.counts()


keys = st.sampled_from(
    [
        "kind",
        "metadata.name",
        "spec.type",
        "spec.tags",
        "spec.tags.y",
        "spec.deep.n",
        "relations.ownedby",
        "relations.partof",
        "none",
    ]
)
values = st.sampled_from(["component", "service", "true", "1", "y", "b", "group:default/a", ""])


@settings(deadline=None, max_examples=80)
@given(
    history=changes,
    groups=st.lists(
        st.dictionaries(keys, st.lists(st.none() | values, min_size=1, max_size=2), max_size=3),
        max_size=3,
    ),
)
def test_filters_are_any_of_all_of_any(history, groups):
    index, model = grown(history)
    texts = [
        ",".join(key if v is None else f"{key}={v}" for key, vs in group.items() for v in vs)
        for group in groups
    ]
    wanted = set(model.entities)
    groups = [group for group in groups if group]
    if groups:
        wanted = set()
        for group in groups:
            among = set(model.entities)
            for key, said in group.items():
                # Beside a value, that the key exists says nothing.
                alternatives = [v for v in said if v is not None] or [None]
                among &= set().union(*(model.matching(key, v) for v in alternatives))
            wanted |= among
    assert uids(index, select(index, parse_filters(texts))) == wanted


fields = st.one_of(
    st.builds(lambda k, v: ({k: v}, lambda m: m.matching(k, v.lower())), keys, values),
    st.builds(
        lambda k, yes: (
            {k: {"$exists": yes}},
            lambda m: m.matching(k, None) if yes else set(m.entities) - m.matching(k, None),
        ),
        keys,
        st.booleans(),
    ),
    st.builds(
        lambda k, vs: (
            {k: {"$in": vs}},
            lambda m: set().union(*(m.matching(k, v.lower()) for v in vs)),
        ),
        keys,
        st.lists(values, max_size=3),
    ),
    st.builds(
        lambda k, p: (
            {k: {"$hasPrefix": p}},
            lambda m: {
                uid
                for uid, pairs in m.leaves().items()
                if any(key == k and v is not None and v.lower().startswith(p) for key, v in pairs)
            },
        ),
        keys,
        st.sampled_from(["", "s", "serv", "1", "group:"]),
    ),
    st.just(({"spec.tags": {"$contains": "Y"}}, lambda m: m.matching("spec.tags", "y"))),
    st.just(
        (
            {"relations": {"$contains": {"type": "ownedBy", "targetRef": "Group:default/A"}}},
            lambda m: m.matching("relations.ownedby", "group:default/a"),
        )
    ),
)
predicates = st.recursive(
    fields,
    lambda inner: st.one_of(
        st.builds(lambda p: ({"$not": p[0]}, lambda m: set(m.entities) - p[1](m)), inner),
        st.lists(inner, max_size=3).map(
            lambda ps: (
                {"$any": [p[0] for p in ps]},
                lambda m: set().union(*(p[1](m) for p in ps)),
            )
        ),
        st.lists(inner, max_size=3).map(
            lambda ps: (
                {"$all": [p[0] for p in ps]},
                lambda m: set(m.entities).intersection(*(p[1](m) for p in ps)),
            )
        ),
    ),
    max_leaves=5,
)


@settings(deadline=None, max_examples=120)
@given(history=changes, asked=predicates)
def test_predicates_are_set_algebra(history, asked):
    index, model = grown(history)
    query, answer = asked
    assert uids(index, predicate(index, query)) == answer(model)


@settings(deadline=None, max_examples=60)
@given(history=changes, key=keys, filter=st.sampled_from([[], ["kind=component"], ["spec.type"]]))
def test_facets_count_values_as_written(history, key, filter):
    index, model = grown(history)
    among = select(index, parse_filters(filter))
    inside = uids(index, among)
    counts = Counter(
        value
        for uid, pairs in model.leaves().items()
        if uid in inside
        for value in {v for k, v in pairs if k == key and v is not None}
    )
    wanted = [{"value": v, "count": counts[v]} for v in sorted(counts)]
    assert facets(index, among, [key.upper()]) == {key.upper(): wanted}


@settings(deadline=None, max_examples=100)
@given(
    history=changes,
    key=st.sampled_from(["metadata.uid", "metadata.name", "spec.type", "spec.tags", "none"]),
    descending=st.booleans(),
    limit=st.integers(1, 4),
    filter=st.sampled_from([[], ["kind=component", "kind=api"]]),
)
def test_paging_visits_every_row_once_in_order_both_ways(history, key, descending, limit, filter):
    index, model = grown(history)
    among = select(index, parse_filters(filter))
    wanted = [uid for _, uid in model.ordered(key, uids(index, among))]
    if descending:
        wanted.reverse()
    order = Order(key, descending)

    def row(number):
        return index.view(key).get(number)[:2]

    seen, start, last, first = [], None, [], None
    while True:
        page = walk(index, among, order, limit=limit, start=start)
        assert page.before == (start is not None)
        assert len(page.numbers) <= limit
        seen += page.numbers
        if page.numbers:
            last = page.numbers
        if not page.after:
            break
        start = row(page.numbers[-1])
    assert [index.by_number(n).uid for n in seen] == wanted
    back = list(last)
    first = last
    while first:
        page = walk(index, among, order, limit=limit, start=row(first[0]), backwards=True)
        back = page.numbers + back
        first = page.numbers
        assert page.before == (len(back) < len(seen))
    assert back == seen
    for offset in range(len(seen) + 1):
        page = walk(index, among, order, limit=limit, offset=offset)
        assert page.numbers == seen[offset : offset + limit]


@settings(deadline=None, max_examples=40)
@given(history=changes, term=st.sampled_from(["", " ", "serv", "Y", "E", "zzz"]))
def test_full_text_is_a_part_of_a_value_without_case(history, term):
    index, model = grown(history)
    names = ["spec.type", "metadata.Name"]
    wanted = {
        uid
        for uid, pairs in model.leaves().items()
        if not term.strip()
        or any(
            k in ("spec.type", "metadata.name") and v and term.strip().lower() in v.lower()
            for k, v in pairs
        )
    }
    assert uids(index, search(index, index.everything, term, names)) == wanted


def test_the_etag_changes_with_the_entity_and_with_its_neighbours_and_with_nothing_else():
    index = CatalogIndex()
    shop = stored("Component", "shop", {"type": "web"})
    index.apply([shop], ())
    first = index.by_uid(shop.uid).etag
    index.apply([stored("Component", "other", {})], ())
    index.apply([shop], ())
    assert index.by_uid(shop.uid).etag == first
    team = stored("Group", "team", {}, [(shop.ref, "ownedBy", "group:default/team")])
    index.apply([team], ())
    assert index.by_uid(shop.uid).etag != first
    index.apply([], [team.uid])
    assert index.by_uid(shop.uid).etag == first
    index.apply([stored("Component", "shop", {"type": "job"})], ())
    assert index.by_uid(shop.uid).etag != first


def test_a_reference_that_was_deleted_and_made_again_is_there_once():
    index = CatalogIndex()
    index.apply([stored("API", "a", {}, uid="1")], ())
    index.apply([stored("API", "A", {"type": "x"}, uid="2")], ())
    assert len(index) == 1
    assert index.by_uid("1") is None
    assert index.by_ref("api:default/a").uid == "2"


def test_the_pseudo_key_ref_orders_all_and_gives_its_value():
    index = CatalogIndex()
    index.apply([stored("Group", n, {}) for n in "cab"], ())
    rows = list(index.view("ref"))
    assert [ref for ref, _, _ in rows] == sorted(ref_of("Group", n) for n in "abc")
    assert [index.view("ref").get(number) for _, _, number in rows] == rows


def test_orders_that_anybody_thinks_up_are_not_kept():
    index = CatalogIndex()
    index.apply([stored("Group", "a", {"type": "t"})], ())
    for number in range(100):
        assert list(index.view(f"spec.made-up-{number}")) == []
    assert index.view("spec.type") is index.view("spec.type")
    assert set(index._views) == {"spec.type"}


def test_only_the_orders_that_were_asked_for_lately_are_kept():
    index = CatalogIndex()
    index.apply([stored("Group", "a", {f"k{n}": "v" for n in range(40)})], ())
    for number in range(40):
        index.view(f"spec.k{number}")
    assert set(index._views) == {f"spec.k{number}" for number in range(24, 40)}


@pytest.mark.parametrize("field", ["metadata.name", "spec.alias"])
@pytest.mark.parametrize(
    "term", ["9", "n-1", "n-12", "n-123", "nothing", "\0", "-", "12-n-1", "-1", "x-", "n 1"]
)
def test_a_term_is_found_among_many_values_while_they_come_and_go(term, field):
    index = CatalogIndex()

    def stored(kind, name, _):
        return stored_as(kind, name, {"alias": name})

    def wanted():
        return {e.uid for e in index._by_ref.values() if term in e.ref.rpartition("/")[2]}

    def found():
        index.postings(field)._terms = None  # as if never asked for
        return uids(index, search(index, index.everything, term, [field]))

    index.apply([stored("API", f"n-{n}", {}) for n in range(2000)], ())
    assert found() == wanted()
    index.apply([stored("API", f"N-{n}", {}) for n in range(2000, 2200)], ())
    assert found() == wanted()
    gone = [e.uid for e in index._by_ref.values() if e.number % 3 == 0]
    index.apply([], gone[:100])
    assert found() == wanted()
    index.apply([stored("API", f"x-{n}", {}) for n in range(900)], gone[100:])
    assert found() == wanted()


VIEWED = ["ref", "metadata.uid", "metadata.name", "spec.type", "spec.tags", "relations.ownedby"]


@settings(deadline=None, max_examples=100)
@given(history=changes, term=st.sampled_from(["serv", "y", "e", "group"]))
def test_orders_and_terms_that_were_asked_for_before_a_change_are_true_after_it(history, term):
    index, model = CatalogIndex(), Model()
    for added, deleted in history:
        for key in VIEWED:
            index.view(key)
            search(index, index.everything, term, [key])
        known = sorted(model.entities)
        gone = [known[n % len(known)] for n in deleted] if known else []
        for uid in gone:
            model.delete(uid)
        for entity in added:
            model.put(entity)
        index.apply(added, gone)
        for key in VIEWED[1:]:
            rows = [(value, uid) for value, uid, _ in index.view(key)]
            assert rows == model.ordered(key, set(model.entities))
            wanted = {
                uid
                for uid, pairs in model.leaves().items()
                if any(k == key and v and term in v.lower() for k, v in pairs)
            }
            assert uids(index, search(index, index.everything, term, [key])) == wanted
        rows = [(ref, uid) for ref, uid, _ in index.view("ref")]
        assert rows == sorted((e.ref, e.uid) for e in model.entities.values())


@pytest.mark.parametrize(
    "query",
    [
        "x",
        None,
        [],
        1,
        {"$not": []},
        {"$any": {}},
        {"$all": "x"},
        {"$nor": []},
        {"$any": [], "kind": "x"},
        {"kind": {"$any": []}},
        {"kind": {"$in": "x"}},
        {"kind": {"$in": [{}]}},
        {"kind": {"$exists": "true"}},
        {"kind": {"$hasPrefix": 1}},
        {"kind": {"$exists": True, "$in": []}},
        {"kind": {}},
        {"kind": None},
        {"kind": ["a"]},
        {"kind": {"$contains": {"type": "x"}}},
        {"relations": {"$contains": {"type": 1}}},
        {"relations": {"$contains": {"type": ""}}},
        {"relations": {"$contains": {"type": "x", "more": 1}}},
        {"relations": {"$contains": {"type": "x", "Type": "y"}}},
        {"relations": {"$contains": {"type": "x", "targetRef": 5}}},
        {"relations": {"$contains": {"type": "x", "targetRef": {"$in": []}}}},
        {"relations": {"$contains": {"type": "x", "targetRef": {"$in": ["a", 1]}}}},
        {"relations": {"$contains": {"type": "x", "targetRef": {"$hasPrefix": "g"}}}},
        {"relations": {"$contains": None}},
    ],
)
def test_a_predicate_that_is_none_is_refused(query):
    with pytest.raises(Invalid, match="Invalid query"):
        predicate(CatalogIndex(), query)


@pytest.mark.parametrize(
    "query",
    [
        {"spec.ports": {"$contains": 80}},
        {"spec.names": {"$contains": "A"}},
        {"relations": {"$contains": {"TYPE": "ownedBy", "targetref": X.upper()}}},
        {"relations": {"$contains": {"type": "ownedby", "targetRef": {"$in": ["y", X]}}}},
    ],
)
def test_contains_finds_what_a_list_holds_and_no_keys_of_an_object(query):
    index = CatalogIndex()
    holding = stored("api", "a", {"ports": [80], "names": ["a"]}, [(ref_of("api", "a"), OWNED, X)])
    keyed = stored("api", "b", {"ports": {"80": True}, "names": {"a": True}})
    index.apply([holding, keyed], [])
    assert uids(index, predicate(index, query)) == {holding.uid}


def test_predicates_have_a_depth_and_a_size():
    index = CatalogIndex()
    query = {"kind": "x"}
    for _ in range(60):
        query = {"$not": query}
    with pytest.raises(Invalid, match="deeper"):
        predicate(index, query)
    with pytest.raises(Invalid, match="parts"):
        predicate(index, {"$any": [{"kind": "x"}] * 1000})
    refs = [f"group:default/{n}" for n in range(5000)]
    assert not predicate(index, {"relations.ownedBy": {"$in": refs}})


@pytest.mark.parametrize("text", ["=x", "kind=a,=b", " = "])
def test_a_filter_without_a_key_is_refused(text):
    with pytest.raises(Invalid, match="no key"):
        parse_filters([text])


def test_filters_are_trimmed_split_at_the_first_sign_and_without_case():
    assert parse_filters([" Kind = A=B , spec.x ,, ", "", "a=,b", "b,b=c,b"]) == (
        {"kind": ["a=b"], "spec.x": [None]},
        {"a": [""], "b": [None]},
        {"b": ["c"]},
    )


def test_fields_are_picked_greedily_also_where_keys_have_dots():
    entity = {
        "kind": "A",
        "metadata": {"name": "n", "annotations": {"a.b/c": "1", "a.b/d": "2", "x": {"y.z": 3}}},
        "spec": {"list": [1]},
    }
    assert pick(entity, ["kind", "metadata.annotations.a.b/c", "none", "spec.list.0"]) == {
        "kind": "A",
        "metadata": {"annotations": {"a.b/c": "1"}},
    }
    assert pick(entity, ["metadata.annotations.x.y.z", "metadata.name"]) == {
        "metadata": {"annotations": {"x": {"y.z": 3}}, "name": "n"}
    }
    assert pick(entity, ["metadata", "metadata.name"]) == {"metadata": entity["metadata"]}
    assert pick(entity, []) == {}
