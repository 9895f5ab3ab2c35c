"""The stages an entity goes through, told from what the store knows of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from towpath_engine.catalog.traces import Trace

__all__ = ("Outcome", "Stage", "stages_of")

Outcome = Literal["ok", "failed", "waits", "left-out"]
Name = Literal[
    "registered", "read", "parsed", "checked", "conflict", "written", "held", "removed", "index"
]

_CHECKS = ("conflict", "held", "duplicate")


class Stage(msgspec.Struct, frozen=True):
    """One stage.

    Attributes:
        name: `registered`, `read`, `parsed`, `checked`, `conflict`, `written`, `held`, `removed`,
            or `index`.
        outcome: `ok`, `failed`, `waits` for somebody, or `left-out` where another came first.
        message: what happened, in one sentence.
        at: when.
        file: the file that it is about, with its `line`.
        location_id: the registered location that it is about.
    """

    name: Name
    outcome: Outcome
    message: str
    at: datetime | None = None
    file: str | None = None
    line: int | None = None
    location_id: UUID | None = None


def stages_of(trace: Trace, seq: int | None) -> Iterator[Stage]:
    """The stages of a reference, in the order they happen.

    Args:
        trace: what the store knows.
        seq: how far the index is that has it; None where it does not.
    """
    for location in trace.locations.values():
        yield from _reading(trace, location)
    yield from _conflicts(trace)
    yield from _written(trace)
    yield from _held(trace)
    yield from _removed(trace)
    if trace.entity is not None:
        if seq is None:
            yield Stage("index", "waits", "This gateway has not taken it in yet.")
        else:
            yield Stage("index", "ok", f"Readers have it; this gateway is at change {seq}.")


def _reading(trace: Trace, location: Any) -> Iterator[Stage]:
    name, id = f"{location.type}:{location.target}", location.id
    text = f"{name} was registered by {location.created_by}."
    yield Stage("registered", "ok", text, location.created_at, location_id=id)
    rows = [trace.entity, *trace.claims, *trace.problems, trace.tombstone]
    here = [r for r in rows if r is not None and r.location_id == id and r.file is not None]
    if not here:
        return
    file, line = here[0].file, here[0].line
    if trace.unread is not None and trace.entity.location_id == id:
        yield _problem("read", trace.unread)
        return
    known = [row for row in trace.files if row.location_id == id and row.file == file]
    if known:
        yield Stage("read", "ok", f"{file} was read.", location.read_at, file, None, id)
    else:
        text = f"{file} was not there, or could not be read, when {name} was read last."
        yield Stage("read", "failed", text, location.read_at, file, None, id)
        return
    mine = [p for p in trace.problems if p.location_id == id and p.code not in _CHECKS]
    whole = [p for p in mine if p.entity_ref is None]
    for problem in whole:
        yield _problem("parsed", problem)
    if not whole:
        text = "Its document was parsed."
        yield Stage("parsed", "ok", text, location.read_at, file, line, id)
    checked = [p for p in mine if p.entity_ref is not None]
    for problem in checked:
        yield _problem("checked", problem)
    if not checked and not whole:
        text = "Its kind and the rules find no fault with it."
        yield Stage("checked", "ok", text, location.read_at, file, line, id)


def _problem(stage: Name, problem: Any) -> Stage:
    message = f"{problem.message.rstrip('.')}."
    return Stage(
        stage, "failed", message, problem.at, problem.file, problem.line, problem.location_id
    )


def _conflicts(trace: Trace) -> Iterator[Stage]:
    for claim in trace.claims:
        holder = trace.entity.origin if trace.entity is not None else "nobody"
        text = f"{claim.origin} states it too; {holder} was first and keeps it."
        yield Stage(
            "conflict", "left-out", text, claim.at, claim.file, claim.line, claim.location_id
        )
    for problem in trace.problems:
        if problem.code == "duplicate":
            yield _problem("conflict", problem)


def _written(trace: Trace) -> Iterator[Stage]:
    entity = trace.entity
    puts = [row for row in trace.revisions if row.action == "put"]
    if not puts:
        return
    last = puts[0]
    why = f", {last.reason}" if last.reason else ""
    text = f"Revision {last.revision} was written by {last.actor} from {last.source}{why}."
    place = (entity.file, entity.line, entity.location_id) if entity is not None else ()
    yield Stage("written", "ok", text, last.at, *place)


def _held(trace: Trace) -> Iterator[Stage]:
    entity = trace.entity
    location = trace.locations.get(entity.location_id) if entity is not None else None
    if location is not None and str(entity.uid) in (location.held or ()):
        text = (
            f"It is one of {len(location.held)} that vanished at once; nothing is removed until "
            "somebody confirms."
        )
        yield Stage("held", "waits", text, location.held_at, location_id=location.id)


def _removed(trace: Trace) -> Iterator[Stage]:
    if trace.entity is not None or not trace.revisions:
        return
    last = trace.revisions[0]
    why = f" ({last.reason})" if last.reason else ""
    text = f"It was removed by {last.actor} on behalf of {last.source}{why}."
    if trace.tombstone is not None:
        text += f" It can be restored until {trace.tombstone.expires_at:%Y-%m-%d %H:%M} UTC."
    yield Stage("removed", "ok", text, last.at)
