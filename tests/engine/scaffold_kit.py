"""Templates and actions that scaffolding is tried with."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from engine_kit import DictSource

from towpath_core.errors import StepFailed

VERSION = "scaffolder.backstage.io/v1beta3"


class TestAction:
    """An action that notes what it was called with, and does what a test says."""

    __test__ = False
    description = "For tests."
    examples = ()

    def __init__(self, id, do=None, *, effect="pure", input_schema=None, output_schema=None):
        self.id = id
        self.effect = effect
        self.input_schema = input_schema or {"type": "object"}
        self.output_schema = output_schema or {"type": "object"}
        self.calls: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.do = do or (lambda input, context: {"seen": input})

    def run(self, input, context):
        self.calls.append(json.loads(json.dumps(input)))
        self.keys.append(context.key)
        return self.do(input, context)


def fail(input, context):
    raise StepFailed("It is meant to.", why="A test says so.")


def write(input, context):
    """Append a line to a file of the workspace: doing it twice shows."""
    file: Path = context.workspace / input["file"]
    with file.open("a") as handle:
        handle.write(input["line"] + "\n")
    return {"content": file.read_text()}


class Gate:
    """An action's work that waits until a test opens the gate."""

    def __init__(self):
        self.began = threading.Event()
        self.open = threading.Event()

    def __call__(self, input, context):
        with (context.workspace / "half").open("a") as handle:
            handle.write("half done\n")
        self.began.set()
        while not self.open.wait(0.005):
            context.check()
        return {"files": sorted(path.name for path in context.workspace.iterdir())}


def template(name="t", *, version=VERSION, **spec):
    document = {
        "apiVersion": version,
        "kind": "Template",
        "metadata": {"name": name, "title": "A test"},
        "spec": {"type": "service", "steps": [], **spec},
    }
    return json.dumps(document).encode()


async def registered(platform, source: DictSource, who, **spec):
    """Put a template into the catalog, or put another in its place."""
    source.files["/t.yaml"] = template(**spec)
    report = await platform.catalog.register(who, "mem", "/t.yaml", again=True)
    assert [str(found.problem) for found in report.problems] == []
    return "template:default/t"
