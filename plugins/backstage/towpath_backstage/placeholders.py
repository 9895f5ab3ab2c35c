"""Placeholders in descriptors: `{"$text": "./openapi.yaml"}` gives way to what it names.

Knows which placeholders there are and what their content becomes. Where a target is read from,
and whether it may be, is for the one who gives `read`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from towpath_backstage.yaml import (
    Path,
    YamlLimits,
    collections,
    parse_documents,
    pointer_of,
    rebuilt,
    shown,
)
from towpath_core.catalog import Document
from towpath_core.errors import Invalid, LimitExceeded, Problem, TowpathError

__all__ = ("Read", "is_placeholder", "resolve_placeholders")

Read = Callable[[str], bytes]
"""Reads a target, absolute or relative to the descriptor's file. Raises TowpathError."""

_MAX_PLACEHOLDERS = 100
_TEXT = frozenset({"$text", "$openapi", "$asyncapi"})
_KEYS = _TEXT | {"$json", "$yaml"}


def is_placeholder(value: object) -> bool:
    """Whether a value is a placeholder: a mapping with one of the known keys and no other."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    return next(iter(value)) in _KEYS


def resolve_placeholders(
    document: Document, base: str, read: Read, limits: YamlLimits | None = None
) -> tuple[Any, list[Problem]]:
    """The value of a document with every placeholder replaced by what it names.

    `$text`, `$openapi` and `$asyncapi` give the text, `$json` and `$yaml` the data of the one
    document there. What was put in is not searched again. A mapping with a `$` key among others
    is left alone with all below it, and so are unknown ones: `$ref` means something else.

    Args:
        document: as parsed; it is not changed.
        base: name of the descriptor's file, for the places of problems.
        read: called once for each target.
        limits: budgets of one `$yaml` or `$json`; `bytes` is that of all targets together.

    Returns:
        The value, which shares nothing with the document if there was any placeholder, and one
        problem of code `placeholder` for each that failed and still stands in the value.
    """
    sites = list(_sites(document.value)) if _may_have_any(document.value) else []
    if not sites:
        return document.value, []
    found: dict[int, tuple[Any]] = {}
    problems: list[Problem] = []
    reader = _Reader(read, limits or YamlLimits())
    for path, node in sites:
        ((key, target),) = node.items()
        try:
            found[id(node)] = (reader.content(key, target),)
        except TowpathError as error:
            message = f"{key}: {error}"
            place = document.place(base, pointer_of(path))
            problems.append(Problem("placeholder", message, place))
    value = rebuilt(document.value, lambda text: text, lambda node, _: found.get(id(node)))
    return value, problems


def _sites(root: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path, node in collections(root, skip=_has_dollar_key):
        if isinstance(node, dict) and is_placeholder(node):
            yield path, node


def _may_have_any(root: Any) -> bool:
    """A quick look, as nearly all documents have none."""
    todo: list[Any] = [root] if isinstance(root, dict | list) else []
    while todo:
        node = todo.pop()
        if node.__class__ is dict:
            if len(node) == 1 and is_placeholder(node):
                return True
            node = node.values()
        todo += [value for value in node if value.__class__ is dict or value.__class__ is list]
    return False


def _has_dollar_key(node: dict[str, Any] | list[Any]) -> bool:
    return isinstance(node, dict) and any(key.startswith("$") for key in node)


class _Reader:
    """Reads the targets of one document, within budgets for all of them."""

    def __init__(self, read: Read, limits: YamlLimits) -> None:
        self._read = read
        self._limits = limits
        self._bytes = limits.bytes
        self._seen: dict[str, bytes] = {}
        self._count = 0

    def content(self, key: str, target: object) -> Any:
        if not isinstance(target, str) or not target:
            raise Invalid("it takes the path or URL of a file, as text")
        self._count += 1
        if self._count > _MAX_PLACEHOLDERS:
            raise LimitExceeded(f"a document may have at most {_MAX_PLACEHOLDERS} placeholders")
        content = self._bytes_of(target)
        if key in _TEXT:
            return _text(content)
        return self._data(key, content, target)

    def _bytes_of(self, target: str) -> bytes:
        if target not in self._seen:
            self._seen[target] = self._read(target)
        content = self._seen[target]
        self._bytes -= len(content)
        if self._bytes < 0:
            most = self._limits.bytes
            raise LimitExceeded(f"the placeholders of a document may give {most:,} bytes together")
        return content

    def _data(self, key: str, content: bytes, target: str) -> Any:
        if key == "$json":
            content = content.removeprefix(b"\xef\xbb\xbf").strip()
            _check_json(content)
            # A carriage return ends a line in JSON, where it never stands in a text.
            content = content.replace(b"\r", b"\n")
        documents = parse_documents(content, target, self._limits)
        for document in documents:
            if document.problems:
                raise Invalid(str(document.problems[0]))
        if not documents and key == "$json":
            return None
        if len(documents) != 1:
            raise Invalid(f"{shown(target)} must hold exactly one document, not {len(documents)}")
        return documents[0].value


def _text(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(f"the byte at offset {error.start} is not UTF-8") from None
    if "\0" in text:
        raise Invalid(f"a NUL character stands at offset {text.index(chr(0))}")
    return text


def _check_json(content: bytes) -> None:
    """Refuse what is no JSON. The data itself is read as YAML, which JSON is, for its budgets."""
    try:
        msgspec.json.decode(content, type=msgspec.Raw)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Invalid(f"it is not JSON: {error}") from None
