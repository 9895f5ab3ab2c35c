"""Says why an entity is in the catalog as it is, or why it is not: every stage it went through.

Works for every reference, also for one that nobody ever stated.
"""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from pyroaring import BitMap

from towpath_engine.catalog.drafts import RESTORED
from towpath_engine.catalog.index import CatalogIndex
from towpath_engine.catalog.stages import Outcome, Stage, stages_of
from towpath_engine.catalog.traces import Trace, trace_of
from towpath_engine.store.database import Database

__all__ = ("Explainer", "Explanation", "Outcome", "Stage")

State = Literal["there", "held", "conflict", "refused", "removed", "unknown"]

_NEAR = 5
_CANDIDATES = 500


class Explanation(msgspec.Struct, frozen=True):
    """Why an entity is as it is.

    Attributes:
        ref: the canonical reference that was asked for.
        state: `there`; `held` where it vanished and waits for confirmation; `conflict` or
            `refused` where it is stated but not taken in; `removed`; `unknown`.
        summary: the answer in one sentence.
        stages: what happened to it, in order.
        named_by: entities that name it although it is not there.
        dangling: references that it names itself and that are not there.
        nearest: what is there under similar names, when it is not.
    """

    ref: str
    state: State
    summary: str
    uid: UUID | None = None
    stages: Sequence[Stage] = ()
    named_by: Sequence[str] = ()
    dangling: Sequence[str] = ()
    nearest: Sequence[str] = ()


class Explainer:
    """Explains references."""

    def __init__(self, database: Database, index: CatalogIndex) -> None:
        self._database = database
        self._index = index

    async def explain(self, ref: str, visible: BitMap | None = None) -> Explanation:
        """Why an entity is in the catalog as it is, or is not.

        Args:
            ref: a canonical reference; nobody need ever have stated it.
            visible: what the asker may see; None for everything. What is hidden is explained as
                what was never there, and so is what is gone: nobody knows whether it was hidden.
        """
        entry = self._index.by_ref(ref)
        hidden = visible is not None and (entry is None or entry.number not in visible)
        trace = Trace(ref) if hidden else await trace_of(self._database, ref)
        seq = self._index.seq if entry is not None and not hidden else None
        nearest: Sequence[str] = ()
        if trace.entity is None:
            refs = [
                one for one in self._index.refs() if visible is None or self._sees(one, visible)
            ]
            nearest = await asyncio.to_thread(_nearest, ref, refs)
        state, summary = _judged(trace, nearest)
        return Explanation(
            ref,
            state,
            summary,
            trace.entity.uid if trace.entity is not None else None,
            list(stages_of(trace, seq)),
            trace.named_by,
            trace.dangling,
            nearest,
        )

    def _sees(self, ref: str, visible: BitMap) -> bool:
        entry = self._index.by_ref(ref)
        return entry is not None and entry.number in visible


def _judged(trace: Trace, nearest: Sequence[str]) -> tuple[State, str]:
    if trace.entity is not None:
        return _present(trace)
    claims = [claim for claim in trace.claims if claim.location_id is not None]
    if trace.problems:
        return "refused", _refused(trace)
    if trace.tombstone is not None or trace.revisions:
        return "removed", _removed(trace)
    if claims:
        where = _place(claims[0].file, claims[0].line)
        return "conflict", f"{where} states it, and it is taken in when that is read again."
    return "unknown", " ".join(_never(trace, nearest))


