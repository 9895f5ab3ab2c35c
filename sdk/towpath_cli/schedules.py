"""Commands about schedules: runs that start by the clock."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from towpath_cli.asking import gather
from towpath_cli.create import Values, ValuesFile
from towpath_cli.output import ago
from towpath_cli.session import Session, command, group
from towpath_cli.timing import seconds_of
from towpath_cli.values import Form

if TYPE_CHECKING:
    from towpath_sdk import Schedule

__all__ = ("app",)

app = group("Have runs start by the clock.")
Which = Annotated[str, typer.Argument(metavar="SCHEDULE", help="Name or id of the schedule.")]


@command(app, "ls", examples=("towpath schedules ls", "towpath schedules ls -o json"))
def ls(
    session: Session,
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 100,
) -> None:
    """List schedules by name: when they come next, and what stopped them the last time."""
    walk = session.platform.schedules.list(page_size=min(limit, 100))
    found = list(islice(walk, limit))
    if not session.out.wire(found):
        rows = [
            (one.name, one.cron, _next(one), ago(one.last_at), one.trouble and one.trouble.message)
            for one in found
        ]
        session.out.table(("NAME", "CRON", "NEXT", "LAST", "TROUBLE"), rows)


@command(app, "show", examples=("towpath schedules show nightly",))
def show(session: Session, schedule: Which) -> None:
    """Show a schedule and its next three times."""
    found = session.platform.schedules.get(schedule)
    if not session.out.wire(found):
        _show(session, found)


@command(
    app,
    "add",
    examples=(
        "towpath schedules add nightly clean-folder --cron '30 2 * * *' -p days=7",
        "towpath schedules add hourly check-links --cron @hourly --overlap queue",
    ),
)
def add(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower-case, such as nightly.")],
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Kind of its runs.")],
    cron: Annotated[str, typer.Option(help="Five fields, or @daily and the like.")],
    zone: Annotated[str, typer.Option("--zone", help="Whose clock: Europe/Amsterdam.")] = "UTC",
    param: Values = None,
    values: ValuesFile = None,
    title: Annotated[str | None, typer.Option(help="Of its runs.")] = None,
    catch_up: Annotated[
        str, typer.Option(help="Times that nobody was there for: skip, one or all.")
    ] = "one",
    overlap: Annotated[
        str, typer.Option(help="While a run is open: skip, queue or allow.")
    ] = "skip",
    queue: Annotated[str | None, typer.Option(help="That its runs wait in.")] = None,
    priority: Annotated[int, typer.Option(min=-100, max=100, help="Higher begins first.")] = 0,
    deadline: Annotated[
        str | None, typer.Option(help="How long a run may take: 90, 30m, 2h.")
    ] = None,
    paused: Annotated[bool, typer.Option("--paused", help="Start nothing yet.")] = False,
) -> None:
    """Make a schedule. Its runs have the rights that you have now.

    Values become what the kind's schema wants; see towpath runs kinds KIND.
    """
    made = session.platform.schedules.create(
        name,
        kind,
        cron=cron,
        input=_input(session, kind, param or [], values),
        time_zone=zone,
        title=title,
        catch_up=catch_up,
        overlap=overlap,
        queue=queue,
        priority=priority,
        deadline=round(seconds_of(deadline, "--deadline")) if deadline else None,
        paused=paused,
    )
    if not session.out.wire(made):
        _show(session, made)


@command(app, "pause", examples=("towpath schedules pause nightly",))
def pause(session: Session, schedule: Which) -> None:
    """Have it start nothing by itself; runs under way go on."""
    found = session.platform.schedules.pause(schedule)
    if not session.out.wire(found):
        session.out.say(f"{found.name} is paused.")


@command(app, "resume", examples=("towpath schedules resume nightly",))
def resume(session: Session, schedule: Which) -> None:
    """Have it go on from now; its runs have the rights that you have now."""
    found = session.platform.schedules.resume(schedule)
    if not session.out.wire(found):
        session.out.say(f"{found.name} goes on; it comes {_next(found)}.")


@command(app, "run", examples=("towpath schedules run nightly",))
def run(session: Session, schedule: Which) -> None:
    """Start a run at once, and print its id; its times stay as they are."""
    started = session.platform.schedules.run(schedule)
    if not session.out.wire(started):
        typer.echo(started.id)
        session.out.say(f"Follow it with: towpath runs logs -f {started.id}")


@command(app, "rm", examples=("towpath schedules rm nightly",))
def rm(session: Session, schedule: Which) -> None:
    """Remove a schedule; its runs stay."""
    session.platform.schedules.remove(schedule)
    session.out.say(f"{schedule} is removed; its runs stay.")


@command(app, "next", examples=("towpath schedules next nightly --count 3",))
def next(
    session: Session,
    schedule: Which,
    count: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 10,
) -> None:
    """Print its next times on the clock of its zone, one on each line."""
    times = session.platform.schedules.next(schedule, count=count)
    if not session.out.wire(times):
        for moment in times:
            typer.echo(_time(moment))


def _show(session: Session, found: Schedule) -> None:
    last = found.last_at and f"{ago(found.last_at)} ago"
    session.out.record(
        {
            "Name": found.name,
            "Id": found.id,
            "Title": found.title,
            "Kind": found.kind,
            "Input": tuple(f"{name}: {value}" for name, value in found.input.items()),
            "Cron": f"{found.cron} ({found.time_zone})",
            "Next": tuple(_time(moment) for moment in found.next) or "paused",
            "Last": f"{last}, run {found.last_run}" if last and found.last_run else last,
            "Trouble": found.trouble and f"{found.trouble.message} ({_time(found.trouble.at)})",
            "Missed": found.catch_up,
            "Overlap": found.overlap,
            "Queue": found.queue,
            "Priority": found.priority or None,
            "By": found.created_by,
        }
    )


def _next(found: Schedule) -> str:
    if found.paused:
        return "paused"
    return _time(found.next[0]) if found.next else "never"


def _time(moment: datetime) -> str:
    return moment.isoformat(" ", "minutes")


def _input(session: Session, kind: str, options: list[str], file: str | None) -> dict[str, Any]:
    """The input of a kind, as a form would fill it in; without a form as it is said."""
    kinds = session.platform.runs.kinds()
    form = Form([one.input_schema for one in kinds if one.name == kind])
    return form.with_defaults(gather(form, options, file))
