"""What is measured beside rates: loading, changing, adding while others read, reading it all."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import generate
from cases import ENTITIES, Case
from serving import Client, Failed, Gateway

CHANGES = 15
ADDITIONS = 15
QUIET_SECONDS = 2.0
PATIENCE_SECONDS = 60
WHOLE_TIMES = 5


class Ingest(NamedTuple):
    """Loading a whole catalog; CPU seconds of the gateway and of its database."""

    seconds: float
    gateway_cpu: float
    database_cpu: float
    entities: int


class Change(NamedTuple):
    """One entity changed in its file, read again, and seen; seconds, of several times.

    The CPU seconds of the gateway and of its database are those of one change.
    """

    median: float
    most: float
    gateway_cpu: float
    database_cpu: float


class Addition(NamedTuple):
    """One entity more in a full catalog, while somebody reads; seconds, of several times.

    Attributes:
        median: until the one who adds it has its answer.
        most: the longest of these.
        gateway_cpu: CPU time of the gateway, the readings of others included.
        stall: how much longer than usual the slowest read beside an addition took; the median.
        stall_most: the same, the worst.
        quiet: how much longer than usual the slowest reads took while nothing was added.
    """

    median: float
    most: float
    gateway_cpu: float
    stall: float
    stall_most: float
    quiet: float


class Whole(NamedTuple):
    """All entities in one answer."""

    seconds: float
    bytes: int


def ingest(gateway: Gateway, writer: Client, size: int) -> Ingest:
    """Register the catalog's root, until all entities can be read.

    Raises:
        Failed: it has problems, or not all entities come.
    """
    cpu, database = gateway.usage.cpu(children=True), gateway.database_cpu()
    began = time.monotonic()
    target = str(gateway.catalog / "all.yaml")
    made = writer.json("/api/v1/catalog/locations", {"type": "file", "target": target})
    if made["problems"]:
        raise Failed(f"The catalog has problems: {made['problems'][:3]}")
    while (total := count(writer)) < size:
        if time.monotonic() - began > PATIENCE_SECONDS + size / 10:
            raise Failed(f"Only {total} of {size} entities can be read.")
        time.sleep(0.02)
    seconds = time.monotonic() - began
    used = gateway.usage.cpu(children=True) - cpu
    return Ingest(seconds, used, gateway.database_cpu() - database, total)


def count(client: Client) -> int:
    """How many entities can be read."""
    return int(client.json(f"{ENTITIES}/by-query?limit=0")["totalItems"])


def change(gateway: Gateway, writer: Client) -> Change:
    """Change the single entity in its file again and again, until the read shows it."""
    file = gateway.catalog / "single.yaml"
    text = file.read_text()
    register(writer, file)
    took = []
    path = f"{ENTITIES}/by-name/{generate.SINGLE.replace(':', '/')}"
    cpu, database = gateway.usage.cpu(), gateway.database_cpu()
    for number in range(CHANGES):
        title = f"Changed {number}"
        file.write_text(text.replace("title: Single Tender", f"title: {title}"))
        began = time.monotonic()
        writer.read("/api/catalog/refresh", {"entityRef": generate.SINGLE})
        while writer.json(path)["metadata"]["title"] != title:
            if time.monotonic() - began > PATIENCE_SECONDS:
                raise Failed("A change was not seen.")
        took.append(time.monotonic() - began)
    used = (gateway.usage.cpu() - cpu) / CHANGES
    database = (gateway.database_cpu() - database) / CHANGES
    return Change(statistics.median(took), max(took), used, database)


def register(writer: Client, file: Path) -> None:
    """Register a file of its own."""
    made = writer.json("/api/v1/catalog/locations", {"type": "file", "target": str(file)})
    if made["problems"]:
        raise Failed(f"{file.name} has problems: {made['problems'][:3]}")


class Read(NamedTuple):
    """One answer that the reader beside got."""

    began: float
    took: float
    number: int


def add(gateway: Gateway, writer: Client, token: str, cases: list[Case]) -> Addition:
    """Add entities one at a time while a process of its own reads everything in turn."""
    single = (gateway.catalog / "single.yaml").read_text()
    lines = [request.line for case in cases for request in case.requests[:3]]
    with tempfile.NamedTemporaryFile("w", suffix=".requests") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        reader = _start_reader(gateway, token, file.name)
        try:
            time.sleep(QUIET_SECONDS)
            quiet_end = time.monotonic()
            cpu = gateway.usage.cpu()
            windows = []
            for number in range(ADDITIONS):
                added = gateway.catalog / f"added-{number}.yaml"
                added.write_text(single.replace("single-tender", f"added-{number}"))
                began = time.monotonic()
                register(writer, added)
                windows.append((began, time.monotonic()))
                time.sleep(0.2)  # the first reads after it may pay for it too
            used = gateway.usage.cpu() - cpu
        finally:
            said, _ = reader.communicate("\n", timeout=PATIENCE_SECONDS)
    if reader.returncode:
        raise Failed("The reader beside was answered with an error, or not at all; see above.")
    reads = [_read_line(line) for line in said.splitlines() if line]
    return _addition(reads, windows, quiet_end, used)


def _start_reader(gateway: Gateway, token: str, file: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(Path(__file__).with_name("reader.py")), gateway.url, file]
    reader = subprocess.Popen(
        command,
        env={"TOKEN": token},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout is not None
    if not reader.stdout.readline().startswith("ready"):
        raise Failed("The reader beside did not start.")
    return reader


def _read_line(line: str) -> Read:
    began, took, number = line.split()
    return Read(float(began), float(took), int(number))


def _addition(
    reads: list[Read], windows: list[tuple[float, float]], quiet_end: float, cpu: float
) -> Addition:
    quiet = [read for read in reads if read.began + read.took < quiet_end]
    usual: dict[int, float] = {}
    for number in {read.number for read in reads}:
        # What was not asked for in the quiet time yet is compared with all of its answers.
        took = [r.took for r in quiet if r.number == number]
        usual[number] = statistics.median(took or [r.took for r in reads if r.number == number])
    stalls = [
        max(
            (r.took - usual[r.number] for r in reads if _beside(r, began, ended)),
            default=0.0,
        )
        for began, ended in windows
    ]
    took = [ended - began for began, ended in windows]
    slowest = sorted(read.took - usual[read.number] for read in quiet)
    return Addition(
        median=statistics.median(took),
        most=max(took),
        gateway_cpu=cpu / len(windows),
        stall=statistics.median(stalls),
        stall_most=max(stalls),
        quiet=slowest[int(len(slowest) * 0.99)] if slowest else 0.0,
    )


def _beside(read: Read, began: float, ended: float) -> bool:
    """Whether a read was under way during an addition or soon after it."""
    return read.began + read.took > began and read.began < ended + 0.15


def whole(client: Client, path: str = ENTITIES) -> Whole:
    """Read one big answer, all entities; the median of several times."""
    took = []
    size = 0
    for _ in range(WHOLE_TIMES):
        began = time.monotonic()
        size = len(client.read(path))
        took.append(time.monotonic() - began)
    return Whole(statistics.median(took), size)
