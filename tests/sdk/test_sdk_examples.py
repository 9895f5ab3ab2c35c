"""The answers that the published API shows are read whole by the SDK: nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from towpath_sdk import Event, Page, Run, RunKind, Step
from towpath_sdk._wire.running import Undos

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs/reference/openapi.json").read_text())
SHAPES: dict[str, Any] = {
    "listRuns": Page[Run],
    "startRun": Run,
    "getRun": Run,
    "listRunSteps": Page[Step],
    "listRunEvents": Page[Event],
    "listRunKinds": Page[RunKind],
    "cancelRun": Run,
    "retryRun": Run,
    "resolveRun": Run,
    "listUndos": Undos,
    "undoRun": Run,
    "approveRun": Run,
    "rejectRun": Run,
    "signalRun": Run,
}


def examples() -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for path in DOCUMENT["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict) and operation.get("operationId") in SHAPES:
                found[operation["operationId"]] = list(shown(operation))
    return found


def shown(operation: dict[str, Any]) -> Any:
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            content = response["content"]["application/json"]
            yield from (one["value"] for one in content.get("examples", {}).values())
            yield from [content["example"]] if "example" in content else []


def lost(sent: Any, kept: Any, at: str = "") -> list[str]:
    """What was sent and is not kept, as pointers."""
    if isinstance(sent, dict) and isinstance(kept, dict):
        inner = [(key, value) for key, value in sent.items() if value not in (None, [], {}, False)]
        return [
            one
            for key, value in inner
            for one in (lost(value, kept[key], f"{at}/{key}") if key in kept else [f"{at}/{key}"])
        ]
    if isinstance(sent, list) and isinstance(kept, list | tuple):
        pairs = zip(sent, kept, strict=True)
        return [one for n, (a, b) in enumerate(pairs) for one in lost(a, b, f"{at}/{n}")]
    return []


EXAMPLES = examples()


def test_every_operation_shows_an_answer() -> None:
    assert [name for name in SHAPES if not EXAMPLES.get(name)] == []


@pytest.mark.parametrize("name", SHAPES)
def test_an_answer_is_read_whole(name: str) -> None:
    for example in EXAMPLES[name]:
        read = msgspec.convert(example, SHAPES[name])
        assert lost(example, msgspec.to_builtins(read)) == []
