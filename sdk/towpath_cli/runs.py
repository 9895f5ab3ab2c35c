"""Commands that look at runs: work that takes time, listed, shown and followed."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from towpath_cli.follow import decided, wait
from towpath_cli.output import ago
from towpath_cli.runs_next import answer_to
from towpath_cli.runs_show import progress_of, show_run, state_of, undos_of
from towpath_cli.session import Session, command, group
from towpath_cli.text import line
from towpath_cli.timing import moment

if TYPE_CHECKING:
    from towpath_sdk import Event

__all__ = ("RunId", "app")

app = group("See, follow and steer runs: work that takes time.")
RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")]

_STATES = "queued, running, waiting, succeeded, failed, cancelled or unknown; repeat it for or."
_WIDE = 110
_EXAMPLE = "0192f0c1-1d4e-7c11-9b1e-0c8d7f4a2b10"


@command(
    app,
    "ls",
    examples=(
        "towpath runs ls",
        "towpath runs ls --state failed --state unknown --since 2d",
        "towpath runs ls --waiting-for approval",
        "towpath runs ls --mine --kind provision --limit 5 -o json",
    ),
)
def ls(
    session: Session,
    kind: Annotated[
        str | None,
        typer.Option(help="scaffold, provision, delete, bind, unbind, undo, or a plugin's kind."),
    ] = None,
    state: Annotated[list[str] | None, typer.Option(help=_STATES)] = None,
    waiting_for: Annotated[
        str | None, typer.Option(help="Only those that wait for this: approval.")
    ] = None,
    mine: Annotated[bool, typer.Option("--mine", help="Only those you asked for.")] = False,
    by: Annotated[str | None, typer.Option(help="Only those that this user asked for.")] = None,
    queue: Annotated[str | None, typer.Option(help="Only those of this queue.")] = None,
    parent: Annotated[str | None, typer.Option(help="Only those that this run began.")] = None,
    schedule: Annotated[str | None, typer.Option(help="Only those of this schedule.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Not older than this: 30m, 2h, 7d, or a time.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Older than this.")] = None,
    search: Annotated[str | None, typer.Option(help="Only with this text in the title.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 50,
) -> None:
    """List runs, newest first."""
    platform = session.platform
    walk = platform.runs.list(
        kind=kind,
        state=state,
        queue=queue,
        created_by=platform.info().principal.entity_ref if mine else by,
        parent=parent,
        schedule=schedule,
        waiting_for=waiting_for,
        since=moment(since, "--since"),
        until=moment(until, "--until"),
        search=search,
        page_size=min(limit, 100),
    )
    found = list(islice(walk, limit))
    if session.out.wire(found):
        return
    progress = progress_of(platform, found, brief=session.out.console.width < _WIDE)
    rows = [
        (one.id, state_of(one), one.title or one.kind, progress[one.id], ago(one.created_at))
        for one in found
    ]
    session.out.table(("ID", "STATE", "TITLE", "PROGRESS", "AGE"), rows, whole="ID")


@command(app, "show", examples=(f"towpath runs show {_EXAMPLE}",))
def show(session: Session, run: RunId) -> None:
    """Show a run: steps, waits, errors, and what can be done."""
    found = session.platform.runs.get(run)
    if not session.out.wire(found):
        show_run(session, found, undos=undos_of(session.platform, found))


@command(
    app,
    "logs",
    examples=(
        f"towpath runs logs {_EXAMPLE}",
        f"towpath runs logs -f {_EXAMPLE}",
        f"towpath runs logs -f {_EXAMPLE} --timeout 600 -o json",
    ),
)
def logs(
    session: Session,
    run: RunId,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run ends; fail if it fails.")
    ] = False,
    after: Annotated[int, typer.Option(min=0, help="Leave out events up to this number.")] = 0,
) -> None:
    """Print what a run says, or follow it to its end.

    With -o json it prints all events, one on each line. Followed on a terminal, its steps stand
    below what it says, with their progress and what they wait for.
    """
    runs = session.platform.runs
    if not follow:
        for event in runs.events(run, after=after):
            _print(session, run, event)
        return
    wait(session, run, sys.stdout, lambda event: _print(session, run, event), after=after)


def _print(session: Session, run: str, event: Event) -> None:
    if session.out.form != "table":
        session.out.event(event)
    elif event.type == "log":
        typer.echo(line(event.text))
    elif event.type == "step" and event.body.get("state") != "waiting":
        typer.echo(f"--- {line(event.text)}")
    elif event.type in ("wait", "decision") and not decided(event):
        about = line(event.body.get("key") or event.body.get("step") or "run")
        typer.echo(f"--- {about}: {line(event.text)}")
        if (waiting := event.waiting) and (command := answer_to(waiting, run)):
            typer.echo(f"--- answer it: {command}")
