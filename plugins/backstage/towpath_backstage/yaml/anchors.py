"""Anchors of one document and the copies that its aliases stand for, within a budget.

Copies, as what reads the data may change it; counted at their full size, as that is what is
written and stored in the end.
"""

from __future__ import annotations

from typing import Any

from towpath_backstage.yaml.limits import Usage, YamlLimits, fault_at, over
from towpath_backstage.yaml.lines import Spot, spot_at
from towpath_backstage.yaml.scalars import shown
from towpath_backstage.yaml.trees import rebuilt

__all__ = ("Anchors",)

_TEXT_OF_ONE_NODE = 100


class Anchors:
    """The anchors of one document, and what its aliases may still add to it."""

    def __init__(self, limits: YamlLimits, usage: Usage) -> None:
        self._limits = limits
        self._usage = usage
        self._left = limits.alias_nodes
        self._anchors = 0
        self._nodes: dict[str, tuple[Any, Spot] | None] = {}

    def begin(self, name: str, mark: Any) -> None:
        """Note an anchored collection that has begun; no alias may name it yet."""
        self._count(mark)
        self._nodes[name] = None

    def end(self, name: str, value: Any, spot: Spot) -> None:
        """Note that such a collection is whole, unless its anchor was given anew inside it."""
        if self._nodes[name] is None:
            self._nodes[name] = (value, spot)

    def note(self, name: str, value: Any, mark: Any) -> None:
        """Note an anchored scalar."""
        self._count(mark)
        self._nodes[name] = (value, spot_at(mark))

    def copy(self, name: str, around: int, mark: Any) -> tuple[Any, Spot]:
        """What an alias stands for, with its places.

        Args:
            name: of the anchor.
            around: how many collections the alias stands in.
            mark: where it stands.

        Raises:
            YamlFault: there is no such anchor, the alias stands inside it, or a budget is used up.
        """
        if name not in self._nodes:
            why = f"there is no anchor {shown(f'&{name}')} before this"
            raise fault_at(mark, "yaml-alias", why)
        found = self._nodes[name]
        if found is None:
            why = f"the alias {shown(f'*{name}')} stands inside its own anchor"
            raise fault_at(mark, "yaml-alias", why)

        def text(value: str) -> str:
            self._spend(len(value) // _TEXT_OF_ONE_NODE, mark)
            return value

        def enter(node: Any, depth: int) -> None:
            self._spend(len(node), mark)
            if around + depth >= self._limits.depth:
                raise over(mark, "depth", self._limits.depth, "the alias nests too deeply")

        self._spend(1, mark)
        value, spot = found
        # An alias stands where it is written, its members where they were.
        at = spot_at(mark)
        here = (at, spot[1]) if isinstance(spot, tuple) else at
        return rebuilt(value, text, enter), here

    def _count(self, mark: Any) -> None:
        self._anchors += 1
        if self._anchors > self._limits.anchors:
            raise over(mark, "anchors", self._limits.anchors, "use fewer anchors")

    def _spend(self, amount: int, mark: Any) -> None:
        self._left -= amount
        self._usage.aliases -= amount
        hint = "write less by reference"
        if self._left < 0:
            raise over(mark, "alias_nodes", self._limits.alias_nodes, hint)
        if self._usage.aliases < 0:
            raise over(mark, "file_alias_nodes", self._limits.file_alias_nodes, hint)
