"""Turns the parent's Python values into the JSON that goes to the child."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from towpath_core.errors import Invalid, Place, Problem
from towpath_core.scaffolding import Undefined

__all__ = ("encoded",)


def encoded(value: Any, what: str) -> bytes:
    """Encode as JSON; entries that are undefined are left out, such items become null.

    Args:
        value: what to encode; any mapping will do for an object, and a tuple for a list.
        what: what it is, for the message.

    Raises:
        Invalid: it holds something that JSON cannot say, with its JSON pointer.
    """
    try:
        try:
            text = json.dumps(value, separators=(",", ":"))
        except TypeError:
            text = json.dumps(_plain(value, ""), separators=(",", ":"))
    except _NotJson as error:
        problem = Problem("template", f"a value is {error}", Place(pointer=error.pointer or None))
    except (TypeError, ValueError, RecursionError):
        problem = Problem("template", "a value is circular, nested too deeply or too long a number")
    else:
        return text.encode()
    raise Invalid(f"The {what} is not JSON: {problem.message}.", problems=[problem])


class _NotJson(Exception):
    def __init__(self, pointer: str, kind: str) -> None:
        super().__init__(f"of the type {kind}")
        self.pointer = pointer


def _plain(value: Any, pointer: str) -> Any:
    """Copy with plain types, and without what is undefined."""
    if isinstance(value, Mapping):
        return {
            str(key): _plain(entry, f"{pointer}/{key}")
            for key, entry in value.items()
            if not isinstance(entry, Undefined)
        }
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{pointer}/{index}") for index, item in enumerate(value)]
    if isinstance(value, Undefined):
        return None
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise _NotJson(pointer, type(value).__name__)
