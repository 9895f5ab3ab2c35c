"""Watching a run: a moving line on a terminal, plain lines elsewhere, all of it on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from towpath_cli.failure import INTERRUPTED
from towpath_cli.session import Session
from towpath_cli.text import line

if TYPE_CHECKING:
    from towpath_sdk import Event, Run

__all__ = ("follow", "take_up")


def follow(session: Session, run_id: str, *, after: int = 0) -> Run:
    """Show what a run does until it has succeeded, and return it.

    Raises:
        RunFailed: it failed or was cancelled.
        WaitTimeout: the time of `--timeout` is over.
        typer.Exit: the user interrupted the watching; the run goes on.
    """
    with take_up(session, run_id), _shown(session) as hear:
        return session.platform.runs.wait(
            run_id, timeout=session.options.timeout, on_event=hear, after=after
        )


@contextmanager
def take_up(session: Session, run_id: str) -> Iterator[None]:
    """Tell who interrupts the watching of a run, or runs out of time, how to take it up again."""
    from towpath_sdk import TransportFailed, WaitTimeout

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


@contextmanager
def _shown(session: Session) -> Iterator[Callable[[Event], None]]:
    if not sys.stderr.isatty():
        yield lambda event: _plain(session, event)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True, no_color=session.out.color is False, highlight=False)
    with console.status(Text("waiting for a worker")) as status:

        def hear(event: Event) -> None:
            if event.type == "log":
                console.print(Text(f"  {line(event.text)}", style="dim"))
            elif event.text:
                status.update(Text(_words(event)))
            if event.type == "step" and event.body.get("state") in ("succeeded", "failed"):
                style = "green" if event.body["state"] == "succeeded" else "red"
                console.print(Text(line(event.text), style=style))

        yield hear


def _plain(session: Session, event: Event) -> None:
    if event.text and event.type != "progress":
        session.out.say(_words(event))


def _words(event: Event) -> str:
    if event.type == "log":
        return f"  {line(event.text)}"
    return line(f"{event.type} {event.text}" if event.type != "step" else event.text)
