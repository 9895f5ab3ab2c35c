"""Shapes of runs: work that takes time, its steps, what it waits for. All times are UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

__all__ = ("RUN_ENDED", "Event", "Run", "RunError", "RunKind", "Step", "Undo", "Waiting")

RUN_ENDED = frozenset({"succeeded", "failed", "cancelled", "unknown"})
"""States that a run leaves only when somebody asks: by `retry`, or by `resolve`."""


class RunError(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What went wrong with a run, a step or a resource; tell errors apart by `code`."""

    code: str
    message: str
    why: str | None = None
    next: str | None = None


class Waiting(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a run or a step waits for. A run that waits costs no worker.

    Attributes:
        type: `time`, `signal`, `approval` or `child`, or one a newer platform knows.
        step: key of the step that waits.
        name: of what is waited for, for people.
        question: what is to be approved, for people.
        approvers: references of who may answer; empty where that is not narrowed.
        subject: what the question is about; free-form.
        until: when it is over, or given up.
        event: the signal that is waited for.
        run: the child run that is waited for.
    """

    type: str
    step: str | None = None
    name: str | None = None
    question: str | None = None
    approvers: tuple[str, ...] = ()
    subject: Any = None
    until: datetime | None = None
    event: str | None = None
    run: str | None = None

    @property
    def text(self) -> str:
        """What is waited for, in a few words for people."""
        if self.type == "approval":
            asked = " or ".join(self.approvers)
            return f"approval by {asked}" if asked else "approval"
        if self.type == "signal":
            return f"signal {self.event}" if self.event else "a signal"
        if self.type == "time":
            return f"{self.until:%Y-%m-%d %H:%M:%S} UTC" if self.until else "a time to come"
        if self.type == "child":
            return f"run {self.run}" if self.run else "a run of its own"
        return self.type


class Step(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One step of a run.

    Attributes:
        seq: its place, from 1.
        key: names it within the run; the same at every attempt.
        state: `running`, `waiting`, `succeeded`, `failed`, `cancelled`, `skipped` or `unknown`.
        attempts: how often it was begun.
        effect: what doing it changes: nothing (`pure`), files of the run (`workspace`) or the
            world (`external`).
        output: free-form.
        wait: what it waits for.
    """

    seq: int
    key: str
    name: str
    state: str
    attempts: int
    effect: str | None = None
    output: Any = None
    wait: Waiting | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error: RunError | None = None


class Run(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One piece of work.

    Attributes:
        kind: `scaffold`, `provision`, `delete`, `bind`, `unbind`, `undo`, or one of a plugin's.
        state: `queued`, `running`, `waiting`, `succeeded`, `failed`, `cancelled` or `unknown`:
            an effect may have happened and nobody recorded it.
        attempt: how often a worker took it up.
        cancel_requested: whether it was asked to stop and has not yet.
        queue: which workers take it.
        priority: among the runs of its queue; more goes first.
        concurrency_key: of runs that share one, one is done at a time.
        deadline: when it is stopped if it has not ended.
        parent: the run that began it.
        schedule: the schedule that began it.
        cancel_by: when it is stopped by force, where it was asked to stop.
        held: why it is queued and no worker may take it.
        undoes: the run whose effects it takes back.
        waiting: what its steps wait for.
        secret_names: of the secrets it was given; they are wiped when it ends.
        input: what it was asked to do; free-form, per kind. None in lists.
        output: what it made; free-form, per kind.
        steps: in order; empty in lists, `runs.get` has them.
    """

    id: str
    kind: str
    title: str
    state: str
    attempt: int
    created_by: str
    created_at: datetime
    cancel_requested: bool = False
    started_at: datetime | None = None
    finished_at: datetime | None = None
    queue: str | None = None
    priority: int | None = None
    concurrency_key: str | None = None
    deadline: datetime | None = None
    parent: str | None = None
    schedule: str | None = None
    cancel_by: datetime | None = None
    held: str | None = None
    undoes: str | None = None
    waiting: tuple[Waiting, ...] = ()
    secret_names: tuple[str, ...] = ()
    input: Any = None
    output: dict[str, Any] | None = None
    error: RunError | None = None
    steps: tuple[Step, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether the run goes on no more unless somebody asks it to."""
        return self.state in RUN_ENDED


class Event(msgspec.Struct, frozen=True, rename="camel"):
    """Something that happened in a run; `seq` grows from one to the next.

    Types and their bodies: `log` {message, level, step?}, `step` {key, name, state, error?},
    `progress` {done, total?, unit, step}, `state` {state, error?}, `wait` {key, name, type, ...}
    where a wait begins and {key, type, outcome, by?, reason?} where it ends, `decision` {decision,
    by, reason?, step?}: `approved`, `rejected`, `cancel`, `retry`, `resolve` or `undo`. Plugins may
    add types of their own.
    """

    seq: int
    type: str
    at: datetime
    body: dict[str, Any]

    @property
    def waiting(self) -> Waiting | None:
        """What is waited for from here on; None where no wait begins."""
        if self.type != "wait" or "outcome" in self.body:
            return None
        try:
            known = msgspec.convert(self.body, Waiting)
        except msgspec.ValidationError:
            known = Waiting(str(self.body.get("type", "")))
        return msgspec.structs.replace(known, step=self.body.get("key"))

    @property
    def text(self) -> str:
        """The event in one line, for people; empty for types that this SDK does not know."""
        tell = _TELLERS.get(self.type)
        if (waiting := self.waiting) is not None:
            asked = f": {waiting.question}" if waiting.question else ""
            return f"waits for {waiting.text}{asked}"
        return tell(self.body) if tell is not None else ""


def _log(body: dict[str, Any]) -> str:
    return str(body.get("message", ""))


def _step(body: dict[str, Any]) -> str:
    return f"{body.get('name') or body.get('key', '')}: {body.get('state', '')}"


def _state(body: dict[str, Any]) -> str:
    return str(body.get("state", ""))


def _progress(body: dict[str, Any]) -> str:
    total = f" of {body['total']}" if body.get("total") is not None else ""
    return f"{body.get('done', '')}{total} {body.get('unit', '')}".rstrip()


def _outcome(body: dict[str, Any]) -> str:
    what = body.get("outcome")
    if what == "timed-out":
        return f"the {body.get('type', 'answer')} did not come in time"
    if what in ("approved", "rejected"):
        by = f" by {body['by']}" if body.get("by") else ""
        reason = f": {body['reason']}" if body.get("reason") else ""
        return f"{what}{by}{reason}"
    if body.get("type") == "child":
        return f"run {body['run']} has ended" if body.get("run") else "the run has ended"
    return "the time has come" if what == "passed" else f"the {body.get('type')} came"


def _decision(body: dict[str, Any]) -> str:
    said = str(body.get("decision", ""))
    by = f" by {body['by']}" if body.get("by") else ""
    reason = f": {body['reason']}" if body.get("reason") else ""
    return f"{_WORDS.get(said, said)}{by}{reason}"


_WORDS = {
    "cancel": "asked to stop",
    "retry": "taken up again",
    "resolve": "resolved",
    "undo": "taken back",
}
_TELLERS = {
    "log": _log,
    "step": _step,
    "state": _state,
    "progress": _progress,
    "wait": _outcome,
    "decision": _decision,
}


class RunKind(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A kind of run that can be started.

    Attributes:
        input_schema: JSON Schema of its input.
        queue: which workers take it where nothing else is said.
        plugin: which plugin brings it.
    """

    name: str
    title: str = ""
    description: str = ""
    input_schema: dict[str, Any] = msgspec.field(default_factory=dict)
    queue: str | None = None
    plugin: str | None = None


class Undo(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One thing that taking back a run would do.

    Attributes:
        seq: its number within its run; the highest is done first.
        run: the run that did it: the one that was asked about, or one that it began.
        step: the step whose effect it takes back.
        name: what it does.
        owner: the kind or action that does it.
        data: what it is given; free-form.
        state: `ready`, `done` or `failed`; `error` says why.
        undone_by: the run that took it back.
    """

    seq: int
    step: str
    name: str
    owner: str
    data: dict[str, Any] = msgspec.field(default_factory=dict)
    state: str = "ready"
    run: str | None = None
    error: RunError | None = None
    undone_by: str | None = None
