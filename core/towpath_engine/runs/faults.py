"""What is stored and shown of an error: all of ours, and of others only that it happened."""

from __future__ import annotations

import contextlib
import re
import traceback
from collections.abc import Callable
from functools import partial

import msgspec
import structlog

from towpath_core.errors import PluginError, TowpathError
from towpath_engine.runs.buffer import line
from towpath_engine.runs.journal import ErrorInfo

__all__ = ("describe_error",)

log = structlog.get_logger(__name__)

_PLACE = re.compile(r" \(at [^()]*:\d+\)$")


def describe_error(error: BaseException, mask: Callable[[str], str]) -> ErrorInfo:
    """Describe an error for the journal, its texts masked.

    The text of an exception that is not ours may hold anything, a new password too. So of one
    that a plugin let out only the class and the place in its code are kept.
    """
    if isinstance(error, TowpathError):
        # A plugin made it, of whatever it had: a number for a text, an object that cannot be shown.
        with contextlib.suppress(Exception):
            return _shown(error, mask)
    told = mask("".join(traceback.format_exception(error)))
    log.error("run.unexpected", error=type(error).__name__, exception=told)
    return ErrorInfo(
        "internal",
        "Something went wrong that should not have.",
        next="The worker's log has the details.",
    )


def _shown(error: TowpathError, mask: Callable[[str], str]) -> ErrorInfo:
    told = partial(line, mask=mask)
    info = ErrorInfo.of(error)
    why = _class_and_place(info.why) if isinstance(error, PluginError) else info.why
    return msgspec.structs.replace(
        info,
        code=told(info.code),
        message=told(info.message),
        why=told(why) if why else None,
        next=told(info.next) if info.next else None,
        problems=tuple(
            msgspec.structs.replace(problem, message=told(problem.message))
            for problem in info.problems
        ),
    )


def _class_and_place(why: str | None) -> str | None:
    """The plugin host's `Class: text (at module:line)` without the text."""
    if not why:
        return None
    place = _PLACE.search(why)
    name = why.removesuffix(place[0] if place else "").partition(":")[0]
    return name + (place[0] if place else "") if name.isidentifier() else None
