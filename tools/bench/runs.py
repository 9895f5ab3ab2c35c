"""Measures runs on this machine, beside jobs of Procrastinate's own that do nothing.

    python tools/bench/runs.py [--runs 1000] [--concurrency 8] [--workers 1] [--gate]

Starts an embedded PostgreSQL, a gateway and workers in a folder of their own that is removed at
the end. Needs Linux, and a machine with not much else to do.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
from pathlib import Path
from typing import Any

import report
import runs_measures as measures
import runs_report
from runs_place import Place, place
from serving import Failed

ROUNDS = 3


def drains(at: Place, options: argparse.Namespace, say: report.Say, rounds: int) -> dict[str, Any]:
    """Runs, and in turn with them jobs that do nothing."""
    found: dict[str, list[measures.Drain]] = {"noop": [], "runs": []}
    for number in range(rounds):
        for way, drained in found.items():
            say(f"emptying a queue of {way}, {number + 1} of {rounds}")
            count = options.runs * (2 if way == "noop" else 1)
            size = {"concurrency": options.concurrency, "workers": options.workers}
            drained.append(measures.drain(at, way, count, **size))
    rates = [r.rate / n.rate for n, r in zip(found["noop"], found["runs"], strict=True)]
    return {
        **{way: [one._asdict() for one in drained] for way, drained in found.items()},
        "rate_ratio": statistics.median(rates),
        "cpu_ratio": statistics.median(
            (n.worker_cpu + n.database_cpu) / (r.worker_cpu + r.database_cpu)
            for n, r in zip(found["noop"], found["runs"], strict=True)
        ),
    }


def measure(at: Place, options: argparse.Namespace) -> dict[str, Any]:
    """Everything, in the order in which it is shown."""
    say = report.progress(options.runs)
    found: dict[str, Any] = {"drain": drains(at, options, say, ROUNDS)}
    with at.gateway() as (client, gateway), at.workers("runs", options.concurrency) as workers:
        say("starting runs one at a time")
        measures.begun_by_request(client, 20)  # until everything is warm
        answered, asked = measures.begun_by_request(client, options.samples)
        committed = measures.begun_by_commit(at, options.samples)
        say("following events")
        told = measures.told(client, options.samples)
        say(f"letting {options.waiting:,} runs wait")
        cost = measures.waiting(at, gateway, workers, options.waiting)
    found |= {
        "begun": {
            "answered": answered._asdict(),
            "asked": asked._asdict(),
            "committed": committed._asdict(),
        },
        "told": told._asdict(),
        "waiting": {"count": options.waiting, "bytes": cost},
    }
    found["waiting"]["drain"] = drains(at, options, say, 1)
    return found | {"complaints": at.complaints()[:5]}


def main() -> int:
    """Measure, show a table, and write the results."""
    parser = argparse.ArgumentParser(description="Measure runs of this checkout.")
    parser.add_argument("--runs", type=int, default=1000, help="how many are emptied at a time")
    parser.add_argument("--concurrency", type=int, default=8, help="of each worker")
    parser.add_argument("--workers", type=int, default=1, help="processes that empty the queue")
    parser.add_argument("--samples", type=int, default=200, help="runs and events that are timed")
    parser.add_argument("--waiting", type=int, default=1000, help="runs that wait")
    parser.add_argument("--out", type=Path, help="file for the results, as JSON")
    parser.add_argument("--gate", action="store_true", help="fail where a goal is missed")
    options = parser.parse_args()
    # Told to stop, it stops what it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        machine = report.machine()
        with place() as at:
            results = {"machine": machine, **measure(at, options)}
    except Failed as failure:
        print(f"bench-runs: {failure}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    results["load_average"] = report.load_average()
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n")
    print(runs_report.table(results), flush=True)
    missed = runs_report.missed(results)
    for line in missed:
        print(f"bench-runs: {line}", file=sys.stderr)
    return 1 if missed and options.gate else 0


if __name__ == "__main__":
    sys.exit(main())
