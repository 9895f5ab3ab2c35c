"""Rules and contracts: what a test of the kit is, and that no vendor can quietly drop one.

Knows nothing of what the rules are about, nor of how they are reported.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, Literal, NoReturn, TypeVar, get_args

import msgspec
import pytest

__all__ = (
    "EXEMPT",
    "LEVELS",
    "Contract",
    "Level",
    "Rule",
    "broken",
    "exempt",
    "require",
    "rule",
    "rules_of",
    "shown",
    "unchecked",
)

Level = Literal["bronze", "silver", "gold"]
LEVELS: tuple[Level, ...] = get_args(Level)
"""The levels, lowest first: safe to install, safe to operate, pleasant."""

Test = TypeVar("Test", bound=Callable[..., None])

EXEMPT = "exempt: "
"""How the reason of a skip begins that means: the backend does not claim this."""

_ID = re.compile(r"[a-z]+\.[a-z]+(-[a-z]+)*")
_MARK = "towpath_rule"


class Rule(msgspec.Struct, frozen=True):
    """One thing a plugin must keep to.

    Attributes:
        id: stable for ever: `provision.apply-is-idempotent`. Its first part is the field.
        level: bronze is safe to install, silver safe to operate, gold pleasant.
        summary: the rule in one sentence.
    """

    id: str
    level: Level
    summary: str


def rule(id: str, *, level: Level) -> Callable[[Test], Test]:
    """Make a test method the test of a rule; the first line of its docstring states the rule.

    Raises:
        ValueError: the id is not `field.words-with-dashes`, or there is no docstring.
    """

    def mark(test: Test) -> Test:
        summary = (test.__doc__ or "").strip().partition("\n")[0]
        if not _ID.fullmatch(id) or not summary:
            raise ValueError(f"rule {id!r} needs an id such as catalog.refs-unique and a docstring")
        setattr(test, _MARK, Rule(id, level, summary))
        return test

    return mark


class Contract:
    """A set of rules. A vendor subclasses one as `Test...` and gives its fixtures.

    Fixtures and helpers may be overridden, tests may not: declare a departure with
    `@pytest.mark.deviation(rule=..., reason=...)` on the class instead.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuse a subclass that replaces or deletes the test of a rule.

        Raises:
            TypeError: it does; names the tests.
        """
        super().__init_subclass__(**options)
        written: dict[str, Any] = {}  # as the class furthest from this one wrote it
        for parent in reversed(cls.__mro__):
            for name, test in vars(parent).items():
                if hasattr(test, _MARK):
                    written.setdefault(name, test)
        replaced = [
            f"{name} ({getattr(test, _MARK).id})"
            for name, test in written.items()
            if inspect.getattr_static(cls, name) is not test
        ]
        if replaced:
            raise TypeError(
                f"{cls.__name__} replaces {', '.join(replaced)}: the tests of a contract stay as "
                "they are. Declare a departure on the class with "
                "@pytest.mark.deviation(rule=..., reason=...)."
            )


def rules_of(contract: type) -> tuple[Rule, ...]:
    """The rules of a contract or of a vendor's subclass, bronze first, then by id."""
    members = (inspect.getattr_static(contract, name) for name in dir(contract))
    found: list[Rule] = [getattr(member, _MARK) for member in members if hasattr(member, _MARK)]
    return tuple(sorted(found, key=lambda one: (LEVELS.index(one.level), one.id)))


def require(condition: object, message: str) -> None:
    """Fail the rule's test with a sentence that says what the plugin did, unless all is well."""
    __tracebackhide__ = True
    if not condition:
        raise AssertionError(message)


def broken(message: str) -> NoReturn:
    """Fail the rule's test with a sentence that says what the plugin did."""
    __tracebackhide__ = True
    raise AssertionError(message)


def exempt(reason: str) -> NoReturn:
    """End the test of a rule that the backend does not claim; earns nothing, costs nothing."""
    __tracebackhide__ = True
    pytest.skip(EXEMPT + reason)


def unchecked(reason: str) -> NoReturn:
    """End the test of a rule that cannot be judged because another one is broken; it stays todo."""
    __tracebackhide__ = True
    pytest.skip(f"not checked: {reason}")


def shown(value: object) -> str:
    """A value as failures quote it: its repr, cut to what a line can hold."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
