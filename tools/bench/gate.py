"""Sees that the reads have not become slower, as far as two machines can be compared.

    python tools/bench/gate.py bench.json             fail when it is worse than the baseline
    python tools/bench/gate.py bench.json --accept    make it the baseline

Compared are ratios to the floor that was measured in the same run, by default of CPU time a
request, which does not depend on what else the machine does. A ratio may fall by 30 %.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

BASELINE = Path(__file__).with_name("baseline.json")
ALLOWED_FALL = 0.30

Ratios = dict[str, dict[str, dict[str, float]]]


def ratios(results: dict[str, Any]) -> Ratios:
    """The ratios of a run: by size, by read, `cpu` and `rate`."""
    return {
        size: {
            name: {"cpu": round(one["cpu_ratio"], 3), "rate": round(one["rate_ratio"], 3)}
            for name, one in found["reads"].items()
        }
        for size, found in results["sizes"].items()
    }


def faults(baseline: Ratios, found: Ratios, results: dict[str, Any], by: str) -> list[str]:
    """What is worse than the baseline allows, a line each."""
    lines = []
    for size, reads in found.items():
        for name, ratio in reads.items():
            errors = results["sizes"][size]["reads"][name]["errors"]
            if errors:
                lines.append(f"{size} {name}: {errors} requests failed")
            was = baseline.get(size, {}).get(name)
            if was and ratio[by] < was[by] * (1 - ALLOWED_FALL):
                lines.append(f"{size} {name}: {ratio[by]:.1%} of the floor, was {was[by]:.1%}")
    return lines


def main() -> int:
    """Compare a run with the baseline, or make it the baseline."""
    parser = argparse.ArgumentParser(description="Compare a run of the benchmark.")
    parser.add_argument("run", type=Path, help="results, as `make bench` writes them")
    parser.add_argument("--baseline", type=Path, default=BASELINE)
    parser.add_argument("--by", choices=("cpu", "rate"), default="cpu")
    parser.add_argument("--accept", action="store_true", help="make the run the baseline")
    options = parser.parse_args()
    results = json.loads(options.run.read_text())
    found = ratios(results)
    known: Ratios = json.loads(options.baseline.read_text()) if options.baseline.exists() else {}
    if options.accept:
        options.baseline.write_text(json.dumps(known | found, indent=1, sort_keys=True) + "\n")
        return 0
    compared = [size for size in found if size in known]
    if not compared:
        print(f"gate: the baseline knows none of the sizes {', '.join(found)}", file=sys.stderr)
        return 2
    worse = faults(known, found, results, options.by)
    for line in worse:
        print(line, file=sys.stderr)
    print(f"gate: {', '.join(compared)} entities compared, {len(worse)} reads are worse")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
