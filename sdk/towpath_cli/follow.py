"""Watching a run: a living view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, TextIO

import typer

from towpath_cli.failure import INTERRUPTED
from towpath_cli.runs_next import after_failure, answer_to
from towpath_cli.session import Session
from towpath_cli.text import line

if TYPE_CHECKING:
    from rich.console import Console

    from towpath_cli.run_view import RunView
    from towpath_sdk import Event, Run

__all__ = ("Hear", "PlainLines", "decided", "follow", "wait")

Hear = Callable[["Event"], None]

_PROGRESS_SECONDS = 10.0


def follow(session: Session, run_id: str, *, after: int = 0) -> Run:
    """Show on stderr what a run does until it has succeeded, and return it.

    Raises:
        RunFailed: it failed or was cancelled, or an effect of it is unknown.
        WaitTimeout: the time of `--timeout` is over.
        typer.Exit: the user interrupted the watching; the run goes on.
    """
    plain = PlainLines(run_id, session.out.say)
    return wait(session, run_id, sys.stderr, plain.hear, after=after)


def wait(session: Session, run_id: str, stream: TextIO, hear: Hear, *, after: int = 0) -> Run:
    """The same, on a stream: its terminal shows the run, or `hear` is given its events."""
    with _take_up(session, run_id), _living(session, run_id, stream) as view:
        return session.platform.runs.wait(
            run_id,
            timeout=session.options.timeout,
            on_event=view.hear if view is not None else hear,
            on_connection=view.connection if view is not None else None,
            after=after,
        )


@contextmanager
def _take_up(session: Session, run_id: str) -> Iterator[None]:
    """Tell who stops watching a run how to take it up again, and what to do where it failed."""
    from towpath_sdk import RunFailed, TransportFailed, WaitTimeout

    again = f"towpath runs logs -f {run_id}"
    try:
        yield
    except KeyboardInterrupt:
        session.out.say(f"\nRun {run_id} goes on. Take it up again:  {again}")
        session.out.say(f"Or stop it:  towpath runs cancel {run_id}")
        raise typer.Exit(INTERRUPTED) from None
    except (WaitTimeout, TransportFailed) as error:
        error.next = f"The run goes on. Take it up again: {again}"
        raise
    except RunFailed as error:
        error.next = after_failure(error.run)
        raise


@contextmanager
def _living(session: Session, run_id: str, stream: TextIO) -> Iterator[RunView | None]:
    """Show a run while the block lasts; gives None where lines cannot be written over."""
    console = _console(session, stream)
    if console is None:
        yield None
        return
    from towpath_cli.run_view import watched

    with watched(session.platform.runs.get(run_id), stream, console) as view:
        yield view


def _console(session: Session, stream: TextIO) -> Console | None:
    if (session.out.form != "table" and stream is sys.stdout) or not stream.isatty():
        return None
    from rich.console import Console

    plain = session.out.color is False
    console = Console(file=stream, no_color=plain, highlight=False, markup=False, emoji=False)
    return None if console.is_dumb_terminal or console.legacy_windows else console


def decided(event: Event) -> bool:
    """Whether an event tells again what a decision has told: that a wait was answered."""
    return event.type == "wait" and event.body.get("outcome") in ("approved", "rejected")


class PlainLines:
    """A run as lines, for files and for other programs.

    Args:
        run_id: named in the commands that answer what it asks.
        say: what takes the lines.
    """

    def __init__(self, run_id: str, say: Callable[[str], None]) -> None:
        self._id = run_id
        self._say = say
        self._names: dict[str, str] = {}
        self._told: dict[str, datetime] = {}

    def hear(self, event: Event) -> None:
        """Say an event in a line; ones that mean nothing to people are left out."""
        body = event.body
        if not event.text or body.get("state") == "waiting":  # what for is said by an event
            return
        step = str(body.get("key") or body.get("step") or "")
        if event.type == "step":
            self._names[step] = line(body.get("name") or step)
        if event.type == "log":
            self._say(f"  {line(event.text)}")
        elif event.type == "progress":
            self._progress(step, event)
        elif event.type in ("wait", "decision"):
            if decided(event):
                return
            self._say(self._about(step, event))
            if (waiting := event.waiting) and (command := answer_to(waiting, self._id)):
                self._say(f"  Answer it: {command}")
        else:
            self._say(line(event.text if event.type == "step" else f"{event.type} {event.text}"))

    def _about(self, step: str, event: Event) -> str:
        return f"{self._names.get(step, line(step)) or 'run'}: {line(event.text)}"

    def _progress(self, step: str, event: Event) -> None:
        """Say now and then how far a step is, and that it is all done."""
        told = self._told.get(step)
        whole = event.body.get("done") == event.body.get("total")
        if whole or told is None or (event.at - told).total_seconds() >= _PROGRESS_SECONDS:
            self._told[step] = event.at
            self._say(self._about(step, event))
