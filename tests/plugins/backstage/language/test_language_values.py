from __future__ import annotations

import math
from typing import Any

import pytest

from towpath_backstage.language import numerals, utf16
from towpath_backstage.language.operators import (
    BINARY,
    add,
    less,
    loosely_equal,
    strictly_equal,
)
from towpath_backstage.language.values import (
    UNDEFINED,
    Keywords,
    SafeText,
    Undefined,
    display,
    own_keys,
    text,
    to_integer,
    to_number,
    truthy,
)

NAN = math.nan
INF = math.inf
LIST: list[Any] = [1]
OBJECT: dict[str, Any] = {"a": 1}


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0, "0"),
        (-0.0, "0"),
        (2.0, "2"),
        (1.5, "1.5"),
        (-1.25, "-1.25"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e21, "1.5e+21"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (1.25e-7, "1.25e-7"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (2**60 + 1, "1152921504606846977"),
        (NAN, "NaN"),
        (INF, "Infinity"),
        (-INF, "-Infinity"),
    ],
)
def test_numbers_are_written_as_javascript_writes_them(number: float, written: str) -> None:
    assert numerals.number_text(number) == written


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("", 0),
        ("12", 12),
        ("-1.50", -1.5),
        (".5", 0.5),
        ("5.", 5),
        ("1e3", 1000),
        ("0x1F", 31),
        ("0b101", 5),
        ("0o17", 15),
        ("Infinity", INF),
        ("-Infinity", -INF),
        ("1e999", INF),
        ("9" * 5000, INF),
    ],
)
def test_text_becomes_a_number(written: str, number: float) -> None:
    assert numerals.parse_number(written) == number


@pytest.mark.parametrize(
    "written", ["x", "1_000", "nan", "inf", "1 2", "0x", "--1", "1e", "\u0661"]
)
def test_what_javascript_does_not_take_for_a_number(written: str) -> None:
    assert math.isnan(float(numerals.parse_number(written)))


@pytest.mark.parametrize(
    ("number", "digits", "written"),
    [
        (2.5, 0, "3"),
        (-2.5, 0, "-3"),
        (1.005, 2, "1.00"),
        (0.000001, 7, "0.0000010"),
        (-0.0001, 2, "-0.00"),
        (1e21, 2, "1e+21"),
        (10, 2, "10.00"),
    ],
)
def test_fixed_decimals(number: float, digits: int, written: str) -> None:
    assert numerals.fixed(float(number), digits) == written


@pytest.mark.parametrize(
    ("value", "truth"),
    [
        (UNDEFINED, False),
        (None, False),
        (False, False),
        (0, False),
        (NAN, False),
        ("", False),
        ("0", True),
        ("false", True),
        ([], True),
        ({}, True),
        (-1, True),
        (SafeText(""), True),
    ],
)
def test_truth(value: Any, truth: bool) -> None:
    assert truthy(value) is truth


@pytest.mark.parametrize(
    ("value", "as_text", "shown"),
    [
        (UNDEFINED, "undefined", ""),
        (None, "null", ""),
        (True, "true", "true"),
        (False, "false", "false"),
        (2.0, "2", "2"),
        ([1, None, [2, UNDEFINED], {}], "1,,2,,[object Object]", "1,,2,,[object Object]"),
        ({}, "[object Object]", "[object Object]"),
        (Keywords(a=1), "[object Object]", "[object Object]"),
        (object(), "[object Object]", "[object Object]"),
    ],
)
def test_text(value: Any, as_text: str, shown: str) -> None:
    assert text(value) == as_text
    assert display(value) == shown


@pytest.mark.parametrize(
    ("value", "number"),
    [(True, 1), (None, 0), (" \n7\ufeff", 7), ([], 0), ([5], 5), ("", 0)],
)
def test_to_number(value: Any, number: float) -> None:
    assert to_number(value) == number


