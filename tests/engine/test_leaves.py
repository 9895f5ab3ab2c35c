from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towpath_engine.catalog.leaves import MAX_KEY, MAX_VALUE, leaves, text_of


def found(entity):
    return sorted(leaves(entity), key=lambda pair: (pair[0], pair[1] or ""))


def test_scalars_are_found_at_their_dotted_paths_and_strings_in_lists_as_keys_too():
    entity = {
        "kind": "Component",
        "metadata": {
            "name": "Shop",
            "namespace": "default",
            "tags": ["java", "Web"],
            "annotations": {"backstage.io/orphan": "true"},
        },
        "spec": {"endpoints": [{"url": "a"}, {"url": "b"}], "n": 1, "on": True, "x": None},
    }
    assert found(entity) == [
        ("kind", "Component"),
        ("metadata.annotations.backstage.io/orphan", "true"),
        ("metadata.name", "Shop"),
        ("metadata.namespace", "default"),
        ("metadata.tags", "Web"),
        ("metadata.tags", "java"),
        ("metadata.tags.java", "true"),
        ("metadata.tags.web", "true"),
        ("spec.endpoints.url", "a"),
        ("spec.endpoints.url", "b"),
        ("spec.n", "1"),
        ("spec.on", "true"),
        ("spec.x", None),
    ]


def test_relations_are_found_by_type_and_some_roots_not_at_all():
    entity = {
        "metadata": {"name": "a", "namespace": "n", "etag": "x", "uid": "u"},
        "relations": [
            {"type": "ownedBy", "targetRef": "group:default/a"},
            {"type": "partOf", "targetRef": "system:default/s"},
        ],
        "status": {"items": [{"level": "error"}]},
        "attachments": {"a": "b"},
    }
    assert found(entity) == [
        ("metadata.name", "a"),
        ("metadata.namespace", "n"),
        ("metadata.uid", "u"),
        ("relations.ownedby", "group:default/a"),
        ("relations.partof", "system:default/s"),
    ]


@pytest.mark.parametrize("namespace", [{}, {"namespace": None}, {"namespace": ""}])
def test_an_entity_without_a_namespace_is_found_in_the_default_one(namespace):
    assert ("metadata.namespace", "default") in set(leaves({"metadata": {**namespace}}))


def test_long_keys_are_not_found_and_long_values_only_to_exist():
    spec = {"k" * (MAX_KEY - 5): "a", "k" * (MAX_KEY - 4): "b", "v": "x" * (MAX_VALUE + 1)}
    spec["w"] = "x" * MAX_VALUE
    pairs = [pair for pair in leaves({"spec": spec}) if pair[0].startswith("spec")]
    assert sorted(pairs, key=lambda pair: pair[0]) == [
        ("spec." + "k" * (MAX_KEY - 5), "a"),
        ("spec.v", None),
        ("spec.w", "x" * MAX_VALUE),
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (2.0, "2"),
        (1.5, "1.5"),
        ("A", "A"),
        (-0.0, "0"),
        (-12.25, "-12.25"),
        (0.1, "0.1"),
        (0.000001, "0.000001"),
        (0.00001234, "0.00001234"),
        (1e-7, "1e-7"),
        (1.25e-7, "1.25e-7"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (123456.789, "123456.789"),
        (2**53, "9007199254740992"),
        (12345678901234567890, "12345678901234567000"),
        (-(10**400), "-Infinity"),
    ],
)
def test_scalars_as_text(value, text):
    assert text_of(value) == text


@pytest.mark.parametrize("value", [None, [], {}, ["a"]])
def test_others_have_no_text(value):
    assert text_of(value) is None


def test_depth_is_no_matter():
    entity = {"spec": {}}
    node = entity["spec"]
    for _ in range(5000):
        node["a"] = {}
        node = node["a"]
    node["end"] = 1
    assert ("metadata.namespace", "default") in set(leaves(entity))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(deadline=None, max_examples=60)
@given(spec=st.dictionaries(st.text(max_size=5), json_values, max_size=4))
def test_any_json_has_leaves_with_keys_in_lower_case(spec):
    for key, value in leaves({"spec": spec, "metadata": {}}):
        assert key == key.lower()
        assert value is None or isinstance(value, str)
