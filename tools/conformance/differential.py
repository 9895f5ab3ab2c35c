"""Asks a platform and Backstage's own in-memory client the same random questions.

    python tools/conformance/differential.py [--questions 10000] [--seed 1] [--entities 400]

Starts a platform of its own with a catalog of oddities, gives its final entities to the client, and
compares the answers whole. Needs node, and a folder with `@backstage/catalog-client` in its
`node_modules`, which TOWPATH_NODE_PACKAGES names. Fails when there is a difference.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "bench")]

from comparing import PACKAGES, Broken, Comparison, Oracle  # noqa: E402
from entities_seen import Seen  # noqa: E402
from oddities import oddities  # noqa: E402
from serving import Client, Failed, Gateway  # noqa: E402

DEFAULT_PACKAGES = "~/.cache/towpath/conformance/npm"
SHOWN = 20


def load(gateway: Gateway, texts: dict[str, str]) -> Client:
    """Start the platform with a catalog; returns a client that may read."""
    gateway.start()
    client = Client(gateway.url, gateway.token("catalog:read", "catalog:write"))
    for name, text in texts.items():
        file = gateway.catalog / name
        file.write_text(text)
        made = client.json("/api/v1/catalog/locations", {"type": "file", "target": str(file)})
        if made["problems"]:
            raise Failed(f"The catalog has problems: {made['problems'][:3]}")
    return Client(gateway.url, gateway.token("catalog:read"))


def compare(gateway: Gateway, packages: Path, *, entities: int, questions: int, seed: int) -> int:
    """Compare, and say what differs; returns how many differences there are."""
    client = load(gateway, {"oddities.yaml": oddities(entities, seed)})
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
    packages = Path(os.environ.get(PACKAGES) or DEFAULT_PACKAGES).expanduser()
    if not (packages / "node_modules" / "@backstage" / "catalog-client").is_dir():
        print(
            f"differential: {packages} has no @backstage/catalog-client.\n"
            f"Get it: npm install --prefix {packages} @backstage/catalog-client"
            " @backstage/catalog-model\n"
            f"or say in {PACKAGES} where it is.",
            file=sys.stderr,
        )
        return 2
    gateway = Gateway()
    try:
        found = compare(
            gateway,
            packages,
            entities=options.entities,
            questions=options.questions,
            seed=options.seed,
        )
    except (Failed, Broken) as failure:
        print(f"differential: {failure}", file=sys.stderr)
        return 2
    finally:
        gateway.remove()
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
