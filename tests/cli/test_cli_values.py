"""Values out of options and files, fitted to JSON Schemas as a form would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from towpath_cli.failure import Failed
from towpath_cli.valuefile import read_values
from towpath_cli.values import Form, fitted, pairs

few = settings(deadline=None, max_examples=80)


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ({"type": "string"}, "true", "true"),
        ({}, "7", "7"),
        ({"type": "integer"}, "-7", -7),
        ({"type": "number"}, "7", 7),
        ({"type": "number"}, "0.5", 0.5),
        ({"type": "boolean"}, "Yes", True),
        ({"type": "boolean"}, "off", False),
        ({"type": ["string", "integer"]}, "7", 7),
        ({"type": ["string", "integer"]}, "x", "x"),
        ({"type": ["integer", "null"]}, "null", None),
        ({"type": "array", "items": {"type": "integer"}}, "7", [7]),
        ({"type": "array"}, '["a", 1]', ["a", 1]),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        ({"enum": ["a", 2, None]}, "2", 2),
        ({"enum": ["a", 2, None]}, "null", None),
        ({"type": "string"}, "a=b", "a=b"),
    ],
)
def test_text_becomes_what_the_schema_wants(field: Any, text: str, value: Any) -> None:
    found = fitted(field, text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("field", "text", "wanted"),
    [
        ({"type": "integer"}, "1.5", "an integer"),
        ({"type": "number"}, "nan", "a number"),
        ({"type": "number"}, "1e999", "a number"),
        ({"type": "boolean"}, "maybe", "a boolean"),
        ({"type": "object"}, "a", "an object of JSON"),
        ({"type": "object"}, "[1]", "an object of JSON"),
        ({"type": ["integer", "boolean"]}, "x", "an integer or a boolean"),
    ],
)
def test_what_does_not_fit_is_told_with_what_would(field: Any, text: str, wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        fitted(field, text)


@few
@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans())
def test_what_json_writes_is_read_as_it_was(value: Any) -> None:
    kind = {bool: "boolean", int: "integer", float: "number"}[type(value)]
    assert fitted({"type": kind}, json.dumps(value)) == value


def test_all_faults_are_told_at_once() -> None:
    form = Form([{"properties": {"a": {"type": "integer"}, "b": {"type": "boolean"}}}])
    with pytest.raises(Failed) as caught:
        form.read([("a", "x"), ("b", "y"), ("c", "z")])
    assert len(caught.value.lines) == 2 and caught.value.code == 2


def test_names_with_dots_reach_into_objects() -> None:
    inner = {"type": "object", "properties": {"size": {"type": "integer"}}}
    form = Form([{"properties": {"db": inner, "a.b": {"type": "integer"}}}])
    assert form.read([("db.size", "3"), ("db.name", "x"), ("a.b", "1")]) == {
        "db": {"size": 3, "name": "x"},
        "a.b": 1,
    }
    with pytest.raises(Failed):
        form.read([("x", "1"), ("x.y", "2")])


def test_values_that_depend_on_others_are_known() -> None:
    schema = {
        "properties": {"db": {"type": "boolean"}},
        "dependencies": {"db": {"oneOf": [{"properties": {"size": {"type": "integer"}}}]}},
        "allOf": [{"if": {}, "then": {"properties": {"port": {"type": "integer"}}}}],
    }
    assert Form([schema]).read([("size", "3"), ("port", "1")]) == {"size": 3, "port": 1}


def test_defaults_are_filled_in_and_what_is_missing_is_named() -> None:
    form = Form(
        [
            {"required": ["a", "b"], "properties": {"a": {"default": 1}, "b": {}}},
            {"required": ["b", "c"], "properties": {"d": {"properties": {"e": {"default": 5}}}}},
        ]
    )
    assert form.missing({}) == ["b", "c"]
    assert form.missing({"b": None, "c": 0}) == []
    assert form.with_defaults({"b": 2, "d": {}}) == {"a": 1, "b": 2, "d": {"e": 5}}


@pytest.mark.parametrize("schema", [{"properties": 3}, {"required": "a"}, {"allOf": {"a": 1}}, {}])
def test_a_schema_that_is_none_asks_for_nothing(schema: Any) -> None:
    form = Form([schema])
    assert form.fields == {} and form.missing({}) == []


def test_a_schema_without_end_is_given_up() -> None:
    deep: dict[str, Any] = {"properties": {"x": {}}}
    for _ in range(5000):
        deep = {"allOf": [deep]}
    assert Form([deep]).fields == {}


@pytest.mark.parametrize("option", ["name", "=x", ""])
def test_options_without_a_name_or_a_value(option: str) -> None:
    with pytest.raises(Failed):
        pairs([option])
    assert pairs(["a=", "b=c=d"]) == [("a", ""), ("b", "c=d")]


def test_files_are_yaml_1_2(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(
        "country: NO\nswitch: on\ntime: 22:30\nday: 2026-11-23\nversion: 1.10\n"
        "octal: 010\nhex: 0x1F\neight: 0o10\nyes: true\nnothing: ~\nempty:\nlist: [1, 'a']\n"
    )
    assert read_values(str(file)) == {
        "country": "NO",
        "switch": "on",
        "time": "22:30",
        "day": "2026-11-23",
        "version": 1.1,
        "octal": 10,
        "hex": 31,
        "eight": 8,
        "yes": True,
        "nothing": None,
        "empty": None,
        "list": [1, "a"],
    }


@few
@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,5}", fullmatch=True),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: st.lists(inner, max_size=3),
            max_leaves=5,
        ),
        max_size=4,
    )
)
def test_files_of_json_are_read_as_json(tmp_path_factory: Any, values: dict[str, Any]) -> None:
    file = tmp_path_factory.getbasetemp() / "values.json"
    file.write_text(json.dumps(values))
    assert read_values(str(file)) == values


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: 1\na: 2\n", ":2:1: 'a' stands here twice"),
        ("a: [1\nb: 2\n", ":2:"),
        ("a: !!python/object/apply:os.system ['true']\n", ":1:4: could not determine"),
        ('{"a": 1, "a": 2}', None),
        ("- 1\n", None),
        ("1: a\n", None),
        ("", None),
        ("a: \x00\n", None),
        ("[" * 1_200, None),
        ("a: " + "x" * 1_000_001, None),
    ],
)
def test_files_that_are_not_values(tmp_path: Path, text: str, place: str | None) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(text)
    with pytest.raises(Failed) as caught:
        read_values(str(file))
    assert caught.value.code == 2
    assert place is None or place in caught.value.lines[0].replace(str(file), "")


def test_flow_mappings_of_yaml_begin_like_json(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("{a: 1, b: [x]}  # no JSON\n")
    assert read_values(str(file)) == {"a": 1, "b": ["x"]}


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(Failed):
            read_values(str(path))
    (tmp_path / "latin").write_bytes(b"a: \xff")
    with pytest.raises(Failed):
        read_values(str(tmp_path / "latin"))


def test_the_rules_of_yaml_elsewhere_stay_as_they_are() -> None:
    assert yaml.safe_load("a: NO") == {"a": False}
