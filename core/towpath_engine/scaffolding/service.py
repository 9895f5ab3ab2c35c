"""Golden paths as they are asked for: forms, checked values, and runs of what was shown.

Pins the template's content into the run: what was asked for is what is done. Does no step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import select

from towpath_core.errors import Invalid, NotFound, Problem
from towpath_core.identity import Principal
from towpath_core.plugins import PluginHost
from towpath_core.refs import parse_ref
from towpath_core.scaffolding import Action
from towpath_engine import audit
from towpath_engine.catalog.index import CatalogIndex
from towpath_engine.catalog.judging import MANAGED_BY
from towpath_engine.catalog.tables import ENTITIES
from towpath_engine.idempotency import Request, recall, remember
from towpath_engine.jsonschema import SchemaFault, check_affordable, faults
from towpath_engine.policy import PolicyGate
from towpath_engine.runs.service import RunService
from towpath_engine.runs.terms import Terms
from towpath_engine.store.database import Database

__all__ = ("Form", "FormPage", "GoldenPath", "ScaffoldingService", "ValuesRefused")

_PAGE_TITLE = "Please enter the following information"


class FormPage(msgspec.Struct, frozen=True):
    """One page of a template's form."""

    title: str
    schema: dict[str, Any]
    description: str | None = None


class Form(msgspec.Struct, frozen=True):
    """What a template asks for, page by page."""

    title: str
    steps: tuple[FormPage, ...]
    description: str | None = None
    presentation: Any = None
    ui_options: Any = None
    form_decorators: Any = None


class ValuesRefused(Invalid):
    """The values or secrets do not fit the template's schema; `faults` say where."""

    def __init__(self, where: str, found: Sequence[tuple[dict[str, Any], SchemaFault]]) -> None:
        problems = [fault.problem() for _, fault in found]
        super().__init__(
            f"The {where} do not fit the template.",
            why="; ".join(str(problem) for problem in problems),
            problems=problems,
        )
        self.where = where
        self.faults = tuple(found)


class GoldenPath(msgspec.Struct, frozen=True):
    """A run of a template that was checked: of which one, its title, and its pinned input."""

    entity_ref: str
    title: str
    input: dict[str, Any]


