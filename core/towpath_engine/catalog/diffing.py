"""What taking in a reading would do to the store: the whole decision, before anything is written.

Reads only. A plan shows it, `ingest` does it in the same transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Text, cast, column, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from towpath_core.errors import Place, Problem
from towpath_engine.catalog.drafts import Draft, Held
from towpath_engine.catalog.findings import FoundProblem, Reading
from towpath_engine.catalog.keeping import Keeping, digest_of
from towpath_engine.catalog.locations import Location
from towpath_engine.catalog.reading import twice, twice_at
from towpath_engine.catalog.tables import ENTITIES, LOCATIONS
from towpath_engine.catalog.weighing import Weighed, stored_as, weigh
from towpath_engine.store.database import Transaction

__all__ = ("Diff", "diff")


class Diff(msgspec.Struct):
    """What a reading means for the store.

    Attributes:
        weighed: what is new, changed, or there already.
        lost: drafts whose references others hold, with who does.
        gone: rows of entities that are to be removed.
        held: rows of entities that vanished in numbers that somebody must confirm.
        kept: references of what stands in files that have not changed.
        doubtful: files that must be parsed again next time, changed or not.
        problems: those of the reading, and those that only the store shows.
    """

    weighed: Weighed
    lost: list[tuple[Draft, str]] = []
    gone: Sequence[Any] = ()
    held: Sequence[Any] = ()
    kept: Sequence[str] = ()
    doubtful: set[str] = set()
    problems: list[FoundProblem] = []

    @classmethod
    def removing(cls, rows: Sequence[Any]) -> Diff:
        """That of a location which is to be removed with all these."""
        return cls(Weighed(), gone=rows)

    @property
    def holding(self) -> Held | None:
        """What waits for confirmation, by name."""
        if not self.held:
            return None
        refs = tuple(sorted(row.ref for row in self.held))
        return Held(digest_of(row.uid for row in self.held), refs)


async def diff(
    transaction: Transaction, location: Location, reading: Reading, keeping: Keeping
) -> Diff:
    """Tell what taking in a reading would do.

    References that another origin holds are left alone. Nothing goes that may still be there:
    what stood in a spoilt file, or anywhere behind one, or behind a source that could not be read
    to the end.

    Args:
        transaction: the caller's, with the catalog's lock where it is going to be written.
        location: registered, or as it would be.
        reading: what it led to. A reference that stands in two of its files is settled in it.
        keeping: when vanishing is not believed at once.
    """
    own = location.draft
    known = await stored_as(transaction, [*reading.drafts, own.ref])
    _settle(location, reading, known)
    drafts = [*reading.drafts.values(), own]
    found = Diff(await weigh(transaction, drafts, location.id, known))
    by_ref = {draft.ref: draft for draft in drafts}
    found.lost = [(by_ref[ref], holder) for ref, holder in found.weighed.conflicts.items()]
    found.kept = await _kept(transaction, location.id, reading)
    await _vanished(transaction, location, reading, keeping, found)
    found.problems = _in_order([*reading.problems, *map(_conflict, found.lost)], reading)
    if (held := found.holding) is not None:
        found.problems.append(_held(held))
    places = {draft.file for draft, _ in found.lost} | {row.file for row in found.held}
    found.doubtful = {place for place in places if place is not None}
    return found


def _settle(location: Location, reading: Reading, known: Mapping[str, Any]) -> None:
    """Of two files of a location that state one reference, the one that is read first has it.

    Which means the same whether the other was parsed this time, or kept as it was.
    """
    order = {name: number for number, name in enumerate(reading.files)}
    for ref, draft in list(reading.drafts.items()):
        old = known.get(ref)
        if old is None or old.location_id != location.id or old.file == draft.file:
            continue
        other = reading.files.get(old.file)
        if other is None or not other.kept or draft.file is None:
            continue
        if order[draft.file] < order[old.file]:
            text = f"{ref} stands in {draft.file} already; this one is left out"
            problem = Problem("duplicate", text, Place(old.file, old.line))
            reading.problems.append(FoundProblem(problem, ref))
            other.spoil()
        else:
            reading.problems = [_instead(one, draft, old.file) for one in reading.problems]
            reading.problems.append(twice(draft, old.file))
            reading.files[draft.file].spoil()
            del reading.drafts[ref]


def _instead(found: FoundProblem, draft: Draft, holder: str) -> FoundProblem:
    """A problem that a third file has with a draft that is left out itself: the holder has it."""
    if found != twice_at(found.problem.place, draft.ref, draft.file):
        return found
    return twice_at(found.problem.place, draft.ref, holder)


async def _kept(transaction: Transaction, location_id: UUID, reading: Reading) -> Sequence[str]:
    if not reading.kept:
        return ()
    c, kept = ENTITIES.c, _names(reading)
    query = select(c.ref).where(c.location_id == location_id, c.file.in_(select(kept.c.name)))
    found = (await transaction.execute(query.order_by(c.file, c.line, c.ref))).scalars()
    return [ref for ref in found if ref not in reading.drafts]


async def _vanished(
    transaction: Transaction, location: Location, reading: Reading, keeping: Keeping, found: Diff
) -> None:
    """Tell apart what is gone, what must be confirmed, and what nobody can say anything of."""
    c, kept = ENTITIES.c, _names(reading)
    query = select(c.uid, c.ref, c.kind, c.file, c.line).where(c.location_id == location.id)
    if reading.kept:
        query = query.where(or_(c.file.is_(None), c.file.not_in(select(kept.c.name))))
    rows = (await transaction.execute(query)).all()
    missing = [
        row for row in rows if row.ref not in reading.drafts and row.ref != location.entity_ref
    ]
    before = await _held_before(transaction, location.id)
    if not reading.complete:
        # A source that could not be read to the end says nothing about what is gone.
        found.held = [row for row in missing if str(row.uid) in before]
        return
    # A location that was lost with a spoilt file led to files that nobody looked at this time.
    spoilt = reading.spoilt
    blind = any(row.kind == "location" and row.file in spoilt for row in missing)
    gone = [
        row
        for row in missing
        if row.file not in spoilt and (row.file in reading.files or not blind)
    ]
    total = select(func.count()).where(c.location_id == location.id, c.ref != location.entity_ref)
    count = (await transaction.execute(total)).scalar_one() if gone else 0
    if keeping.waits(len(gone), count, empty=reading.empty):
        found.held = gone
    else:
        found.gone = gone


async def _held_before(transaction: Transaction, location_id: UUID) -> set[str]:
    query = select(LOCATIONS.c.held).where(LOCATIONS.c.id == location_id)
    return set((await transaction.execute(query)).scalar_one_or_none() or ())


def _names(reading: Reading) -> Any:
    names = cast(reading.kept, ARRAY(Text))
    return func.unnest(names).table_valued(column("name", Text), name="kept").render_derived()


def _in_order(problems: list[FoundProblem], reading: Reading) -> list[FoundProblem]:
    """Problems by their places, so that they stand the same however they were found."""
    order = {name: number for number, name in enumerate(reading.files)}

    def place(found: FoundProblem) -> tuple[int, int]:
        at = found.problem.place
        return order.get(at.file or "", -1), at.line or 0

    return sorted(problems, key=place)


def _conflict(lost: tuple[Draft, str]) -> FoundProblem:
    draft, holder = lost
    text = f"{draft.ref} is held by {holder} already; this one is left out"
    return FoundProblem(Problem("conflict", text, Place(draft.file, draft.line)), draft.ref)


def _held(held: Held) -> FoundProblem:
    count = len(held.refs)
    some = ", ".join(held.refs[:5]) + (", ..." if count > 5 else "")
    text = f"{count} entities vanished at once and stay until somebody confirms that: {some}"
    return FoundProblem(Problem("held", text))
