"""Restrictions: which kinds and namespaces a location may bring. Without any, all known kinds may.

A rule speaks of the locations that it names, and of all of them where it names none. Where several
speak of one location, it is enough that one of them lets an entity in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from towpath_core.entities import Entity
from towpath_core.errors import Place, Problem

__all__ = ("CatalogRule", "CatalogRules")


class CatalogRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One restriction.

    Attributes:
        allow: the kinds that may come in, without their case; all where empty.
        locations: the registered locations that it speaks of, as `type:target` in which `*` stands
            for any text; all where empty.
        namespaces: the namespaces they may be in; all where empty.
    """

    allow: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()


class CatalogRules:
    """The rules of a catalog, in the order of the configuration."""

    def __init__(self, rules: Iterable[CatalogRule] = ()) -> None:
        self._rules = tuple(rules)
        self._kinds = [frozenset(kind.lower() for kind in rule.allow) for rule in self._rules]

    def __repr__(self) -> str:
        """The rules, as they are written in the configuration."""
        return f"CatalogRules({self._rules!r})"

    def refuse(self, entity: Entity, origin: str) -> Problem | None:
        """Why an entity may not come from a location; names the rule. None where it may.

        Args:
            entity: with a good envelope.
            origin: the registered location as `type:target`; empty for what nobody registered,
                which only rules without locations speak of.
        """
        refusing: list[int] = []
        for number, rule in enumerate(self._rules):
            if rule.locations and not any(_matches(one, origin) for one in rule.locations):
                continue
            if not self._fault(number, entity):
                return None
            refusing.append(number)
        if not refusing:
            return None
        kind, field = self._fault(refusing[0], entity), "/metadata/namespace"
        if kind == "kind":
            field = "/kind"
        return Problem("rule", self._words(entity, refusing), Place(pointer=field))

    def _fault(self, number: int, entity: Entity) -> str:
        """What a rule does not let in: `kind`, `namespace`, or nothing."""
        kinds, rule = self._kinds[number], self._rules[number]
        if kinds and entity.kind.lower() not in kinds:
            return "kind"
        return "namespace" if rule.namespaces and entity.namespace not in rule.namespaces else ""

    def _words(self, entity: Entity, refusing: Sequence[int]) -> str:
        what = f"a {entity.kind} in the namespace {entity.namespace} may not come from here"
        rules = "; ".join(f"rule {number + 1} allows {self._allows(number)}" for number in refusing)
        return f"{what}: of [catalog] rules, {rules}"

    def _allows(self, number: int) -> str:
        rule = self._rules[number]
        kinds = ", ".join(rule.allow) if rule.allow else "all kinds"
        inside = f" in {', '.join(rule.namespaces)}" if rule.namespaces else ""
        where = f" (for {', '.join(rule.locations)})" if rule.locations else ""
        return f"{kinds}{inside}{where}"


def _matches(pattern: str, text: str) -> bool:
    """Whether a text is like a pattern in which `*` stands for any text. Linear in both."""
    first, *parts = pattern.split("*")
    if not parts:
        return text == pattern
    if not text.startswith(first):
        return False
    at, last = len(first), parts.pop()
    for part in parts:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(text) - at >= len(last) and text.endswith(last)
