"""What an action gets while it works: its run's folder, rendering, fetching, registering.

Called from the action's thread; what needs the event loop is handed to it and waited for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from towpath_core.catalog import CatalogSource
from towpath_core.entities import Entity
from towpath_core.errors import Forbidden, Invalid, LimitExceeded
from towpath_core.identity import Principal
from towpath_core.scaffolding import Registration, RenderSession
from towpath_engine.catalog.reading import LocationReader
from towpath_engine.catalog.registrations import find_location
from towpath_engine.catalog.service import CatalogService
from towpath_engine.catalog.sources import tree_source
from towpath_engine.runs.context import RunContext
from towpath_engine.runs.journal import StepInfo
from towpath_engine.runs.tools import RunStepTools
from towpath_engine.runs.undo_executor import PLATFORM_OWNER
from towpath_engine.scaffolding.undoing import undo_of_registration

__all__ = ("ActionDesk", "TemplateActionContext")

T = TypeVar("T")

FETCH_BYTES = 256 * 1024 * 1024
FETCH_FILES = 10_000


class ActionDesk(msgspec.Struct, frozen=True):
    """What all actions of one run share."""

    loop: asyncio.AbstractEventLoop
    catalog: CatalogService
    reader: LocationReader
    sources: Sequence[CatalogSource]
    principal: Principal
    workspace: Path
    base: str
    template_ref: str
    session: Callable[[], RenderSession]


class TemplateActionContext(RunStepTools):
    """The context of one call of one action; see `towpath_core.scaffolding.ActionContext`."""

    def __init__(
        self,
        desk: ActionDesk,
        run: RunContext,
        step: StepInfo,
        *,
        seconds: float,
        owner: str,
    ) -> None:
        super().__init__(run, step, seconds=seconds, owner=owner)
        self._desk = desk
        self.workspace = desk.workspace
        self.template_ref = desk.template_ref
        self.user_ref = desk.principal.entity_ref
        self.dry_run = False
        self._type, _, self.base_target = desk.base.partition(":")

    def render(self) -> RenderSession:
        """The run's render session."""
        return self._desk.session()

    def fetch(self, url: str, destination: Path) -> None:
        """Copy a file or folder, relative to the template or absolute, to `destination`.

        Raises:
            Forbidden: no source hands it over, or the destination is not in the workspace.
        """
        self.check()
        if not destination.resolve().is_relative_to(self.workspace.resolve()):
            raise Forbidden(f"{url} cannot be fetched to a place outside the workspace.")
        type, target = self._locate(url)
        reads = self._desk.reader.source_for(type, target)
        source = tree_source(reads, self._desk.sources, type, target)
        if source is None:
            raise Forbidden(
                f"{url} cannot be fetched.",
                why=f"No source hands over folders of {type}:{target}.",
                next="Use a path relative to the template, or a source that is installed.",
            )
        source.read_tree(target, destination, max_bytes=FETCH_BYTES, max_files=FETCH_FILES)

    def register(self, target: str, *, optional: bool = False) -> Registration:
        """Register a location in the catalog and read it."""
        type = "file" if target.startswith("file:") else "url"
        if not self._hand(self._is_registered(type, target)):
            undo = undo_of_registration(self._run, type, target)
            self._do(self._run.register_undo(self.of, PLATFORM_OWNER, undo))
        return self._hand(self._register(type, target, optional))

    def entity(self, ref: str) -> Entity | None:
        """An entity of the catalog."""
        return self._hand(self._desk.catalog.stored(self._desk.principal, ref))

    async def _is_registered(self, type: str, target: str) -> bool:
        async with self._run.database.begin() as transaction:
            return await find_location(transaction, type, target) is not None

    async def _register(self, type: str, target: str, optional: bool) -> Registration:
        if not self._desk.principal.has("catalog:write"):
            raise Forbidden(
                f"{target} cannot be registered.",
                why="The token that started this run does not have the scope catalog:write.",
                next="Start the run with a token that has it.",
            )
        report = await self._desk.catalog.register(self._desk.principal, type, target, again=True)
        if report.problems and not optional:
            problems = [found.problem for found in report.problems]
            raise Invalid(
                f"{target} is not a good descriptor.",
                why="; ".join(str(problem) for problem in problems[:5]),
                problems=problems,
            )
        return Registration(str(report.location.id), target, tuple(_main_first(report.entity_refs)))

    def _locate(self, url: str) -> tuple[str, str]:
        if "://" in url:
            type = "file" if url.startswith("file:") else "url"
            if type == "file" and self._type != "file":
                raise Forbidden(f"{url} cannot be fetched: the template is not of this host.")
            return type, url
        source = self._desk.reader.source_for(self._type, self.base_target)
        if source is None:
            raise Forbidden(f"{url} cannot be fetched: no source reads {self.base_target}.")
        return self._type, source.value.resolve(self.base_target, url)

    def _hand(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._desk.loop)
        try:
            return future.result(max(0.1, self.deadline - time.monotonic()))
        except TimeoutError as error:
            future.cancel()
            raise LimitExceeded("The step has used up its time.") from error


def _main_first(refs: Sequence[str]) -> list[str]:
    """The main entity first: a component, else anything, generated locations last."""

    def rank(ref: str) -> int:
        generated = ref.partition("/")[2].startswith("generated-")
        return 2 if generated else 0 if ref.startswith("component:") else 1

    return sorted(refs, key=rank)
