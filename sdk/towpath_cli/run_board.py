"""What is known of a run while it is followed, put together from its events.

Knows nothing of terminals: `run_view` shows it.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Any

from towpath_cli.text import line

if TYPE_CHECKING:
    from towpath_sdk import Event, Waiting

__all__ = ("Board", "Line", "StepState", "amount")

_ENDED = frozenset({"succeeded", "failed", "cancelled", "unknown"})
_OVER = _ENDED | {"skipped"}
_WINDOW = 30.0
"""Seconds over which a rate is taken."""
_SAMPLES = 64
_BYTES = frozenset({"b", "byte", "bytes"})


class Line:
    """One line that the run said, or that was decided about it."""

    def __init__(self, text: str, level: str) -> None:
        self.text = line(text)
        self.level = level


class StepState:
    """One step as it is now; times are the platform's."""

    def __init__(self, key: str, name: str) -> None:
        self.key = key
        self.name = line(name) or line(key)
        self.state = "running"
        self.begun: datetime | None = None
        self.ended: datetime | None = None
        self.tries = 0
        self.error = ""
        self.waiting: Waiting | None = None
        self.since: datetime | None = None
        self.done: float | None = None
        self.total: float | None = None
        self.unit = ""
        self._samples: deque[tuple[datetime, float]] = deque(maxlen=_SAMPLES)

    @property
    def over(self) -> bool:
        """Whether the step is done with, well or not."""
        return self.state in _OVER

    def enter(self, state: str, at: datetime) -> None:
        """Take in what became of the step."""
        if state == "running" and (self.begun is None or self.over):
            self.begun, self.ended, self.done, self.error = at, None, None, ""
            self.tries += 1
            self._samples.clear()
        if state == "waiting":
            if self.over:  # to be done again
                self.begun, self.ended, self.error = None, None, ""
            self.since = self.since or at
        else:
            self.waiting = self.since = None
        if state in _OVER:
            self.ended = at
        self.state = state

    def wait(self, waiting: Waiting, at: datetime) -> None:
        """Take in what the step waits for."""
        self.since = self.since or at
        self.state, self.waiting = "waiting", waiting
        self.begun = self.begun or at
        self.tries = self.tries or 1

    def progress(self, body: dict[str, Any], at: datetime) -> None:
        """Take in how far the step is."""
        done, total = _number(body.get("done")), _number(body.get("total"))
        if done is None:
            return
        if self.done is not None and done < self.done:
            self._samples.clear()
        self.done, self.total, self.unit = done, total, line(body.get("unit") or "")
        self._samples.append((at, done))
        while (at - self._samples[0][0]).total_seconds() > _WINDOW and len(self._samples) > 2:
            self._samples.popleft()

    @property
    def rate(self) -> float | None:
        """How much is done in a second; None while that cannot be told."""
        if len(self._samples) < 2:
            return None
        (begun, first), (now, last) = self._samples[0], self._samples[-1]
        seconds = (now - begun).total_seconds()
        return (last - first) / seconds if seconds >= 1 and last > first else None


class Board:
    """A run as its events tell it.

    Attributes:
        told: the state that the run was last said to be in.
        steps: in the order in which they were begun.
        begun: when the first event happened.
        last: when the last event happened.
    """

    def __init__(self) -> None:
        self.told = ""
        self.steps: dict[str, StepState] = {}
        self.begun: datetime | None = None
        self.last: datetime | None = None
        self._said: list[Line] = []

    def hear(self, event: Event) -> None:
        """Take in an event; ones of unknown types change nothing."""
        self.begun = self.begun or event.at
        self.last = event.at
        take = getattr(self, f"_{event.type}", None) if event.type in _KNOWN else None
        if take is not None:
            take(event)

    def said(self) -> list[Line]:
        """What was said since this was last asked."""
        said, self._said = self._said, []
        return said

    @property
    def ended(self) -> bool:
        """Whether the run has come to its end."""
        return self.told in _ENDED

    @property
    def state(self) -> str:
        """The state of the run; before it was told, what the steps show."""
        return self.told or ("running" if self.steps else "queued")

    def depth(self, step: StepState) -> int:
        """How many other steps a step is a part of."""
        return sum(step.key.startswith(f"{key}/") for key in self.steps)

    @property
    def counts(self) -> str:
        """How many steps there are in each state, in words."""
        states = [step.state for step in self.steps.values()]
        words = {"succeeded": "done"}
        order = ("succeeded", "skipped", "failed", "cancelled", "unknown", "waiting", "running")
        told = [f"{states.count(one)} {words.get(one, one)}" for one in order if one in states]
        noun = "step" if states.count("succeeded") == 1 else "steps"
        if "succeeded" in states:
            told[0] = told[0].replace(" done", f" {noun} done")
        return ", ".join(told)

    def _step_of(self, body: dict[str, Any]) -> StepState | None:
        """The step that an event is about; one that is not known yet is begun."""
        key = body.get("key")
        if not isinstance(key, str):
            return None
        if key not in self.steps:
            self.steps[key] = StepState(key, str(body.get("name") or key))
        return self.steps[key]

    def _state(self, event: Event) -> None:
        self.told = str(event.body.get("state", self.told))
        if self.ended:
            left = "unknown" if self.told == "unknown" else "cancelled"
            for step in self.steps.values():
                if not step.over:
                    step.enter("cancelled" if step.state == "waiting" else left, event.at)

    def _step(self, event: Event) -> None:
        if (step := self._step_of(event.body)) is not None:
            step.name = line(event.body.get("name") or step.name)
            step.enter(str(event.body.get("state", "")), event.at)
            step.error = line(event.body.get("error") or "")

    def _wait(self, event: Event) -> None:
        step, waiting = self._step_of(event.body), event.waiting
        if step is None:
            return
        if waiting is not None:
            step.wait(waiting, event.at)
            return
        outcome = event.body.get("outcome")
        step.enter("failed" if outcome in _REFUSED else "succeeded", event.at)
        if outcome == "timed-out":
            self._said.append(Line(f"{step.name}: {event.text}", "decision"))

    def _progress(self, event: Event) -> None:
        step = self.steps.get(str(event.body.get("step")))
        if step is not None:
            step.progress(event.body, event.at)

    def _decision(self, event: Event) -> None:
        step = self.steps.get(str(event.body.get("step")))
        about = f"{step.name}: " if step is not None else ""
        self._said.append(Line(f"{about}{event.text}", "decision"))

    def _log(self, event: Event) -> None:
        self._said.append(Line(event.text, str(event.body.get("level", "info"))))


_KNOWN = frozenset({"state", "step", "wait", "progress", "log", "decision"})
_REFUSED = frozenset({"rejected", "timed-out"})


def amount(value: float, unit: str) -> str:
    """A number with its unit, short: `1,000 rows`, `3.5 GB` of bytes."""
    if unit.lower() in _BYTES:
        size, names = float(value), ["B", "kB", "MB", "GB", "TB"]
        while size >= 999.5 and len(names) > 1:
            size, names = size / 1000, names[1:]
        digits = 0 if size >= 100 or names[0] == "B" else 1
        return f"{size:.{digits}f} {names[0]}"
    number = f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:,.1f}"
    return f"{number} {unit}".rstrip()


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
