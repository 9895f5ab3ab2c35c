"""YAML as JSON data: what is taken, what is refused, and in which line."""

from __future__ import annotations

import pytest

from towpath_backstage.yaml import YamlLimits, parse_documents


def values(text: str) -> list[object]:
    documents = parse_documents(text.encode(), "f.yaml")
    assert [str(p) for d in documents for p in d.problems] == []
    return [document.value for document in documents]


def refused(text: str, limits: YamlLimits | None = None) -> tuple[str, int | None, str]:
    """Code, line and message of the only problem."""
    documents = parse_documents(text.encode(), "f.yaml", limits)
    (problem,) = [problem for document in documents for problem in document.problems]
    assert problem.place.file == "f.yaml"
    return problem.code, problem.place.line, problem.message


SCALARS = [
    ("true", True),
    ("True", True),
    ("FALSE", False),
    ("tRUE", "tRUE"),
    ("yes", "yes"),
    ("NO", "NO"),
    ("on", "on"),
    ("off", "off"),
    ("y", "y"),
    ("~", None),
    ("null", None),
    ("NULL", None),
    ("nULL", "nULL"),
    ("", None),
    ("''", ""),
    ("'null'", "null"),
    ('"1"', "1"),
    ("1", 1),
    ("+1", 1),
    ("-0", 0),
    ("08", 8),
    ("010", 10),
    ("0o17", 15),
    ("0o18", "0o18"),
    ("0x1F", 31),
    ("0b1", "0b1"),
    ("1_000", "1_000"),
    ("12345678901234567890123", 12345678901234567890123),
    ("1.5", 1.5),
    ("1.0", 1),
    ("1.", 1),
    (".5", 0.5),
    ("1e3", 1000),
    ("1.5E-3", 0.0015),
    ("-.5e+1", -5),
    ("1.2.3", "1.2.3"),
    ("1e", "1e"),
    (".", "."),
    ("-", [None]),
    ("--", "--"),
    ("22:22", "22:22"),
    ("1:20:30", "1:20:30"),
    ("2020-01-01", "2020-01-01"),
    ("2020-01-01T10:00:00Z", "2020-01-01T10:00:00Z"),
    ("<<", "<<"),
    ("=", "="),
    ("!!str 1", "1"),
    ("!!str", ""),
    ("! 12", "12"),
    ("!!int '3'", 3),
    ("!!float 1", 1),
    ("!!float 1.5", 1.5),
    ("!!bool true", True),
    ("!!null ''", None),
    ("!!map {a: 1}", {"a": 1}),
    ("!!seq [1]", [1]),
    ("!<tag:yaml.org,2002:str> 5", "5"),
    ("${{ parameters.name }}", "${{ parameters.name }}"),
    ('"\\/ \\u00e9 \\x41"', "/ \u00e9 A"),
]


@pytest.mark.parametrize(("text", "expected"), SCALARS, ids=[text for text, _ in SCALARS])
def test_scalars_follow_the_core_schema(text: str, expected: object) -> None:
    assert values(f"a:\n  {text}\n") == [{"a": expected}]
    found = values(f"a:\n  {text}\n")[0]
    assert isinstance(found, dict)
    assert type(found["a"]) is type(expected)


KEYS = [
    ("1: x", "1"),
    ("1.0: x", "1"),
    ("1.5: x", "1.5"),
    ("0x10: x", "16"),
    ("1e21: x", "1e+21"),
    ("1e-7: x", "1e-7"),
    ("1e16: x", "10000000000000000"),
    ("0.00001: x", "0.00001"),
    ("true: x", "true"),
    ("False: x", "false"),
    ("null: x", ""),
    ("~: x", ""),
    ("'1': x", "1"),
    ("<<: x", "<<"),
    ("&a b: x", "b"),
    ("!!str 1: x", "1"),
    ("{ x }: y", "{ x }"),
    ("[a, b]: y", "[ a, b ]"),
    ("{}: x", "{}"),
    ("[]: x", "[]"),
    ("? {a: 1, b: [c, d], e: null, f: true}\n: y", "{ a: 1, b: [ c, d ], e, f: true }"),
    ("? |\n  x\n: y", "x\n"),
    ('? ["1", "", "q: r", null, 1.5]\n: z', '[ "1", "", "q: r", null, 1.5 ]'),
]


