"""A run that is followed on a terminal: what it says scrolls by, what it does stands below.

Nothing flickers: a line is written over only when it has changed, and each change of the screen is
one write. What was said stays in the terminal's history.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from textwrap import wrap
from typing import TYPE_CHECKING, TextIO

from towpath_cli.run_board import Board, Line, StepState, amount
from towpath_cli.runs_next import answer_to
from towpath_cli.text import line
from towpath_cli.timing import left, spent

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from towpath_sdk import Event, PlatformError, Run, Waiting

__all__ = ("RunView", "summary", "watched")

_TICK = 0.1
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_MARKS = {
    "succeeded": ("✔", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("■", "yellow"),
    "skipped": ("-", "dim"),
    "unknown": ("?", "bold magenta"),
    "waiting": ("◷", "cyan"),
    "queued": ("◷", "dim"),
}
_PLAIN = str.maketrans(
    {"✔": "+", "✗": "x", "■": "#", "◷": "~", "━": "=", "─": "-", "·": "|", "…": "~"}
)
_LEVELS = {"warning": "yellow", "error": "red", "debug": "dim", "decision": "cyan"}
_TIME = 12
"""Columns that a line's mark and time take, at most."""
_LONGEST_QUESTION = 4
_LONGEST_BAR = 30
_SHORTEST_BAR = 8
_WIDEST = 100
_SMALLEST = 4
"""Lines that are shown of however small a terminal."""


