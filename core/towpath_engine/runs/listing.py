"""Which runs somebody may see, and which of them are asked for: the statement of a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    case,
    cast,
    func,
    select,
    tuple_,
    union,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB, array

from towpath_core.identity import Principal
from towpath_engine import audit
from towpath_engine.runs.tables import RUNS, STEPS

__all__ = (
    "APPROVAL",
    "LISTED_BYTES",
    "Mark",
    "Order",
    "RunFilter",
    "asked_of",
    "count_of_runs",
    "page_of_runs",
    "references_of",
    "runs_of",
)

Mark = tuple[datetime, UUID]
"""Where a list goes on: after the run that was created then and has this id."""

APPROVAL = "approval"
"""The type of a wait for somebody's yes."""

LISTED_BYTES = 16 * 1024
"""Bytes of an output, or of a wait with its subject, that is shown in a list."""


class Order(msgspec.Struct, frozen=True):
    """What a list is ordered by."""

    field: Literal["created_at", "state", "created_by"]
    descending: bool = False


class RunFilter(msgspec.Struct, frozen=True):
    """Which runs are asked for; what is left out lets all through.

    Attributes:
        kind: of the runs.
        states: any of these.
        queue: that they wait in.
        created_by: entity references of who asked for them, any of these.
        parent: the run whose children they are.
        schedule: that fired them.
        asks_approval: only those that wait for somebody's yes.
        since: created then or later.
        until: created before then.
        title: text that stands in their title, in any case.
    """

    kind: str | None = None
    states: tuple[str, ...] = ()
    queue: str | None = None
    created_by: tuple[str, ...] = ()
    parent: UUID | None = None
    schedule: UUID | None = None
    asks_approval: bool = False
    since: datetime | None = None
    until: datetime | None = None
    title: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """What a row of the journal must meet."""
        c = RUNS.c
        equal: dict[Any, Any] = {
            c.kind: self.kind,
            c.queue: self.queue,
            c.parent_id: self.parent,
            c.schedule_id: self.schedule,
        }
        found = [column == value for column, value in equal.items() if value is not None]
        if self.states:
            found.append(c.state.in_(self.states))
        if self.created_by:
            owner = func.lower(c.principal.op("->>")("entity_ref"))
            found.append(owner.in_([ref.lower() for ref in self.created_by]))
        if self.asks_approval:
            found += [c.state == "waiting", c.id.in_(_asking(STEPS.c.state == "waiting"))]
        if self.since is not None:
            found.append(c.created_at >= self.since)
        if self.until is not None:
            found.append(c.created_at < self.until)
        if self.title is not None:
            found.append(c.title.icontains(self.title, autoescape=True))
        return found


def _listed() -> list[ColumnElement[Any]]:
    """The columns of a run in a list: without its input and secrets, and a big output.

    A page of runs would else hold as much as all of them were ever sent and gave.
    """
    c = RUNS.c
    left_out = {"input", "output", "secrets"}
    size = func.octet_length(cast(c.output, Text))
    # First what is stored of it, compressed: that is known without a look at all of it.
    kept = case(
        (func.pg_column_size(c.output) > LISTED_BYTES, None), (size <= LISTED_BYTES, c.output)
    )
    return [*(one for one in c if one.name not in left_out), kept.label("output")]


def runs_of(
    principal: Principal, wanted: RunFilter, *, limit: int, before: Mark | None = None
) -> Select[Any]:
    """Runs that somebody may see, as they are listed, newest first: `limit`, after `before`."""
    c = RUNS.c
    conditions = wanted.conditions()
    if before is not None:
        conditions.append(tuple_(c.created_at, c.id) < tuple_(*before))
    newest = (c.created_at.desc(), c.id.desc())
    if principal.is_admin:
        return select(*_listed()).where(*conditions).order_by(*newest).limit(limit)
    # Each half by its own index and no longer than the page: a run among a million is found fast.
    halves = [
        select(c.id).where(right, *conditions).order_by(*newest).limit(limit).subquery()
        for right in (c.created_by == audit.actor_of(principal), asked_of(principal))
    ]
    own_or_asked = union(*(select(half.c.id) for half in halves)).subquery()
    chosen = c.id.in_(select(own_or_asked.c.id))
    return select(*_listed()).where(chosen).order_by(*newest).limit(limit)


def page_of_runs(
    principal: Principal,
    wanted: RunFilter,
    order: Sequence[Order],
    words: Mapping[str, str],
    *,
    limit: int,
    offset: int,
) -> Select[Any]:
    """The rows of runs that somebody may see, in some order; for lists that count their pages.

    Args:
        principal: who asks.
        wanted: which runs.
        order: what comes first; the newest, where nothing else decides.
        words: what states are called by whom orders by them.
        limit: how many at the most.
        offset: how many to pass over.
    """
    c = RUNS.c
    columns: Mapping[str, Any] = {
        "created_at": c.created_at,
        "state": case(dict(words), value=c.state),
        "created_by": c.principal.op("->>")("entity_ref"),
    }
    by = [columns[one.field].desc() if one.descending else columns[one.field] for one in order]
    rows = select(RUNS).where(*_visible(principal), *wanted.conditions())
    return rows.order_by(*by, c.created_at.desc(), c.id.desc()).limit(limit).offset(offset)


def count_of_runs(principal: Principal, wanted: RunFilter, most: int) -> Select[Any]:
    """How many runs there are that somebody may see; `most` for that many or more."""
    found = select(RUNS.c.id).where(*_visible(principal), *wanted.conditions()).limit(most)
    return select(func.count()).select_from(found.subquery())


def references_of(principal: Principal) -> frozenset[str]:
    """The names by which somebody may be asked for a yes: the own and those of the groups."""
    return frozenset({principal.entity_ref.lower(), *map(str.lower, principal.groups)})


def asked_of(principal: Principal) -> ColumnElement[bool]:
    """Whether a run asks, or has asked, a principal for a yes."""
    return RUNS.c.id.in_(_asked_runs(principal))


def _asked_runs(principal: Principal) -> Select[Any]:
    approvers = cast(STEPS.c.wait.op("->")("approvers"), JSONB)
    return _asking(approvers.has_any(array(sorted(references_of(principal)))))


def _visible(principal: Principal) -> list[ColumnElement[bool]]:
    if principal.is_admin:
        return []
    mine = RUNS.alias("mine")
    own = select(mine.c.id).where(mine.c.created_by == audit.actor_of(principal))
    # Not an OR, which would look at the runs of everybody.
    return [RUNS.c.id.in_(union_all(own, _asked_runs(principal)))]


def _asking(condition: ColumnElement[bool]) -> Select[Any]:
    is_approval = STEPS.c.wait.op("->>")("type") == APPROVAL
    return select(STEPS.c.run_id).where(is_approval, condition)
