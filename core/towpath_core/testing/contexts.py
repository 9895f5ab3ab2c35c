"""What an action is handed while it works, in memory: a step's tools and a folder of the disk.

Real, not a mock: links and ways out are refused as the platform refuses them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from towpath_core.entities import Entity
from towpath_core.errors import Forbidden, NotFound, StepFailed
from towpath_core.scaffolding import Registration, RenderSession
from towpath_core.testing.tools import RecordingTools

__all__ = ("RecordingContext",)


class RecordingContext(RecordingTools):
    """An `ActionContext` on a folder of the disk, without a platform behind it.

    Args:
        workspace: the action's own folder.
        template: folder that relative urls of `fetch` are resolved in.
        session: what `render` answers; without one it raises `StepFailed`.
        entities: what `entity` finds, by canonical reference.
        dry_run: whether nothing outside the workspace may be changed.
        key: idempotency key of the step.
        secrets: the run's, by name.

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
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(key=key, secrets=secrets)
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
