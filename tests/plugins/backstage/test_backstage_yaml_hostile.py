"""Files that are made to hurt: each is answered soon, with a problem, and the process lives."""

from __future__ import annotations

import time

import pytest

from towpath_backstage.yaml import parse_documents
from towpath_core.catalog import Document

SECONDS = 0.5
"""Processor time of one answer: at most 0.25 s on a core of its own, twice that on a busy one."""

LAUGHS = (
    'a: &a ["lol"'
    + ',"lol"' * 8
    + "]\n"
    + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [" + ",".join([f"*{chr(97 + i)}"] * 9) + "]\n"
        for i in range(8)
    )
)

REFUSED = {
    "brackets": ("[" * 100_000, "`depth`"),
    "braces": ("{a: " * 100_000, "`depth`"),
    "brackets on lines": ("[\n" * 100_000, "`depth`"),
    "dashes": ("- " * 100_000, "`depth`"),
    "question marks": ("? " * 100_000, "`depth`"),
    "colons": (": " * 100_000, "not YAML"),
    "indents": ("\n".join(" " * i + "a:" for i in range(3_000)), "`depth`"),
    "laughs": (LAUGHS, "`alias_nodes`"),
    "aliases": ("a: &a x\nb: [" + ",".join(["*a"] * 200_000) + "]", "`alias_nodes`"),
    "merge keys": ("a: &a {b: 1}\nc:\n  <<: [" + ",".join(["*a"] * 200_000) + "]", "`alias_nodes`"),
    "long text by alias": (
        "a: &a '" + "x" * 1_000_000 + "'\nb: [" + ",".join(["*a"] * 2_000) + "]",
        "`alias_nodes`",
    ),
    "alias chain": (
        "a0: &a0 x\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}]\n" for i in range(5_000)),
        "`depth`",
    ),
    "recursive alias": ("a: &a [*a]", "inside its own anchor"),
    "integer": ("a: " + "9" * 1_000_000, "`digits`"),
    "hexadecimal": ("a: 0x" + "f" * 1_000_000, "`digits`"),
    "fraction": ("a: 0." + "9" * 1_000_000, "`digits`"),
    "exponent": ("a: 1e999999999", "JSON cannot write it"),
    "python object": ("a: !!python/object/apply:os.system [id]", "!!python/object"),
    "anchors": ("[" + ",".join(f"&a{i} x" for i in range(200_000)) + "]", "`anchors`"),
    "anchored pairs": ("".join(f"&k{i} k{i}: &v{i} v\n" for i in range(60_000)), "`anchors`"),
    "flow members": ("{" + ",".join(f"k{i}: 1" for i in range(200_000)) + "}", "`nodes`"),
    "complex keys": (
        "".join(f"? [{i}, {{a: b}}]\n: x\n" for i in range(50_000)),
        "`collection_keys`",
    ),
    "long complex key": ("? [" + ",".join(["xxxxxxxx"] * 10_000) + "]\n: y", "`key_characters`"),
    "nested complex keys": ("? " * 90 + "x", "`key_characters`"),
    "tag directives": (
        "".join(f"%TAG !a{i}! tag:x,{i}:\n" for i in range(300_000)) + "--- x\n",
        "%TAG",
    ),
    "escapes after a tab": ("a: 1\n\t\n" + '"' + '\\"' * 1_000_000, "not YAML"),
    "apostrophes after a tab": ("a: 1\n\t\n- " + "' " * 1_000_001, "not YAML"),
    "long tags": ("[" + ",".join(["!<" + "x" * 100 + "> a"] * 50_000) + "]", "tag"),
    "duplicates": ("a: 1\n" * 100_000, "stands twice"),
    "NUL escapes": ('a: ["' + "\\0" * 100_000 + '"]', "NUL"),
    "lone surrogates": ("{" + ",".join([r'"k": "\ud83d"'] * 50_000) + "}", "escape"),
    "annotations": (
        "metadata:\n  annotations:\n" + "".join(f"    a{i}: b\n" for i in range(50_000)),
        "`nodes`",
    ),
    "one long line": ('["a"],' * 800_000, "after the end"),
    "too large": ("a: " + "x" * (10 * 1024 * 1024), "`bytes`"),
}

READ = {
    "documents": "".join(f"---\na: {i}\n" for i in range(10_000)),
    "description": "metadata:\n  description: '" + "x " * 1_500_000 + "'",
    "block": "a: |\n" + "  x\n" * 500_000,
    "blank lines": "\n" * 5_000_000,
    "spaces": "a:" + " " * 5_000_000 + "b",
    "comments": "# x\n" * 1_200_000,
    "plain lines": "a: " + "x\n  " * 1_000_000,
    "not ASCII": "\u00e9: " + "\u00fc" * 1_000_000,
    "special characters": 'a: "' + "\x80\u2028x" * 250_000 + '"',
    "integers": "[" + ",".join(["9" * 99] * 50_000) + "]",
}


def answer(text: str) -> list[Document]:
    begin = time.process_time()
    documents = parse_documents(text.encode(), "f.yaml")
    assert time.process_time() - begin < SECONDS
    return documents


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_soon(name: str) -> None:
    text, part = REFUSED[name]
    documents = answer(text)
    assert len(documents) == 1
    assert documents[0].value is None
    (problem,) = documents[0].problems
    assert part in problem.message
    assert len(problem.message) < 300
    assert problem.place.line


@pytest.mark.parametrize("name", READ)
def test_is_read_soon(name: str) -> None:
    assert not any(document.problems for document in answer(READ[name]))


MANY = {
    "bad documents": ("---\na: [\n" * 100_000, 10_001),
    "document marks": ("---\n" * 1_000_000, 1),
    "end marks": ("...\n" * 1_000_000 + "{", 1),
    "directives": ("%FOO\n" * 500_000 + "{", 1),
    "one bad at the end": ("".join(f"---\na: {i}\n" for i in range(9_000)) + "---\n}", 9_001),
    "returns": ("a: [\r---\r" * 100_000, 1),
    "tag directives after returns": ("%TAG !a! tag:x,1:\r" * 300_000 + "--- x\r", 0),
    "aliases in each": (
        ("---\na: &a [" + "x," * 99 + "]\nb: [" + "*a," * 99 + "]\n") * 1_000,
        1_000,
    ),
    "pairs of surrogates": (
        "{\n" + ",\n".join(rf'"k{i}": "\ud83d\ude00"' for i in range(40_000)) + "}",
        1,
    ),
    "tabs": ("a: 1\n" + "".join(f"\t\nb{i}: x\n" for i in range(40_000)), 1),
}


@pytest.mark.parametrize("name", MANY)
def test_many_are_answered_soon(name: str) -> None:
    text, count = MANY[name]
    assert len(answer(text)) == count
