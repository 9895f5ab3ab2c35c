"""Texts found by how they begin or end, while they come and go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from towpath_engine.catalog.ordered import OrderedTexts

TEXTS = st.text("ab1", max_size=3)


@given(st.sets(TEXTS), st.lists(TEXTS), TEXTS)
def test_what_begins_or_ends_so_is_found_whatever_came_and_went(first, changes, part):
    there, texts = set(first), OrderedTexts(first)
    for text in changes:
        (texts.drop if text in there else texts.put)(text)
        there ^= {text}
    assert sorted(texts.beginning(part)) == sorted(t for t in there if t.startswith(part))
    assert sorted(texts.ending(part)) == sorted(t for t in there if t.endswith(part))


def test_it_is_stale_when_much_has_changed():
    texts = OrderedTexts(f"a{number}" for number in range(8000))
    for number in range(1000):
        texts.put(f"b{number}")
    assert not texts.is_stale
    for number in range(1000):
        texts.drop(f"b{number}")
    assert texts.is_stale
