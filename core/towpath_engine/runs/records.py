"""Runs and events as they are shown, and who may see them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from towpath_core.errors import NotFound
from towpath_core.identity import Principal
from towpath_engine import audit
from towpath_engine.runs.journal import ErrorInfo

__all__ = ("RunEvent", "RunInfo", "info_of", "may_see", "no_run")


class RunInfo(msgspec.Struct, frozen=True):
    """A run as the journal has it; times are UTC."""

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


class RunEvent(msgspec.Struct, frozen=True):
    """One event of a run; `seq` counts from 1 without gaps."""

    seq: int
    type: str
    body: dict[str, Any]
    at: datetime


def no_run(run_id: UUID) -> NotFound:
    """The error for a run that is not there, or not the asker's."""
    return NotFound(f"There is no run {run_id}.", next="List yours with: towpath runs ls")


def may_see(principal: Principal, row: Mapping[Any, Any]) -> bool:
    """Whether a run is the asker's own, or the asker an administrator."""
    return principal.is_admin or row["created_by"] == audit.actor_of(principal)


def info_of(row: Mapping[Any, Any]) -> RunInfo:
    """A row of the journal as it is shown."""
    return RunInfo(
        id=row["id"],
        kind=row["kind"],
        title=row["title"],
        state=row["state"],
        attempt=row["attempt"],
        input=row["input"],
        output=row["output"],
        error=msgspec.convert(row["error"], ErrorInfo) if row["error"] else None,
        created_by=row["created_by"],
        created_ref=row["principal"]["entity_ref"],
        cancel_requested=row["cancel_requested"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
    )
