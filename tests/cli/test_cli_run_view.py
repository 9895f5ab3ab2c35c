"""A run that is followed on a terminal: what is known of it, what is seen, and resizing."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from screen import Screen

from towpath_cli.run_board import Board, amount
from towpath_cli.run_view import RunView, summary
from towpath_cli.timing import left, moment, seconds_of, spent
from towpath_sdk import Event, Run, TransportFailed

BEGUN = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
ID = "0192f0c1-1d4e-7c11-9b1e-0c8d7f4a2b10"
RUN = Run(ID, "move", "Move orders", "queued", 0, "user:default/ann", BEGUN, held="orders is busy")


class Teller:
    """Makes events, one after the other, each at its second."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, type: str, at: float = 0, /, **body: Any) -> Event:
        event = Event(len(self.events) + 1, type, BEGUN + timedelta(seconds=at), body)
        self.events.append(event)
        return event


class Terminal(io.StringIO):
    """A stream that shows what is written to it, and counts how often that is."""

    def __init__(self, width: int, height: int) -> None:
        super().__init__()
        self.screen = Screen(width, height)
        self.writes: list[str] = []

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.writes += [text] if text else []
        self.screen.write(text)
        return len(text)


class Sized(Console):
    """A console of the size of its terminal."""

    @property
    def size(self) -> Any:
        screen = self.file.screen  # type: ignore[attr-defined]
        return super().size.__class__(screen.width, screen.height)


def view(width: int = 80, height: int = 24, **how: Any) -> tuple[RunView, Terminal]:
    terminal = Terminal(width, height)
    console = Sized(file=terminal, force_terminal=True, highlight=False, **how)
    return RunView(RUN, terminal, console), terminal


# ---- what is known ------------------------------------------------------------------------------


def test_a_board_knows_each_step_with_its_times() -> None:
    tell, board = Teller(), Board()
    for event in (
        tell("state", state="running"),
        tell("step", 1, key="a", name="A", state="running"),
        tell("step", 3, key="a", name="A", state="failed"),
        tell("state", 3, state="failed"),
        tell("state", 9, state="queued"),
        tell("step", 10, key="a", name="A", state="running"),
        tell("step", 14, key="a", name="A", state="succeeded"),
        tell("step", 14, key="b", name="B", state="skipped"),
        tell("somebodys:own", 15, step="a"),
        tell("state", 16, state="succeeded"),
    ):
        board.hear(event)
    a, b = board.steps.values()
    assert (a.state, a.tries, b.state, b.name) == ("succeeded", 2, "skipped", "B")
    assert a.begun and a.ended and (a.ended - a.begun).total_seconds() == 4
    assert board.ended and summary(board) == "succeeded after 16s: 1 step done, 1 skipped"


def test_a_worker_that_takes_over_begins_no_step_anew() -> None:
    tell, board = Teller(), Board()
    board.hear(tell("step", key="a", name="A", state="running"))
    board.hear(tell("step", 9, key="a", name="A", state="running"))
    assert board.steps["a"].begun == BEGUN and board.steps["a"].tries == 1


def test_a_board_knows_what_is_waited_for_and_since_when() -> None:
    tell, board = Teller(), Board()
    board.hear(tell("state", state="running"))
    board.hear(tell("step", 1, key="deploy", name="Deploy", state="running"))
    board.hear(tell("step", 2, key="deploy/ask", name="Go?", state="waiting"))
    body = {"key": "deploy/ask", "name": "Go?", "type": "approval"}
    board.hear(tell("wait", 2, **body, question="Go?"))
    board.hear(tell("state", 2, state="waiting"))
    outer, step = board.steps.values()
    assert (step.state, step.name, board.state) == ("waiting", "Go?", "waiting")
    assert (board.depth(outer), board.depth(step)) == (0, 1)
    assert step.waiting and step.waiting.question == "Go?"
    assert step.since == BEGUN + timedelta(seconds=2)
    body = {"key": "deploy/ask", "type": "approval"}
    told = {"decision": "approved", "by": "user:default/ann"}
    board.hear(tell("decision", 5, step="deploy/ask", **told))
    board.hear(tell("wait", 5, **body, outcome="approved", by="user:default/ann"))
    assert [said.text for said in board.said()] == ["Go?: approved by user:default/ann"]
    assert step.waiting is None and step.state == "succeeded" and board.said() == []
    board.hear(tell("step", 6, key="deploy/ask#2", name="Sure?", state="waiting"))
    body = {"key": "deploy/ask#2", "type": "approval"}
    board.hear(tell("wait", 6, **body, outcome="timed-out"))
    assert board.steps["deploy/ask#2"].state == "failed"
    [said] = board.said()
    assert said.text == "Sure?: the approval did not come in time"


