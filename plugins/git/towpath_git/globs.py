"""Globs over paths of a repository: `*` within a name, `**` for any number of names.

Both are matched the same way, and no pattern can make it slow: what stands between two stars is
looked for from the left, and the first place found is as good as any. A name that begins with a
dot is met by a pattern that begins with one only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar
from urllib.parse import unquote

__all__ = ("has_glob", "match_names", "other_suffix")

Pattern = TypeVar("Pattern")
Item = TypeVar("Item")


def has_glob(name: str) -> bool:
    """Whether a name of a percent-encoded path is a pattern; `%2A` is an ordinary star."""
    return "*" in name


def other_suffix(pattern: Sequence[str]) -> tuple[str, ...] | None:
    """The pattern with `.yml` for `.yaml` or the other way round; None where it has neither.

    Only for a last name without a star: whoever writes `*.yaml` means these alone, whoever writes
    `catalog-info.yaml` means the file that a folder has.
    """
    *folders, last = pattern
    for ending, other in ((".yaml", ".yml"), (".yml", ".yaml")):
        if last.endswith(ending) and not has_glob(last):
            return (*folders, last.removesuffix(ending) + other)
    return None


def match_names(pattern: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a path matches; the pattern is percent-encoded name by name, the path is not."""
    runs: list[list[str]] = [[]]
    for part in pattern:
        if part == "**":
            runs.append([])
        else:
            runs[-1].append(part)
    return _fits(runs, names, _match_name, lambda name: not name.startswith("."))


def _match_name(part: str, name: str) -> bool:
    if name.startswith(".") and not unquote(part).startswith("."):
        return False
    return _fits([unquote(piece) for piece in part.split("*")], name, str.__eq__, lambda _: True)


def _fits(
    runs: Sequence[Sequence[Pattern]],
    items: Sequence[Item],
    same: Callable[[Pattern, Item], bool],
    free: Callable[[Item], bool],
) -> bool:
    """Whether the items are the runs in their order, with none or more free items between two."""

    def found(run: Sequence[Pattern], at: int) -> bool:
        return all(same(run[n], items[at + n]) for n in range(len(run)))

    head, tail = runs[0], runs[-1]
    stop = len(items) - len(tail)
    if len(runs) == 1:
        return stop == 0 and found(head, 0)
    if len(head) > stop or not found(head, 0) or not found(tail, stop):
        return False
    at = len(head)
    for run in runs[1:-1]:
        while at + len(run) <= stop and not found(run, at):
            if not free(items[at]):
                return False
            at += 1
        if at + len(run) > stop:
            return False
        at += len(run)
    return all(free(item) for item in items[at:stop])
