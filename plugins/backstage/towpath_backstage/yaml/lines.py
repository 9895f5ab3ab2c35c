"""Where the nodes of a document stand: JSON pointers to lines, kept as a tree.

One entry a node is written while composing; a pointer is only spelt out when somebody asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

__all__ = ("LineTree", "PointerLines", "Spot", "escaped", "renamed")

LineTree: TypeAlias = "dict[str, Spot] | list[Spot]"
Spot: TypeAlias = "int | tuple[int, LineTree]"
"""The line of a scalar, or that of a collection with those of its members. Counted from 0."""


class PointerLines(Mapping[str, int]):
    """Lines of a document, counted from 1, by JSON pointer (RFC 6901); `""` is the root.

    A member of a mapping stands where its key does, an item of a sequence where it begins.

    Args:
        root: the whole tree.
        offset: what to add to a line of the tree.
    """

    __slots__ = ("_offset", "_root")

    def __init__(self, root: Spot, offset: int) -> None:
        self._root = root
        self._offset = offset

    def __getitem__(self, pointer: str) -> int:
        """The line of the node that a pointer names; KeyError where there is none."""
        spot = self._root
        if pointer:
            if pointer[0] != "/":
                raise KeyError(pointer)
            for token in pointer[1:].split("/"):
                found = _member(spot, token)
                if found is None:
                    raise KeyError(pointer)
                spot = found
        return _line(spot) + self._offset

    def __iter__(self) -> Iterator[str]:
        """All pointers, parents before their members, in the order of the document."""
        todo: list[tuple[str, str | int | None, Spot]] = [("", None, self._root)]
        while todo:
            parent, token, spot = todo.pop()
            pointer = parent if token is None else f"{parent}/{escaped(token)}"
            yield pointer
            if isinstance(spot, tuple):
                todo += reversed([(pointer, key, at) for key, at in _members(spot[1])])

    def __len__(self) -> int:
        """How many nodes there are."""
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        """Say what it is, not all it holds."""
        return f"<PointerLines from line {_line(self._root) + self._offset}>"


def escaped(key: object) -> str:
    """A key or index as one token of a JSON pointer."""
    return str(key).replace("~", "~0").replace("/", "~1")


def renamed(root: Spot, text: Callable[[str], str]) -> Spot:
    """A copy of a tree with other keys; `text` gives what stands in the place of each."""
    top: list[Spot] = []
    todo: list[tuple[LineTree, LineTree]] = [([root], top)]
    while todo:
        old, new = todo.pop()
        for key, spot in _members(old):
            if isinstance(spot, tuple):
                below: LineTree = {} if isinstance(spot[1], dict) else []
                todo.append((spot[1], below))
                spot = (spot[0], below)
            if isinstance(new, dict):
                new[text(str(key))] = spot
            else:
                new.append(spot)
    return top[0]


def _members(tree: LineTree) -> Iterable[tuple[str | int, Spot]]:
    return tree.items() if isinstance(tree, dict) else enumerate(tree)


def _line(spot: Spot) -> int:
    return spot[0] if isinstance(spot, tuple) else spot


def _member(spot: Spot, token: str) -> Spot | None:
    if not isinstance(spot, tuple):
        return None
    members = spot[1]
    if isinstance(members, dict):
        return members.get(token.replace("~1", "/").replace("~0", "~"))
    if not (token.isascii() and token.isdigit() and len(token) < 10):
        return None
    index = int(token)
    return members[index] if index < len(members) else None
