"""Text that JavaScript's YAML reader takes and libyaml refuses, rewritten where that is safe.

Works from the place of an error on: there the scanner stood outside quotes and block scalars, and
it still does for the lines after it up to the first that could leave one open.
"""

from __future__ import annotations

import re

from yaml.error import MarkedYAMLError

__all__ = ("repaired",)

_TAB_PROBLEMS = frozenset(
    {
        "found character that cannot start any token",
        "found a tab character that violates indentation",
    }
)
_ESCAPE_PROBLEM = "found invalid Unicode character escape code"
_BLANK_OR_COMMENT = re.compile(r"[ \t]*(?:#.*|\r)?")
_MARKS_THEN_TAB = re.compile(r"^( *[-?:](?: +[-?:])*)[ \t]*\t[ \t]*")
_MAY_OPEN_A_SCALAR = re.compile(r"[\"'|>]")
_QUOTED = re.compile(r"'[^']*+('|$)|\"(?>(?:[^\"\\]|\\.)*)(\"|$)")
_PAIR = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)


def repaired(text: str, error: MarkedYAMLError) -> str | None:
    r"""The text with what the error complains about rewritten, or None where it is a real error.

    Tabs that only fill a line or follow a `-` become spaces; pairs of `\u` escapes in double
    quotes, as JSON writes characters beyond 16 bits, become one escape. Lines keep their numbers.
    """
    mark = error.problem_mark
    if mark is None:
        return None
    if error.problem in _TAB_PROBLEMS:
        rewrite = _without_tabs
    elif error.problem == _ESCAPE_PROBLEM:
        rewrite = _with_whole_characters
    else:
        return None
    lines = text.split("\n")
    first = mark.line
    if first >= len(lines) or rewrite(lines[first]) == lines[first]:
        return None
    for index in range(first, len(lines)):
        left_open = _MAY_OPEN_A_SCALAR.search(_QUOTED.sub(_opener, lines[index]))
        if left_open and index > first:
            break
        lines[index] = rewrite(lines[index])
        if left_open:
            break
    return "\n".join(lines)


def _without_tabs(line: str) -> str:
    if "\t" not in line:
        return line
    if _BLANK_OR_COMMENT.fullmatch(line):
        return line.replace("\t", " ")
    return _MARKS_THEN_TAB.sub(r"\1 ", line, count=1)


def _opener(quoted: re.Match[str]) -> str:
    """Nothing for what closes in its line, and for what does not, that it opens."""
    return "" if quoted[1] or quoted[2] else quoted[0][0]


def _with_whole_characters(line: str) -> str:
    return _QUOTED.sub(
        lambda quoted: _PAIR.sub(_whole, quoted[0]) if quoted[2] else quoted[0], line
    )


def _whole(pair: re.Match[str]) -> str:
    high, low = int(pair[1], 16), int(pair[2], 16)
    return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"
