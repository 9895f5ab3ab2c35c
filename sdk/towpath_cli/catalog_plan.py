"""How plans of locations are shown: a line for each entity, as a diff has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from towpath_cli.session import Session
from towpath_cli.text import line

if TYPE_CHECKING:
    from towpath_sdk import FieldDifference, LocationPlan

__all__ = ("Plan", "show_plans")

Plan = Annotated[
    bool, typer.Option("--plan", help="Show what would be done, and do nothing of it.")
]

_LONG = 60


def show_plans(session: Session, plans: Sequence[LocationPlan]) -> None:
    """Print plans: `+` comes, `~` changes, `-` goes, `>` passes on, `?` waits, `!` is left out."""
    if session.out.wire(plans if len(plans) != 1 else plans[0]):
        return
    for plan in plans:
        for begin, text in _lines(plan):
            typer.echo(f"{begin} {line(text)}")
        session.out.say(_sum(plan))


def _lines(plan: LocationPlan) -> Iterator[tuple[str, str]]:
    """Each line: what begins it, and the rest, which is foreign text."""
    for one in plan.adds:
        yield "+", f"{_named(one)}{', comes back with its uid' if one.back else ''}"
    for change in plan.changes:
        yield "~", _named(change)
        for field in change.fields:
            yield "   ", _field(field)
        if change.more:
            yield "   ", "..."
    yield from (("-", _named(one)) for one in plan.deletes)
    yield from ((">", f"{_named(one)}, to another location that states it") for one in plan.handed)
    yield from (("?", f"{_named(one)}, vanished with others") for one in plan.held)
    for conflict in plan.conflicts:
        yield "!", f"{_named(conflict)}, is held by {conflict.holder}"
    yield from (("!", str(problem)) for problem in plan.problems)


def _field(field: FieldDifference) -> str:
    if field.op == "add":
        return f"{field.pointer}: {_short(field.new)} is new"
    if field.op == "remove":
        return f"{field.pointer}: {_short(field.old)} goes"
    return f"{field.pointer}: {_short(field.old)} -> {_short(field.new)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}..."


def _named(one: Any) -> str:
    if one.file is None:
        return str(one.ref)
    return f"{one.ref} ({one.file}:{one.line})" if one.line else f"{one.ref} ({one.file})"


def _sum(plan: LocationPlan) -> str:
    counts = (
        (len(plan.adds), "to add"),
        (len(plan.changes), "to change"),
        (len(plan.deletes), "to remove"),
        (len(plan.handed), "to pass on"),
        (len(plan.held), "to confirm"),
        (len(plan.conflicts), "in conflict"),
        (plan.unchanged, "unchanged"),
    )
    text = ", ".join(f"{count} {what}" for count, what in counts if count)
    return f"{plan.target}: {text or 'nothing to do'}. Nothing was done."
