"""Logs hold no secrets, whoever writes them, and where locals would be shown."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys

import pytest

from towpath_gateway.logs import redact

TOKEN = "tow_pat_4bVwQnE2rYc8LsJ0mZtX1k_" + "s3cr3t" * 6 + "AB"

CODE = f"""
import logging, structlog
from towpath_gateway.logs import configure_logs
configure_logs("debug")
log = structlog.get_logger("x")
token = {TOKEN!r}
log.warning("used", token=token, header="Bearer s3cr3ts3cr3t", url="postgresql://u:s3cr3t@h/x")
logging.getLogger("other").error("asked %s with %s", "https://u:s3cr3t@h/x?y=1", token)
def fail(password):
    headers = {{"authorization": "Bearer " + password}}
    raise ValueError("not " + token)
try:
    fail("s3cr3t-local")
except ValueError:
    log.exception("failed")
    logging.getLogger("other").exception("failed too")
"""


@pytest.mark.parametrize("text", [
    TOKEN,
    f"a {TOKEN}, b",
    f'{{"x": "{TOKEN}"}}',
    "Authorization: Bearer s3cr3ts3cr3t",
    "authorization: basic dXNlcjpzM2NyM3Q=",
    "postgresql://u:s3cr3t@h:5432/x",
    "postgresql://u:s3/cr:3t@h:5432/x",
    "missing = after 'mysql://u:s3cr3t@h'",
    "host=h password=s3cr3t user=u",
])  # fmt: skip
def test_secrets_are_left_out_of_a_text(text: str) -> None:
    shown = redact(text)
    assert "s3cr3t" not in shown
    assert "cr:3t" not in shown
    assert "dXNlcjp" not in shown
    assert "***" in shown


@pytest.mark.parametrize("text", [
    "http://127.0.0.1:7007/api/v1/info",
    "the bearer of this is late",
    "user:default/admin",
    "git@git.example.com:canal/payments.git",
    "12:30:00 ok",
])  # fmt: skip
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert redact(text) == text


def test_json_lines_hold_no_secrets() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=60
    )
    assert "s3cr3t" not in done.stderr
    assert done.stdout == ""
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines][::2] == ["used", "failed"]
    assert "ValueError" in lines[2]["exception"]


def test_a_terminal_is_shown_no_secrets_and_no_locals() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", CODE], stderr=theirs) as process:
        os.close(theirs)
        said = b""
        try:
            while chunk := os.read(ours, 65536):
                said += chunk
        except OSError:
            pass  # how a terminal ends on Linux
        assert process.wait(60) == 0
    os.close(ours)
    assert b"ValueError" in said
    assert b"s3cr3t" not in said
    assert b"s3cr3t-local" not in said
