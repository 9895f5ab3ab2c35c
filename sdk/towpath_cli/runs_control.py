"""Commands that tell runs what to do: stop, go on, take up again, take back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from towpath_cli.asking import confirmed, secrets_from
from towpath_cli.create import Secrets, Wait
from towpath_cli.failure import REFUSED, USAGE, Failed
from towpath_cli.follow import follow
from towpath_cli.runs import RunId, app
from towpath_cli.runs_show import show_run, show_undos
from towpath_cli.session import Session, command
from towpath_cli.timing import left
from towpath_cli.values import Form, pairs

if TYPE_CHECKING:
    from towpath_sdk import Run

__all__ = ("approve", "cancel", "reject", "resolve", "retry", "signal", "to_the_end", "undo")

Reason = Annotated[str | None, typer.Option(help="Why, for the record.")]
WhyNot = Annotated[str, typer.Option(help="Why, for who asked and for the record.")]
StepKey = Annotated[str | None, typer.Option(help="Key of the step, where more than one asks.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", "-p", metavar="NAME=VALUE", help="One value.")
]


@command(
    app,
    "cancel",
    examples=(
        "towpath runs cancel $RUN",
        "towpath runs cancel $RUN --force --grace 10 --reason 'wrong cluster'",
    ),
)
def cancel(
    session: Session,
    run: RunId,
    force: Annotated[
        bool, typer.Option("--force", help="Stop it even in the middle of a step.")
    ] = False,
    grace: Annotated[
        float | None, typer.Option(min=0, help="Only if it does not stop within these seconds.")
    ] = None,
    reason: Reason = None,
) -> None:
    """Ask a run to stop; it does so between two steps.

    Forced, it ends in the middle of a step, now or after the seconds of --grace. If that step
    changes the world the run is then unknown: see towpath runs resolve.
    """
    now = force and grace is None
    found = session.platform.runs.cancel(run, force=now, grace=grace, reason=reason)
    if session.out.wire(found):
        return
    if found.ended:
        session.out.say(f"Run {found.id} has ended: {found.state}.")
        return
    by = f", by force {left(found.cancel_by)}" if found.cancel_by else ""
    session.out.say(f"Run {found.id} is asked to stop{by}; it is {found.state}.")


@command(
    app,
    "retry",
    examples=(
        "towpath runs retry $RUN",
        "towpath runs retry $RUN --set values.port=9000 --reason 'port was taken'",
        "towpath runs retry $RUN --from-file input.yaml --secret API_KEY --no-wait",
    ),
)
def retry(
    session: Session,
    run: RunId,
    sets: Sets = None,
    from_file: Annotated[
        str | None,
        typer.Option("--from-file", metavar="FILE", help="The whole input, YAML or JSON; - stdin."),
    ] = None,
    secret: Secrets = None,
    reason: Reason = None,
    wait: Wait = True,
) -> None:
    """Take up again a run that did not succeed, where it stopped.

    For runs that failed, were cancelled or are unknown. What was done is not done again. Without
    options it gets the input it had; --set changes some of it, a.b=1 reaches inside. A secret that
    is not in the environment is asked for on a terminal.
    """
    runs = session.platform.runs
    input = _input(runs.get(run).input, from_file, sets or ())
    secrets = secrets_from(secret or ()) or None
    after = _last(session, run) if wait else 0
    begun = runs.retry(run, input=input, secrets=secrets, reason=reason)
    to_the_end(session, begun, after=after, wait=wait)


@command(
    app,
    "resolve",
    examples=(
        "towpath runs resolve $RUN --happened --reason 'the bucket is there'",
        "towpath runs resolve $RUN --not-happened --reason 'no bucket' --secret KEY",
    ),
)
def resolve(
    session: Session,
    run: RunId,
    reason: Annotated[str, typer.Option(help="How you know, for the record.")],
    happened: Annotated[
        bool | None,
        typer.Option("--happened/--not-happened", help="Whether the effect of the step happened."),
    ] = None,
    result: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="What the step came to, YAML or JSON, where it happened."
        ),
    ] = None,
    secret: Secrets = None,
    wait: Wait = True,
) -> None:
    """Say what became of a step that nobody recorded.

    A run is unknown when its worker was lost in the middle of something that must not be done
    twice. Look at the other side first. The run goes on: a step that happened is not done again,
    one that did not is. Its secrets were wiped when it ended and are given again.
    """
    if happened is None:
        raise Failed("Did it happen?", next="Say --happened or --not-happened.", code=USAGE)
    output: dict[str, Any] | None = None
    if result is not None:
        from towpath_cli.valuefile import read_values

        output = read_values(result)
    after = _last(session, run) if wait else 0
    begun = session.platform.runs.resolve(
        run,
        happened=happened,
        output=output,
        reason=reason,
        secrets=secrets_from(secret or ()) or None,
    )
    to_the_end(session, begun, after=after, wait=wait)


@command(
    app,
    "undo",
    examples=("towpath runs undo $RUN", "towpath runs undo $RUN --yes --reason 'not wanted'"),
)
def undo(
    session: Session,
    run: RunId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    reason: Reason = None,
    wait: Wait = True,
) -> None:
    """Take back what a run did, the last first, in a run of its own.

    Shows what that would do and asks. -o json without --yes prints the listing and does nothing.
    """
    runs = session.platform.runs
    undos = [one for one in runs.undo_plan(run) if one.state != "done"]
    if not yes and session.out.wire(undos):
        return
    if not undos:
        raise Failed(
            f"Run {run} left nothing to take back.",
            next=f"See what it did: towpath runs show {run}",
            code=REFUSED,
        )
    if session.out.form == "table":
        show_undos(session, run, undos)
    confirmed(f"Take back {len(undos)} in this order?", yes=yes)
    to_the_end(session, runs.undo(run, reason=reason), wait=wait)


@command(
    app,
    "approve",
    examples=(
        "towpath runs ls --waiting-for approval",
        "towpath runs approve $RUN --reason 'change 4711'",
    ),
)
def approve(session: Session, run: RunId, step: StepKey = None, reason: Reason = None) -> None:
    """Say yes to what a run asks; it goes on.

    Who asked may not answer, unless policy says so.
    """
    asked = session.platform.runs.get(run).waiting
    done = session.platform.runs.approve(run, step=step, reason=reason)
    if not session.out.wire(done):
        questions = [one.question for one in asked if one.question and step in (None, one.step)]
        session.out.say(f"Approved: {questions[0]}" if questions else "Approved.")
        session.out.say(f"The run goes on. Follow it: towpath runs logs -f {done.id}")


@command(app, "reject", examples=("towpath runs reject $RUN --reason 'not on a Friday'",))
def reject(session: Session, run: RunId, reason: WhyNot, step: StepKey = None) -> None:
    """Say no to what a run asks, and why."""
    done = session.platform.runs.reject(run, reason=reason, step=step)
    if not session.out.wire(done):
        session.out.say(f"Rejected. Run {done.id} is {done.state}.")


@command(
    app,
    "signal",
    examples=(
        "towpath runs signal $RUN merged",
        "towpath runs signal $RUN merged --set commit=4be1f0a",
    ),
)
def signal(
    session: Session,
    run: RunId,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What happened.")],
    sets: Sets = None,
    from_file: Annotated[
        str | None,
        typer.Option("--from-file", metavar="FILE", help="What it is told, YAML or JSON; - stdin."),
    ] = None,
) -> None:
    """Tell a run that something happened.

    A run that waits for it goes on at once; one that will wait for it does not wait.
    """
    body = _input({}, from_file, sets or ())
    told = session.platform.runs.signal(run, name, body)
    if not session.out.wire(told):
        session.out.say(f"Run {told.id} is told: {name}. It is {told.state}.")


def _input(known: Any, file: str | None, sets: list[str] | tuple[()]) -> dict[str, Any] | None:
    """The input that was changed by a file and by options; None where nothing was said."""
    if file is None and not sets:
        return None
    values = dict(known) if isinstance(known, dict) else {}
    if file is not None:
        from towpath_cli.valuefile import read_values

        values = read_values(file)
    return _over(values, Form([_like(values)]).read(pairs(sets)))


def _over(values: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """The values with what was given in their place, also inside of objects."""
    inside = {
        key: _over(values[key], value) if isinstance(values.get(key), dict) else value
        for key, value in given.items()
        if isinstance(value, dict)
    }
    return {**values, **given, **inside}


def _like(value: Any) -> dict[str, Any]:
    """A schema that a value fits, so that a text becomes of the kind that was there before."""
    if isinstance(value, dict):
        return {"type": "object", "properties": {key: _like(one) for key, one in value.items()}}
    kinds = ((bool, "boolean"), (int, "integer"), (float, "number"), (list, "array"))
    found = next((name for kind, name in kinds if isinstance(value, kind)), None)
    return {"type": [found, "string"]} if found else {}


def _last(session: Session, run: str) -> int:
    """The number of a run's last event: what was before is not followed again."""
    return max((event.seq for event in session.platform.runs.events(run)), default=0)


def to_the_end(session: Session, run: Run, *, wait: bool, after: int = 0) -> None:
    """Follow a run that was begun and print it, or print its id."""
    if wait:
        session.out.say(f"Run {run.id}: {run.title}")
        run = follow(session, run.id, after=after)
    if session.out.wire(run):
        return
    if wait:
        show_run(session, run, steps=False)
    else:
        typer.echo(run.id)
        session.out.say(f"It runs by itself. Follow it: towpath runs logs -f {run.id}")
