"""Shapes of templates: what they ask for, and the actions they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

__all__ = ("Action", "TemplatePage", "TemplateSchema")


class TemplatePage(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One page of a template's form; `schema` is the JSON Schema of its values."""

    title: str = ""
    description: str | None = None
    schema: dict[str, Any] = msgspec.field(default_factory=dict)


class TemplateSchema(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a template asks for, page by page."""

    title: str
    steps: tuple[TemplatePage, ...]
    description: str | None = None

    def schemas(self) -> Iterator[dict[str, Any]]:
        """The JSON Schema of each page, in order."""
        for page in self.steps:
            yield page.schema


class ActionSchema(msgspec.Struct, frozen=True, omit_defaults=True):
    """JSON Schemas of what an action takes and gives."""

    input: dict[str, Any] | None = None
    output: dict[str, Any] | None = None


class Action(msgspec.Struct, frozen=True, omit_defaults=True):
    """A typed step that templates can call."""

    id: str
    description: str | None = None
    schema: ActionSchema | None = None


class TaskId(msgspec.Struct, frozen=True):
    """The answer to a new task: its id, which is the run's."""

    id: str
