"""Plain documents are read line by line: with the composer's own answers, or not at all."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towpath_backstage.yaml import YamlLimits, parse_documents
from towpath_backstage.yaml.documents import _pieces
from towpath_backstage.yaml.plain import plain_document

LIMITS = YamlLimits()


def plainly(text: str, limits: YamlLimits = LIMITS) -> Any:
    """What the lines alone say: a tuple of the value, or None where they leave it open."""
    found = plain_document(text, 0, len(text), limits)
    return None if found is None else (found.value,)


def composed(text: str, limits: YamlLimits = LIMITS) -> Any:
    """What the composer says of the one document of a text, None where it refuses it."""
    documents = parse_documents(text.encode(), "f", limits, pure=True)
    if any(document.problems for document in documents):
        return None
    return (documents[0].value if documents else None,)


PLAIN = [
    "a: b\n",
    "---\na: b\n",
    "--- # why\n\n# more\na: b # c\n",
    "a: b#c\nd: e:f\n",
    "a:\n  b:\n    c: 1\n  d: 2\ne: 3\n",
    "a:\n- b\n- c\nd: e\n",
    "a:\n  - b: 1\n    c: 2\n  - b: 3\nd: e\n",
    "- a: 1\n- b\n",
    "a: []\nb: {}\nc: [x, y , z]\n",
    "a: 'x: # y'\nb: \"it's\"\nc: ''\n",
    "a: null\nb: ~\nc: true\nd: 1.50\ne: NO\nf: 22:22\ng: nothing\n",
    "a: [true, null, x]\n",
    "a:\nb:\n  c:\n",
    "a: |\n  x\n    y\n\n  z\n\nb: 1\n",
    "a: |-\n  x\n\n\nb: |+\n  y\n\nc: 1\n",
    "a: |\n  x\n   \n \n  y\n",
    "a:\n  # comment\n  b: 1\n # odd\n  c: 2\n",
    "a:   b c  \nd: $e\n$f: g\n",
    "  a: 1\n  b: 2\n",
    "a:\n  - b:\n      - c\n  - d:\n    - e\n",
    "a: b\u00e9\u4e2d\U0001f600\n",
    "url: http://a.b/c?d=e#f\nref: url:https://x/y/\n",
    "",
    "# nothing\n",
    "---\n",
]


@pytest.mark.parametrize("text", PLAIN)
def test_plain_documents_are_read_by_line(text: str) -> None:
    assert plainly(text) == composed(text)


DOUBT = [
    "a: 1\na: 2\n",
    "a: b\n  c\n",
    "a: b\n  - c\n",
    "a: b: c\n",
    "a: b\n c: d\n",
    "a:\n  b: 1\n c: 2\n",
    "a: &x b\n",
    "a: *x\n",
    "a: !x b\n",
    "a: 'b\n  c'\n",
    'a: "\\x41"\n',
    "a: >\n  b\n",
    "a: |2\n  b\n",
    "a: |\n\n  b\n",
    "a: |\n    b\n  c\n",
    "a: |\n  \tb\n c: 1\n",
    "a: |\n  b\n \t\n",
    "- - a\n",
    "-\n  a: 1\n",
    "- a\nb: c\n",
    "a:\n- b\nc: d\n- e\n",
    "? a\n: b\n",
    "null: 1\n",
    "true: 1\n",
    "a\n",
    "a: b\n...\n",
    "%YAML 1.2\n",
    "a:\tb\n",
    "a: b\t# c\n",
    "a: b\r\n",
    "a: [b, [c]]\n",
    "a: [b,]\n",
    "a: {b: c}\n",
    "a: 1e999\n",
    "a: .inf\n",
    "a: @b\n",
    "- a: |\n  b\n",
    "a: 'b' c\n",
    "a: b\ufeff\n",
]


@pytest.mark.parametrize("text", DOUBT)
def test_what_is_in_doubt_is_left_to_the_composer(text: str) -> None:
    assert plainly(text) is None


TIGHT = [
    (YamlLimits(depth=2), "a:\n  b:\n    c: 1\n"),
    (YamlLimits(depth=1), "a: []\n"),
    (YamlLimits(depth=1), "a:\n- b\n"),
    (YamlLimits(digits=2), "a: 123\n"),
    (YamlLimits(key_characters=2), "abc: 1\n"),
]


@pytest.mark.parametrize(("limits", "text"), TIGHT)
def test_budgets_are_the_composers(limits: YamlLimits, text: str) -> None:
    assert plainly(text, limits) is None
    assert composed(text, limits) is None


@pytest.mark.parametrize("text", PLAIN)
def test_nodes_are_counted_as_the_composer_counts(text: str) -> None:
    found = plain_document(text, 0, len(text), LIMITS)
    assert found is not None
    if found.value is None:
        return
    assert composed(text, YamlLimits(nodes=found.nodes)) == (found.value,)
    assert composed(text, YamlLimits(nodes=max(1, found.nodes - 1))) is None


WORDS = st.sampled_from(
    [
        *"abnt:#-'\"[]{}|>,~?&*! \n\t",
        "  ",
        "\n  ",
        "\n",
        "\n- ",
        "\n  - ",
        ": ",
        " #",
        "k: ",
        "1",
        "a: b\n",
        "---\n",
        "true",
        "null",
        "|\n  ",
        "|-\n",
        "[a, b]",
        "'x'",
        '"y"',
        "\u00e9",
    ]
)
LINES = st.lists(
    st.tuples(
        st.sampled_from(["", "  ", "    ", " ", "- ", "  - ", "-   "]),
        st.sampled_from(["a:", "b:", "c/d:", "", "$x:", "k:k"]),
        st.sampled_from(["", " v", " 'q'", ' "d"', " [x, y]", " []", " {}", " |", " 12", " # c"]),
    ).map("".join),
    max_size=8,
).map(lambda lines: "\n".join(lines) + "\n")


@given(st.lists(WORDS, max_size=25).map("".join) | LINES)
@settings(deadline=None, max_examples=600)
def test_lines_never_contradict_the_composer(text: str) -> None:
    text = f"{text}\n"
    if len(list(_pieces(text))) > 1:
        return
    found = plainly(text)
    if found is not None:
        assert found == composed(text)


@given(LINES)
@settings(deadline=None, max_examples=200)
def test_places_are_found_when_they_are_asked_for(text: str) -> None:
    lazy = parse_documents(text.encode(), "f")
    eager = parse_documents(text.encode(), "f", pure=True)
    assert [dict(d.lines) for d in lazy] == [dict(d.lines) for d in eager]
    assert [dict(d.columns) for d in lazy] == [dict(d.columns) for d in eager]
    assert [d.line for d in lazy] == [d.line for d in eager]


@pytest.mark.corpus
def test_most_real_documents_are_plain_and_mean_the_same(corpus: Path) -> None:
    seen: Counter[bool] = Counter()
    files = [*(corpus / "catalogs").iterdir(), *(corpus / "backstage-examples").rglob("*.yaml")]
    for file in files:
        text = file.read_text("utf-8-sig").rstrip("\n") + "\n"
        for _, begin, end in _pieces(text):
            found = plainly(text[begin:end])
            seen[found is not None] += 1
            assert found is None or found == composed(text[begin:end])
    assert seen[True] > 8 * seen[False]


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "b:" * 500_000 + " c\n",
        "a: " + "b " * 500_000 + ": c\n",
        "a: b" + " " * 1_000_000 + ": c\n",
        "k: |\n" + " \n" * 400_000 + "x",
        "a: [" + "b, " * 300_000 + "\n",
        "a" * 1_000_000 + "\n",
        " " * 1_000_000 + ":\n",
    ],
    ids=["colons", "words", "spaces", "blank lines", "list", "long word", "indent"],
)
def test_no_line_takes_long(text: str) -> None:
    begin = time.process_time()
    plainly(text)
    assert time.process_time() - begin < 0.25
