"""How plans of locations are shown: a line for each entity, as a diff has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from towpath_cli.session import Session
from towpath_cli.text import line

if TYPE_CHECKING:
    from towpath_sdk import FieldChange, LocationPlan

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
        for text in _lines(plan):
            typer.echo(line(text))
        session.out.say(_sum(plan))


def _lines(plan: LocationPlan) -> Iterator[str]:
    for one in plan.adds:
        back = "  comes back with its uid" if one.back else ""
        yield f"+ {one.ref}{_place(one)}{back}"
    for change in plan.changes:
        yield f"~ {change.ref}{_place(change)}"
        for field in change.fields:
            yield f"    {_field(field)}"
        if change.more:
            yield "    ..."
    yield from _each("-", plan.deletes, "")
    yield from _each(">", plan.handed, "  passes to another location that states it")
    yield from _each("?", plan.held, "  vanished; waits for confirmation")
    for conflict in plan.conflicts:
        yield f"! {conflict.ref}{_place(conflict)}  is held by {conflict.holder}"
    for problem in plan.problems:
        yield f"! {problem}"


def _each(sign: str, items: Iterable[Any], end: str) -> Iterator[str]:
    for one in items:
        yield f"{sign} {one.ref}{_place(one)}{end}"


def _field(field: FieldChange) -> str:
    if field.op == "add":
        return f"{field.pointer}: {_short(field.new)} is new"
    if field.op == "remove":
        return f"{field.pointer}: {_short(field.old)} goes"
    return f"{field.pointer}: {_short(field.old)} -> {_short(field.new)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONG else f"{text[:_LONG]}..."


def _place(one: Any) -> str:
    if one.file is None:
        return ""
    return f"  {one.file}:{one.line}" if one.line is not None else f"  {one.file}"


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
