"""Looks up what stands behind `.` and `[ ]`: keys, indexes and allowed methods, nothing else.

This is the one way from a value to anything on it. It never asks Python for an attribute, so what a
Python object has, its class first of all, does not exist for a template.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import CodeType
from typing import Any

from towpath_backstage.language.faults import TemplateFault
from towpath_backstage.language.methods_list import (
    LIST_METHODS,
    MUTATING,
    OBJECT_METHODS,
    PYTHON_LIST,
    PYTHON_OBJECT,
)
from towpath_backstage.language.methods_text import (
    BOOLEAN_METHODS,
    NUMBER_METHODS,
    PATTERN_METHODS,
    TEXT_METHODS,
    Methods,
)
from towpath_backstage.language.patterns import Pattern
from towpath_backstage.language.utf16 import length, units
from towpath_backstage.language.values import (
    UNDEFINED,
    Function,
    is_nothing,
    text,
    to_integer,
)

__all__ = ("member", "places", "python_member", "sliced")

_VARIADIC = 0x04


def places(run: Callable[..., Any]) -> int | None:
    """Count the positional arguments that a function takes; None for any number."""
    code: CodeType = run.__code__
    return None if code.co_flags & _VARIADIC else code.co_argcount


Table = dict[str, tuple[Callable[..., Any], int | None]]
"""Methods with the number of arguments that each takes."""


def _table(methods: Methods) -> Table:
    counted: Table = {}
    for name, run in methods.items():
        count = places(run)
        counted[name] = (run, None if count is None else count - 1)
    return counted


_TEXT = _table(TEXT_METHODS)
_NUMBER = _table(NUMBER_METHODS)
_BOOLEAN = _table(BOOLEAN_METHODS)
_PATTERN = _table(PATTERN_METHODS)
_LIST = _table(LIST_METHODS)
_OBJECT = _table(OBJECT_METHODS)
_PYTHON_LIST = _LIST | _table(PYTHON_LIST)
_PYTHON_OBJECT = _OBJECT | _table(PYTHON_OBJECT)


def member(owner: Any, key: Any) -> Any:
    """Look up a key as JavaScript does; undefined where there is none."""
    return _lookup(owner, key, _LIST, _OBJECT)


def python_member(owner: Any, key: Any) -> Any:
    """Look up a key in a cookiecutter template, which knows some of Python's methods too."""
    return _lookup(owner, key, _PYTHON_LIST, _PYTHON_OBJECT)


def _lookup(owner: Any, key: Any, list_methods: Table, object_methods: Table) -> Any:
    if is_nothing(owner):
        return UNDEFINED
    if isinstance(owner, dict):
        wanted = text(key)
        if wanted in owner:
            return owner[wanted]
        return _method(owner, wanted, object_methods)
    if isinstance(owner, list):
        if (index := _index(key)) is not None:
            return owner[index] if index < len(owner) else UNDEFINED
        return len(owner) if key == "length" else _method(owner, text(key), list_methods)
    if isinstance(owner, str):
        if (index := _index(key)) is not None:
            whole = units(owner)
            return whole[index] if index < len(whole) else UNDEFINED
        return length(owner) if key == "length" else _method(owner, text(key), _TEXT)
    if isinstance(owner, bool):
        return _method(owner, text(key), _BOOLEAN)
    if isinstance(owner, (int, float)):
        return _method(owner, text(key), _NUMBER)
    return _method(owner, text(key), _PATTERN) if isinstance(owner, Pattern) else UNDEFINED


def _method(owner: Any, name: str, table: Table) -> Any:
    found = table.get(name)
    if found is None:
        return UNDEFINED
    run, count = found
    return Function(name, partial(run, owner), count, mutates=name in MUTATING)


def _index(key: Any) -> int | None:
    """Read a key as an index of a list or text; None where it is none."""
    if isinstance(key, bool):
        return None
    if isinstance(key, int):
        return key if key >= 0 else None
    if isinstance(key, str) and key.isascii() and key.isdigit() and len(key) <= 10:
        return int(key) if key == "0" or key[0] != "0" else None
    return None


def sliced(owner: Any, start: Any, stop: Any, step: Any) -> Any:
    """Take `owner[start:stop:step]`; always a list, as nunjucks' Jinja2 mode gives."""
    items: list[Any] = []
    if isinstance(owner, str):
        items = list(units(owner))
    elif isinstance(owner, list):
        items = owner
    bounds = [None if bound is None else to_integer(bound) for bound in (start, stop)]
    stride = 1 if step is None else to_integer(step)
    if stride == 0:
        raise TemplateFault("a slice cannot have the step 0")
    return items[bounds[0] : bounds[1] : stride]
