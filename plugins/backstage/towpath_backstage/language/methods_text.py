"""JavaScript's methods of strings, numbers and booleans."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from towpath_backstage.language.faults import TemplateFault
from towpath_backstage.language.numerals import fixed, number_text, to_double
from towpath_backstage.language.patterns import Pattern, expand
from towpath_backstage.language.utf16 import JS_SPACE, length, merged, units
from towpath_backstage.language.values import UNDEFINED, text, to_integer, to_number

__all__ = (
    "BOOLEAN_METHODS",
    "NUMBER_METHODS",
    "PATTERN_METHODS",
    "TEXT_METHODS",
    "Methods",
    "clamped",
)

Methods = dict[str, Callable[..., Any]]
"""Methods by name; each takes what it is called on and then its arguments."""

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def clamped(value: Any, size: int, missing: int) -> int:
    """Read an index as `slice` does: negative from the end, kept within the size."""
    index = to_integer(value, missing)
    return max(size + index, 0) if index < 0 else min(index, size)


def _at(subject: str, index: Any = UNDEFINED) -> Any:
    whole = units(subject)
    place = to_integer(index)
    place += len(whole) if place < 0 else 0
    return whole[place] if 0 <= place < len(whole) else UNDEFINED


def _char_at(subject: str, index: Any = UNDEFINED) -> str:
    whole = units(subject)
    place = to_integer(index)
    return whole[place] if 0 <= place < len(whole) else ""


def _char_code_at(subject: str, index: Any = UNDEFINED) -> int | float:
    unit = _char_at(subject, index)
    return ord(unit) if unit else float("nan")


def _code_point_at(subject: str, index: Any = UNDEFINED) -> Any:
    whole = units(subject)
    place = to_integer(index)
    if not 0 <= place < len(whole):
        return UNDEFINED
    pair = merged(whole[place : place + 2])
    return ord(pair[0])


def _concat(subject: str, *others: Any) -> str:
    return subject + "".join(map(text, others))


def _needle(value: Any, method: str) -> str:
    if isinstance(value, Pattern):
        raise TemplateFault(f"`{method}` does not take a regular expression")
    return text(value)


def _starts_with(subject: str, part: Any = UNDEFINED, start: Any = UNDEFINED) -> bool:
    whole = units(subject)
    first = min(max(to_integer(start), 0), len(whole))
    return whole.startswith(units(_needle(part, "startsWith")), first)


def _ends_with(subject: str, part: Any = UNDEFINED, end: Any = UNDEFINED) -> bool:
    whole = units(subject)
    last = min(max(to_integer(end, len(whole)), 0), len(whole))
    return whole[:last].endswith(units(_needle(part, "endsWith")))


def _includes(subject: str, part: Any = UNDEFINED, start: Any = UNDEFINED) -> bool:
    first = max(to_integer(start), 0)
    return units(_needle(part, "includes")) in units(subject)[first:]


def _index_of(subject: str, part: Any = UNDEFINED, start: Any = UNDEFINED) -> int:
    whole = units(subject)
    return whole.find(units(text(part)), min(max(to_integer(start), 0), len(whole)))


def _last_index_of(subject: str, part: Any = UNDEFINED, start: Any = UNDEFINED) -> int:
    whole, wanted = units(subject), units(text(part))
    number = to_double(to_number(start))
    last = len(whole) if number != number else min(max(to_integer(start), 0), len(whole))
    return whole.rfind(wanted, 0, last + len(wanted))


def _pad(subject: str, size: Any, filling: Any, at_start: bool) -> str:
    missing = to_integer(size) - length(subject)
    fill = units(" " if filling is UNDEFINED else text(filling))
    if missing <= 0 or not fill:
        return subject
    padding = merged((fill * (missing // len(fill) + 1))[:missing])
    return padding + subject if at_start else subject + padding


def _pad_start(subject: str, size: Any = UNDEFINED, filling: Any = UNDEFINED) -> str:
    return _pad(subject, size, filling, at_start=True)


def _pad_end(subject: str, size: Any = UNDEFINED, filling: Any = UNDEFINED) -> str:
    return _pad(subject, size, filling, at_start=False)


def _repeat(subject: str, count: Any = UNDEFINED) -> str:
    times = to_integer(count)
    if times < 0:
        raise TemplateFault("`repeat` needs a count of 0 or more")
    return subject * times if subject else ""


def _replace(subject: str, wanted: Any = UNDEFINED, replacement: Any = UNDEFINED) -> str:
    if isinstance(wanted, Pattern):
        return wanted.replace(subject, text(replacement))
    return _replace_text(subject, text(wanted), text(replacement), count=1)


def _replace_all(subject: str, wanted: Any = UNDEFINED, replacement: Any = UNDEFINED) -> str:
    if isinstance(wanted, Pattern):
        if not wanted.everywhere:
            raise TemplateFault("`replaceAll` needs a regular expression with the flag g")
        return wanted.replace(subject, text(replacement))
    return _replace_text(subject, text(wanted), text(replacement), count=0)


def _replace_text(subject: str, wanted: str, replacement: str, count: int) -> str:
    if "$" not in replacement:
        return subject.replace(wanted, replacement, count or -1)
    return re.sub(
        re.escape(wanted), lambda match: expand(replacement, subject, match), subject, count=count
    )


def _match(subject: str, pattern: Any = UNDEFINED) -> Any:
    return _pattern(pattern).matches(subject)


def _search(subject: str, pattern: Any = UNDEFINED) -> int:
    return _pattern(pattern).search(subject)


def _pattern(value: Any) -> Pattern:
    if isinstance(value, Pattern):
        return value
    return Pattern("(?:)" if value is UNDEFINED else text(value), "")


def _slice(subject: str, start: Any = UNDEFINED, end: Any = UNDEFINED) -> str:
    whole = units(subject)
    first, last = clamped(start, len(whole), 0), clamped(end, len(whole), len(whole))
    return merged(whole[first:last])


def _substring(subject: str, start: Any = UNDEFINED, end: Any = UNDEFINED) -> str:
    whole = units(subject)
    bounds = [
        min(max(to_integer(bound, missing), 0), len(whole))
        for bound, missing in ((start, 0), (end, len(whole)))
    ]
    return merged(whole[min(bounds) : max(bounds)])


def _substr(subject: str, start: Any = UNDEFINED, size: Any = UNDEFINED) -> str:
    whole = units(subject)
    first = clamped(start, len(whole), 0)
    return merged(whole[first : first + max(to_integer(size, len(whole)), 0)])


def _split(subject: str, separator: Any = UNDEFINED, limit: Any = UNDEFINED) -> list[Any]:
    parts: list[Any]
    if separator is UNDEFINED:
        parts = [subject]
    elif isinstance(separator, Pattern):
        parts = separator.split(subject)
    elif text(separator) == "":
        parts = list(units(subject))
    else:
        parts = list(subject.split(text(separator)))
    most = to_integer(limit, len(parts))
    return parts[:most] if most >= 0 else parts


TEXT_METHODS: Methods = {
    "at": _at,
    "charAt": _char_at,
    "charCodeAt": _char_code_at,
    "codePointAt": _code_point_at,
    "concat": _concat,
    "endsWith": _ends_with,
    "includes": _includes,
    "indexOf": _index_of,
    "lastIndexOf": _last_index_of,
    "match": _match,
    "padEnd": _pad_end,
    "padStart": _pad_start,
    "repeat": _repeat,
    "replace": _replace,
    "replaceAll": _replace_all,
    "search": _search,
    "slice": _slice,
    "split": _split,
    "startsWith": _starts_with,
    "substr": _substr,
    "substring": _substring,
    "toLowerCase": lambda subject: subject.lower(),
    "toString": lambda subject: str(subject),
    "toUpperCase": lambda subject: subject.upper(),
    "trim": lambda subject: subject.strip(JS_SPACE),
    "trimEnd": lambda subject: subject.rstrip(JS_SPACE),
    "trimStart": lambda subject: subject.lstrip(JS_SPACE),
    "valueOf": lambda subject: str(subject),
}


def _test(pattern: Pattern, subject: Any = UNDEFINED) -> bool:
    return pattern.search(text(subject)) >= 0


def _digits(value: Any, lowest: int, highest: int, method: str) -> int:
    count = to_integer(value)
    if not lowest <= count <= highest:
        raise TemplateFault(f"`{method}` needs a number from {lowest} to {highest}")
    return count


def _to_fixed(number: int | float, digits: Any = UNDEFINED) -> str:
    return fixed(to_double(number), _digits(digits, 0, 100, "toFixed"))


def _to_exponential(number: int | float, digits: Any = UNDEFINED) -> str:
    value = to_double(number)
    if value != value or abs(value) == float("inf"):
        return number_text(value)
    if digits is UNDEFINED:
        shortest = number_text(abs(value)).replace(".", "").partition("e")[0].strip("0")
        count = max(len(shortest) - 1, 0)
    else:
        count = _digits(digits, 0, 100, "toExponential")
    mantissa, _, exponent = f"{value:.{count}e}".partition("e")
    return f"{mantissa}e{int(exponent):+d}"


def _to_precision(number: int | float, digits: Any = UNDEFINED) -> str:
    value = to_double(number)
    if digits is UNDEFINED or value != value or abs(value) == float("inf"):
        return number_text(value)
    count = _digits(digits, 1, 100, "toPrecision")
    mantissa, _, exponent = f"{value:.{count - 1}e}".partition("e")
    if -6 <= int(exponent) < count:
        return f"{value:.{max(count - 1 - int(exponent), 0)}f}"
    return f"{mantissa}e{int(exponent):+d}"


def _number_to_string(number: int | float, base: Any = UNDEFINED) -> str:
    radix = 10 if base is UNDEFINED else _digits(base, 2, 36, "toString")
    if radix == 10:
        return number_text(number)
    if isinstance(number, float) and not number.is_integer():
        raise TemplateFault("`toString` with a base needs a whole number")
    rest, written = abs(int(number)), ""
    while rest or not written:
        rest, digit = divmod(rest, radix)
        written = _DIGITS[digit] + written
    return f"-{written}" if number < 0 else written


NUMBER_METHODS: Methods = {
    "toExponential": _to_exponential,
    "toFixed": _to_fixed,
    "toPrecision": _to_precision,
    "toString": _number_to_string,
    "valueOf": lambda number: number,
}
BOOLEAN_METHODS: Methods = {"toString": text, "valueOf": lambda value: value}
PATTERN_METHODS: Methods = {"test": _test, "toString": text}
