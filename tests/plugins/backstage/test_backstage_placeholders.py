"""Placeholders give way to what they name, or to a problem at their place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from towpath_backstage.descriptors import YamlDescriptors
from towpath_backstage.placeholders import is_placeholder, resolve_placeholders
from towpath_backstage.yaml import YamlLimits
from towpath_core.catalog import DescriptorFormat, Document
from towpath_core.errors import Forbidden, NotFound

FILES = {
    "./text.txt": "caf\u00e9\r\n".encode(),
    "./bom.txt": b"\xef\xbb\xbfhello",
    "./latin.txt": b"caf\xe9",
    "./nul.txt": b"a\0b",
    "./data.json": b'\n\t{"a": [1, 2.5, "\\ud83d\\ude00"], "$text": "./text.txt"}\n',
    "./returns.json": b'{"a":\r1,\r"b":\r\n"\\r"}',
    "./null.json": b"null",
    "./bad.json": b"{'a': 1}",
    "./twice.json": b'{"a": 1, "a": 2}',
    "./deep.json": b"[" * 100_000,
    "./data.yaml": b"a: yes\nb: [1]\n",
    "./two.yaml": b"a: 1\n---\nb: 2\n",
    "./none.yaml": b"# nothing\n",
    "./bad.yaml": b"a: 1\nb: [\n",
    "./steps.yaml": b"- action: debug:log\n",
}


def read(target: str) -> bytes:
    if target.startswith("../"):
        raise Forbidden("It leaves the repository.")
    if target not in FILES:
        raise NotFound("It is not there.")
    return FILES[target]


def document(text: str) -> Document:
    (found,) = YamlDescriptors().parse(text.encode(), "f.yaml")
    return found


def expand(text: str) -> Document:
    return YamlDescriptors().expand(document(text), read, "f.yaml")


GOOD: list[tuple[str, Any]] = [
    ("{$text: ./text.txt}", "caf\u00e9\r\n"),
    ("{$text: ./bom.txt}", "hello"),
    ("{$openapi: ./text.txt}", "caf\u00e9\r\n"),
    ("{$asyncapi: ./data.json}", FILES["./data.json"].decode()),
    ("{$json: ./data.json}", {"a": [1, 2.5, "\U0001f600"], "$text": "./text.txt"}),
    ("{$json: ./returns.json}", {"a": 1, "b": "\r"}),
    ("{$json: ./null.json}", None),
    ("{$yaml: ./data.yaml}", {"a": "yes", "b": [1]}),
    (
        "[{$yaml: ./steps.yaml}, {a: {$text: ./bom.txt}}]",
        [[{"action": "debug:log"}], {"a": "hello"}],
    ),
    (
        "{$text: ./bom.txt, other: {$text: ./bom.txt}}",
        {"$text": "./bom.txt", "other": {"$text": "./bom.txt"}},
    ),
    ("{$ref: '#/definitions/x'}", {"$ref": "#/definitions/x"}),
    ("{properties: {$ref: {$text: ./bom.txt}}}", {"properties": {"$ref": {"$text": "./bom.txt"}}}),
    ("{a/b~c: [1, {$text: ./bom.txt}]}", {"a/b~c": [1, "hello"]}),
]


@pytest.mark.parametrize(("text", "expected"), GOOD, ids=[text for text, _ in GOOD])
def test_placeholders_give_way(text: str, expected: Any) -> None:
    found = expand(f"kind: API\nspec:\n  x: {text}\n")
    assert found.problems == ()
    assert found.value == {"kind": "API", "spec": {"x": expected}}


BAD = [
    ("{$text: ./gone.txt}", "not there"),
    ("{$text: ../../secret}", "leaves the repository"),
    ("{$text: ./latin.txt}", "offset 3 is not UTF-8"),
    ("{$text: ./nul.txt}", "NUL"),
    ("{$text: 5}", "path or URL"),
    ("{$text: ''}", "path or URL"),
    ("{$text: {a: b}}", "path or URL"),
    ("{$json: ./bad.json}", "not JSON"),
    ("{$json: ./twice.json}", "stands twice"),
    ("{$json: ./deep.json}", "recursion"),
    ("{$json: ./text.txt}", "not JSON"),
    ("{$yaml: ./two.yaml}", "exactly one document, not 2"),
    ("{$yaml: ./none.yaml}", "exactly one document, not 0"),
    ("{$yaml: ./bad.yaml}", "./bad.yaml:3"),
]


@pytest.mark.parametrize(("text", "part"), BAD, ids=[text for text, _ in BAD])
def test_what_fails_is_told_with_its_place(text: str, part: str) -> None:
    found = expand(f"kind: API\nspec:\n  a: {{$text: ./bom.txt}}\n  x:\n    - {text}\n")
    (problem,) = found.problems
    assert problem.code == "placeholder"
    assert part in problem.message
    assert str(problem.place) == "f.yaml:5:7 (/spec/x/0)"
    assert found.value["spec"]["a"] == "hello"
    assert is_placeholder(found.value["spec"]["x"][0])


def test_every_failure_is_told() -> None:
    found = expand("a: {$text: ./gone}\nb: {$text: ./bom.txt}\nc: {$yaml: ./two.yaml}\n")
    assert [str(problem.place) for problem in found.problems] == [
        "f.yaml:1:1 (/a)",
        "f.yaml:3:1 (/c)",
    ]
    assert found.value["b"] == "hello"


def test_a_document_without_any_is_given_back() -> None:
    given = document("a: {$ref: x}\n")
    assert YamlDescriptors().expand(given, read) is given
    (bad,) = YamlDescriptors().parse(b"a: [", "f")
    assert YamlDescriptors().expand(bad, read) is bad
    (scalar,) = YamlDescriptors().parse(b"just text", "f")
    assert YamlDescriptors().expand(scalar, read) is scalar


def test_the_document_is_not_changed_and_lines_stay() -> None:
    given = document("spec:\n  x: {$text: ./bom.txt}\n  y: 1\n")
    before = json.dumps(given.value)
    found = YamlDescriptors().expand(given, read)
    assert json.dumps(given.value) == before
    assert found.lines["/spec/y"] == 3
    assert list(found.value["spec"]) == ["x", "y"]
    found.value["spec"]["y"] = 2
    assert given.value["spec"]["y"] == 1


def test_a_root_can_be_a_placeholder() -> None:
    assert expand("$yaml: ./data.yaml\n").value == {"a": "yes", "b": [1]}


def test_each_target_is_read_once() -> None:
    asked: list[str] = []

    def counting(target: str) -> bytes:
        asked.append(target)
        return read(target)

    given = document("[{$text: ./bom.txt}, {$text: ./bom.txt}, {$text: ./text.txt}]")
    value, problems = resolve_placeholders(given, "f.yaml", counting)
    assert (value, problems) == (["hello", "hello", "caf\u00e9\r\n"], [])
    assert asked == ["./bom.txt", "./text.txt"]


def test_budgets() -> None:
    given = document("[" + "{$text: ./bom.txt}," * 101 + "]")
    _, problems = resolve_placeholders(given, "f", read)
    assert [p.message for p in problems] == ["$text: a document may have at most 100 placeholders"]
    given = document("[{$text: ./bom.txt}, {$text: ./bom.txt}]")
    _, problems = resolve_placeholders(given, "f", read, YamlLimits(bytes=10))
    assert len(problems) == 1
    assert "10 bytes together" in problems[0].message


def test_other_errors_of_the_reader_are_not_hidden() -> None:
    def broken(target: str) -> bytes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        resolve_placeholders(document("$text: x"), "f", broken)


def test_it_is_a_descriptor_format() -> None:
    made = YamlDescriptors()
    assert isinstance(made, DescriptorFormat)
    assert made.name == "yaml"
    assert made.suffixes == {".yaml", ".yml", ".json"}
    (found,) = made.parse(b'{"kind": "User"}', "f.json")
    assert found.value == {"kind": "User"}
    (bad,) = YamlDescriptors(YamlLimits(nodes=1)).parse(b"a: 1", "f.yaml")
    assert "`nodes`" in bad.problems[0].message