def test_a_step_that_is_taken_up_again_begins_anew() -> None:
    tell, board = Teller(), Board()
    board.hear(tell("step", 1, key="a", name="A", state="running"))
    board.hear(tell("step", 3, key="a", name="A", state="failed", error="It is full."))
    board.hear(tell("state", 3, state="failed"))
    board.hear(tell("decision", 50, decision="retry", by="user:default/ann"))
    board.hear(tell("step", 50, key="a", name="A", state="waiting"))
    board.hear(tell("state", 50, state="queued"))
    board.hear(tell("state", 51, state="running"))
    board.hear(tell("step", 52, key="a", name="A", state="running"))
    [a] = board.steps.values()
    assert (a.begun, a.ended, a.tries, a.error) == (BEGUN + timedelta(seconds=52), None, 2, "")
    fresh = Board()
    for event in tell.events[4:]:  # as one sees it who follows from there
        fresh.hear(event)
    fresh.hear(tell("step", 53, key="a", name="A", state="succeeded"))
    assert fresh.steps["a"].begun == BEGUN + timedelta(seconds=52)


def test_a_wait_of_a_step_that_was_not_told_of() -> None:
    tell, board = Teller(), Board()
    board.hear(tell("wait", 2, key="listen", type="signal", event="merged"))
    assert board.steps["listen"].state == "waiting" and board.steps["listen"].begun
    board.hear(tell("wait", 2, type="signal"))  # of no step: nothing to show it at
    assert list(board.steps) == ["listen"]
    board.hear(tell("wait", 3, key="listen", type="signal", outcome="came"))
    assert board.steps["listen"].state == "succeeded" and board.said() == []


@pytest.mark.parametrize(("state", "left"), [("cancelled", "cancelled"), ("unknown", "unknown")])
def test_the_end_of_a_run_ends_its_open_steps(state: str, left: str) -> None:
    tell, board = Teller(), Board()
    board.hear(tell("step", key="a", name="A", state="running"))
    board.hear(tell("step", key="b", name="B", state="waiting"))
    board.hear(tell("state", 3, state=state))
    assert [step.state for step in board.steps.values()] == [left, "cancelled"]
    assert summary(board).endswith("after 3.0s: " + board.counts)


def test_a_rate_is_that_of_the_last_half_minute() -> None:
    tell, board = Teller(), Board()
    board.hear(tell("step", key="copy", name="Copy", state="running"))
    for second in range(61):
        done = second * 1 if second < 30 else 30 + (second - 30) * 10
        board.hear(tell("progress", second, step="copy", done=done, total=1000, unit="rows"))
    assert board.steps["copy"].rate == pytest.approx(10, rel=0.05)
    board.hear(tell("progress", 62, step="copy", done=5, total=1000, unit="rows"))
    assert board.steps["copy"].rate is None  # it began anew
    board.hear(tell("progress", 63, step="copy", done="many"))
    board.hear(tell("progress", 63, step="none", done=1))
    assert board.steps["copy"].done == 5


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "", "0"),
        (1234567, "rows", "1,234,567 rows"),
        (2.5, "GB", "2.5 GB"),
        (999, "bytes", "999 B"),
        (999_999, "B", "1.0 MB"),
        (1_500_000_000, "bytes", "1.5 GB"),
        (123_400_000, "bytes", "123 MB"),
        (4e15, "bytes", "4000 TB"),
    ],
)
def test_amounts(value: float, unit: str, text: str) -> None:
    assert amount(value, unit) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0.0s"), (0.84, "0.8s"), (9.96, "9s"), (59, "59s"), (74, "1m 14s"), (7500, "2h 05m")],
)
def test_lengths_of_time(seconds: float, text: str) -> None:
    assert spent(seconds) == text


def test_times_are_read_and_told() -> None:
    now = datetime.now(UTC)
    assert seconds_of("1.5h", "--x") == 5400 and seconds_of("7d", "--x") == 604800
    ago = moment("30m", "--since")
    assert ago and abs((now - ago).total_seconds() - 1800) < 5
    assert moment("2026-11-23", "--since") == datetime(2026, 11, 23, tzinfo=UTC)
    assert moment("2026-11-23T09:30:00+02:00", "--since") == BEGUN - timedelta(hours=2)
    assert left(now + timedelta(hours=2, seconds=30)) == "in 2h 00m"
    assert left(now - timedelta(days=2, hours=1)) == "2d 1h ago"


