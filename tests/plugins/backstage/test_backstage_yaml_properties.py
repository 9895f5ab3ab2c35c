"""What holds for every YAML: JSON comes back as it was, lines are right, nothing raises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from towpath_backstage.yaml import YamlLimits, collections, parse_documents, pointer_of, rebuilt

SMALL = settings(deadline=None, max_examples=60)

# NUL is refused on purpose; keys beyond 1,024 characters are beyond what YAML allows.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**90), 10**90),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
)
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=30,
)


def leaves(data: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(data, dict | list):
        yield "", data
    for path, node in collections(data):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if not isinstance(value, dict | list):
                yield pointer_of((path, key)), value


@given(DATA, st.sampled_from([None, 1, 2]), st.booleans())
@SMALL
def test_json_comes_back_as_it_was(data: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(data, indent=indent, ensure_ascii=ascii_only)
    documents = parse_documents(text.encode(), "f.json")
    assert [str(p) for d in documents for p in d.problems] == []
    assert [d.value for d in documents] == ([] if data is None else [data])


@given(DATA)
@SMALL
def test_json_has_a_line_for_every_node(data: Any) -> None:
    text = json.dumps({"x": data}, indent=2)
    (document,) = parse_documents(text.encode(), "f.json")
    found = dict(leaves(document.value))
    assert set(found) <= set(document.lines)
    lines = text.split("\n")
    for pointer, value in found.items():
        line = lines[document.lines[pointer] - 1]
        assert json.dumps(value) in line or isinstance(value, dict | list | float)


def block(data: Any, indent: int, out: list[str], pointer: str, lines: dict[str, int]) -> int:
    """Write data in block style, noting the line of each node; give the line it begins in."""
    pad = " " * indent
    begin = 0
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        at = f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"
        out += ["", "# a comment"] if len(out) % 3 == 0 else []
        head = f"{pad}{json.dumps(key)}:" if isinstance(data, dict) else f"{pad}-"
        nested = isinstance(value, dict | list) and bool(value)
        out.append(head if nested else f"{head} {json.dumps(value)}")
        lines[at] = len(out)
        begin = begin or len(out)
        if nested:
            inner = block(value, indent + 2, out, at, lines)
            # A member stands where its key does, an item where what is in it begins.
            lines[at] = lines[at] if isinstance(data, dict) else inner
    return begin


KEYS = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), min_size=1, max_size=8)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | KEYS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(KEYS, TREES, min_size=1, max_size=4), st.integers(0, 3))
@SMALL
def test_lines_in_block_style(data: dict[str, Any], others: int) -> None:
    out: list[str] = []
    for number in range(others):
        out += [f"bad: [{number}" if number % 2 else f"n: {number}", "---"]
    lines: dict[str, int] = {}
    block(data, 0, out, "", lines)
    document = parse_documents("\n".join(out).encode(), "f.yaml")[-1]
    assert document.value == data
    assert {pointer: document.lines[pointer] for pointer in lines} == lines


MARKS = "[]{}:-?,&*!'\"|>#%@~\\a1\n\t\r\u2028\x85\x07\ufeff"
SNIPPETS = st.sampled_from(
    [
        *MARKS,
        *("- ", "? ", ": ", "&a ", "*a", "!x ", "!!int ", "|\n", ">\n", "\n  ", "\n    ", "\r\n"),
        *("---\n", "...\n", "a: b\n", "<<: ", "\\ud83d\\ude00", "\\0", "null", "0x", "1e9"),
    ]
)


@given(st.lists(SNIPPETS, max_size=60).map("".join))
@settings(deadline=None, max_examples=250)
def test_no_text_raises(text: str) -> None:
    limits = YamlLimits(depth=5, nodes=30, alias_nodes=10, documents=4, key_characters=20)
    for document in parse_documents(text.encode(), "f.yaml", limits):
        assert (document.value is None) == bool(document.problems)
        assert 1 <= document.line <= text.count("\n") + 2
        for problem in document.problems:
            assert problem.code.startswith("yaml-")
            assert problem.message.isprintable()
        assert all(pointer in document.lines for pointer, _ in leaves(document.value)) or (
            document.value is None
        )


WITHIN = SNIPPETS.filter(lambda text: not text.startswith(("---", "...", "%")))


@given(st.lists(st.lists(WITHIN | st.just("k: v\n"), max_size=8).map("".join), max_size=5))
@settings(deadline=None, max_examples=250)
def test_documents_mean_the_same_together_and_alone(texts: list[str]) -> None:
    pieces = [f"---\n{text}\n" for text in texts]
    alone = [document for piece in pieces for document in parse_documents(piece.encode(), "f")]
    together = parse_documents("".join(pieces).encode(), "f")
    assert [document.value for document in together] == [document.value for document in alone]
    codes = [[problem.code for problem in document.problems] for document in alone]
    assert [[problem.code for problem in d.problems] for d in together] == codes


@given(st.binary(max_size=60))
@SMALL
def test_no_bytes_raise(content: bytes) -> None:
    for document in parse_documents(content, "f.yaml"):
        assert document.problems or document.value is not None


@given(st.integers(1, 400), st.integers(1, 40), st.sampled_from(["[]", "{}", "- ", "? "]))
@SMALL
def test_depth_is_a_problem_and_never_an_error(depth: int, limit: int, style: str) -> None:
    opening = {"[]": "[", "{}": "{a: ", "- ": "- ", "? ": "? "}[style]
    closing = {"[]": "]", "{}": "}"}.get(style, "")
    text = opening * depth + "x" + closing * depth
    (document,) = parse_documents(text.encode(), "f.yaml", YamlLimits(depth=limit))
    if depth > limit:
        assert "`depth`" in document.problems[0].message
    else:
        assert all("`depth`" not in p.message for p in document.problems)


@given(DATA)
@SMALL
def test_rebuilt_is_an_equal_copy(data: Any) -> None:
    copy = rebuilt(data, lambda text: text)
    assert copy == data
    assert json.dumps(copy) == json.dumps(data)
    if isinstance(data, dict | list):
        assert copy is not data


@given(DATA)
@SMALL
def test_rebuilt_changes_every_text_and_nothing_else(data: Any) -> None:
    doubled = rebuilt(data, lambda text: f"<{text}>")
    assert rebuilt(doubled, lambda text: text[1:-1]) == data
    assert all(value.startswith("<") for _, value in leaves(doubled) if isinstance(value, str))
