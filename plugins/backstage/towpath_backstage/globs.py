"""Globs over a folder: `*` and `?` inside a name, `**` for any folders between."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from towpath_core.errors import LimitExceeded

__all__ = ("folders", "has_glob", "is_plain_file", "is_unicode", "matches")

_MAX_ENTRIES = 500_000
_MAX_ANY_FOLDERS = 8
_GLOB = re.compile(r"[*?]")


class _Part(NamedTuple):
    """One part of a pattern."""

    name: re.Pattern[str]
    hidden: bool
    any_folders: bool


def has_glob(text: str) -> bool:
    """Whether a text holds a glob."""
    return bool(_GLOB.search(text))


def matches(folder: str, pattern: tuple[str, ...], *, most: int) -> list[str]:
    """Paths of the regular files below a folder that a pattern fits, relative to it, sorted.

    Left out are links, names that begin with a dot where the pattern does not, names that are
    no UTF-8, and folders that cannot be read.

    Args:
        folder: real path to begin at.
        pattern: its parts; `**` alone in a part stands for any number of folders, also none.
        most: most paths that are given.

    Raises:
        LimitExceeded: more files match, there are too many names to look at, or more than 8
            parts are `**`.

    A last part that is a name with `.yaml` also meets `.yml`, and the other way round, in folders
    without the name that is written.
    """
    parts, twin = _parts(pattern), _twin(pattern)
    found: list[str] = []
    twins: list[str] = []
    for inside, entry, before, after in _walk(folder, parts):
        if len(parts) in after and is_plain_file(entry):
            found.append(f"{inside}{entry.name}")
        elif twin == entry.name and len(parts) - 1 in before and is_plain_file(entry):
            twins.append(f"{inside}{entry.name}")
        if len(found) + len(twins) > most:
            raise LimitExceeded(f"The glob matches more than {most:,} files.")
    known = {path.rpartition("/")[0] for path in found}
    return sorted([*found, *(path for path in twins if path.rpartition("/")[0] not in known)])


def folders(folder: str, pattern: tuple[str, ...], *, most: int) -> list[str]:
    """Paths of the folders below a folder in which a file could fit a pattern, or a folder of one.

    Relative to it, with the folder itself as an empty path; at most `most`, and no more are looked
    for. The pattern is that of `matches`.
    """
    parts = _parts(pattern)
    found = [""]
    for inside, entry, _, after in _walk(folder, parts):
        if after - {len(parts)} and _is_plain_folder(entry):
            found.append(f"{inside}{entry.name}")
            if len(found) == most:
                break
    return found


def _twin(pattern: tuple[str, ...]) -> str | None:
    """The last name with `.yml` for `.yaml`, or the other way round, where it has no glob.

    Whoever writes `*.yaml` means these alone; whoever writes `catalog-info.yaml` means the file
    that a folder has.
    """
    last = pattern[-1]
    for ending, other in ((".yaml", ".yml"), (".yml", ".yaml")):
        if last.endswith(ending) and not has_glob(last):
            return last.removesuffix(ending) + other
    return None


def _walk(
    folder: str, parts: tuple[_Part, ...]
) -> Iterator[tuple[str, os.DirEntry[str], frozenset[int], frozenset[int]]]:
    """Every name that could matter: its folder, itself, the places before it and after it."""
    entries = 0
    todo = [("", _closure({0}, parts))]
    while todo:
        inside, places = todo.pop()
        for entry in _entries(f"{folder}/{inside}"):
            entries += 1
            if entries > _MAX_ENTRIES:
                raise LimitExceeded(f"The glob looks at more than {_MAX_ENTRIES:,} names.")
            after = _step(entry.name, places, parts)
            yield inside, entry, places, after
            if after - {len(parts)} and _is_plain_folder(entry):
                todo.append((f"{inside}{entry.name}/", after))


def is_plain_file(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a regular file with a name that can be written as UTF-8."""
    # Names that are not UTF-8 come as lone surrogates, which no answer could carry.
    return entry.is_file(follow_symlinks=False) and is_unicode(entry.name)


def _is_plain_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, and no link, with a name that can be written as UTF-8."""
    return entry.is_dir(follow_symlinks=False) and is_unicode(entry.name)


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:
        return


def _parts(pattern: tuple[str, ...]) -> tuple[_Part, ...]:
    """The parts of a pattern, a run of `**` as one: each that is left costs time at every name."""
    parts: list[_Part] = []
    for text in pattern:
        any_folders = text == "**"
        if any_folders and parts and parts[-1].any_folders:
            continue
        # fnmatch writes patterns that do not backtrack; brackets mean themselves here.
        name = re.compile(fnmatch.translate(text.replace("[", "[[]")))
        parts.append(_Part(name, text.startswith("."), any_folders))
    if sum(part.any_folders for part in parts) > _MAX_ANY_FOLDERS:
        raise LimitExceeded(f"A glob may have at most {_MAX_ANY_FOLDERS} parts that are `**`.")
    return tuple(parts)


def _closure(places: set[int], parts: tuple[_Part, ...]) -> frozenset[int]:
    """The places in a pattern that are reached, `**` standing for nothing included."""
    reached = set(places)
    reached.update(p + 1 for p in places if p < len(parts) and parts[p].any_folders)
    return frozenset(reached)


def _step(name: str, places: frozenset[int], parts: tuple[_Part, ...]) -> frozenset[int]:
    """The places in a pattern that are reached after one more name."""
    after: set[int] = set()
    hidden = name.startswith(".")
    for place in places:
        if place == len(parts) or (hidden and not parts[place].hidden):
            continue
        if parts[place].any_folders:
            after.add(place)
        elif parts[place].name.match(name):
            after.add(place + 1)
    return _closure(after, parts)
