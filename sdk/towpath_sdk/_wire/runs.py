"""Shapes of runs: work that takes time, its steps and its events. All times are UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

__all__ = ("RUN_ENDED", "Event", "Run", "RunError", "Step")

RUN_ENDED = frozenset({"succeeded", "failed", "cancelled"})
"""States that a run does not leave."""


class RunError(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What went wrong with a run, a step or a resource; tell errors apart by `code`."""

    code: str
    message: str
    why: str | None = None
    next: str | None = None


class Step(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One step of a run; `state` is a run's or `skipped`, `output` is free-form."""

    seq: int
    key: str
    name: str
    state: str
    attempts: int
    output: Any = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: RunError | None = None


class Run(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One piece of work.

    Attributes:
        kind: `scaffold`, `provision`, `delete`, `bind`, `unbind`, or one a newer platform knows.
        state: `queued`, `running`, `succeeded`, `failed` or `cancelled`.
        attempt: how often a worker took it up.
        cancel_requested: whether it was asked to stop and has not yet.
        output: what it made; free-form, per kind.
        steps: in order; empty in lists, `runs.get` has them.
    """

    id: str
    kind: str
    title: str
    state: str
    attempt: int
    created_by: str
    created_at: datetime
    cancel_requested: bool = False
    started_at: datetime | None = None
    finished_at: datetime | None = None
    output: dict[str, Any] | None = None
    error: RunError | None = None
    steps: tuple[Step, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether the run has come to its end, good or bad."""
        return self.state in RUN_ENDED


class Event(msgspec.Struct, frozen=True, rename="camel"):
    """Something that happened in a run; `seq` grows from one to the next.

    Types and their bodies: `log` {message, level, step?}, `step` {key, name, state}, `progress`
    {done, total?, unit}, `state` {state}. Plugins may add types of their own.
    """

    seq: int
    type: str
    at: datetime
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """The event in one line, for people; empty for types that this SDK does not know."""
        body = self.body
        if self.type == "log":
            return str(body.get("message", ""))
        if self.type == "step":
            return f"{body.get('name') or body.get('key', '')}: {body.get('state', '')}"
        if self.type == "state":
            return str(body.get("state", ""))
        if self.type == "progress":
            total = f" of {body['total']}" if body.get("total") is not None else ""
            return f"{body.get('done', '')}{total} {body.get('unit', '')}".rstrip()
        return ""
