"""Where the nodes of a document stand: JSON pointers to lines and columns, kept as a tree.

One entry a node is written while composing; a pointer is only spelt out when somebody asks. A
document that was read without the composer is composed when somebody asks for a place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

__all__ = (
    "LineTree",
    "PointerColumns",
    "PointerLines",
    "Positions",
    "Spot",
    "escaped",
    "line_of",
    "renamed",
    "spot_at",
)

LineTree: TypeAlias = "dict[str, Spot] | list[Spot]"
Spot: TypeAlias = "int | tuple[int, LineTree]"
"""Where a scalar stands, or where a collection does with where its members do.

A number holds line and column, both from 0: one small object a node instead of three.
"""

COLUMN_BITS = 28


def spot_at(mark: Any) -> int:
    """The place of a mark of the parser as one number."""
    return int(mark.line << COLUMN_BITS | mark.column)


def line_of(spot: Spot) -> int:
    """The line of a node, counted from 0."""
    return (spot[0] if isinstance(spot, tuple) else spot) >> COLUMN_BITS


class Positions:
    """The places of a document's nodes, which are looked for when somebody asks.

    Args:
        root: the whole tree, or what gives it.
        offset: the line of the file that the first line of the tree is, counted from 0.
    """

    __slots__ = ("_root", "offset")

    def __init__(self, root: Spot | Callable[[], Spot], offset: int) -> None:
        self._root = root
        self.offset = offset

    @property
    def root(self) -> Spot:
        """The tree."""
        if callable(self._root):
            self._root = self._root()
        return self._root

    def find(self, pointer: str) -> int:
        """The place of the node that a pointer names; KeyError where there is none."""
        spot = self.root
        if pointer:
            if pointer[0] != "/":
                raise KeyError(pointer)
            for token in pointer[1:].split("/"):
                found = _member(spot, token)
                if found is None:
                    raise KeyError(pointer)
                spot = found
        return spot[0] if isinstance(spot, tuple) else spot


class PointerLines(Mapping[str, int]):
    """Lines of a document, counted from 1, by JSON pointer (RFC 6901); `""` is the root.

    A member of a mapping stands where its key does, an item of a sequence where it begins.
    """

    __slots__ = ("_positions",)

    def __init__(self, positions: Positions) -> None:
        self._positions = positions

    def __getitem__(self, pointer: str) -> int:
        """The number of the node that a pointer names; KeyError where there is none."""
        return (self._positions.find(pointer) >> COLUMN_BITS) + self._positions.offset + 1

    def __iter__(self) -> Iterator[str]:
        """All pointers, parents before their members, in the order of the document."""
        todo: list[tuple[str, str | int | None, Spot]] = [("", None, self._positions.root)]
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
        return f"<{type(self).__name__} from line {self._positions.offset + 1}>"


class PointerColumns(PointerLines):
    """The same for columns, counted from 1 in characters."""

    __slots__ = ()

    def __getitem__(self, pointer: str) -> int:
        """The number of the node that a pointer names; KeyError where there is none."""
        return (self._positions.find(pointer) & ((1 << COLUMN_BITS) - 1)) + 1


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
