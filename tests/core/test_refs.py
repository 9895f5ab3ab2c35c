"""References: read, written, compared without case, refused with why."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towpath_core.errors import Invalid
from towpath_core.refs import DEFAULT_NAMESPACE, EntityRef, parse_ref

# Any text that the grammar can tell apart: a kind without marks, a namespace without a slash.
KINDS = st.text(min_size=1, max_size=20).filter(lambda t: ":" not in t and "/" not in t)
NAMESPACES = st.text(min_size=1, max_size=20).filter(lambda t: "/" not in t)
NAMES = st.text(min_size=1, max_size=20)
REFS = st.builds(EntityRef, KINDS, NAMESPACES, NAMES)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("component:default/shop", ("component", "default", "shop")),
        ("Component:Team-A/Shop.v2", ("Component", "Team-A", "Shop.v2")),
        ("component:shop", ("component", "default", "shop")),
        ("team/shop", ("api", "team", "shop")),
        ("shop", ("api", "default", "shop")),
        # A slash before the first colon: all that follows is the name.
        ("team/a:b", ("api", "team", "a:b")),
        ("component:team/a/b", ("component", "team", "a/b")),
        ("component:a:b", ("component", "default", "a:b")),
    ],
)
def test_what_a_reference_leaves_out_is_filled_in(text, parts):
    ref = parse_ref(text, default_kind="api")
    assert (ref.kind, ref.namespace, ref.name) == parts


def test_the_namespace_of_the_place_where_it_stands():
    assert parse_ref("api:shop", default_namespace="team") == EntityRef("api", "team", "shop")
    assert parse_ref("api:x/shop", default_namespace="team").namespace == "x"
    assert DEFAULT_NAMESPACE == "default"


@pytest.mark.parametrize(
    "text", ["", ":", "/", ":shop", "component:", "team/", "/shop", "a:/b", "a:b/"]
)
def test_an_empty_part_is_refused(text):
    with pytest.raises(Invalid) as caught:
        parse_ref(text, default_kind="api")
    [problem] = caught.value.problems
    assert problem.code == "ref"
    assert repr(text) in caught.value.what
    assert "component:default/shop" in caught.value.next


def test_a_kind_must_come_from_somewhere():
    with pytest.raises(Invalid, match="it has no kind"):
        parse_ref("default/shop")
    with pytest.raises(Invalid, match="a part of it is empty"):
        parse_ref("default/shop", default_kind="")


def test_a_long_reference_is_cut_in_the_message():
    with pytest.raises(Invalid) as caught:
        parse_ref("x" * 1_000_000)
    assert len(str(caught.value)) < 500


@given(REFS)
@settings(deadline=None, max_examples=200)
def test_written_and_read_again_it_is_the_same(ref):
    written = f"{ref.kind}:{ref.namespace}/{ref.name}"
    again = parse_ref(written)
    assert (again.kind, again.namespace, again.name) == (ref.kind, ref.namespace, ref.name)
    assert again == ref


@given(REFS)
@settings(deadline=None, max_examples=200)
def test_the_canonical_form_is_lower_case_and_stays_as_it_is(ref):
    canonical = str(ref)
    assert canonical == canonical.lower()
    assert str(parse_ref(canonical)) == canonical


ASCII = st.text("abzABZ019-_.", min_size=1, max_size=8)


@given(st.lists(st.builds(EntityRef, ASCII, ASCII, ASCII), min_size=2, max_size=6))
@settings(deadline=None, max_examples=200)
def test_equality_hash_and_order_go_without_case(refs):
    shouted = [EntityRef(r.kind.upper(), r.namespace.upper(), r.name.upper()) for r in refs]
    assert shouted == refs
    assert {*shouted, *refs} == set(refs)
    assert [str(r) for r in sorted(refs)] == sorted(str(r) for r in refs)
    assert (refs[0] < refs[1]) == (shouted[0] < shouted[1]) == (str(refs[0]) < str(refs[1]))
    assert (refs[0] >= refs[1]) == (str(refs[0]) >= str(refs[1]))


def test_a_reference_is_no_text_and_cannot_change():
    ref = EntityRef("Component", "default", "Shop")
    assert ref != "component:default/shop"
    with pytest.raises(TypeError):
        assert ref < "component:default/shop"
    with pytest.raises(AttributeError):
        ref.name = "other"
    assert msgspec.json.decode(msgspec.json.encode(ref), type=EntityRef) == ref
    assert msgspec.json.decode(msgspec.json.encode(ref))["name"] == "Shop"


@given(st.text(max_size=30), st.none() | st.text(max_size=5))
@settings(deadline=None, max_examples=300)
def test_any_text_is_read_or_refused_and_nothing_else(text, kind):
    try:
        ref = parse_ref(text, default_kind=kind)
    except Invalid as error:
        assert error.problems[0].code == "ref"
    else:
        assert ref.kind and ref.namespace and ref.name
        assert text.endswith(ref.name)