@pytest.mark.parametrize("value", [UNDEFINED, {}, [1, 2], "a"])
def test_not_a_number(value: Any) -> None:
    assert math.isnan(float(to_number(value)))


@pytest.mark.parametrize(
    ("value", "integer"), [(UNDEFINED, 9), (1.9, 1), (-1.9, -1), ("x", 0), (INF, 2**63), (None, 0)]
)
def test_to_integer(value: Any, integer: int) -> None:
    assert to_integer(value, 9) == integer


@pytest.mark.parametrize(
    ("left", "right", "loose", "strict"),
    [
        (1, "1", True, False),
        (None, UNDEFINED, True, False),
        (None, 0, False, False),
        (True, 1, True, False),
        (True, "true", False, False),
        (0, "", True, False),
        ("a", "a", True, True),
        (1, 1.0, True, True),
        (NAN, NAN, False, False),
        (LIST, LIST, True, True),
        ([1], [1], False, False),
        ([1], 1, True, False),
        (OBJECT, OBJECT, True, True),
        ({}, "[object Object]", True, False),
        (SafeText("a"), "a", True, False),
        (UNDEFINED, UNDEFINED, True, True),
        (False, False, True, True),
    ],
)
def test_equality(left: Any, right: Any, loose: bool, strict: bool) -> None:
    assert loosely_equal(left, right) is loose
    assert loosely_equal(right, left) is loose
    assert strictly_equal(left, right) is strict
    assert strictly_equal(right, left) is strict


@pytest.mark.parametrize(
    ("left", "right", "sum_"),
    [
        (1, 2, 3),
        (0.1, 0.2, 0.30000000000000004),
        ("1", 2, "12"),
        (None, 1, 1),
        (True, 1, 2),
        ([1, 2], "x", "1,2x"),
        ([], [], ""),
        (UNDEFINED, "x", "undefinedx"),
        (2**53, 2**53, 2**54),
    ],
)
def test_plus(left: Any, right: Any, sum_: Any) -> None:
    assert add(left, right) == sum_


def test_arithmetic_that_goes_wrong_is_not_a_number() -> None:
    assert math.isnan(BINARY["-"](UNDEFINED, 1))
    assert math.isnan(BINARY["/"](0, 0))
    assert math.isnan(BINARY["%"](1, 0))
    assert math.isnan(BINARY["**"](-8, 1 / 3))
    assert BINARY["/"](-1, 0) == -INF
    assert BINARY["**"](9, 999) == INF
    assert BINARY["**"](-9, 999) == -INF
    assert BINARY["*"](1e200, 1e200) == INF


def test_arithmetic_never_makes_long_integers() -> None:
    grown: Any = 9
    for _ in range(100):
        grown = BINARY["*"](grown, grown)
    assert grown == INF


@pytest.mark.parametrize(
    ("left", "right", "before"),
    [
        ("a", "b", True),
        ("B", "a", True),
        ("10", "9", True),
        ("10", 9, False),
        (None, 1, True),
        (UNDEFINED, 1, False),
        ("a", 1, False),
        ("\ufffd", "😀", False),
    ],
)
def test_less(left: Any, right: Any, before: bool) -> None:
    assert less(left, right) is before


def test_keys_come_in_javascripts_order() -> None:
    keys = ["b", "10", "2", "01", "a", "-1", "4294967295"]
    assert own_keys(dict.fromkeys(keys)) == ["2", "10", "b", "01", "a", "-1", "4294967295"]


def test_there_is_one_undefined() -> None:
    assert Undefined(name="x") is UNDEFINED
    assert not UNDEFINED


def test_lengths_count_utf16_units() -> None:
    assert utf16.length("a😀b") == 4
    assert utf16.units("a😀") == "a\ud83d\ude00"
    assert utf16.merged("a\ud83d\ude00") == "a😀"
    assert utf16.scalar("a\ud83db") == "a\ufffdb"
