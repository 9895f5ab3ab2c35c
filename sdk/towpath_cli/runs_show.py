"""Runs shown to people: one with all that is known of it, and the short words of a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from towpath_cli.output import ago
from towpath_cli.run_board import depth_of
from towpath_cli.runs_next import next_commands
from towpath_cli.session import Session
from towpath_cli.timing import between, left

if TYPE_CHECKING:
    from towpath_sdk import Platform, Run, RunError, Step, Undo, Waiting

__all__ = ("progress_of", "show_run", "show_undos", "state_of", "undos_of")

_OPEN = frozenset({"running", "waiting"})
_LOOKED_AT = 20
"""Open runs of a list whose steps are asked for, one by one."""
_LONGEST = 60


def show_run(session: Session, run: Run, *, steps: bool = True, undos: Sequence[Undo] = ()) -> None:
    """Print a run, its steps and what it made, for people; and on stderr what they can do now."""
    session.out.record(_fields(run))
    if run.steps and steps:
        typer.echo()
        keys = {one.key for one in run.steps}
        rows = [
            (
                "- " * depth_of(one.key, keys) + (one.name or one.key),
                one.state,
                str(one.attempts),
                between(one.started_at, one.finished_at),
                _about(one),
            )
            for one in run.steps
        ]
        session.out.table(("STEP", "STATE", "TRIES", "TOOK", "ABOUT"), rows)
    commands = next_commands(run, len(undos)) if steps else []
    for words, command in commands:
        session.out.say(f"\n{words}:\n  {command}")


def show_undos(session: Session, run_id: str, undos: Sequence[Undo]) -> None:
    """Print what taking back a run would do, in order."""
    rows = [
        (_whose(one, run_id), one.name, _short(one.data), one.owner, _undo_state(one))
        for one in undos
    ]
    session.out.table(("STEP", "TAKES BACK", "WITH", "BY", "STATE"), rows)


def _whose(undo: Undo, run_id: str) -> str:
    return undo.step if undo.run in (None, run_id) else f"{undo.step} of run {undo.run}"


def _undo_state(undo: Undo) -> str:
    return f"{undo.state}: {undo.error.message}" if undo.error is not None else undo.state


def undos_of(platform: Platform, run: Run) -> tuple[Undo, ...]:
    """What can be taken back of a run that has ended; nothing where the platform does not say."""
    from towpath_sdk import ApiError

    if not run.ended:
        return ()
    try:
        return tuple(one for one in platform.runs.undo_plan(run.id) if one.state != "done")
    except ApiError:  # of a platform that cannot take back, or of a run that is not one's own
        return ()


def state_of(run: Run) -> str:
    """The state of a run, with what it waits for."""
    if run.state == "waiting" and run.waiting:
        return f"waiting: {run.waiting[0].type}"
    return "stopping" if run.cancel_requested and not run.ended else run.state


def progress_of(platform: Platform, runs: Sequence[Run], *, brief: bool) -> dict[str, str | None]:
    """How far each run is, by id: the step it is at, how long it took, or why it may not begin.

    Args:
        platform: is asked for the steps of the first open ones.
        runs: without their steps.
        brief: in a word or two, for narrow terminals.
    """
    told: dict[str, str | None] = {}
    looked = 0
    for run in runs:
        if run.state in _OPEN and looked < _LOOKED_AT:
            looked += 1
            told[run.id] = _at_step(platform.runs.get(run.id).steps, brief=brief)
        elif run.ended:
            took = between(run.started_at or run.created_at, run.finished_at)
            told[run.id] = took and f"in {took}"
        else:
            told[run.id] = "held" if run.held and brief else run.held
    return told


def _at_step(steps: Sequence[Step], *, brief: bool) -> str | None:
    current = [one for one in steps if one.state in _OPEN] or steps[-1:]
    if not current:
        return None
    at = current[-1]  # the innermost, where one is a part of another
    return f"step {at.seq}" if brief else f"step {at.seq}: {at.name or at.key}"


def _fields(run: Run) -> dict[str, object]:
    begun = ago(run.started_at)
    return {
        "Run": run.id,
        "Title": run.title,
        "Kind": run.kind,
        "State": run.state,
        "Waits for": tuple(_wait(one) for one in run.waiting),
        "Question": tuple(one.question for one in run.waiting if one.question),
        "Stops": (left(run.cancel_by) or "soon") if run.cancel_requested and not run.ended else "",
        "Held": run.held,
        "By": run.created_by,
        "Begun": begun and f"{begun} ago",
        "Took": between(run.started_at, run.finished_at) if run.ended else None,
        "Attempt": run.attempt if run.attempt > 1 else None,
        "Queue": run.queue if run.queue not in (None, "default") else None,
        "Priority": run.priority or None,
        "One by one": run.concurrency_key,
        "Deadline": None if run.ended else left(run.deadline),
        "Parent": run.parent,
        "Takes back": run.undoes,
        "Schedule": run.schedule,
        "Secrets": ", ".join(run.secret_names),
        **_error(run.error),
        "Output": _output(run),
    }


def _wait(waiting: Waiting) -> str:
    ends = left(waiting.until) if waiting.type != "time" else None
    step = f" at step {waiting.step}" if waiting.step else ""
    return f"{waiting.text}{step}{f', given up {ends}' if ends else ''}"


def _error(error: RunError | None) -> dict[str, object]:
    if error is None:
        return {}
    return {"Error": f"{error.message} ({error.code})", "Why": error.why, "Next": error.next}


def _about(step: Step) -> str | None:
    if step.error is not None:
        return step.error.message
    if step.state == "waiting" and step.wait is not None:
        return step.wait.text
    if step.wait is not None and step.wait.type == "approval" and isinstance(step.output, dict):
        return _answer(step.output)
    return f"effect {step.effect}" if step.state == "unknown" and step.effect else None


def _answer(output: Mapping[str, Any]) -> str:
    """What became of a question; the step itself is done, whatever the answer was."""
    by, reason = output.get("by"), output.get("reason")
    return f"{output.get('outcome')}{f' by {by}' if by else ''}{f': {reason}' if reason else ''}"


def _output(run: Run) -> tuple[str, ...]:
    made = dict(run.output) if isinstance(run.output, dict) else {}
    links = made.pop("links", None)
    lines = [f"{key}: {value}" for key, value in made.items() if isinstance(value, str | int)]
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict):
            where = link.get("url") or link.get("entityRef") or ""
            lines.append(f"{link.get('title') or 'link'}: {where}")
    return tuple(lines)


def _short(data: Mapping[str, Any]) -> str:
    text = ", ".join(f"{key}={value}" for key, value in data.items())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
