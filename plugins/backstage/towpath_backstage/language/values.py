"""Values of a template as JavaScript sees them, and their truth, text and number.

A value is None, bool, int, float, str, a list or a dict with string keys, as JSON gives them, or
one of the few types here that only a template can make. No other Python object gets into one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import jinja2
from jinja2.runtime import Macro

from towpath_backstage.language.numerals import number_text, parse_number, to_double
from towpath_backstage.language.patterns import Pattern
from towpath_backstage.language.utf16 import JS_SPACE

__all__ = (
    "UNDEFINED",
    "Function",
    "Keywords",
    "SafeText",
    "Undefined",
    "display",
    "is_callable",
    "is_nothing",
    "is_number",
    "kind_of",
    "own_keys",
    "text",
    "to_integer",
    "to_number",
    "truthy",
)


class Undefined(jinja2.Undefined):
    """JavaScript's undefined. There is one, so that it can be told by identity."""

    __slots__ = ()
    _only: Undefined | None = None

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Undefined:
        """Return the one that there is."""
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        """Keep nothing of where it came from."""


UNDEFINED: Final = Undefined()


class SafeText(str):
    """A text that `safe` or `escape` gave: an object in JavaScript, so always true."""

    __slots__ = ()


class Keywords(dict[str, Any]):
    """Keyword arguments of a call; to a function that does not want them, a plain object."""


class Function:
    """A function that a template may call.

    Args:
        name: what it is called by, for messages.
        run: takes and gives values; arguments that it has no place for are not passed.
        places: how many positional arguments `run` takes, None for any number.
        mutates: it changes the object that it belongs to.
    """

    __slots__ = ("_places", "_run", "mutates", "name")

    def __init__(
        self,
        name: str,
        run: Callable[..., Any],
        places: int | None = None,
        mutates: bool = False,
    ) -> None:
        self.name = name
        self._run = run
        self._places = places
        self.mutates = mutates

    def __call__(self, *args: Any) -> Any:
        """Call it as JavaScript would, leaving out arguments in excess."""
        return self._run(*args[: self._places])


def is_nothing(value: Any) -> bool:
    """Whether it is null or undefined."""
    return value is None or value is UNDEFINED


def is_number(value: Any) -> bool:
    """Whether it is a number; a bool is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_callable(value: Any) -> bool:
    """Whether a template may call it."""
    return isinstance(value, (Function, Macro))


def truthy(value: Any) -> bool:
    """Decide as JavaScript does: empty lists and objects are true."""
    if isinstance(value, SafeText):
        return True
    if isinstance(value, (str, int)):
        return bool(value)
    if isinstance(value, float):
        return value == value and value != 0
    return not is_nothing(value)


def text(value: Any) -> str:
    """Convert as `String(value)` does."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if value is UNDEFINED:
        return "undefined"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return number_text(value)
    if isinstance(value, list):
        return ",".join(map(display, value))
    if is_callable(value):
        return "[function]"
    return str(value) if isinstance(value, Pattern) else "[object Object]"


def display(value: Any) -> str:
    """Convert as output does: null and undefined leave nothing."""
    return "" if is_nothing(value) else text(value)


def to_number(value: Any) -> int | float:
    """Convert as `Number(value)` does; NaN where it is none."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)):
        return value
    if value is None:
        return 0
    if value is UNDEFINED:
        return math.nan
    return parse_number(text(value).strip(JS_SPACE))


def to_integer(value: Any, missing: int = 0) -> int:
    """Convert to the whole number that an index or a count is; `missing` for undefined.

    Infinity becomes a number larger than any size.
    """
    if value is UNDEFINED:
        return missing
    number = to_double(to_number(value))
    if number != number:
        return 0
    if math.isinf(number):
        return 2**63 if number > 0 else -(2**63)
    return int(number)


def own_keys(value: dict[str, Any]) -> list[str]:
    """List the keys of an object in JavaScript's order: whole numbers first, ascending."""
    keys = list(value)
    numeric = [key for key in keys if _is_index(key)]
    if not numeric:
        return keys
    return sorted(numeric, key=int) + [key for key in keys if not _is_index(key)]


def _is_index(key: str) -> bool:
    digits = key.isascii() and key.isdigit() and len(key) <= 10
    return digits and (key == "0" or key[0] != "0") and int(key) < 2**32 - 1


def kind_of(value: Any) -> str:
    """Name the type for a message, with its article; never shows the value itself."""
    if value is None:
        return "null"
    if value is UNDEFINED:
        return "undefined"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, list):
        return "a list"
    return "a function" if is_callable(value) else "an object"
