from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from towpath_postgres.naming import binding_mark, name_for, resource_mark

prefixes = st.from_regex(r"([a-z][a-z0-9_]{0,15})?", fullmatch=True)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=200), st.text(min_size=1, max_size=40), prefixes)
def test_a_name_is_plain_short_and_tells_ids_apart(name: str, id: str, prefix: str) -> None:
    made = name_for(name, id, prefix)
    assert re.fullmatch(r"[a-z][a-z0-9_]*_[0-9a-f]{8}", made)
    assert len(made.encode()) <= 63
    assert made.startswith(prefix)
    assert made == name_for(name, id, prefix)
    assert made != name_for(name, f"{id}x", prefix)


def test_names_are_readable() -> None:
    assert name_for("Order Service (EU)", "1").startswith("order_service_eu_")
    assert name_for("Ünï", "1").startswith("n_")
    assert name_for("'; DROP TABLE x; --", "1").startswith("drop_table_x_")
    assert name_for("注文", "1").startswith("db_")
    assert name_for("2024", "1", "eu_").startswith("eu_db_2024_")


def test_marks_of_things_differ() -> None:
    marks = {
        resource_mark("r"),
        resource_mark("s"),
        binding_mark("r", "b"),
        binding_mark("r", "c"),
        binding_mark("s", "b"),
    }
    assert len(marks) == 5
