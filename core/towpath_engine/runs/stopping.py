"""Ends runs in the place of their workers, and says what that means for what they are about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from towpath_core.errors import Cancelled, TowpathError
from towpath_core.runs import RunState
from towpath_engine.runs.context import RunContext
from towpath_engine.runs.ending import end_outside
from towpath_engine.runs.executing import Executor
from towpath_engine.runs.journal import ErrorInfo, Event, load_steps
from towpath_engine.store.database import Database, Transaction

__all__ = ("Stopping", "Unbegun", "ended_by_force")

Unbegun = Callable[[Transaction, Any], Awaitable[None]]
"""Writes what it means that a run with this input was stopped before any step was begun."""


class Stopping:
    """Ends runs from outside.

    Args:
        database: holds the journal.
        executors: by kind, told of runs that are ended.
        unbegun: by kind, called instead for runs of which no step was begun.
    """

    def __init__(
        self,
        database: Database,
        executors: Mapping[str, Executor],
        unbegun: Mapping[str, Unbegun] | None = None,
    ) -> None:
        self._database = database
        self._executors = executors
        self._unbegun = {} if unbegun is None else unbegun

    async def stop(
        self,
        transaction: Transaction,
        row: Mapping[str, Any],
        *,
        error: TowpathError | None = None,
        events: Sequence[Event] = (),
    ) -> RunState:
        """End a run: as `unknown` where a step that others see was open, else as `cancelled`.

        Args:
            transaction: holds the lock of the run's row.
            row: the run, which has not ended.
            error: why it is ended; without it a run that did nothing wrong has none.
            events: to be written before the last one.
        """
        steps = await load_steps(transaction, row["id"])
        run = RunContext(self._database, row, steps, {})
        state: RunState = "unknown" if run.has_open_effect() else "cancelled"
        if state == "unknown":
            error = _open_in(error, run.open_step_names())
        info = ErrorInfo.of(error) if error is not None else None
        await end_outside(transaction, row, state, error=info, events=events)
        if not steps and (write := self._unbegun.get(run.kind)) is not None:
            await write(transaction, run.input)
        elif (executor := self._executors.get(run.kind)) is not None:
            told = info or ErrorInfo.of(Cancelled("The run was asked to stop."))
            await executor.failed(transaction, run, told)
        return state


def ended_by_force() -> TowpathError:
    """Why a run was ended that did not end by itself."""
    return TowpathError("The run did not stop when it was asked to, and was ended.")


def _open_in(error: TowpathError | None, names: Sequence[str]) -> TowpathError:
    return TowpathError(
        error.what if error is not None else "The run was stopped in the middle of a step.",
        why=f"Under way, with effects that others see: {', '.join(names)}.",
        next="Look, then say what became of it: towpath runs resolve.",
    )
