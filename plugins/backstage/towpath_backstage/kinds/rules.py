"""What a field of a spec may hold: small rules that are put together in the table of kinds.

A rule looks at one value and says what is wrong, where, and what would be right. It knows no
kind. A placeholder passes every rule: what it stands for is checked once it is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from towpath_backstage.placeholders import is_placeholder
from towpath_backstage.yaml import escaped, shown
from towpath_core.errors import Place, Problem

__all__ = (
    "Quick",
    "Rule",
    "any_of",
    "anything",
    "choice",
    "flag",
    "items",
    "json_type",
    "mapping",
    "nothing",
    "problem",
    "quick",
    "string",
    "text",
)

Rule = Callable[[Any, str, str], Iterator[Problem]]
"""Called with a value, its JSON pointer, and a hint at what is right; yields what is wrong."""


Quick = Callable[[Any], bool]
"""Says quickly that a value is good; where it does not, the rule has the word."""

_QUICK: dict[Rule, Quick] = {}


def quick(rule: Rule) -> Quick:
    """The quick look that goes with a rule; one that never says yes where there is none."""
    return _QUICK.get(rule, _never)


def _never(value: Any) -> bool:
    return False


def _is_text(value: Any) -> bool:
    return value.__class__ is str and value != ""


def _are_texts(value: Any) -> bool:
    return value.__class__ is list and all([item.__class__ is str and item for item in value])


def problem(message: str, pointer: str, code: str = "spec") -> Problem:
    """A problem of a spec at a JSON pointer."""
    return Problem(code, message, Place(pointer=pointer))


def json_type(value: object) -> str:
    """The type of a JSON value in the words of a message."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    names: dict[type, str] = {str: "a text", list: "a list", dict: "a mapping"}
    return names.get(type(value), "something else")


def _name(pointer: str) -> str:
    parent, _, name = pointer.rpartition("/")
    return f"item {name} of {parent.rpartition('/')[2]}" if name.isdigit() else name


def _wrong(pointer: str, wanted: str, value: object, hint: str) -> Problem:
    more = "; quote it" if isinstance(value, bool | int | float) and wanted == "a text" else ""
    got = f"{json_type(value)}{more}"
    return problem(f"{_name(pointer)} must be {wanted}, not {got} ({hint})", pointer)


def anything(value: Any, pointer: str, hint: str) -> Iterator[Problem]:
    """Take every value."""
    return iter(())


def string(value: Any, pointer: str, hint: str) -> Iterator[Problem]:
    """Take a text, an empty one too."""
    if not isinstance(value, str) and not is_placeholder(value):
        yield _wrong(pointer, "a text", value, hint)


def text(value: Any, pointer: str, hint: str) -> Iterator[Problem]:
    """Take a text that is not empty."""
    if value == "":
        yield problem(f"{_name(pointer)} is empty ({hint})", pointer)
    else:
        yield from string(value, pointer, hint)


_QUICK[text] = _is_text


def flag(value: Any, pointer: str, hint: str) -> Iterator[Problem]:
    """Take true or false."""
    if not isinstance(value, bool):
        yield _wrong(pointer, "true or false", value, hint)


def nothing(value: Any, pointer: str, hint: str) -> Iterator[Problem]:
    """Take what stands for nothing: null, false, zero."""
    if value:
        yield _wrong(pointer, "a list", value, hint)


def choice(*choices: str) -> Rule:
    """Take one of some texts."""

    def check(value: Any, pointer: str, hint: str) -> Iterator[Problem]:
        if value not in choices and not is_placeholder(value):
            got = shown(value) if isinstance(value, str) else json_type(value)
            yield problem(f"{_name(pointer)} must be {' or '.join(choices)}, not {got}", pointer)

    return check


def items(rule: Rule, *, least: int = 0) -> Rule:
    """Take a list whose every item a rule takes."""

    def check(value: Any, pointer: str, hint: str) -> Iterator[Problem]:
        if is_placeholder(value):
            return
        if not isinstance(value, list):
            yield _wrong(pointer, "a list", value, hint)
            return
        if len(value) < least:
            yield problem(f"{_name(pointer)} is an empty list ({hint})", pointer)
        for index, item in enumerate(value):
            yield from rule(item, f"{pointer}/{index}", hint)

    if rule is text and least == 0:
        _QUICK[check] = _are_texts
    return check


def mapping(
    members: Mapping[str, Rule], *, required: tuple[str, ...] = (), others: Rule = anything
) -> Rule:
    """Take a mapping with rules for some members; `others` is for the rest."""

    def check(value: Any, pointer: str, hint: str) -> Iterator[Problem]:
        if is_placeholder(value):
            return
        if not isinstance(value, dict):
            yield _wrong(pointer, "a mapping", value, hint)
            return
        for name in required:
            if name not in value:
                yield problem(f"{name} is missing ({hint})", f"{pointer}/{name}")
        for name, member in value.items():
            rule = members.get(name, others)
            if rule is not anything:
                yield from rule(member, f"{pointer}/{escaped(name)}", hint)

    return check


def any_of(wanted: str, rules: Mapping[type, Rule]) -> Rule:
    """Take values of several types, each by a rule of its own; `wanted` names them."""

    def check(value: Any, pointer: str, hint: str) -> Iterator[Problem]:
        rule = rules.get(type(value))
        if rule is not None:
            yield from rule(value, pointer, hint)
        elif not is_placeholder(value):
            yield _wrong(pointer, wanted, value, hint)

    return check
