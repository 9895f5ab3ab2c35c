"""JavaScript's operators over the values of a template."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from towpath_backstage.language.faults import TemplateFault
from towpath_backstage.language.numerals import EXACT, normal, to_double
from towpath_backstage.language.utf16 import sort_key
from towpath_backstage.language.values import (
    SafeText,
    is_callable,
    is_nothing,
    is_number,
    kind_of,
    text,
    to_number,
    truthy,
)

__all__ = (
    "BINARY",
    "UNARY",
    "add",
    "contains",
    "less",
    "loosely_equal",
    "strictly_equal",
)


def _is_object(value: Any) -> bool:
    return isinstance(value, (list, dict, SafeText)) or is_callable(value)


def _primitive(value: Any) -> Any:
    """Turn an object into the text that JavaScript works on in its place."""
    return text(value) if isinstance(value, (list, dict)) or is_callable(value) else value


def strictly_equal(left: Any, right: Any) -> bool:
    """Compare as `===`: same type and same value; objects only with themselves."""
    if left is right:
        return not (isinstance(left, float) and left != left)
    if _is_object(left) or _is_object(right):
        return False
    if isinstance(left, bool) or isinstance(right, bool):
        return False
    if is_number(left) and is_number(right):
        return bool(left == right)
    return type(left) is type(right) and bool(left == right)


def loosely_equal(left: Any, right: Any) -> bool:
    """Compare as `==`: null equals undefined, texts and booleans turn into numbers."""
    if is_nothing(left) or is_nothing(right):
        return is_nothing(left) and is_nothing(right)
    if left is right or (_is_object(left) and _is_object(right)):
        return left is right and strictly_equal(left, right)
    left, right = _primitive(left), _primitive(right)
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    return bool(to_number(left) == to_number(right))


def less(left: Any, right: Any) -> bool:
    """Compare as `<`: two texts by their units, anything else as numbers."""
    left, right = _primitive(left), _primitive(right)
    if isinstance(left, str) and isinstance(right, str):
        return sort_key(left) < sort_key(right)
    return bool(to_number(left) < to_number(right))


def _not_more(left: Any, right: Any) -> bool:
    left, right = _primitive(left), _primitive(right)
    if isinstance(left, str) and isinstance(right, str):
        return sort_key(left) <= sort_key(right)
    return bool(to_number(left) <= to_number(right))


def contains(item: Any, holder: Any) -> bool:
    """Whether a list has the item, a text the part, an object the key.

    Raises:
        TemplateFault: the holder is none of these.
    """
    if isinstance(holder, list):
        return any(strictly_equal(item, other) for other in holder)
    if isinstance(holder, str):
        return text(item) in holder
    if isinstance(holder, dict):
        return text(item) in holder
    raise TemplateFault(f"`in` cannot search in {kind_of(holder)}")


def add(left: Any, right: Any) -> Any:
    """Join where one side is a text, add where none is."""
    left, right = _primitive(left), _primitive(right)
    if isinstance(left, str) or isinstance(right, str):
        return text(left) + text(right)
    return _numeric(lambda a, b: a + b, left, right)


def _numeric(operation: Callable[[float, float], float], left: Any, right: Any) -> int | float:
    a, b = to_double(to_number(left)), to_double(to_number(right))
    try:
        return normal(operation(a, b))
    except OverflowError:
        return math.inf
    except (ZeroDivisionError, ValueError):
        return math.nan


def _divide(a: float, b: float) -> float:
    if b == 0 and a == a and a != 0:
        return math.copysign(math.inf, a) * math.copysign(1, b)
    return a / b


def _power(a: float, b: float) -> float:
    if b != b or (abs(a) == 1 and math.isinf(b)):
        return math.nan
    try:
        return math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ValueError:
        if a == 0:
            return math.inf
        return math.nan


def _floor(value: Any) -> int | float:
    number = to_number(value)
    if isinstance(number, float) and abs(number) < EXACT:
        return math.floor(number)
    return number


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "==": loosely_equal,
    "!=": lambda left, right: not loosely_equal(left, right),
    "===": strictly_equal,
    "!==": lambda left, right: not strictly_equal(left, right),
    "<": less,
    ">": lambda left, right: less(right, left),
    "<=": _not_more,
    ">=": lambda left, right: _not_more(right, left),
    "+": add,
    "-": lambda left, right: _numeric(lambda a, b: a - b, left, right),
    "*": lambda left, right: _numeric(lambda a, b: a * b, left, right),
    "/": lambda left, right: _numeric(_divide, left, right),
    "%": lambda left, right: _numeric(math.fmod, left, right),
    "**": lambda left, right: _numeric(_power, left, right),
    "in": contains,
}
"""Operators with two operands, by their sign."""

UNARY: dict[str, Callable[[Any], Any]] = {
    "!": lambda value: not truthy(value),
    "neg": lambda value: _numeric(lambda a, b: a * b, value, -1),
    "pos": to_number,
    "floor": _floor,
}
"""Operators with one operand."""
