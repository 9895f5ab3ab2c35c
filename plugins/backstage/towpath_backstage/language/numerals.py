"""JavaScript numbers: how they are read from text, written as text, and kept in Python.

A whole number within the exact range of a double is an `int`, any other number a `float`, so that
it prints as JavaScript prints it. Whole numbers beyond that range, which only a context can bring
in, keep all their digits: JavaScript would round them, and nobody wants a rounded account number.
"""

from __future__ import annotations

import math
import re

__all__ = (
    "EXACT",
    "fixed",
    "normal",
    "number_text",
    "parse_float",
    "parse_int",
    "parse_number",
    "to_double",
)

EXACT = 2**53
"""Beyond this whole numbers are no longer told apart by a double."""

_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_PREFIXED = re.compile(r"0[xX]([0-9a-fA-F]+)|0[oO]([0-7]+)|0[bB]([01]+)", re.ASCII)
_INFINITE = re.compile(r"[+-]?Infinity")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_MOST_DIGITS = 1100
"""More digits than any double has; a longer literal is infinite anyway."""


def to_double(value: int | float) -> float:
    """Round to a double; infinite where it does not fit."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def normal(value: float) -> int | float:
    """Keep a whole number as `int` while a double is exact."""
    if value.is_integer() and -EXACT <= value <= EXACT:
        return int(value)
    return value


def number_text(value: int | float) -> str:
    """Write a number in the shortest form that reads back the same, as JavaScript does."""
    if isinstance(value, int):
        return str(value)
    if value != value:
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    if fraction == "0":
        fraction = ""
    digits = whole + fraction
    point = len(whole) + int(exponent or 0)
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    return sign + _place_point(stripped.rstrip("0"), point)


def _place_point(digits: str, point: int) -> str:
    """Write 0.DIGITS times ten to the power of `point`."""
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    mantissa = digits if count == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{mantissa}e{point - 1:+d}"


def parse_number(text: str) -> int | float:
    """Read all of a text as a number; NaN where it is none, 0 where it is empty.

    The text comes without white space around it.
    """
    if text == "":
        return 0
    if match := _PREFIXED.fullmatch(text):
        for base, digits in zip((16, 8, 2), match.groups(), strict=True):
            if digits is not None:
                return _from_digits(digits, base)
    if _DECIMAL.fullmatch(text):
        return normal(float(text))
    if _INFINITE.fullmatch(text):
        return -math.inf if text[0] == "-" else math.inf
    return math.nan


def parse_float(text: str) -> int | float:
    """Read the longest number that a text starts with; NaN where there is none."""
    if match := _DECIMAL.match(text):
        return normal(float(match.group()))
    if match := _INFINITE.match(text):
        return -math.inf if match.group()[0] == "-" else math.inf
    return math.nan


def parse_int(text: str, base: int) -> int | float:
    """Read the longest whole number of a base that a text starts with; NaN where there is none."""
    sign = -1 if text[:1] == "-" else 1
    rest = text[1:] if text[:1] in ("+", "-") else text
    if base in (0, 16) and rest[:2] in ("0x", "0X"):
        rest, base = rest[2:], 16
    base = base or 10
    if not 2 <= base <= 36:
        return math.nan
    allowed = _DIGITS[:base]
    count = 0
    while count < len(rest) and rest[count].lower() in allowed:
        count += 1
    if count == 0:
        return math.nan
    value = _from_digits(rest[:count], base)
    return normal(to_double(sign * value))


def _from_digits(digits: str, base: int) -> int | float:
    digits = digits.lstrip("0") or "0"
    if len(digits) > _MOST_DIGITS:
        return math.inf
    return normal(to_double(int(digits, base)))


def fixed(value: float, digits: int) -> str:
    """Write with a fixed number of decimals; a tie goes away from zero, as in JavaScript."""
    if value != value or math.isinf(value) or abs(value) >= 1e21:
        return number_text(value)
    top, bottom = abs(value).as_integer_ratio()
    scaled = (2 * top * 10**digits + bottom) // (2 * bottom)
    text = str(scaled).rjust(digits + 1, "0")
    if digits:
        text = f"{text[:-digits]}.{text[-digits:]}"
    return f"-{text}" if value < 0 else text
