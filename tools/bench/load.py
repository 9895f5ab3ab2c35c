"""Load: wrk against a server, with the requests of a case in a random order."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from serving import Failed, Usage

CONNECTIONS = 16
SCRIPT = Path(__file__).with_name("requests.lua")
SEPARATOR = "\t"


class Load(NamedTuple):
    """What a run of wrk measured. Times are milliseconds; `cpu` is microseconds a request."""

    rate: float
    p50: float
    p99: float
    most: float
    requests: int
    errors: int
    cpu: float


def together(loads: Sequence[Load]) -> Load:
    """Several runs as one: percentiles are the median of theirs, and `cpu` is the least of theirs.

    What a request costs is what it costs when nobody disturbs; others only add to it.
    """
    requests = sum(load.requests for load in loads)
    seconds = sum(load.requests / load.rate for load in loads)
    return Load(
        rate=requests / seconds,
        p50=statistics.median(load.p50 for load in loads),
        p99=statistics.median(load.p99 for load in loads),
        most=max(load.most for load in loads),
        requests=requests,
        errors=sum(load.errors for load in loads),
        cpu=min(load.cpu for load in loads),
    )


class Request(NamedTuple):
    """One request; a body makes it JSON."""

    path: str
    body: str = ""

    @property
    def line(self) -> str:
        """As the script reads it."""
        return SEPARATOR.join(["POST" if self.body else "GET", self.path, self.body])


def find_wrk() -> str:
    """The path of wrk.

    Raises:
        Failed: it is not installed.
    """
    if (found := shutil.which("wrk")) is None:
        raise Failed(
            "wrk is not installed, and nothing is measured without it.\n"
            "Debian, Ubuntu: apt-get install wrk; Fedora: dnf install wrk; macOS: brew install wrk"
        )
    return found


def run(url: str, requests: Sequence[Request], token: str, seconds: float, usage: Usage) -> Load:
    """Ask as fast as the server answers, over 16 connections that stay open.

    Raises:
        Failed: wrk does not run, or no request was answered.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".requests") as file:
        file.writelines(f"{request.line}\n" for request in requests)
        file.flush()
        env = {**os.environ, "REQUESTS": file.name, "TOKEN": token}
        if not token:
            del env["TOKEN"]
        command = [
            find_wrk(),
            "-t1",
            f"-c{CONNECTIONS}",
            f"-d{round(seconds)}s",
            "--timeout",
            "30s",
        ]
        before = usage.cpu()
        done = subprocess.run(
            [*command, "-s", str(SCRIPT), url], env=env, capture_output=True, text=True, check=False
        )
        used = usage.cpu() - before
    found = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not found:
        raise Failed(f"wrk: {done.stdout}{done.stderr}")
    said = json.loads(found[0].removeprefix("RESULT "))
    if not said["requests"]:
        raise Failed(f"wrk got no answer: {done.stdout}")
    return Load(
        rate=said["requests"] / said["seconds"],
        p50=said["p50"],
        p99=said["p99"],
        most=said["most"],
        requests=said["requests"],
        errors=said["errors"],
        cpu=used / said["requests"] * 1e6,
    )
