"""Glob patterns over paths, as Backstage's actions take them.

`*` and `?` and `[...]` match inside one name, `**` any number of names, `{a,b}` either; a pattern
that begins with `!` takes away what others matched. Matching is linear in the pattern for every
name: no pattern of an author's can make it slow. Knows no file system.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from towpath_core.errors import Invalid, Place, Problem

__all__ = ("Globs",)

_MAGIC = frozenset("*?[{")
_MAX_ALTERNATIVES = 256
_MAX_PATTERNS = 1000
_MAX_LENGTH = 1024


class Globs:
    """A list of patterns, relative to one folder.

    Args:
        patterns: as the author wrote them. One without magic, or with a `/` at its end, also
            matches all below the folder it names.
        field: name of the input they came from, for the error's place.
        dots: whether `*`, `?` and `**` match names that begin with a dot.

    Raises:
        Invalid: one is absolute, has `..` in it, or is too large. Code `glob`.
    """

    def __init__(self, patterns: Sequence[str], field: str, *, dots: bool) -> None:
        if len(patterns) > _MAX_PATTERNS:
            raise _refused(field, f"there are more than {_MAX_PATTERNS} patterns")
        self._dots = dots
        self._wanted: list[tuple[str, ...]] = []
        self._unwanted: list[tuple[str, ...]] = []
        for index, pattern in enumerate(patterns):
            at = f"{field}/{index}"
            negated = pattern.startswith("!") and not pattern.startswith("!(")
            compiled = _compile(pattern[1:] if negated else pattern, at)
            (self._unwanted if negated else self._wanted).extend(compiled)

    def match(self, path: Sequence[str]) -> bool:
        """Whether a path, name by name, is meant."""
        return self._any(self._wanted, path) and not self._any(self._unwanted, path)

    def _any(self, patterns: list[tuple[str, ...]], path: Sequence[str]) -> bool:
        return any(_match(pattern, path, self._dots) for pattern in patterns)


def _compile(pattern: str, field: str) -> list[tuple[str, ...]]:
    if len(pattern) > _MAX_LENGTH:
        raise _refused(field, f"it is longer than {_MAX_LENGTH} characters")
    if pattern.startswith("/"):
        raise _refused(field, "it is absolute")
    compiled = []
    for one in _expand(pattern, field):
        names = tuple(name for name in one.split("/") if name not in ("", "."))
        if ".." in names:
            raise _refused(field, "there is .. in it")
        if _MAGIC.isdisjoint(one):
            compiled += [names, (*names, "**", "*")]
        elif one.endswith("/"):
            compiled.append((*names, "**", "*"))
        else:
            compiled.append(names)
    return compiled


def _expand(pattern: str, field: str) -> list[str]:
    """Write out the braces; `{a}` and an unclosed `{` stand for themselves."""
    done: list[str] = []
    waiting = [pattern]
    while waiting:
        if len(done) + len(waiting) > _MAX_ALTERNATIVES:
            raise _refused(field, f"its braces give more than {_MAX_ALTERNATIVES} patterns")
        text = waiting.pop()
        found = _innermost(text)
        if found is None:
            done.append(text)
        else:
            start, stop = found
            choices = text[start + 1 : stop].split(",")
            waiting += [text[:start] + choice + text[stop + 1 :] for choice in choices]
    return done


def _innermost(text: str) -> tuple[int, int] | None:
    """The first braces with a comma and no braces inside."""
    start = -1
    for at, character in enumerate(text):
        if character == "{":
            start = at
        elif character == "}" and start >= 0:
            if "," in text[start:at]:
                return start, at
            start = -1
    return None


def _match(pattern: tuple[str, ...], path: Sequence[str], dots: bool) -> bool:
    """Walk the path once and keep every place of the pattern that fits so far."""
    places = _past_stars(pattern, {0})
    for name in path:
        following = set()
        for place in places:
            if place == len(pattern):
                continue
            part = pattern[place]
            if part == "**":
                if dots or not name.startswith("."):
                    following.add(place)
            elif _match_name(part, name, dots):
                following.add(place + 1)
        places = _past_stars(pattern, following)
        if not places:
            return False
    return len(pattern) in places


def _past_stars(pattern: tuple[str, ...], places: set[int]) -> set[int]:
    """Add the places behind a `**`, which may also stand for no name at all."""
    grown = set(places)
    for place in places:
        at = place
        while at < len(pattern) and pattern[at] == "**":
            at += 1
            grown.add(at)
    return grown


def _match_name(part: str, name: str, dots: bool) -> bool:
    if name.startswith(".") and not dots and not part.startswith("."):
        return False
    return fnmatchcase(name, part.replace("[^", "[!"))


def _refused(field: str, why: str) -> Invalid:
    problem = Problem("glob", f"The pattern is refused: {why}.", Place(pointer=f"/{field}"))
    return Invalid(
        f"A pattern in {field} is refused: {why}.",
        next="Write it relative to the folder, such as docs/**/*.md.",
        problems=[problem],
    )
