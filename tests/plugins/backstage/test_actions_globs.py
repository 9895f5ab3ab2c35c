"""Glob patterns of the actions."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towpath_backstage.actions.globs import Globs
from towpath_core.errors import Invalid


def match(pattern: str, path: str, *, dots: bool = True) -> bool:
    return Globs([pattern], "files", dots=dots).match(path.split("/"))


@pytest.mark.parametrize(
    ("pattern", "path", "answer"),
    [
        ("a.txt", "a.txt", True),
        ("a.txt", "b/a.txt", False),
        ("./a.txt", "a.txt", True),
        ("*.txt", "a.txt", True),
        ("*.txt", "b/a.txt", False),
        ("**/*.txt", "a.txt", True),
        ("**/*.txt", "b/c/a.txt", True),
        ("b/**", "b/c/a.txt", True),
        ("b/**/a.txt", "b/a.txt", True),
        ("b/**/a.txt", "b/c/d/a.txt", True),
        ("b/**/a.txt", "c/a.txt", False),
        (".github/workflows/*", ".github/workflows/ci.yaml", True),
        (".github/workflows/*", ".github/workflows/x/ci.yaml", False),
        (".github/workflows/", ".github/workflows/x/ci.yaml", True),
        (".github", ".github/workflows/ci.yaml", True),
        (".github", ".github", True),
        ("?.txt", "a.txt", True),
        ("?.txt", "ab.txt", False),
        ("[ab].txt", "b.txt", True),
        ("[!ab].txt", "b.txt", False),
        ("[^ab].txt", "c.txt", True),
        ("*.{yaml,yml}", "x.yml", True),
        ("{a,b/{c,d}}/x", "b/d/x", True),
        ("{a}", "{a}", True),
        ("a{", "a{", True),
        ("*", ".env", True),
        ("a*b*c", "a-b-b-c", True),
        ("A.txt", "a.txt", False),
        ("**/**/x", "x", True),
        ("***", "x", True),
    ],
)
def test_patterns(pattern, path, answer):
    assert match(pattern, path) is answer


@pytest.mark.parametrize(
    ("pattern", "path", "answer"),
    [
        ("*", ".env", False),
        (".*", ".env", True),
        ("**/*.txt", ".hidden/a.txt", False),
        ("**/.hidden/*", "x/.hidden/a", True),
        ("[.]env", ".env", False),
        ("dir", "dir/.env", False),
    ],
)
def test_dots_are_hidden_where_asked(pattern, path, answer):
    assert match(pattern, path, dots=False) is answer


def test_an_exclamation_mark_takes_away():
    globs = Globs(["docs/**", "!docs/keep.md"], "files", dots=False)
    assert globs.match(["docs", "a.md"])
    assert not globs.match(["docs", "keep.md"])


@pytest.mark.parametrize(
    "pattern",
    ["/etc/*", "../*", "a/../../b", "{..,a}/x", "x" * 2000, "{a,b}" * 20, "{a,b,c,d,e,f}" * 9],
)
def test_what_leads_out_or_explodes_is_refused_with_its_place(pattern):
    with pytest.raises(Invalid) as caught:
        Globs(["fine", pattern], "files", dots=True)
    assert caught.value.problems[0].place.pointer == "/files/1"


def test_too_many_patterns_are_refused():
    with pytest.raises(Invalid):
        Globs(["a"] * 1001, "files", dots=True)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 200 + "b", "a" * 255),
        ("/".join(["**", "a"] * 100), "/".join(["a"] * 60 + ["b"])),
        ("[a-z]*" * 150, "a" * 254 + "!"),
    ],
)
def test_no_pattern_is_slow(pattern, path):
    started = time.process_time()
    match(pattern, path)
    assert time.process_time() - started < 0.5


def naive(pattern, path):
    """What globs mean, without a thought of speed."""
    if not pattern or not path:
        return not path and all(part == "**" for part in pattern)
    if pattern[0] == "**":
        return naive(pattern[1:], path) or naive(pattern, path[1:])
    name = re.escape(pattern[0]).replace(r"\*", ".*").replace(r"\?", ".")
    return bool(re.fullmatch(name, path[0])) and naive(pattern[1:], path[1:])


@settings(deadline=None, max_examples=400)
@given(
    st.lists(st.sampled_from(["a", "ab", "*", "a*", "*b", "?", "a*b*", "**"]), max_size=5),
    st.lists(st.text(alphabet="ab", min_size=1, max_size=3), min_size=1, max_size=5),
)
def test_matching_is_what_globs_mean(pattern, path):
    written = "/".join([*pattern, "*"])  # with magic, so that no folder stands for its content
    assert match(written, "/".join(path)) is naive([*pattern, "*"], path)
