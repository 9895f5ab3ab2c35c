"""Paths as authors write them, and names that are never written."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towpath_backstage.actions.names import (
    MAX_DEPTH,
    SCRATCH,
    check_output,
    fold,
    name_fault,
    parse_path,
    show,
)
from towpath_core.errors import Invalid, Place

HERE = Place(pointer="/here")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        (".", ()),
        ("./", ()),
        ("a/b", ("a", "b")),
        ("./a//b/", ("a", "b")),
        ("a/../b", ("b",)),
        ("a/./b/..", ("a",)),
        ("...", ("...",)),
        ("..a/b..", ("..a", "b..")),
        ("~/x", ("~", "x")),
        ("$HOME", ("$HOME",)),
        ("grüße/日本", ("grüße", "日本")),
    ],
)
def test_paths_are_read(text, parts):
    assert parse_path(text, HERE) == parts


@pytest.mark.parametrize(
    "text",
    [
        "..",
        "../x",
        "a/../../x",
        "a/b/../../../x",
        "/",
        "/etc/passwd",
        "//x",
        "C:/x",
        "C:\\x",
        "c:x",
        "..\\x",
        "a\\..\\..\\x",
        "a\0b",
        "a\nb",
        "a\rb",
        "a\x1b[31m",
        "a\u2028b",
        "a\u202eb",
        "a\udc80",
        SCRATCH,
        f"{SCRATCH}/x",
        f"a/../{SCRATCH}",
        "x" * 256,
        "é" * 128,
        "/".join(["a"] * (MAX_DEPTH + 1)),
        "/".join(["x" * 100] * 11),
    ],
)
def test_ways_out_are_refused_with_their_place(text):
    with pytest.raises(Invalid) as caught:
        parse_path(text, HERE)
    assert caught.value.problems[0].code == "path"
    assert caught.value.problems[0].place == HERE
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "name",
    [
        ".git",
        ".GIT",
        ".Git",
        ".git.",
        ".git ",
        ".git. .",
        ".git::$INDEX_ALLOCATION",
        ".git:x",
        "git~1",
        "GIT~1",
        ".g\u200cit",
        "\ufeff.git",
        "con",
        "CON",
        "nul.txt",
        "Com1.tar.gz",
        "lpt9",
        "aux .c",
        "a.",
        "a ",
        "...",
        "C:",
        "x:stream",
    ],
)
def test_names_that_mean_another_thing_somewhere_are_never_written(name):
    assert name_fault(name)
    for parts in ((name,), (name, "hooks", "post-checkout"), ("deep", name)):
        with pytest.raises(Invalid):
            check_output(parts, HERE)


@pytest.mark.parametrize(
    "name",
    [
        ".gitignore",
        ".gitattributes",
        ".github",
        "git",
        "a.git",
        ".gitx",
        "console",
        "auxiliary.c",
        "com10",
        "lpt",
        " a",
        "a b",
        "-rf",
        "{{x}}",
        "${{ x }}",
        "grüße",
    ],
)
def test_ordinary_names_are_written(name):
    assert name_fault(name) is None
    check_output(("a", name), HERE)


def test_twins_fold_to_one_text():
    assert fold("README") == fold("readme")
    assert fold("Straße") == fold("STRASSE")
    assert fold(unicodedata.normalize("NFC", "é")) == fold(unicodedata.normalize("NFD", "é"))
    assert fold("a\u200db") == fold("ab")
    assert fold("a") != fold("b")


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=12))
def test_fold_ignores_case_and_form(text):
    for form in ("NFC", "NFD"):
        assert fold(unicodedata.normalize(form, text)) == fold(text)
    assert fold(fold(text)) == fold(text)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(["a", "..", ".", "", "b", "..."]), max_size=10))
def test_a_path_that_is_read_never_leads_out(names):
    text = "/".join(names)
    try:
        parts = parse_path(text, HERE)
    except Invalid:
        return
    assert not {"", ".", ".."} & set(parts)
    assert parse_path("/".join(parts), HERE) == parts


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text):
    try:
        parts = parse_path(text, HERE)
    except Invalid as error:
        assert str(error).isprintable()
    else:
        assert show(parts).isprintable()
