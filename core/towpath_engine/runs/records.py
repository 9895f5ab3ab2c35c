"""Runs and events as they are shown, and who may see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from towpath_core.errors import NotFound
from towpath_core.identity import Principal
from towpath_engine import audit
from towpath_engine.runs.journal import ErrorInfo

__all__ = ("RunEvent", "RunInfo", "RunWait", "info_of", "may_see", "no_run")


class RunWait(msgspec.Struct, frozen=True):
    """What a step of a run waits for: a time, a signal, an approval or a child run.

    Attributes:
        step: its key.
        type: `time`, `signal`, `approval` or `child`.
        name: of what is waited for, for people.
        question: what is asked, of an approval.
        approvers: who may answer, as entity references.
        subject: what the question is about, JSON.
        until: when it is over, or given up.
        event: the name of the signal.
        run: the child run's id.
    """

    step: str
    type: str
    name: str
    question: str | None = None
    approvers: tuple[str, ...] = ()
    subject: Any = None
    until: datetime | None = None
    event: str | None = None
    run: str | None = None

    @classmethod
    def of(cls, key: str, name: str, wait: Mapping[str, Any]) -> RunWait:
        """Read what the journal says of a step that waits."""
        return msgspec.convert({"name": name, **wait, "step": key}, cls)


class RunInfo(msgspec.Struct, frozen=True):
    """A run as the journal has it; times are UTC.

    Attributes:
        attempt: how often it was begun, which is also the fence of its writes.
        held: why it is queued and not offered to workers, where that is so.
        input: None in a list.
        output: None in a list, where it is big.
        waits: what its steps wait for; only of a run that waits.
    """

    id: UUID
    kind: str
    title: str
    state: str
    attempt: int
    input: Any
    output: Any
    error: ErrorInfo | None
    created_by: str
    created_ref: str
    cancel_requested: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    queue: str
    priority: int
    concurrency_key: str | None
    held: str | None
    deadline: datetime | None
    cancel_by: datetime | None
    parent_id: UUID | None
    schedule_id: UUID | None
    undoes: UUID | None
    takeovers: int
    secret_names: tuple[str, ...]
    last_event: int
    waits: tuple[RunWait, ...] = ()


class RunEvent(msgspec.Struct, frozen=True):
    """One event of a run; `seq` counts from 1 without gaps."""

    seq: int
    type: str
    body: dict[str, Any]
    at: datetime


def no_run(run_id: UUID) -> NotFound:
    """The error for a run that is not there, or not the asker's."""
    # The same words for all: that there was one is not told to those who may not see it.
    return NotFound(
        f"There is no run {run_id}.",
        why="There never was one that you may see, or it ended so long ago that it was forgotten "
        "([runs] keep_days).",
        next="List yours with: towpath runs ls",
    )


def may_see(principal: Principal, row: Mapping[Any, Any]) -> bool:
    """Whether a run is the asker's own, or the asker an administrator."""
    return principal.is_admin or row["created_by"] == audit.actor_of(principal)


def info_of(row: Mapping[Any, Any], waits: Iterable[RunWait] = ()) -> RunInfo:
    """A row of the journal as it is shown."""
    return RunInfo(
        id=row["id"],
        kind=row["kind"],
        title=row["title"],
        state=row["state"],
        attempt=row["attempt"],
        input=row.get("input"),
        output=row.get("output"),
        error=msgspec.convert(row["error"], ErrorInfo) if row["error"] else None,
        created_by=row["created_by"],
        created_ref=row["principal"]["entity_ref"],
        cancel_requested=row["cancel_requested"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        queue=row["queue"],
        priority=row["priority"],
        concurrency_key=row["concurrency_key"],
        held=row["held"],
        deadline=row["deadline"],
        cancel_by=row["cancel_by"],
        parent_id=row["parent_id"],
        schedule_id=row["schedule_id"],
        undoes=row["undoes"],
        takeovers=row["takeovers"],
        secret_names=tuple(row["secret_names"]),
        last_event=row["last_event"],
        waits=tuple(waits),
    )
