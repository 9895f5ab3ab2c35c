"""What people can do about a run: the exact command, ready to be copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towpath_cli.text import line

if TYPE_CHECKING:
    from towpath_sdk import Run, Waiting

__all__ = ("after_failure", "answer_to", "next_commands")

_RETRIABLE = frozenset({"failed", "cancelled"})


def answer_to(waiting: Waiting, run_id: str) -> str | None:
    """The command that ends a wait, where people can."""
    if waiting.type == "approval":
        return f"towpath runs approve {run_id}"
    if waiting.type == "signal":
        return f"towpath runs signal {run_id} {line(waiting.event or 'NAME')}"
    return None


def after_failure(run: Run) -> str:
    """What to do about a run that did not succeed."""
    if run.state == "unknown":
        return (
            "Look whether it happened, and say so: towpath runs resolve "
            f"{run.id} --happened --reason WHY{_secrets(run)}   (or --not-happened)"
        )
    said = (run.error and run.error.next) or f"See what it did: towpath runs show {run.id}"
    return f"{said} Take it up again: {_retry(run)}"


def next_commands(run: Run, undos: int) -> list[tuple[str, str]]:
    """What can be done now, each as words and a command.

    Args:
        run: the run, with what it waits for.
        undos: how many of its effects can be taken back.
    """
    if not run.ended:
        return [*_answers(run), ("Follow it", f"towpath runs logs -f {run.id}")]
    found: list[tuple[str, str]] = []
    if run.state == "unknown":
        resolve = f"towpath runs resolve {run.id}"
        found += [
            ("It happened", f"{resolve} --happened --reason WHY{_secrets(run)}"),
            ("It did not", f"{resolve} --not-happened --reason WHY{_secrets(run)}"),
        ]
    if run.state in _RETRIABLE:
        found.append(("Take it up again", _retry(run)))
    if undos:
        found.append(("Take back what it did", f"towpath runs undo {run.id}"))
    return found


def _retry(run: Run) -> str:
    """The command that takes a run up again."""
    return f"towpath runs retry {run.id}{_secrets(run)}"


def _secrets(run: Run) -> str:
    """The options with the secrets that were wiped when a run ended."""
    return "".join(f" --secret {line(name)}" for name in run.secret_names)


def _answers(run: Run) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for waiting in run.waiting:
        answer = answer_to(waiting, run.id)
        if answer is None:
            continue
        if waiting.type == "signal":
            found.append(("Wake it", answer))
            continue
        step = f" --step {line(waiting.step)}" if len(run.waiting) > 1 and waiting.step else ""
        reject = f"towpath runs reject {run.id}{step} --reason WHY"
        found += [("Say yes", f"{answer}{step}"), ("Say no", reject)]
    return found
