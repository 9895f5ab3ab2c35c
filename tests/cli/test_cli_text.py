"""Text of others cannot steer a terminal, in any form of output."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest
import yaml
from contract_server import Platform as Served
from contract_server import entity, ref_of
from hypothesis import given, settings
from hypothesis import strategies as st

from towpath_cli.output import Output
from towpath_cli.text import block, escaped, line

HOSTILE = [
    ("\x1b[31mred\x1b[0m", "red"),
    ("\x1b[2J\x1b[H\x1b[?25lgone", "gone"),
    ("\x9b31mred", "red"),
    ("\x1b]0;title\x07a", "a"),
    ("\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\", "click"),
    ("\x9d0;title\x9ca", "a"),
    ("\x1bP+q544e\x1b\\a", "a"),
    ("\x1bcreset", "reset"),
    ("\x1b(0a", "a"),
    ("\x1b]0;without end", "]0;without end"),
    ("safe\rgone", "safegone"),
    ("a\x08\x08b", "ab"),
    ("\x00\x07\x7f\x85a", "a"),
    ("user\u202egnp.exe", "usergnp.exe"),
    ("\u2066a\u2069\u200f", "a"),
    ("emoji \U0001f6a2 \u00e4\u4e2d", "emoji \U0001f6a2 \u00e4\u4e2d"),
]


@pytest.mark.parametrize(("text", "shown"), HOSTILE)
def test_escapes_are_taken_out(text: str, shown: str) -> None:
    assert block(text) == shown


def test_lines_stay_lines_and_become_one() -> None:
    assert block("a\r\nb\tc\u2028d") == "a\nb\tc\nd"
    assert line("a\nb\t c\u2029d") == "a b c d"


@settings(deadline=None, max_examples=200)
@given(st.text(st.characters(max_codepoint=0x2070) | st.sampled_from("\x1b[]\x9b;mP\\\x07")))
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    shown = block(text)
    assert [c for c in shown if unicodedata.category(c) == "Cc" and c not in "\n\t"] == []
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", shown)
    assert block(shown) == shown
    assert "\n" not in line(text)


@settings(deadline=None, max_examples=100)
@given(st.text(st.characters(max_codepoint=0x2070, exclude_categories=("Cs",))))
def test_json_means_the_same_and_obeys_nothing(text: str) -> None:
    plain = json.dumps({"a": text}, ensure_ascii=False)
    shown = escaped(plain)
    assert json.loads(shown) == {"a": text}
    assert block(shown) == shown


@pytest.mark.parametrize("form", ["table", "json", "yaml"])
def test_a_hostile_entity_in_every_form(run, served: Served, form: str) -> None:
    text = "".join(text for text, _ in HOSTILE)
    made = entity("Component", "evil", type=text, owner=text)
    made["metadata"] |= {
        "title": text,
        "description": text,
        "tags": [text],
        "links": [{"url": text}],
    }
    made["relations"] = [{"type": text, "targetRef": text}]
    served.entities[ref_of(made)] = made
    for words in (("get", "component:evil"), ("get", "component")):
        done = run(*words, "-o", form)
        assert done.exit_code == 0
        assert done.stdout == block(done.stdout)
    if form != "table":
        read = json.loads if form == "json" else yaml.safe_load
        assert read(run("get", "component:evil", "-o", form).stdout)["spec"]["type"] == text


def test_hostile_events_problems_and_errors(run, served: Served) -> None:
    text = "".join(text for text, _ in HOSTILE)
    held = served.run("scaffold", text)
    held.add("log", message=text, level="info")
    held.add("step", key="k", name=text, state="running")
    held.add("progress", done=1, total=2, unit=text)
    held.add(text, x=1)
    held.end("failed", error={"code": text, "message": text, "why": text, "next": text})
    served.problems = [{"code": text, "message": text, "file": text, "line": 1}]
    for words in (
        ("runs", "ls"),
        ("runs", "show", held.id),
        ("runs", "logs", held.id),
        ("runs", "logs", held.id, "-f"),
        ("runs", "logs", held.id, "-o", "json"),
        ("catalog", "add", "https://x.example"),
        ("catalog", "problems"),
        ("create", text),
    ):
        done = run(*words)
        assert done.stdout == block(done.stdout), words
        assert done.stderr == block(done.stderr), words


def test_markup_of_the_table_writer_is_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output("table", color=None)
    out.table(("A",), [("[red]a[/red] :ship: [link=http://x]y[/link]",)])
    out.record({"B": "[bold]b"})
    assert "[red]a[/red] :ship: [link=http://x]y[/link]" in (shown := capsys.readouterr().out)
    assert "[bold]b" in shown
