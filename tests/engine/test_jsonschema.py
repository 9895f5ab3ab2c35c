from __future__ import annotations

import time

import pytest

from towpath_core.errors import Invalid
from towpath_engine.jsonschema import check_affordable, faults


def nested(levels):
    value = leaf = {}
    for _ in range(levels):
        leaf["a"] = {}
        leaf = leaf["a"]
    return value


def test_a_value_that_fits_has_no_faults():
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    assert faults(schema, {"a": "x"}, "it") == []


def test_faults_have_their_place_and_reason():
    schema = {
        "type": "object",
        "required": ["name"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string"},
            "a/b": {"type": "array", "items": {"type": "integer", "maximum": 5}},
        },
    }
    found = faults(schema, {"a/b": [1, 9], "more": 1}, "it")
    by_keyword = {fault.keyword: fault for fault in found}
    assert set(by_keyword) == {"required", "maximum", "additionalProperties"}
    assert by_keyword["required"].missing == "name"
    assert by_keyword["required"].pointer == ""
    assert by_keyword["maximum"].path == ("a/b", 1)
    assert by_keyword["maximum"].pointer == "/a~1b/1"
    assert by_keyword["maximum"].argument == 5
    problem = by_keyword["maximum"].problem("/parameters")
    assert problem.place.pointer == "/parameters/a~1b/1"


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*$", "^(?=a)(a+)+\\1$", "(?<!x)(a*)*\\1c"])
def test_a_pattern_that_explodes_comes_back_soon(pattern):
    begun = time.process_time()
    found = faults({"type": "string", "pattern": pattern}, "a" * 5000 + "!", "it")
    assert time.process_time() - begun < 2
    assert [fault.keyword for fault in found] == ["pattern"]


def test_a_pattern_with_look_around_works():
    schema = {"type": "string", "pattern": "^(?!admin).*$"}
    assert faults(schema, "user", "it") == []
    assert len(faults(schema, "admin1", "it")) == 1


@pytest.mark.parametrize(
    "ref", ["http://127.0.0.1:1/schema.json", "file:///etc/passwd", "other.json#/a"]
)
def test_a_remote_reference_is_refused(ref):
    with pytest.raises(Invalid) as caught:
        faults({"properties": {"a": {"$ref": ref}}}, {"a": 1}, "offering x")
    assert "offering x" in str(caught.value)
    with pytest.raises(Invalid, match="reference"):
        check_affordable({"properties": {"a": {"$ref": ref}}}, {}, "it")


@pytest.mark.parametrize("schema", [{"type": "no-type"}, {"required": "x"}, 5, {"pattern": "("}])
def test_what_is_no_schema_is_refused_by_name(schema):
    with pytest.raises(Invalid, match="action x"):
        faults(schema, {}, "action x")


@pytest.mark.parametrize("value", [object(), {1: 2}, "\ud800"])
def test_what_is_no_json_is_refused(value):
    with pytest.raises(Invalid):
        faults({"type": "object"}, value, "it")


def test_a_value_nested_too_deep_is_refused_before_it_can_crash_native_code():
    schema = {"$ref": "#/definitions/n", "definitions": {"n": {"additionalProperties": {}}}}
    schema["definitions"]["n"]["additionalProperties"] = {"$ref": "#/definitions/n"}
    with pytest.raises(Invalid, match="deeper"):
        faults(schema, nested(100_000), "it")
    with pytest.raises(Invalid, match="deeper"):
        faults(nested(100_000), {}, "it")
    assert faults(schema, nested(90), "it") == []


def test_no_more_faults_than_anybody_reads():
    schema = {"type": "array", "items": {"type": "string"}}
    assert len(faults(schema, [1] * 5000, "it")) == 100


def test_messages_about_secrets_do_not_show_them():
    schema = {"properties": {"token": {"minLength": 50}, "kind": {"enum": ["a"]}}}
    value = {"token": "canary-secret", "kind": "canary-secret"}
    shown = " ".join(fault.message for fault in faults(schema, value, "it"))
    hidden = " ".join(fault.message for fault in faults(schema, value, "it", secret=True))
    assert "canary-secret" in shown
    assert "canary-secret" not in hidden
    assert "50" in hidden


class TestAffordable:
    def test_ordinary_references_are_counted_with_what_they_lead_to(self):
        schema = {
            "definitions": {"name": {"type": "string", "pattern": "^a"}},
            "properties": {n: {"$ref": "#/definitions/name"} for n in "abcdef"},
        }
        check_affordable(schema, {"a": "a"}, "it")
        assert faults(schema, {"a": "b"}, "it")[0].keyword == "pattern"

    def test_a_few_references_cannot_stand_for_millions(self):
        schema = {"definitions": {"a0": {"type": "string"}}, "$ref": "#/definitions/a30"}
        for number in range(1, 31):
            twice = [{"$ref": f"#/definitions/a{number - 1}"}] * 2
            schema["definitions"][f"a{number}"] = {"allOf": twice}
        begun = time.process_time()
        with pytest.raises(Invalid, match="too large"):
            check_affordable(schema, "x", "it")
        assert time.process_time() - begun < 1

    def test_a_large_schema_meets_a_large_value(self):
        schema = {"properties": {f"p{n}": {"type": "string"} for n in range(2000)}}
        check_affordable(schema, {f"p{n}": "x" for n in range(1000)}, "it")
        with pytest.raises(Invalid, match="too large"):
            check_affordable(schema, ["x"] * 20_000, "it")
        with pytest.raises(Invalid, match="too large"):
            check_affordable(schema, "x" * 10_000_000, "it")

    @pytest.mark.parametrize(
        "schema",
        [
            {"$ref": "#/definitions/a", "definitions": {"a": {"$ref": "#/definitions/a"}}},
            {"properties": {"a": {"$ref": "#/properties/a"}}},
            {
                "definitions": {
                    "a": {"items": {"$ref": "#/definitions/b"}},
                    "b": {"items": {"$ref": "#/definitions/a"}},
                },
                "$ref": "#/definitions/a",
            },
        ],
    )
    def test_a_circle_is_refused(self, schema):
        with pytest.raises(Invalid, match="refers to itself"):
            check_affordable(schema, {}, "it")

    @pytest.mark.parametrize(
        "schema",
        [
            {"$ref": "#"},
            {"$ref": "#name"},
            {"$ref": "#/nothing/here"},
            {"$ref": "#/items/7", "items": [{}]},
            {"$id": "http://x/", "$ref": "#/a"},
            {"properties": {"a": {"$id": "b", "$ref": "#/definitions/c"}}},
        ],
    )
    def test_a_reference_that_could_mean_something_else_is_refused(self, schema):
        with pytest.raises(Invalid, match="cannot be used"):
            check_affordable(schema, {}, "it")

    def test_a_deep_schema_is_refused(self):
        with pytest.raises(Invalid, match="deeper"):
            check_affordable(nested(5000), {}, "it")
