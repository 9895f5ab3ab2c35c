"""Who does the work of runs, and who starts further ones: what an attempt needs of the platform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from towpath_engine.runs.journal import ErrorInfo
from towpath_engine.store.database import Transaction

if TYPE_CHECKING:
    from towpath_engine.runs.context import RunContext

__all__ = ("Executor", "Starting")


class Executor(Protocol):
    """Does the work of one kind of run."""

    async def execute(self, run: RunContext) -> Any:
        """Do the run and return its output, JSON. Called again from the top after a crash."""
        ...

    async def failed(self, transaction: Transaction, run: RunContext, error: ErrorInfo) -> None:
        """Write what a failure or a stop means for our tables, in the run's last transaction."""
        ...


class Starting(Protocol):
    """Starts runs in the name of another; what the platform hands to a worker."""

    async def start_child(
        self,
        parent: RunContext,
        step: str,
        kind: str,
        input: Mapping[str, Any],
        secrets: Mapping[str, str] | None,
    ) -> UUID:
        """Accept a run with the parent's rights; the same one when asked again for one step."""
        ...
