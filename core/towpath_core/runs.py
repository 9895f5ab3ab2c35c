"""Runs: any work that takes time, as the platform journals it and as plugin code sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

__all__ = ("RUN_ENDED", "LogLevel", "RunState", "StepState", "StepTools")

RunState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
StepState = Literal["running", "succeeded", "failed", "cancelled", "skipped"]
LogLevel = Literal["debug", "info", "warning", "error"]

RUN_ENDED: frozenset[RunState] = frozenset({"succeeded", "failed", "cancelled"})


class StepTools(Protocol):
    """What plugin code gets while it works for a step of a run.

    All methods are safe to call from any thread and return at once. What is logged is masked
    against the run's secrets before it is stored.
    """

    run_id: str
    key: str
    """Idempotency key, the same at every attempt of this step: `<run>:<sequence>`."""
    deadline: float
    """When the step must be done, in seconds of `time.monotonic()`."""

    def log(self, message: str, *, level: LogLevel = "info") -> None:
        """Add a line to the run's log."""
        ...

    def progress(self, done: float, total: float | None = None, unit: str = "") -> None:
        """Report how far the step is; `total` is left out where it is not known."""
        ...

    def emit(self, type: str, body: Mapping[str, Any]) -> None:
        """Add a typed event to the run."""
        ...

    def check(self) -> None:
        """Raise `Cancelled` when the run was asked to stop or the deadline has passed.

        Call it between the parts of long work; the platform cannot stop a thread from outside.
        """
        ...
