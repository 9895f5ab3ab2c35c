"""The benchmark of runs: it sees a missed goal, and its plugin does what is measured."""

from __future__ import annotations

import copy
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from towpath_core.plugins import PluginConfig, PluginHost

BENCH = Path(__file__).resolve().parents[2] / "tools" / "bench"
sys.path.insert(0, str(BENCH))

import runs_plugin  # noqa: E402
import runs_report  # noqa: E402

DRAIN = {"count": 10, "rate": 500.0, "worker_cpu": 1000.0, "database_cpu": 900.0}
DELAY = {"p50": 5.0, "p99": 20.0, "most": 25.0, "count": 200}
GOOD: dict[str, Any] = {
    "drain": {"noop": [DRAIN], "runs": [DRAIN], "rate_ratio": 0.6, "cpu_ratio": 0.5},
    "begun": {"answered": {**DELAY}, "asked": {**DELAY}, "committed": {**DELAY}},
    "told": {**DELAY},
    "waiting": {"count": 1000, "bytes": 30_000_000, "drain": {"rate_ratio": 0.6}},
    "complaints": [],
    "load_average": [0.1, 0.1, 0.1],
}


def test_nothing_is_missed_where_all_is_as_it_should_be() -> None:
    assert runs_report.missed(GOOD) == []
    assert "MISSED" not in runs_report.table(GOOD)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("drain", "rate_ratio"), 0.39, "3-step runs"),
        (("begun", "answered", "p50"), 15.1, "answered -> first step, half"),
        (("begun", "answered", "p99"), 61, "answered -> first step, 99"),
        (("begun", "committed", "p50"), 16, "committed -> first step, half"),
        (("told", "p50"), 21, "event -> client"),
        (("waiting", "bytes"), 51_000_000, "1,000 runs that wait"),
        (("waiting", "drain", "rate_ratio"), 0.2, "beside them"),
    ],
)
def test_a_missed_goal_is_told(path: tuple[str, ...], value: float, says: str) -> None:
    found = copy.deepcopy(GOOD)
    inner = found
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    (line,) = runs_report.missed(found)
    assert says in line
    table = [" ".join(row.split()) for row in runs_report.table(found).splitlines()]
    assert " ".join(line.split()) in table


class Tools:
    def __init__(self) -> None:
        self.steps: list[str] = []
        self.events: list[dict[str, Any]] = []

    def step(self, name: str, work: Any) -> Any:
        self.steps.append(name)
        return work(self)

    def emit(self, type: str, body: dict[str, Any]) -> None:
        self.events.append({"type": type, **body})


def test_the_plugin_is_one_that_the_platform_takes(tmp_path: Path) -> None:
    host = PluginHost.load(PluginConfig(only=(), strict=True), extra={"bench": runs_plugin})
    try:
        kinds = host.contributions.run_kinds
        assert set(kinds) == {runs_plugin.STEPS, runs_plugin.EVENTS, runs_plugin.WAITING}
    finally:
        host.close()
    path = runs_plugin.install(tmp_path)
    assert str(BENCH) in path
    assert "towpath.plugins" in next(tmp_path.glob("*.dist-info/entry_points.txt")).read_text()


def test_its_runs_do_so_many_steps_and_events_and_say_when() -> None:
    tools: Any = Tools()
    began = time.monotonic()
    output = runs_plugin.Steps().run({"steps": 3}, tools)
    assert len(set(tools.steps)) == 3
    assert began <= output["begun"] <= time.monotonic()
    runs_plugin.Events().run({"count": 2, "pause": 0}, tools)
    assert [event["number"] for event in tools.events] == [0, 1]
    assert all(began <= event["at"] <= time.monotonic() for event in tools.events)