class ScaffoldingService:
    """Everything about templates but doing them."""

    def __init__(
        self,
        database: Database,
        host: PluginHost,
        index: CatalogIndex,
        runs: RunService,
        policy: PolicyGate,
    ) -> None:
        self._database = database
        self._host = host
        self._index = index
        self._runs = runs
        self._policy = policy

    def actions(self) -> Sequence[Action]:
        """All actions that plugins offer, ordered by id."""
        return [offered.value for offered in self._host.contributions.actions.values()]

    def form(self, ref: str) -> Form:
        """What a template asks for.

        Raises:
            NotFound: there is no such template.
            Invalid: it is not a template this platform can do.
        """
        template = self._template(ref)
        metadata, spec = template["metadata"], template["spec"]
        return Form(
            title=metadata.get("title") or metadata["name"],
            description=metadata.get("description"),
            presentation=spec.get("presentation"),
            ui_options=metadata.get("ui:options"),
            steps=tuple(_form_page(page) for page in _pages(spec)),
            form_decorators=spec.get("formDecorators") or spec.get("EXPERIMENTAL_formDecorators"),
        )

    async def create(
        self,
        principal: Principal,
        ref: str,
        values: Mapping[str, Any],
        secrets: Mapping[str, str] | None = None,
        *,
        key: str | None = None,
    ) -> UUID:
        """Accept a run of a template; its id comes back at once.

        Args:
            principal: who asks; the run acts with these rights.
            ref: the template; the kind may be left out.
            values: checked against every page of the form.
            secrets: sealed, and wiped when the run ends.
            key: idempotency key; the same request with it gives the same run.

        Raises:
            NotFound: there is no such template.
            ValuesRefused: values or secrets do not fit.
            Invalid: the template names an action that no plugin offers.
            Forbidden: a policy denies it.
        """
        path = await self.prepare(principal, ref, values, secrets)
        body = {"ref": path.entity_ref, "values": dict(values), "secrets": sorted(secrets or {})}
        request = Request.of(principal, key, "scaffold", body)
        async with self._database.begin() as transaction:
            if (answer := await recall(transaction, request)) is not None:
                return UUID(answer)
            terms = Terms(queue="scaffold")
            run_id = await self._runs.create(
                transaction,
                principal,
                "scaffold",
                path.title,
                path.input,
                secrets=secrets,
                terms=terms,
            )
            await audit.record(
                transaction, principal, "scaffold:run", path.entity_ref, run_id=run_id
            )
            await remember(transaction, request, str(run_id))
        return run_id

    async def prepare(
        self,
        principal: Principal,
        ref: str,
        values: Mapping[str, Any],
        secrets: Mapping[str, str] | None = None,
    ) -> GoldenPath:
        """Check what `create` is asked for, and pin it; nothing is accepted yet.

        Raises what `create` does.
        """
        template = await self._template_anywhere(ref)
        spec = template["spec"]
        steps = _numbered(spec.get("steps") or [])
        self._check_actions(steps)
        form = _checks_of(spec)
        _check_values(form, values, secrets or {})
        entity_ref = _ref_of(template)
        await self._check_rights(principal, entity_ref, steps, values)
        input = self._pinned(principal, template, steps, values) | {"form": form}
        return GoldenPath(entity_ref, f"Create from {entity_ref}", input)

    async def again(
        self,
        principal: Principal,
        input: Mapping[str, Any],
        values: Mapping[str, Any] | None,
        secrets: Mapping[str, str] | None,
    ) -> dict[str, Any]:
        """The input that a run goes on with, given other values and its secrets again.

        Judged by the form as it was when the run was accepted.

        Raises:
            ValuesRefused: values or secrets do not fit.
            Forbidden: a policy denies it.
        """
        wanted = dict(input["parameters"] if values is None else values)
        _check_values(input.get("form") or {}, wanted, secrets or {})
        ref = input["templateInfo"]["entityRef"]
        await self._check_rights(principal, ref, input["steps"], wanted)
        return {**input, "parameters": wanted}

    async def _check_rights(
        self,
        principal: Principal,
        ref: str,
        steps: Sequence[Mapping[str, Any]],
        values: Mapping[str, Any],
    ) -> None:
        await self._policy.check(principal, "scaffold:run", ref, {"values": dict(values)})
        for step in steps:
            await self._policy.check(principal, "action:execute", step["action"])

    def _pinned(
        self,
        principal: Principal,
        template: Mapping[str, Any],
        steps: Sequence[Mapping[str, Any]],
        values: Mapping[str, Any],
    ) -> dict[str, Any]:
        """All that a run needs, so that a change of the template does not reach it."""
        return {
            "apiVersion": template["apiVersion"],
            "steps": steps,
            "output": template["spec"].get("output") or {},
            "parameters": dict(values),
            "user": self._user(principal),
            "templateInfo": {
                "entityRef": _ref_of(template),
                "baseUrl": template["metadata"]["annotations"][MANAGED_BY],
                "entity": {"metadata": template["metadata"]},
            },
        }

    def _template(self, ref: str) -> dict[str, Any]:
        name = str(parse_ref(ref, default_kind="template"))
        entry = self._index.by_ref(name)
        return self._usable(name, entry.final if entry is not None else None)

    async def _template_anywhere(self, ref: str) -> dict[str, Any]:
        """A template, also in a process that does not keep the catalog in memory."""
        name = str(parse_ref(ref, default_kind="template"))
        if (entry := self._index.by_ref(name)) is not None:
            return self._usable(name, entry.final)
        query = select(ENTITIES.c.body).where(ENTITIES.c.ref == name)
        async with self._database.begin() as transaction:
            return self._usable(name, (await transaction.execute(query)).scalar_one_or_none())

    def _usable(self, name: str, body: bytes | str | None) -> dict[str, Any]:
        if body is None:
            raise NotFound(f"There is no template {name}.", next="towpath get template lists all.")
        entity: dict[str, Any] = msgspec.json.decode(body)
        languages = self._host.contributions.template_languages
        if entity["kind"] != "Template" or entity["apiVersion"] not in languages:
            known = ", ".join(languages) or "none"
            raise Invalid(
                f"{name} is not a template that can be run here.",
                why=f"It is a {entity['kind']} of {entity['apiVersion']}; known: {known}.",
            )
        return entity

    def _check_actions(self, steps: Sequence[Mapping[str, Any]]) -> None:
        known = self._host.contributions.actions
        problems = [
            Problem("action", f"step {step['id']}: no plugin offers the action {step['action']!r}")
            for step in steps
            if step["action"] not in known
        ]
        if problems:
            raise Invalid(
                problems[0].message[0].upper() + problems[0].message[1:] + ".",
                next=f"Install a plugin that does. Known: {', '.join(known)}.",
                problems=problems,
            )

    def _user(self, principal: Principal) -> dict[str, Any]:
        entry = self._index.by_ref(principal.entity_ref)
        user: dict[str, Any] = {"ref": principal.entity_ref}
        if entry is not None:
            user["entity"] = msgspec.json.decode(entry.final)
        return user