# ---- what is seen -------------------------------------------------------------------------------


def test_what_is_said_scrolls_by_and_steps_stand_below() -> None:
    tell = Teller()
    shown, terminal = view()
    shown.hear(tell("state", state="running"))
    shown.hear(tell("step", key="a", name="Fetch", state="running"))
    shown.hear(tell("log", message="line 1", level="info"))
    shown.tick()
    shown.hear(tell("step", 2, key="a", name="Fetch", state="succeeded"))
    shown.hear(tell("log", 2, message="line 2", level="warning"))
    shown.hear(tell("step", 2, key="b", name="Notify", state="skipped"))
    shown.hear(tell("step", 2, key="c", name="Copy", state="running"))
    for second in (2, 4):
        body = {"done": second * 100, "total": 1000, "unit": "rows"}
        shown.hear(tell("progress", second, step="c", **body))
    shown.tick()
    lines = terminal.screen.lines
    assert lines[:2] == ["  line 1", "  line 2"]
    assert re.fullmatch(r"✔ Fetch +2\.0s", lines[2]) and len(lines[2]) == 79
    assert lines[3] == "- Notify (skipped)"
    assert re.fullmatch(r". Copy +\d.*", lines[4])
    assert lines[5] == f"  {'━' * 12}{'─' * 18} 400 of 1,000 rows · 100 rows/s · 6.0s left"
    assert re.fullmatch(r". Move orders · running +\d.*", lines[6])
    shown.hear(tell("step", 9, key="c", name="Copy", state="succeeded"))
    shown.hear(tell("state", 9, state="succeeded"))
    shown.close()
    assert terminal.screen.lines[3:] == [
        "- Notify (skipped)",
        f"✔ Copy{' ' * 69}7.0s",
        "✔ succeeded after 9.0s: 2 steps done, 1 skipped",
    ]


def test_a_run_that_may_not_begin_says_why() -> None:
    shown, terminal = view()
    shown.hear(Teller()("state", state="queued"))
    shown.tick()
    assert terminal.screen.lines[0].startswith("◷ Move orders · orders is busy  ")


def test_a_lost_connection_is_told() -> None:
    shown, terminal = view()
    shown.hear(Teller()("state", state="running"))
    shown.connection(TransportFailed("GET /x lost the connection."))
    shown.tick()
    assert terminal.screen.lines[0].startswith("! Move orders · connection lost, trying again")
    shown.connection(None)
    shown.tick()
    assert "Move orders · running" in terminal.screen.lines[0]


def test_a_long_question_is_shown_whole() -> None:
    tell = Teller()
    shown, terminal = view(60)
    question = "Switch the database orders over to the server db-7 of the second site now?"
    shown.hear(tell("step", key="ask", name=question, state="waiting"))
    shown.hear(tell("wait", key="ask", name=question, type="approval", question=question))
    shown.tick()
    assert " ".join(one.strip() for one in terminal.screen.lines[1:3]) == question


def test_a_wait_shows_the_question_and_the_command_in_60_columns() -> None:
    tell = Teller()
    shown, terminal = view(60)
    shown.hear(tell("state", state="running"))
    shown.hear(tell("step", key="ask", name="Ask", state="running"))
    until = (datetime.now(UTC) + timedelta(hours=2, seconds=30)).isoformat()
    body = {"question": "Deploy to production?", "approvers": ["group:default/ops"]}
    shown.hear(tell("wait", key="ask", type="approval", until=until, **body))
    shown.tick()
    assert terminal.screen.lines[1:4] == [
        "  Deploy to production?",
        "  waits for approval by group:default/ops, ends in 2h 00m",
        f"  towpath runs approve {ID}",
    ]


def test_only_what_has_changed_is_written_and_all_of_it_at_once() -> None:
    tell = Teller()
    shown, terminal = view()
    shown.hear(tell("step", key="a", name="Fetch", state="succeeded"))
    shown.hear(tell("step", key="ask", name="Ask", state="running"))
    shown.hear(tell("wait", key="ask", type="signal", event="merged"))
    shown.hear(tell("state", state="waiting"))
    shown.tick()
    assert len(terminal.writes) == 1
    terminal.writes.clear()
    for _ in range(5):
        shown.tick()  # nothing happens; a second may pass, and two lines tell the time
    assert len(terminal.writes) <= 2
    assert all("Fetch" not in text and "\x1b[J" not in text for text in terminal.writes)


