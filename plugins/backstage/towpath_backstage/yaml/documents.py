"""The documents of a YAML file, each on its own: a bad one takes no other with it.

A file is read as one stream. Where that fails, what is left is cut at the lines that separate
documents, and each piece is read alone, repaired where JavaScript's reader would take it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from yaml.error import MarkedYAMLError, YAMLError

from towpath_backstage.yaml.composer import Composed, Composer
from towpath_backstage.yaml.events import open_events
from towpath_backstage.yaml.limits import DuplicateKey, Usage, YamlFault, YamlLimits
from towpath_backstage.yaml.lines import PointerLines, Spot, renamed
from towpath_backstage.yaml.repair import repaired
from towpath_backstage.yaml.specials import set_aside
from towpath_backstage.yaml.trees import collections, pointer_of, rebuilt
from towpath_core.catalog import Document
from towpath_core.errors import Place, Problem

__all__ = ("parse_documents",)

_SEPARATOR = re.compile(r"^(?:---|\.\.\.)(?=[ \t\r\n]|\Z)", re.MULTILINE)
_NUL_ESCAPE = re.compile(r"\\(?:0|x00|u0000|U00000000)")
_REPAIRS = 50
_REPAIRED_CHARACTERS = 4_000_000
_MAX_DIRECTIVES = 100


def parse_documents(
    content: bytes, file: str, limits: YamlLimits | None = None, *, pure: bool = False
) -> list[Document]:
    """Read every document of a YAML file; empty ones are left out.

    Never raises for what a file holds, and never recurses. One that cannot be read is given with
    one problem, its line and column; codes are `yaml-syntax`, `yaml-duplicate-key`,
    `yaml-alias`, `yaml-tag`, `yaml-number`, `yaml-character`, `yaml-encoding` and `yaml-limit`.

    Args:
        content: the file, UTF-8 with or without a mark of the byte order.
        file: its name, for the places of problems.
        limits: budgets; the usual ones where None.
        pure: read with pure Python, as it is done where PyYAML has no libyaml.

    Returns:
        Documents in the order of the file.
    """
    limits = limits or YamlLimits()
    if len(content) > limits.bytes:
        why = f"the file has {len(content):,} bytes and goes over the budget `bytes` of"
        return [_bad(YamlFault("yaml-limit", f"{why} {limits.bytes:,}", 0), file, 0)]
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start)
        why = f"the byte {content[error.start]:#04x} at offset {error.start} is not UTF-8"
        return [_bad(YamlFault("yaml-encoding", f"{why}; save the file as UTF-8", line), file, 0)]
    if text.count("\n%TAG") > _MAX_DIRECTIVES:
        # libyaml compares each with all before it: 300,000 of them hold a core for minutes.
        why = f"more than {_MAX_DIRECTIVES} %TAG directives; tags are not read at all"
        return [_bad(YamlFault("yaml-limit", why, 0), file, 0)]
    if text and not text.endswith("\n"):
        # A block scalar that ends with the file ends with a line break all the same.
        text, content = f"{text}\n", content + b"\n"
    return list(_File(text, content, file, limits, pure).documents())


class _File:
    """One file while it is read."""

    def __init__(
        self, text: str, content: bytes, file: str, limits: YamlLimits, pure: bool
    ) -> None:
        self._text, self._hidden = set_aside(text, content)
        self._source = self._text if self._hidden else content
        self._has_nul = ("\\" in text and bool(_NUL_ESCAPE.search(text))) or "\0" in text
        self._file = file
        self._limits = limits
        self._usage = Usage(limits)
        self._pure = pure
        self._count = 0

    def documents(self) -> Iterator[Document]:
        composer = self._composer(self._source)
        good: list[Composed] = []
        start: int | None = None
        fault: YamlFault | None = None
        try:
            while (found := composer.read()) is not None:
                self._count_one(composer.start)
                good.append(found)
        except (YamlFault, YAMLError) as error:
            fault = error if isinstance(error, YamlFault) else None
            good += [composer.held] if composer.held else []
            at = composer.start if composer.inside else _line_of(error)
            start = max((line for line, _ in _pieces(self._text, until=at)), default=0)
        yield from (
            self._document(*one, 0)
            for one in good
            if one.value is not None and (start is None or one.start < start)
        )
        if fault is not None:
            yield _bad(fault, self._file, 0)
            start = None if fault.last else fault.line + 1
        if start is not None:
            yield from self._apart(start)

    def _apart(self, start: int) -> Iterator[Document]:
        """Read every piece that begins at a line or after it, each on its own."""
        self._count = 0
        for line, piece in _pieces(self._text):
            try:
                self._count_one(0)
                if line < start or _is_empty(piece):
                    continue
                for found in self._piece(piece):
                    if found.value is not None:
                        yield self._document(*found, line)
            except YamlFault as fault:
                yield _bad(fault, self._file, line)
                if fault.last:
                    return
            except YAMLError as error:
                yield _bad(_syntax_fault(error, piece), self._file, line)

    def _piece(self, text: str) -> list[Composed]:
        room = _REPAIRED_CHARACTERS
        for _ in range(_REPAIRS):
            composer = self._composer(text)
            found: list[Composed] = []
            try:
                while (one := composer.read()) is not None:
                    found.append(one)
                return found
            except MarkedYAMLError as error:
                room -= len(text)
                better = repaired(text, error) if room > 0 else None
                if better is None:
                    raise
                text = better
        raise YamlFault("yaml-syntax", "too many tabs stand where spaces belong", 0)

    def _composer(self, source: str | bytes) -> Composer:
        return Composer(open_events(source, pure=self._pure), self._limits, self._usage)

    def _count_one(self, line: int) -> None:
        self._count += 1
        if self._count > self._limits.documents:
            why = "the file has more documents than the budget `documents` of"
            message = f"{why} {self._limits.documents:,}; split it"
            raise YamlFault("yaml-limit", message, line, last=True)

    def _document(self, value: Any, spot: Spot, start: int, offset: int) -> Document:
        hidden = self._hidden
        if hidden:
            value = rebuilt(value, lambda text: text.translate(hidden))
            spot = renamed(spot, lambda text: text.translate(hidden))
        lines = PointerLines(spot, offset + 1)
        if self._has_nul and (found := _first_nul(value)) is not None:
            why = "a NUL character stands here, and nothing can store one"
            at = lines.get(found, start + offset + 1)
            return _bad(YamlFault("yaml-character", why, at - 1), self._file, 0)
        return Document(value, lines[""], (), lines)


def _first_nul(root: Any) -> str | None:
    """The JSON pointer of the first text or key with a NUL character, None where there is none."""
    if isinstance(root, str):
        return "" if "\0" in root else None
    for path, node in collections(root):
        members = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in members:
            if "\0" in str(key) or (isinstance(value, str) and "\0" in value):
                return pointer_of((path, key))
    return None


def _pieces(text: str, until: int | None = None) -> Iterator[tuple[int, str]]:
    """Cut a text at its document separators: the line each piece begins in, and the piece."""
    line = begin = 0
    for mark in _SEPARATOR.finditer(text):
        after = text.find("\n", mark.end()) + 1 or len(text)
        end = mark.start() if mark[0] == "---" else after
        if end > begin:
            yield line, text[begin:end]
        line += text.count("\n", begin, end)
        begin = end
        if until is not None and line > until:
            return
    if begin < len(text):
        yield line, text[begin:]


def _is_empty(piece: str) -> bool:
    """Whether a piece holds no document: directives, comments, blank lines, an end mark."""
    if piece.startswith("---"):
        return False
    lines = map(str.strip, piece.splitlines())
    return all(not line or line[0] in "%#" or line == "..." for line in lines)


def _line_of(error: YamlFault | YAMLError) -> int:
    if isinstance(error, YamlFault):
        return error.line
    mark = getattr(error, "problem_mark", None)
    return mark.line if mark else 0


_PLAIN_WORDS = {
    "mapping values are not allowed in this context": "a ':' stands where none can be; quote the "
    "text, or indent the line as its neighbours",
    "mapping values are not allowed here": "a ':' stands where none can be; quote the text, or "
    "indent the line as its neighbours",
    "did not find expected <document start>": "there is more after the end of the document",
    "found character that cannot start any token": "this character cannot begin a value; quote "
    "it, or use spaces where it is a tab",
    "found a tab character that violates indentation": "a tab cannot indent; use spaces",
    "found character '\\t' that cannot start any token": "a tab cannot indent; use spaces",
    "found unexpected end of stream": "the file ends inside a quoted text",
    "found unexpected document indicator": "the document ends inside a quoted text",
}


def _syntax_fault(error: YAMLError, text: str) -> YamlFault:
    """A syntax error in plain words, with a hint where the text is an unrendered template."""
    problem = getattr(error, "problem", None)
    mark = getattr(error, "problem_mark", None)
    line = mark.line if mark else 0
    said = str(problem or "it cannot be read").split("\n")[0]
    message = f"not YAML: {_PLAIN_WORDS.get(said, said)}"
    begun = getattr(error, "context_mark", None)
    lines = text.split("\n", line + 1)
    if any("{%" in one for at in (mark, begun) if at for one in lines[at.line : at.line + 1]):
        message += " (this looks like a template that was not rendered)"
    return YamlFault("yaml-syntax", message, line, mark.column if mark else None)


def _bad(fault: YamlFault, file: str, offset: int) -> Document:
    line = fault.line + offset + 1
    message = fault.message
    if isinstance(fault, DuplicateKey):
        message += f": in line {fault.first + offset + 1} and again in line {line}"
    column = None if fault.column is None else fault.column + 1
    return Document(None, line, (Problem(fault.code, message, Place(file, line, column)),))
