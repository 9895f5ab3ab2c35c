"""What the phases came to, for people."""

from __future__ import annotations

from collections.abc import Sequence

from perform import Result

__all__ = ("table",)

_HEAD = (
    "phase",
    "runs",
    "faults",
    "deaths",
    "takeovers",
    "slowest s",
    "effects",
    "calls",
    "events",
    "again",
    "seconds",
    "violations",
)


def table(results: Sequence[Result], skipped: Sequence[tuple[str, str]]) -> str:
    """A line a phase, and below it every violation, and what was skipped, with the reason."""
    rows = [_HEAD, *map(_row, results)]
    wide = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    lines = [
        "  ".join(
            [row[0].ljust(wide[0]), *(c.rjust(w) for c, w in zip(row[1:], wide[1:], strict=True))]
        )
        for row in rows
    ]
    lines += [f"{name}: skipped: {why}" for name, why in skipped]
    lines += [f"{one.phase}: VIOLATION {text}" for one in results for text in one.violations]
    return "\n".join(lines)


def _row(one: Result) -> tuple[str, ...]:
    slowest = "" if one.slowest is None else f"{one.slowest:.1f}"
    counts = (one.runs, one.faults, one.deaths, one.takeovers)
    more = (one.effects, one.calls, one.events, one.again)
    return (
        one.phase,
        *map(str, counts),
        slowest,
        *map(str, more),
        f"{one.seconds:.0f}",
        str(len(one.violations)),
    )
