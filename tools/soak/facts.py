"""What is known at the end: what was asked for, what the journal holds, was shown, and was done."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg.rows import class_row, dict_row
from towpath_soak.provider import Call, Effect, FileProvider

__all__ = ("Asked", "Event", "Facts", "Run", "Step", "gather", "text_of")


class Asked(msgspec.Struct, kw_only=True):
    """A run that was accepted.

    Attributes:
        name: of its own; what its effects are called by.
        run_id: what the answer said.
        ends: states that it may end in.
        undone: whether it was rolled back, and that was accepted.
    """

    name: str
    run_id: str
    ends: frozenset[str] = frozenset({"succeeded"})
    undone: bool = False


class Run(msgspec.Struct, kw_only=True):
    """A run as the journal has it."""

    id: str
    kind: str
    state: str
    attempt: int
    input: Any
    last_event: int
    parent: str | None = None
    key: str | None = None


class Step(msgspec.Struct, kw_only=True):
    """A step as the journal has it."""

    run: str
    seq: int
    key: str
    state: str


class Event(msgspec.Struct, kw_only=True):
    """An event as the journal has it."""

    run: str
    seq: int
    type: str
    body: Any
    at: datetime


class Facts(msgspec.Struct, kw_only=True):
    """Everything that is compared.

    Attributes:
        asked: what was accepted.
        runs, steps, events: the journal, whole.
        jobs: runs that the queue still has a job for.
        shown: events that followers saw, by run and number, as `text_of` writes them.
        effects, calls: what the provider did and was asked for.
    """

    asked: Sequence[Asked] = ()
    runs: Sequence[Run] = ()
    steps: Sequence[Step] = ()
    events: Sequence[Event] = ()
    jobs: Sequence[str] = ()
    shown: Mapping[str, Mapping[int, str]] = {}
    effects: Sequence[Effect] = ()
    calls: Sequence[Call] = ()


def text_of(type: str, body: Any) -> str:
    """An event's content as one text, the same for the same content."""
    return json.dumps([type, body], sort_keys=True)


def gather(
    url: str,
    provider: FileProvider,
    asked: Sequence[Asked],
    shown: Mapping[str, Mapping[int, str]],
) -> Facts:
    """Read the journal and the provider's files; nobody must write meanwhile."""
    with psycopg.connect(url, autocommit=True) as connection:
        runs = connection.cursor(row_factory=class_row(Run)).execute(
            "SELECT id::text, kind, state, attempt, input, last_event, parent_id::text AS parent,"
            " concurrency_key AS key FROM runs"
        )
        steps = connection.cursor(row_factory=class_row(Step)).execute(
            "SELECT run_id::text AS run, seq, key, state FROM run_steps ORDER BY run_id, seq"
        )
        events = connection.cursor(row_factory=class_row(Event)).execute(
            "SELECT run_id::text AS run, seq, type, body, at FROM run_events ORDER BY run_id, seq"
        )
        jobs = connection.cursor(row_factory=dict_row).execute(
            "SELECT args ->> 'run_id' AS run FROM procrastinate_jobs"
            " WHERE status IN ('todo', 'doing') AND args ->> 'run_id' IS NOT NULL"
        )
        return Facts(
            asked=asked,
            runs=runs.fetchall(),
            steps=steps.fetchall(),
            events=events.fetchall(),
            jobs=[row["run"] for row in jobs],
            shown=shown,
            effects=list(provider.effects()),
            calls=list(provider.calls()),
        )
