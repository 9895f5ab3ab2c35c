"""The documents of a YAML file, each on its own: a bad one takes no other with it.

A file is cut at the lines that separate documents, which nothing in a document can look like.
Each piece is read alone: line by line where it is plainly written, by the composer where not,
repaired where JavaScript's reader would take it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from yaml.error import MarkedYAMLError, YAMLError

from towpath_backstage.yaml.composer import Composed, Composer
from towpath_backstage.yaml.events import open_events
from towpath_backstage.yaml.limits import DuplicateKey, Usage, YamlFault, YamlLimits
from towpath_backstage.yaml.lines import (
    PointerColumns,
    PointerLines,
    Positions,
    Spot,
    line_of,
    renamed,
)
from towpath_backstage.yaml.plain import Plain, plain_document
from towpath_backstage.yaml.repair import repaired
from towpath_backstage.yaml.specials import set_aside
from towpath_backstage.yaml.trees import collections, pointer_of, rebuilt
from towpath_core.catalog import Document
from towpath_core.errors import Place, Problem

__all__ = ("parse_documents",)

_SEPARATOR = re.compile(r"^(?:---|\.\.\.)(?=[ \t\r\n]|\Z)", re.MULTILINE)
_EMPTY = re.compile(r"(?>(?:\s++|[%#][^\n]*+|\.\.\.(?=\s|\Z))*)")
_NUL_ESCAPE = re.compile(r"\\(?:0|x00|u0000|U00000000)")
_REPAIRS = 50
_REPAIRED_CHARACTERS = 4_000_000
_MAX_DIRECTIVES = 100
_PLAIN_CHARACTERS = 2_000_000


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
        self._has_nul = ("\\" in text and bool(_NUL_ESCAPE.search(text))) or "\0" in text
        self._file = file
        self._limits = limits
        self._usage = Usage(limits)
        self._pure = pure
        self._stopped = False

    def documents(self) -> Iterator[Document]:
        count = 0
        for number, (line, begin, end) in enumerate(_pieces(self._text)):
            plain = self._plain(begin, end)
            marked = self._text.startswith("---", begin)
            if plain is None:
                counts = marked or not _is_empty(self._text[begin:end])
            else:
                counts = marked or plain.value is not None
            count += counts
            if count > self._limits.documents or number > 2 * self._limits.documents:
                yield _bad(_too_many(self._limits), self._file, line)
                return
            if plain is None and counts:
                yield from self._composed(self._text[begin:end], line)
                if self._stopped:
                    return
            elif plain is not None and plain.value is not None:
                spots = partial(_spots, self._text[begin:end], self._limits, self._hidden)
                positions = Positions(spots, line)
                yield self._document(plain.value, positions, line + plain.line + 1)

    def _plain(self, begin: int, end: int) -> Plain | None:
        if self._pure or end - begin > _PLAIN_CHARACTERS:
            return None
        found = plain_document(self._text, begin, end, self._limits)
        if found is None or found.nodes > min(self._limits.nodes, self._usage.nodes):
            return None
        self._usage.nodes -= found.nodes
        return found

    def _composed(self, piece: str, line: int) -> Iterator[Document]:
        try:
            for value, spot in self._repaired(piece):
                if value is not None:
                    positions = Positions(_shown_spots(spot, self._hidden), line)
                    yield self._document(value, positions, line_of(spot) + line + 1)
        except YamlFault as fault:
            self._stopped = fault.last
            yield _bad(fault, self._file, line)
        except YAMLError as error:
            yield _bad(_syntax_fault(error, piece), self._file, line)

    def _repaired(self, text: str) -> list[Composed]:
        room = _REPAIRED_CHARACTERS
        for _ in range(_REPAIRS):
            try:
                return _compose(text, self._limits, self._usage, pure=self._pure)
            except MarkedYAMLError as error:
                room -= len(text)
                better = repaired(text, error) if room > 0 else None
                if better is None:
                    raise
                text = better
        raise YamlFault("yaml-syntax", "too many tabs stand where spaces belong", 0)

    def _document(self, value: Any, positions: Positions, start: int) -> Document:
        hidden = self._hidden
        if hidden:
            value = rebuilt(value, lambda text: text.translate(hidden))
        lines = PointerLines(positions)
        if self._has_nul and (found := _first_nul(value)) is not None:
            why = "a NUL character stands here, and nothing can store one"
            at = lines.get(found, start)
            return _bad(YamlFault("yaml-character", why, at - 1), self._file, 0)
        return Document(value, start, (), lines, PointerColumns(positions))


def _compose(text: str, limits: YamlLimits, usage: Usage, *, pure: bool = False) -> list[Composed]:
    """All documents of a text, none of which is given if what follows it is wrong."""
    composer = Composer(open_events(text, pure=pure), limits, usage)
    found: list[Composed] = []
    while (one := composer.read()) is not None:
        found.append(one)
    return found


def _spots(text: str, limits: YamlLimits, hidden: Mapping[int, str]) -> Spot:
    """The places in a document that was read plainly."""
    (found,) = _compose(text, limits, Usage(limits))
    return _shown_spots(found.spot, hidden)


def _shown_spots(spot: Spot, hidden: Mapping[int, str]) -> Spot:
    return renamed(spot, lambda text: text.translate(hidden)) if hidden else spot


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


def _pieces(text: str) -> Iterator[tuple[int, int, int]]:
    """Cut a text at its document separators: the line each piece begins in, and its ends."""
    line = begin = 0
    for mark in _SEPARATOR.finditer(text):
        end = mark.start()
        if text[end] == ".":
            end = text.find("\n", end) + 1 or len(text)
        if end > begin:
            yield line, begin, end
        line += text.count("\n", begin, end)
        begin = end
    if begin < len(text):
        yield line, begin, len(text)


def _is_empty(piece: str) -> bool:
    """Whether a piece holds no document: directives, comments, blank lines, an end mark."""
    return not piece.startswith("---") and _EMPTY.fullmatch(piece) is not None


def _too_many(limits: YamlLimits) -> YamlFault:
    why = "the file has more documents than the budget `documents` of"
    return YamlFault("yaml-limit", f"{why} {limits.documents:,}; split it", 0, last=True)


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