def _present(trace: Trace) -> tuple[State, str]:
    entity = trace.entity
    where = _place(entity.file, entity.line) or entity.origin
    location = trace.locations.get(entity.location_id)
    if location is not None and str(entity.uid) in (location.held or ()):
        return "held", (
            f"It is in the catalog, but vanished from {location.type}:{location.target} together "
            "with others and stays until somebody confirms that."
        )
    text = f"It is in the catalog, in revision {entity.revision}, as {where} states it"
    if entity.origin.startswith(RESTORED):
        source = entity.origin.removeprefix(RESTORED)
        text = f"It is in the catalog because it was restored, though {source} lacks it"
        if _reason(trace) == "deleted":
            text = (
                "It is in the catalog because it was restored; it is held by "
                f"{source} again when that is read and still states it"
            )
    elif trace.unread is not None:
        problem = trace.unread
        at = _place(problem.file, problem.line)
        text = (
            "It is in the catalog as it was before; its source could not be read: "
            f"{at}{': ' if at else ''}{problem.message}"
        )
    elif wrong := _wrong(trace):
        problem = wrong[0]
        at = _place(problem.file, problem.line) or where
        text = (
            "It is in the catalog as it was before: what stands there now is not taken in, "
            f"because of {at}: {problem.message}"
        )
    elif trace.claims:
        text += f"; {trace.claims[0].origin} states it too and is left out"
    return "there", f"{text.rstrip('.')}."


def _reason(trace: Trace) -> str | None:
    """Why it was removed the last time."""
    gone = (row.reason for row in trace.revisions if row.action != "put")
    return next(gone, None)


def _wrong(trace: Trace) -> Sequence[Any]:
    """What is wrong with the entity where it is held, not where another states it too."""
    place = trace.entity.location_id
    mine = [problem for problem in trace.problems if problem.location_id == place]
    return [problem for problem in mine if problem.code not in ("conflict", "duplicate")]


def _refused(trace: Trace) -> str:
    problem = trace.problems[0]
    where = _place(problem.file, problem.line) or "A source"
    return f"{where} states it, but it is not taken in: {problem.message.rstrip('.')}."


def _removed(trace: Trace) -> str:
    buried = trace.tombstone
    if buried is None:
        last = trace.revisions[0]
        text = _how(last.reason, last.source, last.actor, last.at)
        return f"{text}, too long ago to be restored."
    text = _how(buried.reason, buried.origin, buried.actor, buried.deleted_at)
    text += f"; it can be restored until {buried.expires_at:%Y-%m-%d %H:%M} UTC."
    if buried.reason == "deleted" and buried.location_id is not None:
        text += f" It comes back when {buried.origin} is read again, if that still states it."
    return text


def _how(reason: str | None, origin: str, actor: str, at: datetime) -> str:
    when = f"{at:%Y-%m-%d at %H:%M} UTC"
    if reason == "vanished":
        return f"It was removed on {when} because {origin} does not state it any more"
    if reason == "unregistered":
        return f"It was removed on {when} with its location {origin} by {actor}"
    return f"It was removed on {when} by {actor}"


def _never(trace: Trace, nearest: Sequence[str]) -> Iterator[str]:
    end = f"; nearest names: {', '.join(nearest)}." if nearest else "."
    yield f"No source ever stated it{end}"
    if trace.named_by:
        count = len(trace.named_by)
        yield f"{count} {'entity names' if count == 1 else 'entities name'} it all the same."
    if trace.spoilt:
        files = "file has" if trace.spoilt == 1 else "files have"
        yield f"{trace.spoilt} {files} problems; see whether it stands there."


def _place(file: str | None, line: int | None) -> str:
    return "" if file is None else f"{file}:{line}" if line is not None else file


def _nearest(ref: str, refs: Sequence[str]) -> Sequence[str]:
    """What is there under the same name, or one like it; the same kind first."""
    kind, _, rest = ref.partition(":")
    name = rest.rpartition("/")[2]
    same = [one for one in refs if one.rpartition("/")[2] == name]
    begin, end = name[:2], name[-3:]
    alike: list[str] = []
    for one in refs:
        if not one.startswith(f"{kind}:"):
            continue
        other = one.rpartition("/")[2]
        close = abs(len(other) - len(name)) <= 3 and (other[:2] == begin or other[-3:] == end)
        if close and len(alike) < _CANDIDATES:
            alike.append(one)
    found = difflib.get_close_matches(ref, alike, n=_NEAR, cutoff=0.75)
    return list(dict.fromkeys([*same[:_NEAR], *found]))[:_NEAR]
