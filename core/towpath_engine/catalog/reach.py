"""Which files a target leads to, by its text: the file itself, a folder's descriptor, a glob.

Targets are foreign text: matching takes no longer than the lengths of both multiplied.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ("leads_to",)

_DESCRIPTOR = re.compile(r"/catalog-info\.ya?ml")
_ANY_FOLDERS = "**"
_MOST_ANY_FOLDERS = 8


def leads_to(target: str, file: str) -> bool:
    """Whether a file, named as its source names it, is what an absolute target leads to.

    `*` stands for part of a name, `?` for one character, `**` for any number of folders. `tree`
    may stand for `blob` in the address of a repository. With more than 8 `**` it leads nowhere.
    Does no I/O.
    """
    wanted, found = _plain(target), _plain(file)
    if wanted == found:
        return True
    if "*" in wanted:
        pattern = _pattern(wanted)
        too_many = pattern.count(_ANY_FOLDERS) > _MOST_ANY_FOLDERS
        return not too_many and _matches(pattern, found.split("/"))
    folder = wanted.rstrip("/")
    return found.startswith(folder) and bool(_DESCRIPTOR.fullmatch(found[len(folder) :]))


def _pattern(target: str) -> list[str]:
    """The parts of a glob; `**` in a row is no more than one."""
    parts: list[str] = []
    for part in target.split("/"):
        if not (part == _ANY_FOLDERS and parts and parts[-1] == part):
            parts.append(part)
    return parts


def _plain(address: str) -> str:
    return address.removeprefix("file://").replace("/-/tree/", "/-/blob/", 1)


def _matches(pattern: Sequence[str], names: Sequence[str]) -> bool:
    """Match name by name, with all places in the pattern that may have been reached by then."""
    places = _closed({0}, pattern)
    for name in names:
        stepped = set()
        for place in places:
            if place == len(pattern):
                continue
            if pattern[place] == _ANY_FOLDERS:
                stepped.add(place)
            elif _matches_name(pattern[place], name):
                stepped.add(place + 1)
        places = _closed(stepped, pattern)
        if not places:
            return False
    return len(pattern) in places


def _closed(places: set[int], pattern: Sequence[str]) -> set[int]:
    """With the places behind `**`, which may stand for no folder at all."""
    more = {p + 1 for p in places if p < len(pattern) and pattern[p] == _ANY_FOLDERS}
    return places | more


def _matches_name(pattern: str, name: str) -> bool:
    """Match one name; on a mismatch the last `*` takes one character more."""
    at = begin = 0
    star = -1
    here = 0
    while here < len(name):
        if at < len(pattern) and pattern[at] == "*":
            star, begin = at, here
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", name[here]):
            at, here = at + 1, here + 1
        elif star >= 0:
            begin += 1
            at, here = star + 1, begin
        else:
            return False
    return not pattern[at:].strip("*")