class RunView:
    """Shows a run on a terminal until it is closed.

    Args:
        run: as it is now.
        stream: the terminal.
        console: how rich sees it: its colours and its characters.
    """

    def __init__(self, run: Run, stream: TextIO, console: Console) -> None:
        self._title = line(run.title)
        self._id = run.id
        self._held = line(run.held or "waits for a worker")
        self._stream = stream
        self._console = console
        self._board = Board()
        self._lock = threading.Lock()
        self._lost = False
        self._painted: list[str] = []
        self._cells: list[int] = []
        self._width = 0
        self._ticks = 0

    def hear(self, event: Event) -> None:
        """Take in an event; it is seen with the next tick."""
        with self._lock:
            self._board.hear(event)

    def connection(self, error: PlatformError | None) -> None:
        """Take in that the connection was lost, or with None that it is back."""
        with self._lock:
            self._lost = error is not None

    def tick(self) -> None:
        """Bring the screen up to date."""
        with self._lock:
            self._ticks += 1
            self._paint(final=False)

    def close(self) -> None:
        """Show all once more, the last time, and leave it there."""
        with self._lock:
            self._paint(final=True)

    def _paint(self, *, final: bool) -> None:
        width, height = self._size()
        above = [self._ansi(_told(said)) for said in self._board.said()]
        room = None if final else max(_SMALLEST, height - 2)
        most = min(width - 1, _WIDEST)
        frame = fitted(self._lines(most, final=final), room)
        for text in frame:
            text.truncate(most, overflow="ellipsis")
        painted = [self._ansi(text) for text in frame]
        self._write(self._changes(above, painted, width))
        self._painted, self._width = painted, width
        self._cells = [text.cell_len for text in frame]

    def _changes(self, above: Sequence[str], lines: Sequence[str], width: int) -> str:
        """What to write so that the terminal shows the lines, and what was said above them."""
        if above or len(lines) != len(self._painted) or width != self._width:
            # A terminal that has become narrower has folded the lines that it showed; what was
            # pushed out of its top by that cannot be written over.
            rows = sum(max(1, -(-cells // width)) for cells in self._cells)
            up = f"\x1b[{rows}F" if rows else ""
            return up + "".join(f"{text}\x1b[K\n" for text in (*above, *lines)) + "\x1b[J"
        out = ""
        for number, (before, now) in enumerate(zip(self._painted, lines, strict=True)):
            if before != now:
                rows = len(lines) - number
                out += f"\x1b[{rows}F{now}\x1b[K\x1b[{rows}E"
        return out

    def _lines(self, width: int, *, final: bool) -> list[Text]:
        now = datetime.now(UTC)
        lines: list[Text] = []
        for step in self._board.steps.values():
            lines += self._step(step, width, now, final=final)
        return [*lines, self._footer(width, now, final=final)]

    def _step(self, step: StepState, width: int, now: datetime, *, final: bool) -> list[Text]:
        from rich.text import Text

        state = step.state
        if state == "running" and self._board.state != "running":
            state = "waiting"  # a part of it does, or the run waits for a worker
        indent = "  " * self._board.depth(step)
        mark, style = self._mark(state, final=final)
        name = f"{step.name} (attempt {step.tries})" if step.tries > 1 else step.name
        if state == "skipped":
            return [_row(f"{indent}{mark}", style, f"{name} (skipped)", "", width)]
        begun = step.since or step.begun
        took = spent(((step.ended or now) - begun).total_seconds()) if begun else ""
        lines = [_row(f"{indent}{mark}", style, name, took, width)]
        if state == "running" and step.done is not None and not final:
            lines.append(_progress(step, width, indent))
        if step.error:
            lines.append(Text(f"{indent}  {step.error}", style="red"))
        if step.waiting is not None:
            told = name if len(name) <= width - len(indent) - _TIME else ""
            lines += self._waiting(step.waiting, told, width, indent)
        return lines

    def _waiting(self, waiting: Waiting, told: str, width: int, indent: str) -> list[Text]:
        """What is waited for, and how it is answered; not again what was told whole already."""
        from rich.text import Text

        ends = left(waiting.until) if waiting.type != "time" else None
        question = line(waiting.question or "")
        texts = wrap(question, width - len(indent) - 2) if question != told else []
        texts = texts[:_LONGEST_QUESTION]
        texts.append(f"waits for {line(waiting.text)}" + (f", ends {ends}" if ends else ""))
        lines = [Text(f"{indent}  {text}", style="cyan") for text in texts]
        if command := answer_to(waiting, self._id):
            lines.append(Text(f"  {command}", style="bold"))  # not further in: it must fit
        return lines

    def _footer(self, width: int, now: datetime, *, final: bool) -> Text:
        if final and self._board.ended:
            return _row(*self._mark(self._board.state, final=True), summary(self._board), "", width)
        mark, style = self._mark(self._board.state, final=final)
        state = self._held if self._board.state == "queued" else self._board.state
        if self._lost:
            mark, style, state = "!", "red", "connection lost, trying again"
        begun = self._board.begun
        took = spent((now - begun).total_seconds()) if begun else ""
        name = f"{self._title} · {state}" if self._title else state
        row = _row(mark, style, name, took, width)
        row.stylize("bold")
        return row

    def _mark(self, state: str, *, final: bool) -> tuple[str, str]:
        if state in _MARKS:
            return _MARKS[state]
        spinner = _SPINNER if self._unicode else "|/-\\"
        return ("·" if final else spinner[self._ticks % len(spinner)], "yellow")

    @property
    def _unicode(self) -> bool:
        return self._console.encoding.startswith("utf")

    def _ansi(self, text: Text) -> str:
        with self._console.capture() as written:
            self._console.print(text, end="", soft_wrap=True)
        return written.get() if self._unicode else written.get().translate(_PLAIN)

    def _size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except OSError:
            size = os.terminal_size((0, 0))
        known = self._console.size
        return size.columns or known.width, size.lines or known.height

    def _write(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()


@contextmanager
def watched(run: Run, stream: TextIO, console: Console) -> Iterator[RunView]:
    """Show a run while the block lasts, ten times a second where something moves."""
    view = RunView(run, stream, console)
    over = threading.Event()

    def keep_up() -> None:
        while not over.wait(_TICK):
            try:
                view.tick()
            except OSError:  # the terminal is gone; the run is not
                return

    moving = threading.Thread(target=keep_up, name="run-view", daemon=True)
    moving.start()
    try:
        yield view
    finally:
        over.set()
        moving.join()
        with suppress(OSError):
            view.close()


def summary(board: Board) -> str:
    """How a run ended, in one line."""
    took = spent((board.last - board.begun).total_seconds()) if board.begun and board.last else "0s"
    words = {"unknown": "ended, an effect is unknown,"}
    counts = f": {board.counts}" if board.counts else ""
    return f"{words.get(board.state, board.state)} after {took}{counts}"


def fitted(lines: list[Text], room: int | None) -> list[Text]:
    """The lines that fit; what is left out above is counted."""
    if room is None or len(lines) <= room:
        return lines
    from rich.text import Text

    hidden = len(lines) - room + 1
    return [Text(f"  ... {hidden} more above", style="dim"), *lines[hidden:]]


def _row(mark: str, style: str, name: str, took: str, width: int) -> Text:
    """A mark, a name that is cut where it must be, and a time at the right end."""
    from rich.text import Text

    middle = Text(name)
    room = width - len(mark) - 1 - (len(took) + 2 if took else 0)
    middle.truncate(max(1, room), overflow="ellipsis", pad=bool(took))
    end = Text(f"  {took}", style="dim") if took else Text()
    return Text.assemble((f"{mark} ", style), middle, end)


def _progress(step: StepState, width: int, indent: str) -> Text:
    from rich.text import Text

    done, total = step.done or 0.0, step.total
    text = amount(done, "" if total and step.unit.lower() not in ("b", "bytes") else step.unit)
    if total:
        text += f" of {amount(total, step.unit)}"
    if (rate := step.rate) is not None:
        text += f" · {amount(rate, step.unit)}/s"
        if total and total > done:
            text += f" · {spent((total - done) / rate)} left"
    bar = min(_LONGEST_BAR, width - len(text) - len(indent) - 4)
    if not total or bar < _SHORTEST_BAR:
        return Text(f"{indent}  {text}", style="yellow")
    full = round(bar * min(1.0, max(0.0, done / total)))
    return Text.assemble(
        f"{indent}  ", ("━" * full, "green"), ("─" * (bar - full), "dim"), f" {text}"
    )


def _told(said: Line) -> Text:
    from rich.text import Text

    return Text(f"  {said.text}", style=_LEVELS.get(said.level, "dim"))
