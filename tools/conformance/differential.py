"""Asks a platform and Backstage's own in-memory client the same random questions.

    python tools/conformance/differential.py [--questions 10000] [--seed 1] [--entities 400]

Starts a platform of its own with a catalog of oddities, gives its final entities to the client, and
compares the answers whole. Fails when there is a difference. Needs node; the client is installed
once, in a folder outside the tree: TOWPATH_CONFORMANCE_CACHE, or ~/.cache/towpath/conformance.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "bench")]

import generate  # noqa: E402
from clients import Missing, Tools  # noqa: E402
from comparing import Comparison  # noqa: E402
from entities_seen import Seen  # noqa: E402
from oddities import oddities  # noqa: E402
from oracle import Broken, Oracle  # noqa: E402
from serving import Client, Failed, Gateway  # noqa: E402

CACHE = "TOWPATH_CONFORMANCE_CACHE"
DEFAULT_CACHE = "~/.cache/towpath/conformance"
SHOWN = 20


def load(gateway: Gateway, entities: int, seed: int) -> Client:
    """Start the platform with oddities and half as many plain entities; returns a reader of it."""
    odd = gateway.catalog / "oddities.yaml"
    odd.write_text(oddities(entities, seed))
    generate.write(max(20, entities // 2), gateway.catalog / "plain", seed)
    gateway.start()
    client = Client(gateway.url, gateway.token("catalog:read", "catalog:write"))
    for file in (odd, gateway.catalog / "plain" / "all.yaml"):
        made = client.json("/api/v1/catalog/locations", {"type": "file", "target": str(file)})
        if made["problems"]:
            raise Failed(f"The catalog has problems: {made['problems'][:3]}")
    return Client(gateway.url, gateway.token("catalog:read"))


def compare(gateway: Gateway, packages: Path, *, entities: int, questions: int, seed: int) -> int:
    """Compare, and say what differs; returns how many differences there are."""
    client = load(gateway, entities, seed)
    finals = client.json("/api/catalog/entities")
    seen = Seen(finals)
    oracle = Oracle(list(seen.entities.values()), packages)
    comparison = Comparison(client, oracle, seen, seed)
    began = time.monotonic()
    try:
        comparison.run(questions)
    finally:
        oracle.close()
        for text in comparison.differences[:SHOWN]:
            print(text)
        kinds = ", ".join(f"{count} {name}" for name, count in sorted(comparison.asked.items()))
        print(
            f"{len(seen.entities)} entities, {sum(comparison.asked.values())} questions ({kinds}),"
            f" {comparison.requests} requests, {time.monotonic() - began:.0f} s:"
            f" {len(comparison.differences)} differences"
        )
    return len(comparison.differences)


def main() -> int:
    """Compare a platform of this checkout."""
    parser = argparse.ArgumentParser(description="Compare with Backstage's in-memory client.")
    parser.add_argument("--questions", type=int, default=10_000)
    parser.add_argument("--entities", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    # Told to stop, it stops what it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    gateway = Gateway()
    try:
        tools = Tools(Path(os.environ.get(CACHE) or DEFAULT_CACHE).expanduser())
        tools.prepare(["npm"])
        found = compare(
            gateway,
            tools.npm(),
            entities=options.entities,
            questions=options.questions,
            seed=options.seed,
        )
    except (Failed, Broken, Missing) as failure:
        print(f"differential: {failure}", file=sys.stderr)
        return 2
    finally:
        gateway.remove()
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