def test_a_run_of_many_steps_fits_a_small_terminal() -> None:
    tell = Teller()
    shown, terminal = view(60, 10)
    for number in range(40):
        shown.hear(tell("step", key=f"s{number}", name=f"Step {number}", state="succeeded"))
        shown.tick()
    shown.hear(tell("step", key="last", name="The last one", state="running"))
    shown.tick()
    assert len(terminal.screen.lines) == 8
    assert terminal.screen.lines[0] == "  ... 35 more above"
    assert "The last one" in terminal.screen.lines[-2]
    shown.close()
    assert len(terminal.screen.lines) == 42  # the last word holds them all


def test_colours_can_be_left_out_and_characters_too() -> None:
    tell = Teller()
    shown, terminal = view(no_color=True)
    shown.hear(tell("step", key="a", name="A", state="failed", error="It is full."))
    shown.tick()
    assert terminal.screen.lines[1] == "  It is full."
    assert re.findall(r"\x1b\[[0-9;]*3[0-9]m", "".join(terminal.writes)) == []
    terminal = Terminal(80, 24)
    ascii_only = Sized(file=terminal, force_terminal=True)
    ascii_only.__class__ = type("Ascii", (Sized,), {"encoding": "ascii"})
    shown = RunView(RUN, terminal, ascii_only)
    shown.hear(tell("step", key="b", name="B", state="running"))
    shown.hear(tell("progress", step="b", done=1, total=2))
    shown.hear(tell("step", key="c", name="C" * 200, state="succeeded"))
    shown.tick()
    assert "".join(terminal.writes).isascii()


def test_what_others_say_cannot_steer_the_terminal() -> None:
    tell = Teller()
    shown, terminal = view()
    evil = "\x1b[2J\x1b]0;x\x07\u202eevil\nmore"
    shown.hear(tell("step", key=evil, name=evil, state="running"))
    shown.hear(tell("log", message=evil, level="info"))
    shown.hear(tell("progress", step=evil, done=1, total=2, unit=evil))
    shown.hear(tell("wait", key="w", type="approval", question=evil, approvers=[evil]))
    shown.hear(tell("wait", key="x", type="signal", event=evil))
    shown.tick()  # the screen refuses what is not a colour, an erasing or a move by lines
    shown.close()
    assert "[2J" not in "".join(terminal.screen.lines)


KEYS = st.sampled_from(["fetch", "copy all the rows of the database", "fetch/ask"])
STEPS = st.tuples(KEYS, st.sampled_from(["running", "succeeded", "failed", "skipped"]))
DONE = st.tuples(KEYS, st.integers(0, 2000))
SIZES = st.tuples(st.integers(30, 120), st.integers(30, 60))  # all of it fits, however folded
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("step"), STEPS),
        st.tuples(st.just("progress"), DONE),
        st.tuples(st.just("wait"), KEYS),
        st.tuples(st.just("log"), st.integers(1, 200)),
        st.tuples(st.just("size"), SIZES),
        st.tuples(st.just("tick"), st.none()),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=150)
@given(ACTS, SIZES)
def test_whatever_happens_nothing_is_left_over_and_nothing_said_is_lost(
    acts: list[tuple[str, Any]], size: tuple[int, int]
) -> None:
    tell = Teller()
    shown, terminal = view(*size)
    said: list[str] = []
    for second, (what, how) in enumerate(acts):
        if what == "step":
            shown.hear(tell("step", second, key=how[0], name=how[0], state=how[1]))
        elif what == "progress":
            shown.hear(tell("progress", second, step=how[0], done=how[1], total=1000))
        elif what == "wait":
            shown.hear(tell("wait", second, key=how, type="approval", question="Go on?"))
        elif what == "log":
            said.append(f"  <{len(said)}>{'x' * how}")
            shown.hear(tell("log", second, message=said[-1], level="info"))
        elif what == "size":
            terminal.screen.resize(*how)
        shown.tick()
    shown.hear(tell("state", len(acts), state="succeeded"))
    shown.close()
    lines = terminal.screen.lines
    assert [one for one in lines if one.startswith("  <")] == said
    assert lines[: len(said)] == said
    assert re.match("✔ succeeded after", lines[-1])
    names = [one.split("  ")[0] for one in lines[len(said) :]]
    assert len([one for one in names if one.endswith("fetch")]) <= 1
    assert len([one for one in names if "Go on?" in one]) <= 3
    assert len([one for one in names if one.startswith("✔ succeeded")]) == 1
