"""What one YAML file may use, and the error that says where a document went wrong."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec

__all__ = ("DuplicateKey", "Usage", "YamlFault", "YamlLimits", "fault_at", "over")


Budget: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]


class YamlLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Budgets of one file. What goes over one is refused by its name and value.

    Attributes:
        bytes: size of a file.
        documents: documents in a file, empty ones included.
        depth: collections inside each other, aliases followed.
        nodes: nodes in a document; a key counts as one, its value as another.
        file_nodes: nodes in all documents of a file.
        alias_nodes: nodes that aliases add to a document; every 100 characters of a text that
            is repeated count as one more.
        file_alias_nodes: the same for all documents of a file.
        anchors: anchors in a document.
        collection_keys: keys of a document that are collections.
        digits: characters of a number.
        key_characters: length of a key, written out as text where it is a collection.
    """

    bytes: Budget = 10 * 1024 * 1024
    documents: Budget = 10_000
    depth: Budget = 100
    nodes: Budget = 100_000
    file_nodes: Budget = 1_000_000
    alias_nodes: Budget = 10_000
    file_alias_nodes: Budget = 100_000
    anchors: Budget = 1_000
    collection_keys: Budget = 1_000
    digits: Budget = 100
    key_characters: Budget = 1024


class Usage:
    """What the documents of one file may still use; counts down."""

    __slots__ = ("aliases", "nodes")

    def __init__(self, limits: YamlLimits) -> None:
        self.nodes = limits.file_nodes
        self.aliases = limits.file_alias_nodes


class YamlFault(Exception):
    """A document cannot be read. Stays inside this package.

    Attributes:
        code: stable code of the problem, beginning with `yaml-`.
        line: line of the text that was given to the composer, counted from 0.
        column: column counted from 0, or None.
        last: whether no later document of the file can be read either.
    """

    def __init__(
        self, code: str, message: str, line: int, column: int | None = None, *, last: bool = False
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.line = line
        self.column = column
        self.last = last


class DuplicateKey(YamlFault):
    """A key stands twice in one mapping; the first is in line `first`, counted from 0."""

    def __init__(self, key: str, first: int, mark: Any) -> None:
        message = f"the key {key} stands twice in one mapping"
        super().__init__("yaml-duplicate-key", message, mark.line, mark.column)
        self.first = first


def fault_at(mark: Any, code: str, message: str) -> YamlFault:
    """A fault at a mark of the parser."""
    return YamlFault(code, message, mark.line, mark.column)


def over(mark: Any, budget: str, value: int, hint: str, *, last: bool = False) -> YamlFault:
    """The fault for a budget that was used up; `budget` is its name in `YamlLimits`."""
    message = f"this goes over the budget `{budget}` of {value:,}: {hint}, or raise the budget"
    return YamlFault("yaml-limit", message, mark.line, mark.column, last=last)
