"""Lines of a run's log: one form, and nothing foreign that breaks it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towpath_engine.runs.records import RunEvent
from towpath_gateway.runs.log_text import LEVELS, lines_of

AT = datetime(2026, 11, 27, 20, 1, 2, 345678, tzinfo=UTC)
HEAD = "2026-11-27T20:01:02.345Z"


def lines(type: str, body: dict[str, Any], least: Any = "debug") -> list[str]:
    return lines_of(RunEvent(7, type, body, AT), least)


@pytest.mark.parametrize(
    ("type", "body", "line"),
    [
        ("log", {"message": "made it", "level": "warning", "step": "a"}, "warning a: made it"),
        ("log", {"message": "begun"}, "info run: begun"),
        ("log", {"message": "", "level": "loud"}, "info run: "),
        ("state", {"state": "queued"}, "info run: queued"),
        ("state", {"state": "running", "attempt": 1}, "info run: running"),
        ("state", {"state": "running", "attempt": 3}, "info run: running (attempt 3)"),
        ("state", {"state": "cancelled"}, "warning run: cancelled"),
        (
            "state",
            {"state": "failed", "error": {"code": "x", "message": "No.", "next": "Wait."}},
            "error run: failed: No. Wait.",
        ),
        (
            "state",
            {"state": "unknown", "error": {"code": "x", "message": "Who knows.", "why": "Dark."}},
            "warning run: unknown: Who knows. Dark.",
        ),
        ("step", {"key": "a", "name": "A", "state": "running"}, "debug a: running"),
        (
            "step",
            {"key": "a", "name": "A", "state": "failed", "error": "No."},
            "error a: failed: No.",
        ),
        ("step", {"key": "a", "name": "A", "state": "waiting"}, "info a: waiting"),
        (
            "progress",
            {"done": 3, "total": 10, "unit": "files", "step": "a"},
            "debug a: 3 of 10 files",
        ),
        ("progress", {"done": 0.5, "unit": "", "step": "a"}, "debug a: 0.5"),
        (
            "wait",
            {
                "key": "go",
                "type": "approval",
                "question": "May I?",
                "until": "2026-11-28T00:00:00Z",
            },
            "info go: waits for approval: May I? (until 2026-11-28T00:00:00Z)",
        ),
        (
            "wait",
            {
                "key": "go",
                "type": "approval",
                "outcome": "rejected",
                "by": "user:default/a",
                "reason": "No.",
            },
            "warning go: approval: rejected by user:default/a: No.",
        ),
        ("wait", {"key": "t", "type": "time", "outcome": "passed"}, "info t: time: passed"),
    ],
)
def test_what_happens_is_a_line(type: str, body: dict[str, Any], line: str) -> None:
    assert lines(type, body) == [f"{HEAD} {line}\n"]


def test_events_of_plugins_have_no_line() -> None:
    assert lines("acme:built", {"message": "x"}) == []


def test_lines_below_a_level_are_left_out() -> None:
    for at, level in enumerate(LEVELS):
        body = {"message": "m", "level": level}
        assert [bool(lines("log", body, least)) for least in LEVELS] == [
            place <= at for place in range(len(LEVELS))
        ]


def test_each_line_of_a_message_has_its_head() -> None:
    body = {"message": "one\r\ntwo\n\nthree\n", "step": "a"}
    assert lines("log", body) == [
        f"{HEAD} info a: {text}\n" for text in ("one", "two", "", "three")
    ]


FORM = re.compile(r"\S+Z (debug|info|warning|error) [^\n]*: [^\n]*\n")


@given(st.text(), st.text(max_size=20), st.sampled_from(["log", "step", "state", "wait"]))
def test_foreign_text_neither_forges_lines_nor_steers_a_terminal(
    text: str, where: str, type: str
) -> None:
    body = {
        "message": text,
        "step": where,
        "key": where,
        "state": text,
        "error": text,
        "type": text,
    }
    for line in lines(type, body):
        assert FORM.fullmatch(line), line
        assert all(char.isprintable() or char == "\t" for char in line[:-1])
