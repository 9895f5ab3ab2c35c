"""Measures a gateway of this checkout, beside the floor of the machine it runs on.

    python tools/bench [--sizes 1000 10000] [--seconds 10] [--out bench.json]

Makes a catalog of each size, starts a gateway with a database of its own and a token, loads the
catalog through the API, and asks it with wrk. Needs Linux and wrk, and a machine with not much else
to do. Everything it makes is removed again but the file of results.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import generate
import load
import measures
import report
from cases import Case, cases
from load import Request
from serving import Client, Failed, Gateway, Start, Usage, end, environment, spawn

FLOOR = Path(__file__).with_name("floor.py")
BARE_BYTES = 2300
SAMPLES = 20
ROUNDS = 3


class Floors:
    """The servers that have nothing to do, while they run."""

    def __init__(self, sizes: list[int]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        self._log = (folder / "log").open("w")
        texts = [str(size) for size in sizes]
        self._servers = {
            way: spawn([sys.executable, str(FLOOR), way, *texts], environment(folder), self._log)
            for way in ("litestar", "asgi")
        }

    def run(self, way: str, size: int, seconds: float) -> load.Load:
        """Ask for a static answer of a size."""
        process, said = self._servers[way]
        url = said.removeprefix("ready ").strip()
        return load.run(url, [Request(f"/{size}")], "", seconds, Usage(process.pid))

    def whole(self, size: int) -> measures.Whole:
        """Ask for one big static answer at a time."""
        url = self._servers["litestar"][1].removeprefix("ready ").strip()
        return measures.whole(Client(url), f"/{size}")

    def close(self) -> None:
        """Stop them."""
        for process, _ in self._servers.values():
            end(process)
        self._log.close()
        self._folder.cleanup()


def measure(size: int, seconds: float, gateway: Gateway) -> dict[str, Any]:
    """All measurements of one size."""
    say = report.progress(size)
    say("making the catalog")
    catalog = generate.write(size, gateway.catalog)
    first_start = gateway.start()
    reading, writing = gateway.token("catalog:read"), gateway.token("catalog:read", "catalog:write")
    reader, writer = Client(gateway.url, reading), Client(gateway.url, writing)
    say("loading it")
    loaded = measures.ingest(gateway, writer, size)
    memory = {"loaded": gateway.usage.rss()}
    reads = cases(reader, catalog.names, loaded.entities)
    found = measure_reads(gateway, reader, reading, reads, seconds, say)
    say("changing and adding entities")
    changed = measures.change(gateway, writer)
    added = measures.add(gateway, writer, reading, reads)
    memory |= {"after": gateway.usage.rss(), "peak": gateway.usage.peak()}
    complaints = gateway.complaints()
    say("starting again")
    later = [_restart(gateway, reading, reads[0]) for _ in range(3)]
    memory["restarted"] = gateway.usage.rss()
    gateway.stop()
    gateway.forget_index()
    building = gateway.start(reading, reads[0].requests[0].path)
    return {
        "ingest": loaded._asdict(),
        "start": {
            "first": first_start._asdict(),
            "later": min(later)._asdict(),
            "building": building._asdict(),
        },
        "change": changed._asdict(),
        "add": added._asdict(),
        "memory": memory,
        **found,
        "complaints": complaints[:5],
    }


def measure_reads(
    gateway: Gateway,
    client: Client,
    token: str,
    reads: list[Case],
    seconds: float,
    say: report.Say,
) -> dict[str, Any]:
    """All kinds of reads, and all entities at once, beside the floor."""
    bodies = {case.name: sample(client, case) for case in reads}
    whole = measures.whole(client)
    floors = Floors([*set(bodies.values()), whole.bytes, BARE_BYTES])
    try:
        results = {
            case.name: one_case(case, bodies[case.name], gateway, floors, token, seconds, say)
            for case in reads
        }
        bare = load.together(
            [floors.run("asgi", BARE_BYTES, max(1, seconds / ROUNDS)) for _ in range(ROUNDS)]
        )
        floor = floors.whole(whole.bytes)
    finally:
        floors.close()
    return {
        "reads": results,
        "whole": {**whole._asdict(), "floor_seconds": floor.seconds},
        "bare_asgi": bare._asdict(),
    }


def _restart(gateway: Gateway, token: str, case: Case) -> Start:
    gateway.stop()
    return gateway.start(token, case.requests[0].path)


def sample(client: Client, case: Case) -> int:
    """See that a case is answered as it must be; returns how many bytes an answer has.

    Raises:
        Failed: an answer does not hold what it must.
    """
    sizes = []
    for request in case.requests[:SAMPLES]:
        content = client.read(request.path, request.body or None)
        if not case.holds(json.loads(content)):
            raise Failed(f"{case.name}: {request.path[:200]} is answered with {content[:300]!r}")
        sizes.append(len(content))
    return round(statistics.mean(sizes))


def one_case(
    case: Case,
    size: int,
    gateway: Gateway,
    floors: Floors,
    token: str,
    seconds: float,
    say: report.Say,
) -> dict[str, Any]:
    """One kind of read, and in turn with it the floor for answers of its size."""
    say(case.title)
    floor_runs, runs = [], []
    for _ in range(ROUNDS):
        floor_runs.append(floors.run("litestar", size, max(1, seconds / ROUNDS / 2)))
        slice_seconds = max(1, seconds / ROUNDS)
        runs.append(load.run(gateway.url, case.requests, token, slice_seconds, gateway.usage))
    floor, found = load.together(floor_runs), load.together(runs)
    return {
        "title": case.title,
        "body_bytes": size,
        **found._asdict(),
        "floor": floor._asdict(),
        "rate_ratio": found.rate / floor.rate,
        "cpu_ratio": floor.cpu / found.cpu if found.cpu else 0.0,
    }


def main() -> int:
    """Measure, show a table, and write the results."""
    parser = argparse.ArgumentParser(description="Measure a gateway of this checkout.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--seconds", type=float, default=10, help="how long each read is asked")
    parser.add_argument("--out", type=Path, help="file for the results, as JSON")
    options = parser.parse_args()
    # Told to stop, it stops what it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    results: dict[str, Any] = {"machine": report.machine(), "sizes": {}}
    try:
        load.find_wrk()
        for size in options.sizes:
            gateway = Gateway()
            try:
                found = measure(size, options.seconds, gateway)
            except Failed:
                print("\n".join(gateway.complaints()[-3:]), file=sys.stderr)
                raise
            finally:
                gateway.remove()
            results["sizes"][str(size)] = found | {"load_average": report.load_average()}
            if options.out:
                options.out.write_text(json.dumps(results, indent=1) + "\n")
            print(report.table(size, results["sizes"][str(size)]), flush=True)
    except Failed as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
