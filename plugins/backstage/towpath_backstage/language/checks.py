"""The tests that follow `is`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from towpath_backstage.language.faults import TemplateFault
from towpath_backstage.language.operators import BINARY, strictly_equal
from towpath_backstage.language.values import (
    UNDEFINED,
    SafeText,
    is_callable,
    is_number,
    kind_of,
    truthy,
)

__all__ = ("CHECKS", "check")

_remainder = BINARY["%"]


def _cased(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value
    raise TemplateFault(f"the test `{name}` needs a text, not {kind_of(value)}")


def _iterable(value: Any) -> bool:
    return isinstance(value, (str, list))


CHECKS: dict[str, Callable[[Any, Any], Any]] = {
    "callable": lambda value, _: is_callable(value),
    "defined": lambda value, _: value is not UNDEFINED,
    "divisibleby": lambda value, other: _remainder(value, other) == 0,
    "eq": strictly_equal,
    "equalto": strictly_equal,
    "escaped": lambda value, _: isinstance(value, SafeText),
    "even": lambda value, _: _remainder(value, 2) == 0,
    "falsy": lambda value, _: not truthy(value),
    "ge": BINARY[">="],
    "greaterthan": BINARY[">"],
    "gt": BINARY[">"],
    "iterable": lambda value, _: _iterable(value),
    "le": BINARY["<="],
    "lessthan": BINARY["<"],
    "lower": lambda value, _: _cased(value, "lower").lower() == value,
    "lt": BINARY["<"],
    "mapping": lambda value, _: isinstance(value, dict),
    "ne": lambda value, other: not strictly_equal(value, other),
    "none": lambda value, _: value is None,
    "null": lambda value, _: value is None,
    "number": lambda value, _: is_number(value),
    "odd": lambda value, _: _remainder(value, 2) == 1,
    "sameas": strictly_equal,
    "string": lambda value, _: isinstance(value, str) and not isinstance(value, SafeText),
    "truthy": lambda value, _: truthy(value),
    "undefined": lambda value, _: value is UNDEFINED,
    "upper": lambda value, _: _cased(value, "upper").upper() == value,
}
"""Tests by name; each takes the value and one argument, undefined where there is none."""


def check(value: Any, name: str, argument: Any = UNDEFINED) -> bool:
    """Run a test.

    Raises:
        TemplateFault: there is no such test, or it does not work on this type.
    """
    run = CHECKS.get(name)
    if run is None:
        raise TemplateFault(f"unknown test `{name}`")
    return run(value, argument) is True