def _checks_of(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What values and secrets of a template are checked against."""
    secrets = (spec.get("secrets") or {}).get("schema")
    return {"pages": _pages(spec), "secrets": secrets if isinstance(secrets, dict) else None}


def _check_values(
    form: Mapping[str, Any], values: Mapping[str, Any], secrets: Mapping[str, str]
) -> None:
    found: list[tuple[dict[str, Any], SchemaFault]] = []
    for page in form.get("pages") or []:
        check_affordable(page, values, "parameters")
        found += [(page, fault) for fault in faults(page, values, "parameters")]
    if found:
        raise ValuesRefused("values", found)
    if (wanted := form.get("secrets")) is not None:
        check_affordable(wanted, secrets, "secrets")
        missing = [(wanted, f) for f in faults(wanted, secrets, "secrets", secret=True)]
        if missing:
            raise ValuesRefused("secrets", missing)


def _pages(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    parameters = spec.get("parameters")
    pages = parameters if isinstance(parameters, list) else [parameters]
    return [page for page in pages if isinstance(page, dict)]


def _form_page(page: Mapping[str, Any]) -> FormPage:
    schema = {key: value for key, value in page.items() if key not in ("title", "description")}
    return FormPage(page.get("title") or _PAGE_TITLE, schema, page.get("description"))


def _numbered(steps: Sequence[Any]) -> list[dict[str, Any]]:
    """Steps with the id and name that Backstage gives to those without."""
    result: list[dict[str, Any]] = []
    for number, step in enumerate(steps, start=1):
        if not isinstance(step, dict) or not isinstance(step.get("action"), str):
            raise Invalid(
                f"Step {number} of the template has no action.",
                problems=[Problem("action", f"step {number} has no action")],
            )
        identity = step.get("id") or f"step-{number}"
        name = step.get("name") or step["action"]
        # An `each` gives its parts the ids `id[key]`, which no step may have for itself.
        if not isinstance(identity, str) or not isinstance(name, str) or "[" in identity:
            raise Invalid(
                f"Step {number} of the template cannot have that id or name.",
                next="Use texts, and no [ in an id.",
            )
        result.append({**step, "id": identity, "name": name})
    counts = Counter(step["id"] for step in result)
    if (twice := counts.most_common(1)) and twice[0][1] > 1:
        raise Invalid(f"Two steps of the template have the id {twice[0][0]!r}.")
    return result


def _ref_of(entity: Mapping[str, Any]) -> str:
    metadata = entity["metadata"]
    return f"{entity['kind']}:{metadata['namespace']}/{metadata['name']}".lower()
