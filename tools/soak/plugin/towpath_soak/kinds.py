"""Kinds of run whose effects are known beforehand: in sequence, between waits, in children.

Every kind's input has a `name` of its own; an effect is called `<name>/<step>`, so that a run which
was accepted twice would be seen by its effects. Each attempt and each piece of work says which
process does it, in events of its own: two processes in one attempt would be seen, too.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from towpath_core.errors import Invalid
from towpath_core.runs import Observed, StepTools, Undo
from towpath_soak.provider import FileProvider

__all__ = ("ATTEMPT", "WORK", "Blind", "Family", "Sequence", "TakenBack", "Waits", "kinds")

ATTEMPT = "soak:attempt"
WORK = "soak:work"

_NAME = {"type": "string", "minLength": 1, "maxLength": 100}
_STEPS = {"type": "integer", "minimum": 1, "maximum": 50}
_SECONDS = {"type": "number", "minimum": 0, "maximum": 60}
_FAULTS = {"type": "object", "additionalProperties": {"enum": ["lost", "die"]}}


def _schema(**more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["name"],
        "additionalProperties": False,
        "properties": {"name": _NAME, "seconds": _SECONDS, "faults": _FAULTS, **more},
    }


class _Kind:
    queue = "default"
    seconds = 300.0

    def __init__(self, provider: FileProvider, worker: str) -> None:
        self.provider = provider
        self.worker = worker

    def begin(self, tools: StepTools) -> None:
        """Say which process does this attempt."""
        self.mark(tools, ATTEMPT)

    def mark(self, tools: StepTools, type: str, what: str = "") -> None:
        """Say in the run's events which process is here; each time is told from all others."""
        tools.emit(type, {"worker": self.worker, "what": what, "mark": uuid.uuid4().hex})

    def effect(self, input: Mapping[str, Any], step: str) -> Callable[[StepTools], Any]:
        """The work of a step: one effect, once for the step's key."""
        what = f"{input['name']}/{step}"

        def work(tools: StepTools) -> dict[str, Any]:
            self.mark(tools, WORK, what)
            seconds, fault = input.get("seconds", 0.0), input.get("faults", {}).get(step)
            found = self.provider.apply(tools.key, what, seconds=seconds, fault=fault)
            tools.log(f"did {what}")
            return {"id": found, "worker": self.worker}

        return work


class Sequence(_Kind):
    """Steps with an effect each, one after the other."""

    name = "soak-sequence"
    title = "Effects one after the other"
    description = "Each step has one effect."
    input_schema = _schema(steps=_STEPS)

    def run(self, input: dict[str, Any], tools: StepTools) -> Mapping[str, Any]:
        """Do `steps` steps."""
        self.begin(tools)
        for number in range(input["steps"]):
            tools.step(f"s{number}", self.effect(input, f"s{number}"))
            tools.progress(number + 1, input["steps"], "steps")
        return {"name": input["name"]}


class Waits(_Kind):
    """Sleeps, waits for a signal and for an approval, with an effect before each and at the end."""

    name = "soak-waits"
    title = "Effects between waits"
    description = "Waits for the time, for the signal `go`, and for an approval."
    input_schema = _schema(sleep=_SECONDS)

    def run(self, input: dict[str, Any], tools: StepTools) -> Mapping[str, Any]:
        """Do four steps with three waits between them."""
        self.begin(tools)
        tools.step("s0", self.effect(input, "s0"))
        tools.sleep(input["sleep"])
        tools.step("s1", self.effect(input, "s1"))
        told = tools.wait_for("go", seconds=600)
        if told != {"to": input["name"]}:
            raise Invalid("Another run's signal came here.")
        tools.step("s2", self.effect(input, "s2"))
        tools.approval("gate", "May it go on?", seconds=600)
        tools.step("s3", self.effect(input, "s3"))
        return {"name": input["name"]}


class Family(_Kind):
    """A step, child runs, and another step."""

    name = "soak-family"
    title = "A run with children"
    description = "Starts `children` sequences one after the other."
    input_schema = _schema(children=_STEPS, steps=_STEPS)

    def run(self, input: dict[str, Any], tools: StepTools) -> Mapping[str, Any]:
        """Do a step, the children, and a step."""
        self.begin(tools)
        tools.step("s0", self.effect(input, "s0"))
        for number in range(input["children"]):
            child = {"name": f"{input['name']}.{number}", "steps": input["steps"]}
            child["seconds"] = input.get("seconds", 0.0)
            answer = tools.child(f"c{number}", Sequence.name, child)
            if answer != {"name": child["name"]}:
                raise Invalid("Another child's output came here.")
        tools.step("s1", self.effect(input, "s1"))
        return {"name": input["name"]}


class TakenBack(_Kind):
    """Steps whose effects can be taken back."""

    name = "soak-taken-back"
    title = "Effects that can be taken back"
    description = "Each step says how to take back what it did."
    input_schema = _schema(steps=_STEPS)

    def run(self, input: dict[str, Any], tools: StepTools) -> Mapping[str, Any]:
        """Do `steps` steps, each with its undo."""
        self.begin(tools)
        for number in range(input["steps"]):
            step = f"s{number}"
            undo = Undo("take-back", {"what": f"{input['name']}/{step}"})
            tools.step(step, self.effect(input, step), undo=undo)
        return {"name": input["name"]}

    def undo(self, name: str, data: dict[str, Any], tools: StepTools) -> None:
        """Take an effect back, which is an effect as well."""
        self.mark(tools, WORK, f"{data['what']}/undo")
        self.provider.apply(tools.key, f"{data['what']}/undo")


class Blind(_Kind):
    """One step at a provider that knows no idempotency keys, with or without a look at it."""

    name = "soak-blind"
    title = "An effect that must not be repeated"
    description = "Where `sees` holds, the provider can be asked whether the effect is there."
    input_schema = _schema(sees={"type": "boolean"})

    def run(self, input: dict[str, Any], tools: StepTools) -> Mapping[str, Any]:
        """Do one step that must not be repeated, and one that may be."""
        self.begin(tools)
        what = f"{input['name']}/blind"

        def work(step: StepTools) -> dict[str, Any]:
            self.mark(step, WORK, what)
            seconds, fault = input.get("seconds", 0.0), input.get("faults", {}).get("blind")
            return {"id": self.provider.append(what, seconds=seconds, fault=fault)}

        def observe(step: StepTools) -> Observed:
            return Observed(self.provider.has(what), {"id": "seen"})

        tools.step("blind", work, repeatable=False, observe=observe if input.get("sees") else None)
        tools.step("s1", self.effect(input, "s1"))
        return {"name": input["name"]}


def kinds(provider: FileProvider, worker: str) -> list[_Kind]:
    """All kinds, over one provider."""
    return [kind(provider, worker) for kind in (Sequence, Waits, Family, TakenBack, Blind)]
