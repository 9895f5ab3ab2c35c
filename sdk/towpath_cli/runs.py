"""Commands about runs: work that takes time, seen, followed and stopped."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from towpath_cli.follow import take_up
from towpath_cli.output import ago
from towpath_cli.session import Session, command, group
from towpath_cli.text import line

if TYPE_CHECKING:
    from towpath_sdk import Event, Run

__all__ = ("app", "show_run")

app = group("See, follow and cancel runs: work that takes time.")
RunId = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run.")]


@command(
    app,
    "ls",
    examples=("towpath runs ls", "towpath runs ls --state failed --limit 5 -o json"),
)
def ls(
    session: Session,
    kind: Annotated[
        str | None, typer.Option(help="scaffold, provision, delete, bind or unbind.")
    ] = None,
    state: Annotated[
        str | None, typer.Option(help="queued, running, succeeded, failed or cancelled.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to show.")] = 50,
) -> None:
    """List runs, newest first."""
    walk = session.platform.runs.list(kind=kind, state=state, page_size=min(limit, 100))
    found = list(islice(walk, limit))
    if not session.out.wire(found):
        rows = [(one.id, one.state, one.title or one.kind, ago(one.created_at)) for one in found]
        session.out.table(("ID", "STATE", "TITLE", "AGE"), rows, whole="ID")


@command(app, "show", examples=("towpath runs show 0192f0c1-1d4e-7c11-9b1e-0c8d7f4a2b10",))
def show(session: Session, run: RunId) -> None:
    """Show a run, its steps and what it made."""
    found = session.platform.runs.get(run)
    if not session.out.wire(found):
        show_run(session, found)


@command(
    app,
    "logs",
    examples=(
        "towpath runs logs 0192f0c1-1d4e-7c11-9b1e-0c8d7f4a2b10",
        "towpath runs logs -f 0192f0c1-1d4e-7c11-9b1e-0c8d7f4a2b10",
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
    """Print what a run says; with -o json all its events, one on each line."""
    from towpath_sdk import RunFailed

    runs = session.platform.runs
    if not follow:
        for event in runs.events(run, after=after):
            _print(session, event)
        return
    with take_up(session, run):
        ended = runs.wait(
            run,
            timeout=session.options.timeout,
            on_event=lambda event: _print(session, event),
            after=after,
        )
    if ended.state != "succeeded":
        raise RunFailed(ended)


@command(app, "cancel", examples=("towpath runs cancel 0192f0c1-1d4e-7c11-9b1e-0c8d7f4a2b10",))
def cancel(session: Session, run: RunId) -> None:
    """Ask a run to stop; it does so between two steps."""
    found = session.platform.runs.cancel(run)
    if not session.out.wire(found):
        session.out.say(f"Run {found.id} is asked to stop; it is {found.state}.")


def show_run(session: Session, run: Run) -> None:
    """Print a run, its steps and what it made, for people."""
    session.out.record(
        {
            "Run": run.id,
            "Title": run.title,
            "Kind": run.kind,
            "State": run.state,
            "By": run.created_by,
            "Begun": ago(run.started_at) and f"{ago(run.started_at)} ago",
            "Attempt": run.attempt if run.attempt > 1 else None,
            "Error": run.error and f"{run.error.message} ({run.error.code})",
            "Output": _output(run),
        }
    )
    if run.steps:
        typer.echo()
        rows = [
            (one.name or one.key, one.state, one.error and one.error.message) for one in run.steps
        ]
        session.out.table(("STEP", "STATE", "ERROR"), rows)


def _output(run: Run) -> tuple[str, ...]:
    made = dict(run.output or {})
    links = made.pop("links", None)
    lines = [f"{key}: {value}" for key, value in made.items() if isinstance(value, str | int)]
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict):
            where = link.get("url") or link.get("entityRef") or ""
            lines.append(f"{link.get('title') or 'link'}: {where}")
    return tuple(lines)


def _print(session: Session, event: Event) -> None:
    if session.out.form != "table":
        session.out.event(event)
    elif event.type == "log":
        typer.echo(line(event.text))
    elif event.type == "step":
        typer.echo(f"--- {line(event.text)}")
