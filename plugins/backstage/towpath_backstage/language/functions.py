"""The functions that a template may call by name."""

from __future__ import annotations

from typing import Any

from towpath_backstage.language.faults import TemplateFault
from towpath_backstage.language.operators import add, less
from towpath_backstage.language.values import (
    UNDEFINED,
    Function,
    text,
    truthy,
)

__all__ = ("MOST_RANGE", "status_functions", "template_functions")

MOST_RANGE = 100_000
"""Numbers that one `range` may give."""


def _range(start: Any = UNDEFINED, stop: Any = UNDEFINED, step: Any = UNDEFINED) -> list[Any]:
    if stop is UNDEFINED:
        start, stop, step = 0, start, 1
    elif not truthy(step):
        step = 1
    upwards = less(0, step)
    numbers: list[Any] = []
    while less(start, stop) if upwards else less(stop, start):
        if len(numbers) == MOST_RANGE:
            raise TemplateFault(f"`range` gives at most {MOST_RANGE} numbers")
        numbers.append(start)
        start = add(start, step)
    return numbers


def _cycler(*items: Any) -> dict[str, Any]:
    place = -1
    cycle: dict[str, Any] = {"current": None}

    def advance() -> Any:
        nonlocal place
        place = (place + 1) % len(items) if items else -1
        cycle["current"] = items[place] if items else UNDEFINED
        return cycle["current"]

    def reset() -> Any:
        nonlocal place
        place = -1
        cycle["current"] = None
        return UNDEFINED

    cycle["next"] = Function("next", advance, 0)
    cycle["reset"] = Function("reset", reset, 0)
    return cycle


def _joiner(separator: Any = UNDEFINED) -> Function:
    first = True

    def join() -> str:
        nonlocal first
        before, first = first, False
        return "" if before else glue

    glue = text(separator) if truthy(separator) else ","
    return Function("joiner", join, 0)


def template_functions() -> dict[str, Function]:
    """The functions that every template has: `range`, `cycler` and `joiner`."""
    return {
        "cycler": Function("cycler", _cycler),
        "joiner": Function("joiner", _joiner, 1),
        "range": Function("range", _range, 3),
    }


def status_functions(failed: bool) -> dict[str, Function]:
    """The functions that tell how the run goes so far: `always` and `failure`."""
    return {
        "always": Function("always", lambda: True, 0),
        "failure": Function("failure", lambda: failed, 0),
    }
