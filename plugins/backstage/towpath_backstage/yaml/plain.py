r"""Documents in the plain block style that nearly every descriptor is written in, read by line.

One regular expression takes a line apart, so that what costs time is native code. It takes only
what has one meaning for every YAML reader; at the first doubt the document is left to the
composer, which alone says what is wrong. So nothing is refused here, and no place is known.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from towpath_backstage.yaml.limits import YamlFault, YamlLimits
from towpath_backstage.yaml.scalars import TYPED_STARTS, WORDS, typed

__all__ = ("Plain", "plain_document")

_START = re.compile(r"---(?: +#[^\n\r\ufeff]*+| *+)\n")
# No group is possessive, for Python takes those wrongly before 3.11.5; none could match otherwise.
_LINE = re.compile(
    r"""
    ^(\ *+)                                                       # 1 indentation
    (-\ ++)?                                                      # 2 the mark of an item
    (?:([A-Za-z_$][A-Za-z0-9_.$/@+-]{0,200}):(?:\ ++|(?=\n)))?    # 3 a key
    (?:
      ( \|[-+]?\n (?:\1\ [^\n\r\ufeff]*+\n | \ *+\n)+ )           # 4 a literal block
    |
      (                                                           # 5 a value:
        [^\s\-?:,\[\]{}\#&*!|>'"%@`\ufeff] [^\n\r\t\ufeff:\#]*    #   plain text, with
        (?: (?: :(?=\S) | (?<=\S)\# ) [^\n\r\t\ufeff:\#]* ){0,40} #   : and # inside of words
        (?<!\ )
      | "[^"\\\n\r\ufeff]*+" | '[^'\n\r\ufeff]*+'                 #   quoted, without escapes
      | \[\ *+ (?: [A-Za-z_][A-Za-z0-9_./@+$-]*+                  #   a list of words
          (?: \ *+,\ *+[A-Za-z_][A-Za-z0-9_./@+$-]*+ )* \ *+ )? \]
      | \{\}
      )?
      \ *+ (?: (?<![^\ \n])\#[^\n\r\ufeff]*+ )? \n                # a comment
    )
    """,
    re.MULTILINE | re.VERBOSE,
)
_SPECIAL = TYPED_STARTS | frozenset("\"'[{")
_Line = tuple[str, str, str, str, str]


class Plain(NamedTuple):
    """A document: its data, how many nodes that has, and the line of its first, from 0."""

    value: Any
    nodes: int
    line: int


class _Doubt(Exception):
    """This needs the composer."""


class _Nowhere:
    """A mark for faults that nobody is told."""

    line = column = 0


def plain_document(text: str, begin: int, end: int, limits: YamlLimits) -> Plain | None:
    """The document between two positions of a text, where it is written plainly.

    Args:
        text: without characters that `set_aside` replaces; the document ends with its line.
        begin: the start of its first line.
        end: behind its last.
        limits: what goes over one of these is left to the composer.

    Returns:
        None where only the composer can tell what the document is; a value of None where there
        is nothing in it.
    """
    started = _START.match(text, begin, end)
    first = started.end() if started else begin
    lines = _LINE.findall(text, first, end)
    here = text.count("\n", first, end)
    blocks = sum([block.count("\n") - 1 for _, _, _, block, _ in lines if block])
    if len(lines) + blocks != here:
        return None
    try:
        value, nodes = _composed(lines, limits)
    except (_Doubt, YamlFault):
        return None
    blank = next((at for at, line in enumerate(lines) if line[1] or line[2]), 0)
    return Plain(value, nodes, blank + (1 if started else 0))


def _composed(lines: list[_Line], limits: YamlLimits) -> tuple[Any, int]:
    """The data of lines, and how many nodes it has."""
    holder: dict[str, Any] = {}
    at: Any = holder  # the collection that is open, the column it stands in, and those around it
    column, around = -1, _Around(limits.depth)
    pending: str | None = ""  # the key that a deeper line belongs to
    longest, nodes = limits.key_characters, 1
    for indent, dash, key, block, value in lines:
        here = len(indent)
        if dash:
            if here != column or at.__class__ is not list:
                at, column = around.move(list, here, at, column, pending)
            nodes += 1
            if not key:
                at.append(_special(value, limits, around))
                pending = None
                continue
            if block:
                raise _Doubt
            around.enter(at, column)
            at.append({})
            at, column = at[-1], here + len(dash)
        elif not key:
            if value or block:
                raise _Doubt
            continue
        elif here != column or at.__class__ is list:
            at, column = around.move(dict, here, at, column, pending)
        if key in at or key in WORDS or len(key) > longest:
            raise _Doubt
        nodes += 2
        pending = None if value or block else key
        if block:
            at[key] = _literal(block)
        elif value and value[0] in _SPECIAL:
            at[key] = _special(value, limits, around)
        else:
            at[key] = value or None
    return holder.get(""), nodes + around.words


class _Around:
    """The collections that the open one stands in, outermost first, with their columns.

    Attributes:
        words: how many items lists on one line had so far.
    """

    __slots__ = ("_most", "_stack", "words")

    def __init__(self, most: int) -> None:
        self._most = most
        self.words = 0
        self._stack: list[tuple[Any, int]] = []

    def enter(self, at: Any, column: int) -> None:
        """Note that a collection is about to be opened inside of this one."""
        self._stack.append((at, column))
        self.has_room(0)

    def has_room(self, more: int) -> None:
        """See that so many collections may stand inside each other."""
        if len(self._stack) + more > self._most:
            raise _Doubt

    def move(
        self, kind: type, here: int, at: Any, column: int, pending: str | None
    ) -> tuple[Any, int]:
        """The collection that a line belongs to: a new one below a key, or one around this."""
        if pending is not None and (here > column or (here == column and kind is list)):
            self.enter(at, column)
            at[pending] = new = kind()
            return new, here
        while here != column or at.__class__ is not kind:
            if column < here:
                raise _Doubt
            at, column = self._stack.pop()
        return at, column


def _special(text: str, limits: YamlLimits, around: _Around) -> Any:
    """The value of a text that may be more than the text it is written as."""
    first = text[:1]
    if first in TYPED_STARTS:
        return typed(text, _Nowhere, limits)
    if first == '"' or first == "'":
        return text[1:-1]
    if first == "[" or first == "{":
        around.has_room(1)
        if first == "{":
            return {}
        inside = text[1:-1].replace(" ", "")
        words = inside.split(",") if inside else []
        around.words += len(words)
        return [WORDS.get(word, word) for word in words]
    if not text:
        raise _Doubt
    return text


def _literal(block: str) -> str:
    """The text of a literal block, given from its mark on."""
    mark, _, body = block.partition("\n")
    width = len(body) - len(body.lstrip(" "))
    first = body[width : width + 1]
    if first == "\n" or first == "\t":
        raise _Doubt
    indent = "\n" + " " * width
    text = "\n" + body
    if text.count(indent) == body.count("\n"):
        text = text.replace(indent, "\n")[1:]
    else:
        text = "\n".join([_unindented(line, width) for line in body.split("\n")])
    if mark == "|+":
        return text
    text = text.rstrip("\n")
    return text if mark == "|-" else text + "\n"


def _unindented(line: str, width: int) -> str:
    if line[:width].strip(" "):
        raise _Doubt
    return line[width:]
