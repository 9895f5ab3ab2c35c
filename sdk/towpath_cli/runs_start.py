"""Commands that start runs of the kinds that plugins offer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from towpath_cli.asking import gather, secrets_from
from towpath_cli.create import Key, Secrets, Values, ValuesFile, Wait, show_fields
from towpath_cli.failure import NOT_FOUND, Failed
from towpath_cli.runs import app
from towpath_cli.runs_control import to_the_end
from towpath_cli.session import Session, command
from towpath_cli.text import line
from towpath_cli.timing import seconds_of
from towpath_cli.values import Form

if TYPE_CHECKING:
    from towpath_sdk import RunKind

__all__ = ("kinds", "start")


@command(app, "kinds", examples=("towpath runs kinds", "towpath runs kinds move-database"))
def kinds(
    session: Session,
    name: Annotated[str | None, typer.Argument(metavar="[KIND]", help="One of them.")] = None,
) -> None:
    """List what can be started, or show what one kind asks for."""
    if name is None:
        found = list(session.platform.runs.kinds())
        if not session.out.wire(found):
            rows = [(one.name, one.title, one.description) for one in found]
            session.out.table(("KIND", "TITLE", "ABOUT"), rows)
        return
    one = _found(session, name)
    if session.out.wire(one):
        return
    about = {"Kind": one.name, "Title": one.title, "About": one.description}
    session.out.record({**about, "Queue": one.queue, "Plugin": one.plugin})
    show_fields(session, Form([one.input_schema]))


@command(
    app,
    "start",
    examples=(
        "towpath runs start move-database -p database=orders",
        "towpath runs start move-database --values move.yaml --deadline 2h",
        "towpath runs start move-database -p database=orders --key orders --no-wait",
    ),
)
def start(
    session: Session,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="One of towpath runs kinds.")],
    param: Values = None,
    values: ValuesFile = None,
    secret: Secrets = None,
    title: Annotated[str | None, typer.Option(help="What it is, for people.")] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="Of runs that share one, one is done at a time.")
    ] = None,
    priority: Annotated[
        int | None, typer.Option(min=-100, max=100, help="More goes first; 0 without.")
    ] = None,
    queue: Annotated[str | None, typer.Option(help="Which workers take it.")] = None,
    deadline: Annotated[
        str | None, typer.Option(help="Stop it if it has not ended by then: 90, 30m, 2h.")
    ] = None,
    wait: Wait = True,
    idempotency_key: Key = None,
) -> None:
    """Start a run and follow it.

    Values become what the kind's schema wants. What is required and missing is asked for on a
    terminal. What a kind asks for: towpath runs kinds KIND.
    """
    secrets = secrets_from(secret or ())
    form = Form([_found(session, kind).input_schema])
    given = form.with_defaults(gather(form, param or (), values, secrets=secrets))
    run = session.platform.runs.start(
        kind,
        given,
        title=title,
        queue=queue,
        priority=priority,
        concurrency_key=key,
        deadline=seconds_of(deadline, "--deadline") if deadline is not None else None,
        secrets=secrets or None,
        idempotency_key=idempotency_key,
    )
    to_the_end(session, run, wait=wait)


def _found(session: Session, name: str) -> RunKind:
    for one in session.platform.runs.kinds():
        if one.name == name:
            return one
    what = f"There is no kind of run {line(name)} that can be started."
    raise Failed(what, next="towpath runs kinds", code=NOT_FOUND)
