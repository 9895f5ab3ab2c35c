"""Scaffolding types: template languages that render, and actions that work."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from towpath_core.entities import Entity
from towpath_core.runs import StepTools

__all__ = (
    "UNDEFINED",
    "Action",
    "ActionContext",
    "ActionExample",
    "FileOptions",
    "Registration",
    "RenderLimits",
    "RenderSession",
    "TemplateLanguage",
    "Undefined",
)


class Undefined:
    """What an expression answers that has no value; there is one, `UNDEFINED`."""

    def __bool__(self) -> bool:
        """Undefined is false."""
        return False

    def __repr__(self) -> str:
        """Say what it is."""
        return "UNDEFINED"


UNDEFINED = Undefined()


class RenderLimits(msgspec.Struct, frozen=True):
    """What one render session may use.

    Attributes:
        cpu_seconds: processor time of the whole session.
        wall_seconds: time until one answer is given up.
        memory_bytes: address space of the child process.
        output_bytes: size of one rendered text.
    """

    cpu_seconds: int = 10
    wall_seconds: float = 15.0
    memory_bytes: int = 512 * 1024 * 1024
    output_bytes: int = 16 * 1024 * 1024


class FileOptions(msgspec.Struct, frozen=True):
    """How a whole file is rendered."""

    trim_blocks: bool = False
    lstrip_blocks: bool = False
    cookiecutter: bool = False


class RenderSession(Protocol):
    """An open child process that renders for one run. Close it after use.

    Every method raises:
        Invalid: the template is wrong (code `template`), with line where it is known.
        LimitExceeded: a limit was used up; the process is gone, a new session is needed.
        Unavailable: the process could not be started, or the session is closed.
    """

    def value(self, template: Any, context: Mapping[str, Any]) -> Any:
        """Render all strings inside a JSON value.

        A string that is one expression gives the expression's own type; a key whose value is
        undefined disappears; the top may be `UNDEFINED`.
        """
        ...

    def truthy(self, template: str | bool | None, context: Mapping[str, Any]) -> bool:
        """Evaluate a step's `if` with JavaScript's truth, where an empty list is false too."""
        ...

    def text(
        self, template: str, context: Mapping[str, Any], options: FileOptions | None = None
    ) -> str:
        """Render a file's content or its name."""
        ...

    def close(self) -> None:
        """End the child process; harmless when it is gone."""
        ...


@runtime_checkable
class TemplateLanguage(Protocol):
    """A language that templates are written in.

    Attributes:
        name: lower-case kebab-case, unique among all plugins.
        api_versions: the `apiVersion`s of templates written in it.
    """

    name: str
    api_versions: frozenset[str]

    def open(self, limits: RenderLimits) -> RenderSession:
        """Start a session in a child process that holds no secret and no environment."""
        ...


class Registration(msgspec.Struct, frozen=True):
    """The answer to a registration: the location's id and the entities it gave, main one first."""

    location_id: str
    target: str
    entity_refs: tuple[str, ...]


class ActionContext(StepTools, Protocol):
    """What an action gets besides its input."""

    workspace: Path
    """The run's own folder; an action reads and writes below it only."""
    base_target: str
    """Location of the template file; relative urls are resolved against it."""
    template_ref: str
    user_ref: str
    dry_run: bool

    def render(self) -> RenderSession:
        """The run's render session."""
        ...

    def fetch(self, url: str, destination: Path) -> None:
        """Copy a file or folder, relative to the template or absolute, to `destination`.

        `destination` lies in the workspace; nothing is there yet. Links are refused. Raises
        NotFound, Forbidden or LimitExceeded as the source does.
        """
        ...

    def register(self, target: str, *, optional: bool = False) -> Registration:
        """Register a location in the catalog and read it; idempotent for one target.

        Raises:
            Invalid: a descriptor there is wrong; the problems have their places.
        """
        ...

    def entity(self, ref: str) -> Entity | None:
        """An entity of the catalog, as the one who runs the template may see it."""
        ...


class ActionExample(msgspec.Struct, frozen=True):
    """An example of use: what it shows, and YAML."""

    description: str
    example: str


@runtime_checkable
class Action(Protocol):
    """A typed step that templates call.

    `run` must be idempotent for one `context.key`: after a crash it is called again with it.

    Attributes:
        id: `group:verb`, unique among all plugins.
        input_schema: JSON Schema of the input; checked before `run`. Unknown inputs are dropped
            with a warning in the log.
        output_schema: JSON Schema of what `run` returns.
        effect: `workspace` for one that stays in its folder, `external` for others.
    """

    id: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    effect: Literal["pure", "workspace", "external"]
    examples: tuple[ActionExample, ...]

    def run(self, input: dict[str, Any], context: ActionContext) -> Mapping[str, Any]:
        """Do the step and return its outputs. Called in a thread, with a deadline.

        Raises:
            Invalid: the input is wrong in a way its schema cannot say.
            StepFailed: it cannot be done.
        """
        ...
