"""Regular expressions as templates write them (`r/../g`), run by Python's engine.

The two languages agree on nearly all that people write; what differs is translated here, and what
cannot be is refused. A pattern that never ends is the business of the processor-time limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from towpath_backstage.language.faults import TemplateFault

__all__ = ("Pattern", "expand")

_LONGEST = 16_384
_CLASS_SPECIAL = "[&~|"
_KEPT_ESCAPES = frozenset("bBdDfnrsStvwW0123456789")


class Pattern:
    """A compiled expression with JavaScript's flags g, i, m and y."""

    __slots__ = ("body", "everywhere", "flags", "regex")

    def __init__(self, body: str, flags: str) -> None:
        if len(body) > _LONGEST:
            raise TemplateFault(f"a regular expression has more than {_LONGEST} characters")
        options = re.ASCII
        if "i" in flags:
            options |= re.IGNORECASE
        if "m" in flags:
            options |= re.MULTILINE
        try:
            self.regex = re.compile(_translate(body, "m" in flags), options)
        except (re.error, OverflowError, RecursionError) as error:
            place = getattr(error, "pos", None)
            where = "" if place is None else f" near its character {place + 1}"
            raise TemplateFault(f"a regular expression is wrong{where}") from None
        self.body = body
        self.flags = flags
        self.everywhere = "g" in flags

    def __str__(self) -> str:
        """Write it as JavaScript would."""
        return f"/{self.body}/{self.flags}"

    def replace(self, subject: str, replacement: str) -> str:
        """Replace the first match, or each one where the flag g is set."""
        return self.regex.sub(
            lambda match: expand(replacement, subject, match),
            subject,
            count=0 if self.everywhere else 1,
        )

    def matches(self, subject: str) -> Any:
        """Answer as `subject.match(pattern)`: a list of texts, or None."""
        if self.everywhere:
            return [match.group() for match in self.regex.finditer(subject)] or None
        match = self.regex.search(subject)
        return None if match is None else [match.group(), *match.groups()]

    def search(self, subject: str) -> int:
        """Find where the first match begins; -1 where there is none."""
        match = self.regex.search(subject)
        return -1 if match is None else match.start()

    def split(self, subject: str) -> list[Any]:
        """Split at each match; what groups caught stands between the parts."""
        if subject == "":
            return [] if self.regex.fullmatch(subject) else [subject]
        parts: list[Any] = []
        start = 0
        for match in self.regex.finditer(subject):
            if match.end() == match.start() and match.start() in (start, len(subject)):
                continue
            parts += [subject[start : match.start()], *match.groups()]
            start = match.end()
        return [*parts, subject[start:]]


_REFERENCE = re.compile(r"\$(?:(\$)|(&)|(`)|(')|([0-9]{1,2})|<([^>]*)>)")


def expand(replacement: str, subject: str, match: re.Match[str]) -> str:
    """Fill in `$1`, `$&` and their like in the text that replaces a match."""
    if "$" not in replacement:
        return replacement
    groups = match.re.groups

    def fill(found: re.Match[str]) -> str:
        dollar, whole, before, after, number, name = found.groups()
        if dollar:
            return "$"
        if whole:
            return match.group()
        if before:
            return subject[: match.start()]
        if after:
            return subject[match.end() :]
        if number is not None:
            return _group(match, number, groups, found.group())
        if name is not None and match.re.groupindex:
            return match.groupdict().get(name) or ""
        return found.group()

    return _REFERENCE.sub(fill, replacement)


def _group(match: re.Match[str], number: str, groups: int, written: str) -> str:
    if 1 <= int(number) <= groups:
        return match.group(int(number)) or ""
    if len(number) == 2 and 1 <= int(number[0]) <= groups:
        return (match.group(int(number[0])) or "") + number[1]
    return written


def _translate(body: str, multiline: bool) -> str:
    return "".join(_pieces(body, multiline))


def _pieces(body: str, multiline: bool) -> Iterator[str]:
    index = 0
    inside = False
    while index < len(body):
        character = body[index]
        following = body[index + 1 : index + 2]
        index += 1
        if character == "\\":
            index += 1
            piece, used = _escape(following, body[index:])
            index += used
            yield piece
        elif inside:
            inside = character != "]"
            escaped = character in _CLASS_SPECIAL or character == following == "-"
            yield "\\" + character if escaped else character
        elif character == "[":
            inside = True
            special, used = _open_class(body[index:])
            index += used
            inside = not special.endswith(")")
            yield special
        elif character == "$" and not multiline:
            yield r"\Z"
        elif character == "(" and following == "?":
            yield _open_group(body[index:])
            index += _group_length(body[index:])
        else:
            yield character


def _escape(following: str, rest: str) -> tuple[str, int]:
    if following in _KEPT_ESCAPES:
        return "\\" + following, 0
    if following in ("x", "u") and re.match(
        r"[0-9a-fA-F]{2}" if following == "x" else r"[0-9a-fA-F]{4}", rest
    ):
        return "\\" + following, 0
    if following == "k" and (name := re.match(r"<(\w+)>", rest)):
        return f"(?P={name.group(1)})", name.end()
    return re.escape(following), 0


def _open_class(rest: str) -> tuple[str, int]:
    if rest.startswith("^]"):
        return r"(?s:.)", 2
    if rest.startswith("]"):
        return "(?!)", 1
    if rest.startswith("^"):
        return "[^", 1
    return "[", 0


def _group_length(rest: str) -> int:
    return 3 if rest.startswith(("?<=", "?<!")) else 2


def _open_group(rest: str) -> str:
    if rest.startswith(("?:", "?=", "?!")):
        return "(" + rest[:2]
    if rest.startswith(("?<=", "?<!")):
        return "(" + rest[:3]
    if rest.startswith("?<"):
        return "(?P<"
    raise TemplateFault(f"a regular expression cannot have the group (?{rest[1:2]}")
