# Generated from _async/templates.py by tools/unasync.py. Change that file, not this one.
"""Templates: golden paths that make new things."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from towpath_sdk._sync.connection import Connection
from towpath_sdk._sync.entities import Entities
from towpath_sdk._sync.pages import Pages
from towpath_sdk._sync.runs import Runs
from towpath_sdk._wire.calls import get, post, route
from towpath_sdk._wire.entities import Entity
from towpath_sdk._wire.refs import EntityRef, parse_ref
from towpath_sdk._wire.runs import Run
from towpath_sdk._wire.templates import Action, TaskId, TemplateSchema

__all__ = ("AsyncTemplates",)

_BASE = "/api/scaffolder/v2"


class Templates:
    """See what templates there are and run them. A missing kind in a reference means `template`."""

    def __init__(self, link: Connection) -> None:
        self._link = link

    def list(self, *, page_size: int = 200, cursor: str | None = None) -> Pages[Entity]:
        """Walk the templates that the asker may see."""
        entities = Entities(self._link)
        return entities.list(filter="kind=template", page_size=page_size, cursor=cursor)

    def schema(self, ref: str | EntityRef) -> TemplateSchema:
        """What a template asks for.

        Raises:
            NotFound: there is no such template.
            Invalid: the entity is not a template that can be run.
        """
        found = parse_ref(ref, kind="template")
        path = route(f"{_BASE}/templates", found.namespace, found.kind, found.name)
        return self._link.read(get(f"{path}/parameter-schema"), TemplateSchema)

    def create(
        self,
        ref: str | EntityRef,
        values: Mapping[str, Any],
        *,
        secrets: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Run:
        """Begin to run a template, and return the run, which goes on by itself.

        Args:
            ref: the template, such as `template:default/python-service` or `python-service`.
            values: what the template asks for. Defaults of its schema are not filled in.
            secrets: values that are sealed, kept for this run only and masked in its log.
            idempotency_key: a key of one's own, to be safe over restarts of the caller: the same
                key and values give the same run, whatever happened in between.

        Raises:
            NotFound: there is no such template.
            Invalid: values do not fit; `problems` say which. Or the key was used for others.
        """
        body = {"templateRef": str(parse_ref(ref, kind="template")), "values": values}
        call = post(f"{_BASE}/tasks", {**body, "secrets": secrets}, idempotency_key)
        task = self._link.read(call, TaskId)
        return Runs(self._link).get(task.id)

    def actions(self) -> tuple[Action, ...]:
        """The actions that templates can call, sorted by id."""
        return self._link.read(get(f"{_BASE}/actions"), tuple[Action, ...])
