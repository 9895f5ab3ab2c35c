"""What was measured, for people: the progress, and a table of each size."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cases import GOALS

Say = Callable[[str], None]


def progress(size: int) -> Say:
    """Tells on standard error what is being done, with the time since the beginning."""
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"[{size:,} +{time.monotonic() - began:.0f}s] {what}", file=sys.stderr, flush=True)

    return say


def machine() -> dict[str, Any]:
    """The machine that is measured on, and how busy it was at the beginning."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "load_average": load_average(),
    }


def load_average() -> list[float]:
    """How many processes wanted a core: over 1, 5 and 15 minutes."""
    return [round(one, 2) for one in os.getloadavg()]


def table(size: int, found: dict[str, Any]) -> str:
    """All results of one size."""
    return "\n".join(["", f"{size:,} entities", "", *_reads(found), "", *_others(found), ""])


def _reads(found: dict[str, Any]) -> list[str]:
    head = (
        "read",
        "req/s",
        "p50 ms",
        "p99 ms",
        "bytes",
        "CPU us",
        "goal us",
        "errors",
        "floor",
        "rate",
        "CPU",
    )
    rows = [
        (
            one["title"],
            f"{one['rate']:,.0f}",
            f"{one['p50']:.2f}",
            f"{one['p99']:.2f}",
            f"{one['body_bytes']:,}",
            f"{one['cpu']:,.0f}",
            f"{found['bare_asgi']['cpu'] / GOALS[name]:,.0f}" if name in GOALS else "",
            str(one["errors"]),
            f"{one['floor']['rate']:,.0f}",
            f"{one['rate_ratio']:.1%}",
            f"{one['cpu_ratio']:.1%}",
        )
        for name, one in found["reads"].items()
    ]
    bare = found["bare_asgi"]
    rate, cpu = f"{bare['rate']:,.0f}", f"{bare['cpu']:,.0f}"
    p50, p99 = f"{bare['p50']:.2f}", f"{bare['p99']:.2f}"
    rows.append(("bare ASGI", rate, p50, p99, "2,300", cpu, "", str(bare["errors"]), "", "", ""))
    return columns([head, *rows])


def _others(found: dict[str, Any]) -> list[str]:
    ingest, start, memory = found["ingest"], found["start"], found["memory"]
    change, add, whole = found["change"], found["add"], found["whole"]
    each = 1e6 / ingest["entities"]
    cpu = (ingest["gateway_cpu"] + ingest["database_cpu"]) * each
    rows = [
        (
            "load all",
            f"{ingest['seconds']:.2f} s",
            f"CPU {ingest['gateway_cpu']:.1f} s gateway, {ingest['database_cpu']:.1f} s database;"
            f" {ingest['seconds'] * each:,.0f} us and {cpu:,.0f} us CPU an entity",
        ),
        (
            "change one",
            _ms(change["median"]),
            f"at the most {_ms(change['most'])}; CPU {_ms(change['gateway_cpu'])} gateway,"
            f" {_ms(change['database_cpu'])} database",
        ),
        (
            "add one",
            _ms(add["median"]),
            f"at the most {_ms(add['most'])}; readers wait {_ms(add['stall'])} longer,"
            f" at the most {_ms(add['stall_most'])}; 1 of 100 without it {_ms(add['quiet'])}",
        ),
        (
            "GET /entities",
            _ms(whole["seconds"]),
            f"{whole['bytes'] / 1e6:.1f} MB; floor {_ms(whole['floor_seconds'])}",
        ),
        (
            "first start",
            f"{start['first']['seconds']:.2f} s",
            f"empty folder, to the first answer; CPU {start['first']['cpu']:.2f} s",
        ),
        (
            "later start",
            f"{start['later']['seconds']:.2f} s",
            f"with the catalog, to the first answer; CPU {start['later']['cpu']:.2f} s;"
            f" {start['building']['seconds']:.2f} s, CPU {start['building']['cpu']:.2f} s"
            " where the index is built",
        ),
        (
            "memory",
            _mb(memory["loaded"]),
            f"{_mb(memory['after'])} after the reads, {_mb(memory['peak'])} at the most,"
            f" {_mb(memory['restarted'])} after a start",
        ),
        ("load average", " ".join(map(str, found["load_average"])), "at the end"),
    ]
    if found["complaints"]:
        rows.append(("LOG", found["complaints"][0][:100], ""))
    return columns(rows)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines with the first column to the left and the others to the right, the last as it is."""
    wide = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    if len(wide) == 3:
        return [f"{a:<{wide[0]}}  {b:>{wide[1]}}  {c}".rstrip() for a, b, c in rows]
    return [
        "  ".join(
            [f"{row[0]:<{wide[0]}}", *(f"{c:>{w}}" for c, w in zip(row[1:], wide[1:], strict=True))]
        )
        for row in rows
    ]
