"""The plugin whose runs are measured; found by gateway and worker like any vendor's."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from towpath_core import hookimpl
from towpath_core.runs import StepTools

STEPS, EVENTS, WAITING = "bench-steps", "bench-events", "bench-waiting"
_METADATA = "Metadata-Version: 2.1\nName: towpath-bench\nVersion: 1.0\n"
_ENTRY_POINTS = "[towpath.plugins]\nbench = runs_plugin\n"


class Kind:
    """What all kinds here have."""

    name = ""
    title = "Measured"
    description = "A run that is measured."
    input_schema: Mapping[str, Any] = {"type": "object"}
    queue = "default"
    seconds = 120.0


class Steps(Kind):
    """`input.steps` steps, each of which only looks at the clock."""

    name = STEPS

    def run(self, input: dict[str, Any], tools: StepTools) -> dict[str, Any]:
        """Do them; the output says when the first one was begun, by the machine's clock."""
        begun = [
            tools.step(f"step-{number}", lambda _: time.monotonic())
            for number in range(input["steps"])
        ]
        return {"begun": begun[0]}


class Events(Kind):
    """One step that emits `input.count` events, `input.pause` seconds apart."""

    name = EVENTS

    def run(self, input: dict[str, Any], tools: StepTools) -> dict[str, Any]:
        """Emit them; each says when it was."""

        def emit(inner: StepTools) -> None:
            for number in range(input["count"]):
                time.sleep(input["pause"])
                inner.emit("bench:sent", {"number": number, "at": time.monotonic()})

        tools.step("emit", emit)
        return {}


class Waiting(Kind):
    """A run that waits until somebody says yes."""

    name = WAITING

    def run(self, input: dict[str, Any], tools: StepTools) -> dict[str, Any]:
        """Ask."""
        tools.approval("go", "May it go on?")
        return {}


@hookimpl
def towpath_run_kinds() -> Iterable[Any]:
    """Offer them."""
    return [Steps(), Events(), Waiting()]


def install(folder: Path) -> str:
    """Make this an installed distribution below a folder; returns the PYTHONPATH that finds it."""
    info = folder / "towpath_bench-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(_METADATA)
    (info / "entry_points.txt").write_text(_ENTRY_POINTS)
    return f"{folder}:{Path(__file__).parent}"
