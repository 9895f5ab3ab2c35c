"""A plugin for tests: moves boats, in runs that wait, ask, fail, stand still and can be undone."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from towpath_core import hookimpl
from towpath_core.errors import StepFailed

TOWPATH_SPEC = 1
CUT = Path(__file__).parent / "cut"
"""A file whose being there ends even an endless rope."""


class MoveBoat:
    name = "move-boat"
    title = "Move a boat"
    description = "Loads a boat and tows it to another harbour."
    queue = "default"
    seconds = 60.0
    input_schema = {  # noqa: RUF012
        "type": "object",
        "required": ["boat"],
        "additionalProperties": False,
        "properties": {
            "boat": {"type": "string"},
            "crates": {"type": "integer", "default": 20},
            "rope": {"type": "string", "enum": ["good", "torn", "endless"], "default": "good"},
            "ask": {"type": "boolean", "default": False},
            "listen": {"type": "boolean", "default": False},
        },
    }

    def run(self, input: dict[str, Any], tools: Any) -> dict[str, Any]:
        crates = input.get("crates", 20)

        def load(tools: Any) -> dict[str, Any]:
            for done in range(0, crates + 1, 10):
                tools.progress(done, crates, "crates")
            tools.log(f"loaded {input['boat']}")
            tools.undo("unload", {"boat": input["boat"]})
            return {"crates": crates}

        def tow(tools: Any) -> dict[str, Any]:
            if input.get("rope") == "torn":
                raise StepFailed("The rope is torn.", next="Take another rope.")
            while input.get("rope") == "endless" and not CUT.exists():
                time.sleep(0.05)  # it heeds nothing that the run is told
            return {"towed": True}

        loaded = tools.step("load", load)
        if input.get("ask"):
            tools.approval("cast-off", f"Cast off {input['boat']}?")
        tide = tools.wait_for("tide") if input.get("listen") else None
        tools.step("tow", tow, repeatable=False)
        return {**loaded, "boat": input["boat"], "tide": tide}

    def undo(self, name: str, data: dict[str, Any], tools: Any) -> None:
        tools.log(f"{name} {data['boat']}")


@hookimpl
def towpath_run_kinds(settings: Any) -> list[Any]:
    return [MoveBoat()]
