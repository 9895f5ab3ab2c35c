"""A run's events as lines of text, for people and for `grep`.

One form, which scripts may rely on: `<time> <level> <where>: <message>`. What is foreign in it can
neither begin a line of its own nor steer a terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

from towpath_core.runs import LogLevel
from towpath_engine.runs.records import RunEvent

__all__ = ("LEVELS", "lines_of")

LEVELS: tuple[LogLevel, ...] = ("debug", "info", "warning", "error")

_RUN = "run"
_LEVEL_OF_STATE: Mapping[str, LogLevel] = {
    "failed": "error",
    "unknown": "warning",
    "cancelled": "warning",
}

Line = tuple[LogLevel, str, str]


def lines_of(event: RunEvent, least: LogLevel) -> list[str]:
    """The lines that tell of an event, each ending in a newline; none where there is none to tell.

    Args:
        event: as it is stored, with its secrets masked.
        least: lines below this level are left out.
    """
    tell = _TELLERS.get(event.type)
    if tell is None:
        return []
    level, where, message = tell(event.body)
    if LEVELS.index(level) < LEVELS.index(least):
        return []
    at = event.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    head = f"{at}Z {level} {_plain(where)}: "
    return [f"{head}{_plain(line)}\n" for line in message.splitlines() or [""]]


def _log(body: Mapping[str, Any]) -> Line:
    level = body.get("level", "info")
    return level if level in LEVELS else "info", _where(body), str(body.get("message", ""))


def _state(body: Mapping[str, Any]) -> Line:
    state = text = str(body.get("state", ""))
    attempt, error = body.get("attempt"), body.get("error")
    if isinstance(attempt, int) and attempt > 1:
        text += f" (attempt {attempt})"
    if isinstance(error, Mapping):
        why = (str(error[name]) for name in ("message", "why", "next") if error.get(name))
        text += f": {' '.join(why)}"
    return _LEVEL_OF_STATE.get(state, "info"), _RUN, text


def _step(body: Mapping[str, Any]) -> Line:
    state = str(body.get("state", ""))
    text = f"{state}: {body['error']}" if body.get("error") else state
    usual: LogLevel = "info" if state == "waiting" else "debug"
    return _LEVEL_OF_STATE.get(state, usual), str(body.get("key") or _RUN), text


def _wait(body: Mapping[str, Any]) -> Line:
    where, kind, until = str(body.get("key") or _RUN), body.get("type"), body.get("until")
    outcome = body.get("outcome")
    if outcome is None:
        named = body.get("question") or body.get("event") or body.get("run")
        text = f"waits for {kind}" + (f": {named}" if named else "")
        return "info", where, text + (f" (until {until})" if until else "")
    text = f"{kind}: {outcome}"
    text += f" by {body['by']}" if body.get("by") else ""
    text += f": {body['reason']}" if body.get("reason") else ""
    return "warning" if outcome in ("rejected", "timed-out") else "info", where, text


def _decision(body: Mapping[str, Any]) -> Line:
    text = f"{body.get('decision')} by {body.get('by')}"
    text += f": {body['reason']}" if body.get("reason") else ""
    return "info", str(body.get("step") or _RUN), text


def _progress(body: Mapping[str, Any]) -> Line:
    total = f" of {body['total']:g}" if isinstance(body.get("total"), int | float) else ""
    done = body.get("done", 0)
    return "debug", _where(body), f"{done:g}{total} {body.get('unit', '')}".rstrip()


def _where(body: Mapping[str, Any]) -> str:
    return str(body.get("step") or _RUN)


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() or char == "\t" else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


_TELLERS: Mapping[str, Callable[[Mapping[str, Any]], Line]] = {
    "log": _log,
    "state": _state,
    "step": _step,
    "wait": _wait,
    "decision": _decision,
    "progress": _progress,
}
