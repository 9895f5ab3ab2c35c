"""What was measured of runs, for people, and whether it is what is aimed at."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any, NamedTuple

from report import columns

MB = 1e6


class Goal(NamedTuple):
    """What is aimed at: `value` of the results, at least or at most `bound`."""

    title: str
    value: float
    bound: float
    unit: str = ""
    at_least: bool = False

    @property
    def reached(self) -> bool:
        """Whether it is so."""
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    def texts(self) -> tuple[str, str, str]:
        """The title, the value, and what it should be."""
        sign = ">=" if self.at_least else "<="
        digits = 2 if self.at_least else 1
        unit = f" {self.unit}" if self.unit else ""
        value, bound = f"{self.value:.{digits}f}{unit}", f"{sign} {self.bound:g}{unit}"
        return self.title, value, bound + ("" if self.reached else "  MISSED")


def goals(found: Mapping[str, Any]) -> list[Goal]:
    """All goals, with what was found."""
    begun, waiting = found["begun"], found["waiting"]
    still = waiting["drain"]["rate_ratio"]
    return [
        Goal("3-step runs, share of the rate of no-op jobs", _ratio(found), 0.4, "", at_least=True),
        Goal("answered -> first step, half", begun["answered"]["p50"], 15, "ms"),
        Goal("answered -> first step, 99 of 100", begun["answered"]["p99"], 60, "ms"),
        Goal("committed -> first step, half", begun["committed"]["p50"], 15, "ms"),
        Goal("committed -> first step, 99 of 100", begun["committed"]["p99"], 60, "ms"),
        Goal("event -> client, half", found["told"]["p50"], 20, "ms"),
        Goal(f"{waiting['count']:,} runs that wait, memory", waiting["bytes"] / MB, 50, "MB"),
        Goal("share of the rate beside them", still, 0.4, "", at_least=True),
    ]


def missed(found: Mapping[str, Any]) -> list[str]:
    """What is worse than it should be, a line each."""
    return [" ".join(goal.texts()) for goal in goals(found) if not goal.reached]


def table(found: Mapping[str, Any]) -> str:
    """All results."""
    drained = found["drain"]
    rows = [("queue", "a second", "worker CPU us", "database CPU us")]
    for way, title in (("noop", "jobs that do nothing"), ("runs", "runs of 3 steps")):
        rows.append(
            (
                title,
                f"{_middle(drained[way], 'rate'):,.0f}",
                f"{_middle(drained[way], 'worker_cpu'):,.0f}",
                f"{_middle(drained[way], 'database_cpu'):,.0f}",
            )
        )
    asked = found["begun"]["asked"]
    others = [
        ("share of the CPU time", f"{drained['cpu_ratio']:.2f}", "no-op jobs / runs"),
        ("asked -> first step", f"{asked['p50']:.1f} ms", f"99 of 100: {asked['p99']:.1f} ms"),
        ("event -> client", f"{found['told']['p99']:.1f} ms", "99 of 100"),
        ("load average", " ".join(map(str, found["load_average"])), "at the end"),
    ]
    if found["complaints"]:
        others.append(("LOG", found["complaints"][0][:100], ""))
    measured = [goal.texts() for goal in goals(found)]
    return "\n".join(["", *columns(rows), "", *columns([*measured, *others]), ""])


def _ratio(found: Mapping[str, Any]) -> float:
    return float(found["drain"]["rate_ratio"])


def _middle(drains: list[dict[str, float]], name: str) -> float:
    return statistics.median(one[name] for one in drains)
