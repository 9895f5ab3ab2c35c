"""Does runs of kind `undo`: each effect of another run is taken back in a step of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec
from sqlalchemy import update

from towpath_core.errors import Cancelled, NotFound, StepFailed, TowpathError
from towpath_core.plugins import Contribution, PluginHost
from towpath_core.runs import Undoable
from towpath_engine.runs.context import RunContext
from towpath_engine.runs.faults import describe_error
from towpath_engine.runs.journal import ErrorInfo, FenceLost
from towpath_engine.runs.tables import UNDOS
from towpath_engine.runs.tools import RunStepTools
from towpath_engine.runs.trying import try_often
from towpath_engine.runs.undoing import UndoInfo, undos_of
from towpath_engine.store.database import DatabaseUnavailable, Transaction

__all__ = ("PLATFORM_OWNER", "PlatformUndo", "UndoExecutor")

PLATFORM_OWNER = "platform"
"""The owner of effects that the platform itself takes back."""

_SECONDS = 600.0


class PlatformUndo(Protocol):
    """Takes effects of the platform's own back, of one name."""

    async def undo(self, run: RunContext, data: Mapping[str, Any], tools: RunStepTools) -> None:
        """Take it back with the rights of the run's principal; what is gone is success."""
        ...

    async def commit(self, transaction: Transaction, run: RunContext, data: Any) -> None:
        """Write what it means for our tables, in the transaction of the step's result."""
        ...

    async def failed(
        self, transaction: Transaction, run: RunContext, data: Any, error: ErrorInfo
    ) -> None:
        """Write what it means that it failed, likewise."""
        ...


class UndoExecutor:
    """Executor of runs of kind `undo`.

    Args:
        host: the plugins whose code takes effects back.
        own: what the platform takes back itself, by name.
    """

    def __init__(self, host: PluginHost, own: Mapping[str, PlatformUndo] | None = None) -> None:
        self._host = host
        self._own = dict(own or {})

    async def execute(self, run: RunContext) -> Any:
        """Take back all that is left, the last one first.

        Raises:
            StepFailed: at the end, where some could not be taken back.
        """
        target = run.undoes or UUID(run.input["run"])
        async with run.database.begin() as transaction:
            undos = await undos_of(transaction, target)
        failed: list[tuple[UndoInfo, TowpathError]] = []
        left = [undo for undo in undos if undo.state != "done"]
        for number, undo in enumerate(left):
            tell(run, number, len(left))
            try:
                await self._take_back(run, undo)
            except (FenceLost, DatabaseUnavailable, Cancelled):
                raise
            except TowpathError as error:
                failed.append((undo, error))
        if failed:
            raise _left_behind(failed, len(left))
        return {"run": str(target), "undone": len(undos)}

    async def failed(self, transaction: Transaction, run: RunContext, error: ErrorInfo) -> None:
        """Each effect says for itself what became of it."""

    async def _take_back(self, run: RunContext, undo: UndoInfo) -> None:
        key = f"{undo.run_id}:{undo.seq}"
        step = await run.open_step(key, f"{undo.name} ({undo.step})")
        own = self._own.get(undo.name) if undo.owner == PLATFORM_OWNER else None

        async def work(tools: RunStepTools) -> Any:
            if own is not None:
                await own.undo(run, undo.data, tools)
            else:
                offered = self._owner(undo)
                await self._host.call(
                    offered, "undo", undo.name, undo.data, tools, seconds=_SECONDS
                )
            return None

        async def done(transaction: Transaction, output: Any) -> None:
            if own is not None:
                await own.commit(transaction, run, undo.data)
            await _mark(transaction, run, undo, "done", None)

        async def not_done(transaction: Transaction, output: Any) -> None:
            if own is not None:
                await own.failed(transaction, run, undo.data, info)
            await _mark(transaction, run, undo, "failed", info)

        if step.state == "succeeded":
            return
        if step.error is not None:
            raise StepFailed(step.error.message, why=step.error.why, next=step.error.next)
        tools = RunStepTools(run, step, seconds=_SECONDS, owner=undo.owner)
        try:
            await try_often(run, work, tools, _SECONDS)
            await run.close_step(step, None, done)
        except (FenceLost, DatabaseUnavailable):
            raise
        except Exception as error:
            info = describe_error(error, run.buffer.mask)
            await run.fail_step(step, error, None if isinstance(error, Cancelled) else not_done)
            if isinstance(error, TowpathError):
                raise
            raise StepFailed(info.message, next=info.next) from error

    def _owner(self, undo: UndoInfo) -> Contribution[Any]:
        kind, _, name = undo.owner.partition(":")
        offered: Mapping[str, Mapping[str, Contribution[Any]]] = {
            "kind": self._host.contributions.run_kinds,
            "action": self._host.contributions.actions,
            "provisioner": self._host.contributions.provisioners,
        }
        found = offered.get(kind, {}).get(name)
        if found is None:
            raise NotFound(
                f"{undo.owner} is not there to take back {undo.name!r}.",
                next="Bring its plugin back, then take this run up again.",
            )
        if not isinstance(found.value, Undoable):
            raise StepFailed(f"{undo.owner} does not know how to take back {undo.name!r}.")
        return found


def tell(run: RunContext, done: int, total: int) -> None:
    """Report how far the run is."""
    run.buffer.add("progress", {"done": done, "total": total, "unit": "effects"})


async def _mark(
    transaction: Transaction, run: RunContext, undo: UndoInfo, state: str, error: ErrorInfo | None
) -> None:
    c = UNDOS.c
    change = update(UNDOS).where(c.run_id == undo.run_id, c.seq == undo.seq)
    plain = msgspec.to_builtins(error) if error is not None else None
    await transaction.execute(change.values(state=state, error=plain, undone_by=run.id))


def _left_behind(failed: Sequence[tuple[UndoInfo, TowpathError]], total: int) -> StepFailed:
    texts = [f"{undo.name} ({undo.step}): {error.what}" for undo, error in failed]
    return StepFailed(
        f"{len(failed)} of {total} effects could not be taken back.",
        why="; ".join(texts[:5]),
        next="Mend what is wrong, then take this run up again: towpath runs retry.",
    )
