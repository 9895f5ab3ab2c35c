"""What plugin code is handed while it works, in memory: a step's tools that remember.

Real, not a mock: deadlines pass, cancelling cancels, what cannot be stored is refused. It must
not know which rules look at what was recorded.
"""

from __future__ import annotations

import math
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec

from towpath_core.entities import Entity
from towpath_core.errors import Cancelled, Forbidden, NotFound, PluginError, StepFailed
from towpath_core.runs import LogLevel
from towpath_core.scaffolding import Registration, RenderSession

__all__ = ("RecordingContext", "RecordingTools")

_LEVELS: tuple[LogLevel, ...] = get_args(LogLevel)


class RecordingTools:
    """A `StepTools` that keeps what it is told. Safe to use from any thread.

    Args:
        seconds: time until the deadline; 0 or less for one that has passed.
        cancel_at: number of the `check` that finds the run cancelled, counted from 1.
        key: idempotency key of the step.

    Attributes:
        lines: what was logged, as (level, message), in order.
        reports: what `progress` was told, as (done, total, unit), in order.
        events: what was emitted, as (type, body), in order.
        checks: how often `check` was called.
    """

    def __init__(
        self, *, seconds: float = 60.0, cancel_at: int | None = None, key: str = "kit-run:1"
    ) -> None:
        self.run_id = key.rpartition(":")[0] or key
        self.key = key
        self.deadline = time.monotonic() + seconds
        self.lines: list[tuple[LogLevel, str]] = []
        self.reports: list[tuple[float, float | None, str]] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.checks = 0
        self._cancel_at = cancel_at
        self._cancelled = False
        self._lock = threading.Lock()

    def log(self, message: str, *, level: LogLevel = "info") -> None:
        """Keep a line.

        Raises:
            PluginError: the message is no text, or there is no such level.
        """
        if not isinstance(message, str) or level not in _LEVELS:
            raise PluginError(f"log() takes text and a level of {', '.join(_LEVELS)}.")
        with self._lock:
            self.lines.append((level, message))

    def progress(self, done: float, total: float | None = None, unit: str = "") -> None:
        """Keep a report of progress.

        Raises:
            PluginError: a number is negative or not finite.
        """
        for number in (done, 0.0 if total is None else total):
            if not math.isfinite(number) or number < 0:
                raise PluginError("progress() takes numbers that are finite and not negative.")
        with self._lock:
            self.reports.append((done, total, unit))

    def emit(self, type: str, body: Mapping[str, Any]) -> None:
        """Keep a copy of an event, as it would be stored.

        Raises:
            PluginError: the body is not a JSON object.
        """
        try:
            kept = msgspec.json.decode(msgspec.json.encode(dict(body)), type=dict[str, Any])
        except (TypeError, ValueError, msgspec.MsgspecError) as error:
            raise PluginError(f"emit({type!r}) takes a JSON object.", why=str(error)) from error
        with self._lock:
            self.events.append((type, kept))

    def check(self) -> None:
        """Raise `Cancelled` once the run was cancelled or the deadline has passed."""
        with self._lock:
            self.checks += 1
            cancelled = self._cancelled or self.checks == self._cancel_at
            self._cancelled = cancelled
        if cancelled:
            raise Cancelled("The run was asked to stop.")
        if time.monotonic() >= self.deadline:
            raise Cancelled("The step's deadline has passed.")

    def cancel(self) -> None:
        """Ask the run to stop: every later `check` raises."""
        with self._lock:
            self._cancelled = True

    def text(self) -> str:
        """All that was recorded, as one text to search in."""
        with self._lock:
            return "\n".join(
                [
                    *(message for _, message in self.lines),
                    *(unit for _, _, unit in self.reports),
                    *(f"{type} {body!r}" for type, body in self.events),
                ]
            )


class RecordingContext(RecordingTools):
    """An `ActionContext` on a folder of the disk, without a platform behind it.

    Args:
        workspace: the action's own folder.
        template: folder that relative urls of `fetch` are resolved in.
        session: what `render` answers; without one it raises `StepFailed`.
        entities: what `entity` finds, by canonical reference.
        dry_run: whether nothing outside the workspace may be changed.

    Attributes:
        registered: targets that were registered, each once, in order.
    """

    def __init__(
        self,
        workspace: Path,
        *,
        template: Path | None = None,
        session: RenderSession | None = None,
        entities: Mapping[str, Entity] | None = None,
        dry_run: bool = False,
        key: str = "kit-run:1",
    ) -> None:
        super().__init__(key=key)
        self.workspace = workspace
        self.base_target = str((template or workspace) / "template.yaml")
        self.template_ref = "template:default/kit"
        self.user_ref = "user:default/kit"
        self.dry_run = dry_run
        self.registered: list[str] = []
        self._template = template
        self._session = session
        self._entities = dict(entities or {})

    def render(self) -> RenderSession:
        """The session that was given.

        Raises:
            StepFailed: none was.
        """
        if self._session is None:
            raise StepFailed(
                "This context has no template language.",
                next="Override the `context` fixture and pass `session=`.",
            )
        return self._session

    def fetch(self, url: str, destination: Path) -> None:
        """Copy a file or folder of the template into the workspace; links are refused.

        Raises:
            NotFound: nothing is there.
            Forbidden: it, or the destination, lies outside; or there is a link in it.
        """
        root = (self._template or self.workspace).resolve()
        try:
            source = (root / url).resolve()
            there = source.exists()
        except (OSError, ValueError) as error:  # a name that is too long, a NUL character
            raise NotFound(f"There is no {url[:100]!r} beside the template.") from error
        target = (self.workspace / destination).resolve()
        if not source.is_relative_to(root) or not target.is_relative_to(self.workspace.resolve()):
            raise Forbidden(f"{url!r} or its destination lies outside of the run's folders.")
        if not there:
            raise NotFound(f"There is no {url!r} beside the template.")
        if any(path.is_symlink() for path in (root / url, *source.rglob("*"))):
            raise Forbidden(f"There is a link in {url!r}.")
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, target)

    def register(self, target: str, *, optional: bool = False) -> Registration:
        """Note a target and answer as for one entity; the same answer for the same target."""
        if target not in self.registered:
            self.registered.append(target)
        number = self.registered.index(target) + 1
        return Registration(f"location-{number}", target, (f"component:default/kit-{number}",))

    def entity(self, ref: str) -> Entity | None:
        """The entity that was given under a canonical reference."""
        return self._entities.get(ref.lower())
