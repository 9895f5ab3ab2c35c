"""Commands about what entities were, and about what happens to them now."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from towpath_cli.catalog import app
from towpath_cli.failure import INTERRUPTED
from towpath_cli.output import ago
from towpath_cli.session import Session, command
from towpath_cli.text import line

if TYPE_CHECKING:
    from towpath_sdk import EntityEvent, FieldDifference

__all__ = ("history", "watch")

_SHOWN = 60
_FEW = 5

Ref = Annotated[str, typer.Argument(metavar="REF", help="The entity; it may be gone.")]


@command(
    app,
    "history",
    examples=(
        "towpath catalog history component:default/shop-1",
        "towpath catalog history component:default/shop-1 --limit 1 -o json",
        "towpath catalog history component:default/shop-1 --at 2026-11-23T09:30:00Z",
    ),
)
def history(
    session: Session,
    ref: Ref,
    limit: Annotated[int, typer.Option(min=1, help="How many changes to show.")] = 20,
    at: Annotated[
        str | None, typer.Option(help="Show the entity as it was at this time instead (RFC 3339).")
    ] = None,
) -> None:
    """Show who changed an entity, when, and what was different; newest first."""
    if at is not None:
        from towpath_cli.catalog import show_entity

        then = session.platform.history.entity(ref, at)
        if not session.out.wire(then):
            show_entity(session, then)
        return
    found = list(islice(session.platform.history.list(ref, page_size=min(limit, 100)), limit))
    if session.out.wire(found):
        return
    rows = [
        (f"{one.seq}", ago(one.at), one.change, one.actor, one.source, _told(one.differences))
        for one in found
    ]
    session.out.table(("SEQ", "AGO", "CHANGE", "BY", "FROM", "DIFFERENT"), rows, whole="SEQ")


@command(
    app,
    "watch",
    examples=(
        "towpath catalog watch",
        "towpath catalog watch -l spec.owner=group:canal --list --count 3",
        "towpath catalog watch component --list --count 1 -o json",
    ),
)
def watch(
    session: Session,
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", help="Only this kind.")] = None,
    filter: Annotated[
        list[str] | None,
        typer.Option("--filter", "-l", help="field=value, or field alone; said twice means and."),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Begin with all that there are.")] = False,
    after: Annotated[
        int | None, typer.Option(min=0, help="Go on after the number of a change.")
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="End after so many changes; for ever without.")
    ] = None,
) -> None:
    """Print the changes of the catalog as they happen, one on a line.

    An entity that passes the filter no longer is told as a delete. With -o json each line is JSON.
    """
    events = session.platform.entities.watch(
        filter=",".join(filter) if filter else None, kind=kind, listed=listed, after=after
    )
    changes = (event for event in events if event.type != "bookmark")
    try:
        for event in islice(changes, count):
            if session.out.form == "table":
                typer.echo(_line(event))
            else:
                session.out.event(event)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    finally:
        events.close()


def _line(event: EntityEvent) -> str:
    number = f" #{event.seq}" if event.seq is not None else ""
    by = f" by {event.actor}" if event.actor else ""
    return line(f"{event.type} {event.entity_ref}{number}{by}")


def _told(differences: tuple[FieldDifference, ...] | None) -> str | None:
    if not differences:
        return None
    told = [_one(each) for each in differences[:_FEW]]
    more = len(differences) - len(told)
    return "; ".join([*told, *([f"and {more} more"] if more else [])])


def _one(difference: FieldDifference) -> str:
    if difference.op == "remove":
        return f"-{difference.pointer}"
    value = _short(difference.new)
    if difference.op == "add":
        return f"+{difference.pointer}={value}"
    return f"{difference.pointer}: {_short(difference.old)} -> {value}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
