"""The calls about runs: how a question is asked, and what starting and steering one says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from towpath_sdk._wire.calls import Call, Params, post, route
from towpath_sdk._wire.errors import BadArgument
from towpath_sdk._wire.runs import Undo
from towpath_sdk._wire.writes import time_text

__all__ = ("RUNS", "Undos", "list_params", "retry_call", "run_path", "start_call", "steer_call")

RUNS = "/api/v1/runs"


class Undos(msgspec.Struct, frozen=True):
    """The answer to what taking back would do."""

    undos: tuple[Undo, ...]


def run_path(id: str, *more: str) -> str:
    """The path of a run, or of a part of it."""
    return route(RUNS, id, *more)


def list_params(
    state: str | Sequence[str] | None,
    since: datetime | str | None,
    until: datetime | str | None,
    **chosen: str | None,
) -> Params:
    """The query of a list; what is None is not asked.

    Raises:
        BadArgument: a time has no zone.
    """
    states = [state] if isinstance(state, str) else state or ()
    times = (("since", since), ("until", until))
    return [
        *((name, value) for name, value in chosen.items() if value is not None),
        *(("state", one) for one in states),
        *((name, time_text(moment)) for name, moment in times if moment is not None),
    ]


def start_call(
    kind: str,
    input: Mapping[str, Any] | None,
    deadline: float | None,
    key: str | None,
    **said: Any,
) -> Call:
    """Start a run of a kind.

    Raises:
        BadArgument: the deadline is not in the future, or the input is not JSON.
    """
    if deadline is not None and not deadline > 0:
        raise BadArgument(f"A deadline is a number of seconds above 0, not {deadline}.")
    body = {"kind": kind, "input": input or {}, "deadlineSeconds": deadline, **said}
    return post(RUNS, body, key)


def retry_call(
    id: str,
    input: Mapping[str, Any] | None,
    secrets: Mapping[str, str] | None,
    reason: str | None,
    key: str | None,
) -> Call:
    """Take a run up again where it stopped."""
    body = {"input": input, "secrets": secrets, "reason": reason}
    return post(run_path(id, "retry"), body, key)


def steer_call(id: str, what: str, key: str | None, **said: Any) -> Call:
    """Tell a run something; what is None is not said."""
    return post(run_path(id, what), said, key)
