"""What regular expressions must not hold, because some Pythons that we run on take it wrongly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("core", "gateway", "plugins", "sdk", "contrib")
POSSESSIVE_GROUP = re.compile(r"""(?<![\\(])\)(?:[*+?]|\{[0-9,]+\})\+""")


@pytest.mark.parametrize("room", ROOMS)
def test_no_group_is_possessive(room: str) -> None:
    """Python gives wrong matches for them up to 3.11.4; `(?>...)` is right, and so are classes."""
    found = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in (ROOT / room).rglob("*.py")
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if POSSESSIVE_GROUP.search(line)
    ]
    assert found == []


def test_they_would_be_found() -> None:
    for text in ("(a|b)*+", "(?:x)?+", "([0-9]{1,4})++", "(x){2,3}+"):
        assert POSSESSIVE_GROUP.search(text)
    for text in ("(a|b)*", "[0-9]++", r"\)*+", "(?>a*)", "(a+b)+c"):
        assert not POSSESSIVE_GROUP.search(text)
