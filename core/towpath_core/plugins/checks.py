"""Checks of single values that plugins give: names, sets of words, schemas, plain JSON.

A check returns the value to keep, an exact built-in copy where that matters, or raises WrongType
with what would be right. Knows no hooks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from towpath_core.plugins.words import shown
from towpath_core.scaffolding import ActionExample

__all__ = (
    "KEBAB",
    "WORD",
    "Check",
    "TooMany",
    "WrongType",
    "a_duration",
    "a_schema",
    "a_text",
    "check_json",
    "free_name",
    "matching",
    "one_of",
    "plain_outputs",
    "set_of",
    "the_examples",
    "unique_names",
)

KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
WORD = re.compile(r"[!-~]+")
_MAX_NAME = 100
_DAY = 86_400
_MAX_DEPTH = 100
_MAX_NODES = 100_000

Check = Callable[[Any], Any]


class WrongType(Exception):
    """A hook or a method returned something that its contract does not allow."""


class TooMany(WrongType):
    """An iterable went on after the number of items it may have."""


def a_text(value: object) -> str:
    """Take any string."""
    if not isinstance(value, str):
        raise WrongType("a string")
    return str.__str__(value)


def matching(pattern: re.Pattern[str], wording: str) -> Check:
    """Take a short string that matches wholly."""

    def check(value: object) -> str:
        if not isinstance(value, str) or len(value) > _MAX_NAME or not pattern.fullmatch(value):
            raise WrongType(f"{wording}, at most {_MAX_NAME} characters")
        return str.__str__(value)

    return check


def free_name(taken: frozenset[str]) -> Check:
    """Take a kebab-case name that the platform does not use itself."""
    kebab = matching(KEBAB, "lower-case kebab-case such as 'my-name'")

    def check(value: object) -> object:
        name = kebab(value)
        if name in taken:
            raise WrongType("none of the platform's own: " + ", ".join(sorted(taken)))
        return name

    return check


def set_of(pattern: re.Pattern[str], wording: str) -> Check:
    """Take a frozenset of such strings that is not empty; keeps them sorted."""
    each = matching(pattern, wording)

    def check(value: object) -> tuple[str, ...]:
        if not isinstance(value, frozenset) or not value:
            raise WrongType(f"a frozenset with at least one of: {wording}")
        try:
            return tuple(sorted(each(item) for item in value))
        except WrongType:
            raise WrongType(f"a frozenset of: {wording}") from None

    return check


def one_of(*values: str) -> Check:
    """Take one of these."""

    def check(value: object) -> object:
        if value not in values:
            raise WrongType("one of " + ", ".join(values))
        return value

    return check


def a_duration(value: object) -> float:
    """Take a positive number of seconds, at most a day."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _DAY:
        raise WrongType(f"a number of seconds above 0, at most {_DAY}")
    return float(value)


def a_schema(value: object) -> object:
    """Take a dict that is JSON; whether it is a good schema is for who uses it."""
    if not isinstance(value, dict):
        raise WrongType("a JSON Schema as a dict")
    try:
        check_json(value, "it")
    except WrongType as wrong:
        raise WrongType(f"a JSON Schema ({wrong})") from None
    return value


def the_examples(value: object) -> object:
    """Take a tuple of examples of an action."""
    if not isinstance(value, tuple) or not all(isinstance(e, ActionExample) for e in value):
        raise WrongType("a tuple of ActionExample")
    return value


def plain_outputs(value: tuple[Any, ...]) -> object:
    """Take outputs of which none is secret."""
    if any(output.secret for output in value):
        raise WrongType("free of secrets (they belong to credentials)")
    return unique_names(value)


def unique_names(value: tuple[Any, ...]) -> object:
    """Take items with a name each."""
    if len({item.name for item in value}) < len(value):
        raise WrongType("of unique names")
    return value


def check_json(value: object, what: str) -> None:
    """Refuse what JSON cannot say, and what is too large or too deep. Does not recurse."""
    left = _MAX_NODES
    open_nodes: list[tuple[object, int]] = [(value, 0)]
    while open_nodes:
        node, depth = open_nodes.pop()
        left -= len(node) if isinstance(node, dict | list | tuple) else 0
        if depth > _MAX_DEPTH or left < 0:
            raise WrongType(f"{what} is deeper than {_MAX_DEPTH} or larger than {_MAX_NODES} nodes")
        if isinstance(node, dict):
            if not all(isinstance(key, str) for key in node):
                raise WrongType(f"{what} has a key that is not a string")
            open_nodes += [(child, depth + 1) for child in node.values()]
        elif isinstance(node, list | tuple):
            open_nodes += [(child, depth + 1) for child in node]
        elif isinstance(node, float) and not math.isfinite(node):
            raise WrongType(f"{what} holds a number that is not finite")
        elif not isinstance(node, str | int | float | None):
            raise WrongType(f"{what} holds {shown(node)}, which JSON cannot say")