@pytest.mark.parametrize(("text", "key"), KEYS, ids=[text for text, _ in KEYS])
def test_keys_are_written_as_javascript_writes_them(text: str, key: str) -> None:
    (found,) = values(text)
    assert isinstance(found, dict)
    assert list(found) == [key]


TAKEN = [
    ("- {{ x }}", [{"{ x }": None}]),
    ("a: {{ x | dump }}", {"a": {"{ x | dump }": None}}),
    ("a: b\t\nc: d", {"a": "b", "c": "d"}),
    ("a:\tb", {"a": "b"}),
    ("-\ta\n-\tb", ["a", "b"]),
    ("-\t'a'\n-\tb", ["a", "b"]),
    ("a:\n  b: c\n\t\n  d: e", {"a": {"b": "c", "d": "e"}}),
    ("a:\n  b: c\n \t \n  d: e", {"a": {"b": "c", "d": "e"}}),
    ("\t\na: 1", {"a": 1}),
    ("a: 1\n\t# c\nb: 1", {"a": 1, "b": 1}),
    ("a: 1\n\t\nb: |\n  x\n  \ty\nc: 'z'\n\t\nd: 2", {"a": 1, "b": "x\n\ty\n", "c": "z", "d": 2}),
    ("a: |\n  x\n  \t\n  y\n", {"a": "x\n\t\ny\n"}),
    ("a: |\n  x", {"a": "x\n"}),
    ("a: |-\n  x", {"a": "x"}),
    ("a: |+\n  x\n\n", {"a": "x\n\n"}),
    ('{"a":1,"b":[true,null]}', {"a": 1, "b": [True, None]}),
    ("{\n\t'a': 1\n}", {"a": 1}),
    ('a: "\\ud83d\\ude00"', {"a": "\U0001f600"}),
    ("a: '\\ud83d\\ude00'\nb: \"\\uD83D\\uDE00\"", {"a": "\\ud83d\\ude00", "b": "\U0001f600"}),
    ("&a a: 1\nb: *a", {"a": 1, "b": "a"}),
    ("a: &x 1\nb: &x 2\nc: *x", {"a": 1, "b": 2, "c": 2}),
    ("a: &x y\n*x : z", {"a": "y", "y": "z"}),
    ("a: &x [&x b, *x]\nc: *x", {"a": ["b", "b"], "c": "b"}),
    ("a: &x [&x [b], *x]\nc: *x", {"a": [["b"], ["b"]], "c": ["b"]}),
    ("a: &x [1, {b: 2}]\nc: *x", {"a": [1, {"b": 2}], "c": [1, {"b": 2}]}),
    ("<<: {a: 1}\nb: 2", {"<<": {"a": 1}, "b": 2}),
    ("a: &x\nb: *x", {"a": None, "b": None}),
    ("%YAML 1.2\n---\na: yes", {"a": "yes"}),
    ("\ufeffa: 1", {"a": 1}),
    ("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
    ('a: "x\u2028y"', {"a": "x\u2028y"}),
    ('a: "x\x85y\x7f\x9b"', {"a": "x\x85y\x7f\x9b"}),
    ("a: x\u2028b", {"a": "x\u2028b"}),
    ('a: "\\e[31m"', {"a": "\x1b[31m"}),
    ("key\u2029: \ufffe", {"key\u2029": "\ufffe"}),
    ('a: "x\ry"\r\nb: 1', {"a": "x\ry", "b": 1}),
]


@pytest.mark.parametrize(("text", "expected"), TAKEN, ids=[repr(text) for text, _ in TAKEN])
def test_what_javascript_takes_is_taken(text: str, expected: object) -> None:
    assert values(text) == [expected]


REFUSED = [
    ("a: 1\nb: {", "yaml-syntax", 3),
    ("a: 1\n b: 2", "yaml-syntax", 2),
    ("a: b: c", "yaml-syntax", 1),
    ("a:\n\tb: 1", "yaml-syntax", 2),
    ("a: @b", "yaml-syntax", 1),
    ("a: 1\n}\n", "yaml-syntax", 2),
    ("a: 'x", "yaml-syntax", 2),
    ("a: x\u2028b: c", "yaml-syntax", 1),
    ("a: x\rb: c", "yaml-syntax", 1),
    ("a: 1\n{%- if x %}\nb: 2\n{%- endif %}", "yaml-syntax", 2),
    ('a: "\\ud83d"', "yaml-syntax", 1),
    ("a: 1\nb: 2\na: 3", "yaml-duplicate-key", 3),
    ("{a: 1, 'a': 2}", "yaml-duplicate-key", 1),
    ("1: a\n'1': b", "yaml-duplicate-key", 2),
    ("a: &x k\nk: 1\n*x : 2", "yaml-duplicate-key", 3),
    ("? {x}\n: 1\n? {x}\n: 2", "yaml-duplicate-key", 3),
    ("<<: {}\n<<: {}", "yaml-duplicate-key", 2),
    ("a: !!python/object/apply:os.system [ls]", "yaml-tag", 1),
    ("a: !!python/name:os.system", "yaml-tag", 1),
    ("a:\n  - !Ref b", "yaml-tag", 2),
    ("!custom\na: 1", "yaml-tag", 1),
    ("!custom k: 1", "yaml-tag", 1),
    ("a: !!set {x}", "yaml-tag", 1),
    ("a: !<str> x", "yaml-tag", 1),
    ("a: !<int> 1", "yaml-tag", 1),
    ("a: !!binary aGk=", "yaml-tag", 1),
    ("a: !!int x", "yaml-tag", 1),
    ("a: !!bool yes", "yaml-tag", 1),
    ("a: !!str [1]", "yaml-tag", 1),
    ("a: !!map [1]", "yaml-tag", 1),
    ("a: *b", "yaml-alias", 1),
    ("a: &a [*a]", "yaml-alias", 1),
    ("a: &a\n  b: {c: *a}", "yaml-alias", 2),
    ("&a {*a : 1}", "yaml-alias", 1),
    ("a: .inf", "yaml-number", 1),
    ("a: -.INF", "yaml-number", 1),
    ("a: .nan", "yaml-number", 1),
    ("a: 1e400", "yaml-number", 1),
    ('a:\n  b: c\n  d: "x\\0y"', "yaml-character", 3),
    ('"\\x00": 1', "yaml-character", 1),
    ("a: x\0y", "yaml-character", 1),
]


@pytest.mark.parametrize(("text", "code", "line"), REFUSED, ids=[repr(t) for t, _, _ in REFUSED])
def test_refusals_name_the_line(text: str, code: str, line: int) -> None:
    assert refused(text)[:2] == (code, line)


MESSAGES = [
    ("a: 1\nb: 2\na: 3", "in line 1 and again in line 3"),
    ("x: 0\n---\na: 1\nb: 2\na: 3", "in line 3 and again in line 5"),
    ("a: {% if x %}", "a template that was not rendered"),
    ("a:\n\tb: 1", "spaces where it is a tab"),
    ("a: !Ref b", "'!Ref'"),
    ("a: !!timestamp 2020-01-01", "'!!timestamp'"),
    ("a: 1e400", "1e400 is read as a number"),
    ("a: *b", "&b"),
    ("a: 'x", "inside a quoted text"),
]


@pytest.mark.parametrize(("text", "part"), MESSAGES, ids=[repr(t) for t, _ in MESSAGES])
def test_messages_say_what_to_look_for(text: str, part: str) -> None:
    assert part in refused(text)[2]


LIMITS = [
    ("bytes", 10, "a: 123456789", 1),
    ("documents", 2, "a\n---\nb\n---\nc\n---\nd", 4),
    ("documents", 2, "---\n---\n---\n", 3),
    ("depth", 2, "a:\n  b:\n    c: 1", 3),
    ("depth", 2, "[[[1]]]", 1),
    ("depth", 3, "a: &a [[1]]\nb: [{c: *a}]", 2),
    ("nodes", 4, "a: 1\nb: 2\nc: 3", 2),
    ("nodes", 5, "a: 1\nb: 2\nc: 3", 3),
    ("nodes", 4, "[1,\n2,\n3,\n4]", 4),
    ("nodes", 2, "[[[]]]", 1),
    ("file_nodes", 6, "[1, 2]\n---\n[1, 2]\n---\n[1, 2]\n", 5),
    ("alias_nodes", 3, "a: &a [1, 2]\nb: *a\nc: *a", 3),
    ("alias_nodes", 3, f"a: &a {'x' * 500}\nb: *a", 2),
    ("anchors", 1, "a: &a 1\nb: &b [1]", 2),
    ("anchors", 1, "a: &a [1]\nb: &b 1", 2),
    ("collection_keys", 1, "? [a]\n: 1\n? {b: 1}\n: 2", 3),
    ("digits", 5, "a: 1\nb: 123456", 2),
    ("digits", 5, "a: 0.12345", 1),
    ("key_characters", 5, "? [abc, def]\n: 1", 1),
]


@pytest.mark.parametrize(("budget", "value", "text", "line"), LIMITS)
def test_each_budget_is_named_with_its_value(budget: str, value: int, text: str, line: int) -> None:
    limits = YamlLimits(**{budget: value})
    code, at, message = refused(text, limits)
    assert (code, at) == ("yaml-limit", line)
    assert f"`{budget}` of {value}" in message


def test_budgets_take_what_just_fits() -> None:
    fits = YamlLimits(nodes=6, depth=2, alias_nodes=2, documents=1, digits=3)
    documents = parse_documents(b"a: &a [123]\nb: *a", "f", fits)
    assert [d.value for d in documents] == [{"a": [123], "b": [123]}]
    assert documents[0].problems == ()


def test_file_alias_budget_counts_over_documents() -> None:
    text = "---\na: &a [1, 2]\nb: *a\n" * 3
    documents = parse_documents(text.encode(), "f", YamlLimits(file_alias_nodes=7))
    assert [bool(d.problems) for d in documents] == [False, False, True]
    assert "`file_alias_nodes` of 7" in documents[2].problems[0].message


def test_aliases_are_copies() -> None:
    (document,) = parse_documents(b"a: &x {b: [1]}\nc: *x\nd: *x", "f")
    document.value["c"]["b"].append(2)
    assert document.value == {"a": {"b": [1]}, "c": {"b": [1, 2]}, "d": {"b": [1]}}


def test_empty_documents_are_left_out() -> None:
    assert values("") == []
    assert values("# nothing\n") == []
    assert values("---\n---\n\n---\nnull\n---\n~\n...\n") == []
    assert values("---\na: 1\n---\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]


def test_roots_that_are_no_mapping_are_given_as_they_are() -> None:
    assert values("- a\n---\nb\n---\n5\n---\nfalse") == [["a"], "b", 5, False]


BAD_ONES = ["a: [1", "a: {% x %}", "a: 'x", "a: 1\na: 2", "a: !x y", "}", "- a\nb: c", "a: *b"]


@pytest.mark.parametrize("bad", BAD_ONES)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_document_takes_no_other_with_it(bad: str, place: int) -> None:
    pieces = ["x: 1\ny: 2", "z: 3"]
    pieces.insert(place, bad)
    documents = parse_documents("\n---\n".join(pieces).encode(), "f")
    good = [d for d in documents if not d.problems]
    assert [d.value for d in good] == [{"x": 1, "y": 2}, {"z": 3}]
    assert [bool(d.problems) for d in documents].index(True) == place
    assert len(documents) == 3
    text = "\n---\n".join(pieces).split("\n")
    assert text[good[0].lines["/y"] - 1] == "y: 2"
    assert text[good[1].lines["/z"] - 1] == "z: 3"


SEPARATED = [
    "\n---\n",
    "\n...\n",
    "\n...\n---\n",
    "\n--- # next\n",
    "\r\n---\r\n",
    "\n...\n# next\n\n",
]


@pytest.mark.parametrize("mark", SEPARATED, ids=repr)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_no_document_is_lost_between_separators(mark: str, count: int) -> None:
    whole = [{f"a{number}": number, "b": ["x"]} for number in range(count)]
    text = mark.join(f"a{number}: {number}\nb:\n- x" for number in range(count))
    assert values(text) == whole
    assert values(f"{text}\n...\n") == whole
    assert values(f"---\n{text}\n---\n") == whole
    broken = parse_documents(f"{text}{mark}[\n---\nlast: 1".encode(), "f")
    assert [d.value for d in broken] == [*whole, None, {"last": 1}]


def test_every_bad_document_is_told() -> None:
    text = "a: [\n---\nb: 1\n---\nc: {\n...\nd: 2\n...\n---\n!x\n---\ne: 3\n"
    documents = parse_documents(text.encode(), "f")
    shown = [(d.value, d.line if d.problems else None) for d in documents]
    assert [value for value, _ in shown] == [None, {"b": 1}, None, {"d": 2}, None, {"e": 3}]
    assert [line for _, line in shown if line] == [2, 6, 10]


def test_text_after_the_end_spoils_its_own_document_only() -> None:
    documents = parse_documents(b'x: 1\n---\n{"a": 1} b\n---\ny: 2\n', "f")
    assert [d.value for d in documents] == [{"x": 1}, None, {"y": 2}]
    assert documents[1].problems[0].place.line == 3


def test_bytes_that_are_not_utf8_are_named_by_offset() -> None:
    (document,) = parse_documents(b"a: 1\nb: \xff\n", "f")
    assert document.problems[0].code == "yaml-encoding"
    assert "offset 8" in document.problems[0].message
    assert document.problems[0].place.line == 2
    (utf16,) = parse_documents("a: 1".encode("utf-16"), "f")
    assert utf16.problems[0].code == "yaml-encoding"


LINED = """\
# a comment
kind: Component

metadata:
  name: x
  annotations:
    a/b: c
    d~e: f
  tags: [one,
         two]
spec:
  text: |
    many
    lines
  list:
    - a
    -
      b: 1
      c: &x
        d: 2
    - *x
  ? [k]
  : v
  "quoted": "a
    b"
  last: z
"""

LINES = {
    "": 2,
    "/kind": 2,
    "/metadata": 4,
    "/metadata/annotations/a~1b": 7,
    "/metadata/annotations/d~0e": 8,
    "/metadata/tags": 9,
    "/metadata/tags/0": 9,
    "/metadata/tags/1": 10,
    "/spec/text": 12,
    "/spec/list": 15,
    "/spec/list/0": 16,
    "/spec/list/1": 18,
    "/spec/list/1/c/d": 20,
    "/spec/list/2": 21,
    "/spec/list/2/d": 20,
    "/spec/[ k ]": 22,
    "/spec/quoted": 24,
    "/spec/last": 26,
}


@pytest.mark.parametrize(("pointer", "line"), LINES.items())
@pytest.mark.parametrize("before", ["", "x: 1\n---\n", "x: [\n---\n", "x: 1\n---\ny: [\n---\n"])
def test_lines_of_pointers(pointer: str, line: int, before: str) -> None:
    document = parse_documents(f"{before}{LINED}".encode(), "f")[-1]
    assert document.lines[pointer] == line + before.count("\n")
    assert document.line == 2 + before.count("\n")


def test_lines_know_every_node_and_no_other() -> None:
    (document,) = parse_documents(b"a: [1, {b: 2}]\nc: {}\n", "f")
    assert dict(document.lines) == {
        "": 1,
        "/a": 1,
        "/a/0": 1,
        "/a/1": 1,
        "/a/1/b": 1,
        "/c": 2,
    }
    assert len(document.lines) == 6
    for pointer in ("a", "/b", "/a/2", "/a/-1", "/a/01x", "/a/\u0663", "/a/0/x", "/c/", "//"):
        assert pointer not in document.lines
    assert "line 1" in repr(document.lines)


def test_places_fall_back_to_the_nearest_node() -> None:
    (document,) = parse_documents(b"a: 1\nspec:\n  b: 2\n", "f.yaml")
    assert str(document.place("f.yaml", "/spec/owner")) == "f.yaml:2:1 (/spec/owner)"
    assert str(document.place("f.yaml", "/spec/b")) == "f.yaml:3:3 (/spec/b)"
    assert document.place("f.yaml").line == 1


COLUMNS = {
    "": 1,
    "/kind": 1,
    "/metadata/name": 3,
    "/metadata/tags/0": 10,
    "/metadata/tags/1": 10,
    "/spec/list/0": 7,
    "/spec/list/1/c/d": 9,
    "/spec/list/2": 7,
    "/spec/[ k ]": 5,
}


@pytest.mark.parametrize(("pointer", "column"), COLUMNS.items())
@pytest.mark.parametrize("before", ["", "x: 1\n---\n", "x: [\n---\n"])
def test_columns_of_pointers(pointer: str, column: int, before: str) -> None:
    document = parse_documents(f"{before}{LINED}".encode(), "f")[-1]
    assert document.columns[pointer] == column
    assert set(document.columns) == set(document.lines)


def test_columns_count_characters() -> None:
    (document,) = parse_documents('"\u00e4\u2028\U0001f600": [1, x]'.encode(), "f")
    assert document.columns["/\u00e4\u2028\U0001f600/1"] == 12


def test_special_characters_do_not_move_lines() -> None:
    (document,) = parse_documents('a: "x\u2028y\x85z"\nb: 2\n'.encode(), "f")
    assert document.lines["/b"] == 2


def test_many_tabs_are_read_and_too_many_are_told() -> None:
    text = "a: 1\n" + "".join(f"\t\nb{i}: it's\n" for i in range(40))
    (document,) = parse_documents(text.encode(), "f")
    assert len(document.value) == 41
    (document,) = parse_documents(
        (text + "".join(f"\t\nc{i}: it's\n" for i in range(40))).encode(), "f"
    )
    assert document.problems[0].code == "yaml-syntax"


EVERYWHERE = [
    text
    for text in [*(t for t, _ in TAKEN), *(t for t, _, _ in REFUSED), LINED, "---\na: [\n---\nb: 1"]
    if "\t" not in text and "\\u" not in text  # pure Python refuses tabs that libyaml takes
]


@pytest.mark.parametrize("text", EVERYWHERE)
def test_pure_python_answers_the_same(text: str) -> None:
    fast = parse_documents(text.encode(), "f")
    pure = parse_documents(text.encode(), "f", pure=True)
    assert [d.value for d in pure] == [d.value for d in fast]
    assert [dict(d.lines) for d in pure] == [dict(d.lines) for d in fast]
    codes = [[p.code for p in d.problems] for d in fast]
    assert [[p.code for p in d.problems] for d in pure] == codes
