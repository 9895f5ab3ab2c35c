"""Keys of steps: the same at every attempt, whatever secrets their names hold."""

from __future__ import annotations

import re
from collections.abc import Collection

from towpath_engine.secrets import MASK

__all__ = ("key_of",)

_NUMBER = re.compile(r"#[0-9]+$")


def key_of(known: Collection[str], named: str, shown: str) -> str:
    """The key of a part as the journal has it; of a new one, as it is shown.

    Args:
        known: the keys that the journal has.
        named: with the name that plugin code gives it.
        shown: with the run's secrets masked. At an earlier attempt they may have been others, and
            may have stood in it or not: the part is the same, and is not done again.
    """
    for key in (named, shown):
        if key in known:
            return key
    return next((key for key in known if MASK in key and _veils(key, named)), shown)


def _veils(key: str, named: str) -> bool:
    """Whether a key is a name with something masked in it; of the second of a name, the second."""
    (veiled, number), (name, other) = map(_apart, (key, named))
    pattern = ".+".join(map(re.escape, veiled.split(MASK)))
    return number == other and re.fullmatch(pattern, name) is not None


def _apart(key: str) -> tuple[str, str]:
    found = _NUMBER.search(key)
    return (key[: found.start()], found[0]) if found else (key, "")
