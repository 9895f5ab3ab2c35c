"""Splits a template into tokens as nunjucks does, down to its white-space rules.

Jinja2's own lexer is not used: it normalises line ends, drops the last one, balances braces and
knows neither `===` nor regular expressions. Knows nothing of what the tokens mean together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from towpath_backstage.language.faults import TemplateFault
from towpath_backstage.language.utf16 import JS_SPACE

__all__ = ("COOKIECUTTER", "SCAFFOLDER", "Dialect", "Token", "has_tags", "tokenize")


@dataclass(frozen=True)
class Dialect:
    """How one template is written.

    Attributes:
        variable_start: what opens an expression.
        trim_blocks: drop the line end right after a block tag.
        lstrip_blocks: drop white space before a block tag that begins its line.
        python_names: know True, False, None, slices and a few methods of Python's collections, as
            cookiecutter templates use them.
    """

    variable_start: str = "${{"
    trim_blocks: bool = False
    lstrip_blocks: bool = False
    python_names: bool = False


class Token(NamedTuple):
    """One token: its kind, its text or value, and its 1-based line.

    Kinds: data, variable_start, variable_end, block_start, block_end, string, int, float, symbol,
    regex (body and flags joined by a NUL), op, end.
    """

    kind: str
    value: str
    line: int


SCAFFOLDER = Dialect()
"""How strings and files of the scaffolder are written."""

COOKIECUTTER = Dialect(variable_start="{{", python_names=True)
"""How cookiecutter templates are written."""


def has_tags(text: str, dialect: Dialect = SCAFFOLDER) -> bool:
    """Whether a text holds anything that rendering could change or refuse."""
    return any(sign in text for sign in (dialect.variable_start, "{%", "{#", "#}"))


_CODE = re.compile(
    r"(?P<space>[ \n\t\r\xa0]+)"
    r"|(?P<end>-?(?:%\}|\}\}))"
    r"|(?P<regex>r/(?P<body>(?:\\.|[^/\\])*)/?(?P<flags>[gimy]*))"
    r"|(?P<op>[=!]==?|[<>]=|//|\*\*|[()\[\]{}%*\-+~/#,:|.<>=!])"
    r"|(?P<word>[^ \n\t\r\xa0()\[\]{}%*\-+~/#,:|.<>=!]+)",
    re.DOTALL,
)
_FRACTION = re.compile(r"\.[0-9]*")
_RAW = re.compile(r"[ \n\t\r\xa0]*(raw|verbatim)[ \n\t\r\xa0]*(-?)%\}")
_STRING_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def tokenize(source: str, dialect: Dialect) -> list[Token]:
    """Split a template into tokens; the last one has the kind `end`.

    Raises:
        TemplateFault: a comment or a raw block is not closed, or closed without being open.
    """
    return _Lexer(source, dialect).run()


class _Lexer:
    def __init__(self, source: str, dialect: Dialect) -> None:
        self._source = source
        self._dialect = dialect
        self._at = 0
        self._line = 1
        self._tokens: list[Token] = []
        self._strip_next = False
        self._openers = re.compile(rf"\{{%|{re.escape(dialect.variable_start)}|\{{#|#\}}")

    def run(self) -> list[Token]:
        while self._at < len(self._source):
            found = self._openers.search(self._source, self._at)
            if found is None:
                self._data(len(self._source), "")
                self._advance(len(self._source))
                break
            opener = found.group()
            after = self._source[found.end() : found.end() + 1]
            self._data(found.start(), opener + after)
            self._advance(found.start())
            if opener == "#}":
                raise TemplateFault("a comment ends here that never began", self._line)
            if opener == "{#":
                self._comment(found.end())
            else:
                self._tag(opener, found.end() + (after == "-"))
        self._emit("end", "")
        return self._tokens

    def _emit(self, kind: str, value: str) -> None:
        self._tokens.append(Token(kind, value, self._line))

    def _advance(self, to: int) -> None:
        self._line += self._source.count("\n", self._at, to)
        self._at = to

    def _data(self, end: int, opener: str) -> None:
        """Emit the text up to a tag; the tag's sign decides what is stripped from it."""
        data = self._source[self._at : end]
        if not data:
            return
        if opener.startswith("{%") and self._dialect.lstrip_blocks:
            column = end - (self._source.rfind("\n", 0, end) + 1)
            if 0 < column <= len(data) and not data[-column:].strip(JS_SPACE):
                data = data[:-column]
                if not data:
                    return
        if self._strip_next:
            data = data.lstrip(JS_SPACE)
            self._strip_next = False
        if opener.endswith("-"):
            data = data.rstrip(JS_SPACE)
        self._emit("data", data)

    def _comment(self, start: int) -> None:
        end = self._source.find("#}", start)
        if end < 0:
            raise TemplateFault("this comment has no end: `#}` is missing", self._line)
        self._strip_next = self._source[end - 1] == "-"
        self._advance(end + 2)

    def _tag(self, opener: str, start: int) -> None:
        is_block = opener == "{%"
        self._strip_next = False
        if is_block and (raw := _RAW.match(self._source, start)):
            self._raw(raw)
            return
        self._emit("block_start" if is_block else "variable_start", opener)
        self._advance(start)
        self._code()

    def _raw(self, opening: re.Match[str]) -> None:
        """Emit what stands in a raw block, which may hold raw blocks of its own."""
        name = opening.group(1)
        line = self._line
        self._strip_next = bool(opening.group(2))
        self._advance(opening.end())
        self._trim_newline()
        closing = re.compile(rf"\{{%(-?)[ \n\t\r\xa0]*(end)?{name}[ \n\t\r\xa0]*(-?)%\}}")
        depth = 1
        for tag in closing.finditer(self._source, self._at):
            depth += -1 if tag.group(2) else 1
            if depth == 0:
                data = self._source[self._at : tag.start()]
                self._emit("data", data.rstrip(JS_SPACE) if tag.group(1) else data)
                self._strip_next = self._strip_next or bool(tag.group(3))
                self._advance(tag.end())
                return
        raise TemplateFault(f"this `{name}` block has no end: `end{name}` is missing", line)

    def _trim_newline(self) -> None:
        if self._dialect.trim_blocks:
            for newline in ("\n", "\r\n"):
                if self._source.startswith(newline, self._at):
                    self._advance(self._at + len(newline))
                    return

    def _code(self) -> None:
        """Emit the tokens of one tag, its end included."""
        braces = 0
        while self._at < len(self._source):
            if self._source[self._at] in "\"'":
                self._string()
                continue
            match = _CODE.match(self._source, self._at)
            if match is None:
                raise TemplateFault("this character cannot stand here", self._line)
            kind, value, end = match.lastgroup or "", match.group(), match.end()
            if kind == "end" and braces and value.endswith("}}"):
                # Where a brace is open, `}}` cannot end the tag and the template still be right.
                value = value[0]
                kind, end = "op", self._at + 1
            if kind == "end":
                self._end_tag(value)
                return
            if kind == "op":
                braces += (value == "{") - (value == "}")
            self._token(kind, value, match)
            self._advance(max(end, self._at))

    def _end_tag(self, value: str) -> None:
        is_block = value.endswith("%}")
        # nunjucks overlooks the sign on a `set` tag that captures a block.
        self._strip_next = value[0] == "-" and not (is_block and self._opens_capture())
        self._emit("block_end" if is_block else "variable_end", value)
        self._advance(self._at + len(value))
        if is_block:
            self._trim_newline()

    def _opens_capture(self) -> bool:
        """Whether the tag that ends here is `{% set name %}`, without a value."""
        tag = []
        for token in reversed(self._tokens):
            if token.kind == "block_start":
                break
            tag.append(token[:2])
        return bool(tag) and tag[-1] == ("symbol", "set") and ("op", "=") not in tag

    def _token(self, kind: str, value: str, match: re.Match[str]) -> None:
        if kind == "op":
            self._emit("op", value)
        elif kind == "regex":
            self._emit("regex", f"{match.group('body')}\0{match.group('flags')}")
        elif kind == "word":
            self._word(value, match.end())

    def _word(self, value: str, end: int) -> None:
        if not (value.isascii() and value.isdigit()):
            self._emit("symbol", value)
            return
        fraction = _FRACTION.match(self._source, end)
        if fraction is None:
            self._emit("int", value)
        else:
            self._emit("float", value + fraction.group())
            self._advance(fraction.end())

    def _string(self) -> None:
        """Emit a string; one that is not closed goes to the end, and its tag stays open."""
        quote = self._source[self._at]
        parts: list[str] = []
        at = self._at + 1
        pattern = re.compile(rf"[^{quote}\\]+")
        while at < len(self._source) and self._source[at] != quote:
            if self._source[at] == "\\":
                character = self._source[at + 1 : at + 2]
                parts.append(_STRING_ESCAPES.get(character, character))
                at += 2
                continue
            run = pattern.match(self._source, at)
            parts.append(run.group() if run else "")
            at = run.end() if run else at + 1
        self._emit("string", "".join(parts))
        self._advance(min(at + 1, len(self._source)))
