"""Does a template's steps as a run: condition, rendered input, action, output.

Follows Backstage's scaffolder in what an expression sees and when a step is skipped. Log lines
have its wording, because people and tools read them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from towpath_core.errors import (
    Cancelled,
    Invalid,
    LimitExceeded,
    NotFound,
    StepFailed,
    TowpathError,
)
from towpath_core.plugins import Contribution, PluginHost
from towpath_core.scaffolding import UNDEFINED, Action, RenderLimits
from towpath_engine.catalog.reading import LocationReader
from towpath_engine.catalog.service import CatalogService
from towpath_engine.policy import PolicyGate
from towpath_engine.runs.context import RunContext
from towpath_engine.runs.journal import ErrorInfo, FenceLost
from towpath_engine.runs.tools import RunStepTools
from towpath_engine.scaffolding.action_context import ActionDesk, TemplateActionContext
from towpath_engine.scaffolding.sessions import Sessions
from towpath_engine.scaffolding.values import checked_input, shown_output
from towpath_engine.scaffolding.veil import Veil
from towpath_engine.scaffolding.workspace import Workspace
from towpath_engine.store.database import DatabaseUnavailable, Transaction

__all__ = ("ScaffoldExecutor",)

_ACTION_SECONDS = 600.0
_MAX_EACH = 1000


class ScaffoldExecutor:
    """Executor of runs of kind `scaffold`."""

    def __init__(
        self,
        host: PluginHost,
        catalog: CatalogService,
        reader: LocationReader,
        policy: PolicyGate,
        workspaces: Path,
        limits: RenderLimits | None = None,
    ) -> None:
        self._host = host
        self._catalog = catalog
        self._reader = reader
        self._policy = policy
        self._workspaces = workspaces
        self._limits = limits or RenderLimits()

    async def execute(self, run: RunContext) -> Any:
        """Do all steps in order, then render the output."""
        workspace = self._workspace(run)
        known = await asyncio.to_thread(workspace.open)
        sessions = Sessions(self._host, run.input["apiVersion"], self._limits)
        await sessions.renew()
        try:
            desk = self._desk(run, workspace, sessions)
            path = _Path(self._host, self._policy, run, sessions, workspace, known, desk)
            output = await path.walk()
        finally:
            await sessions.close()
        await asyncio.to_thread(workspace.remove)
        return output

    async def failed(self, transaction: Transaction, run: RunContext, error: ErrorInfo) -> None:
        """Nothing of ours hangs on it; the folder stays for when the run is taken up again."""

    def _workspace(self, run: RunContext) -> Workspace:
        return Workspace(self._workspaces, str(run.id), run.fence.attempt)

    def _desk(self, run: RunContext, workspace: Workspace, sessions: Sessions) -> ActionDesk:
        info = run.input["templateInfo"]
        return ActionDesk(
            loop=asyncio.get_running_loop(),
            catalog=self._catalog,
            reader=self._reader,
            sources=[one.value for one in self._host.contributions.catalog_sources.values()],
            principal=run.principal,
            workspace=workspace.files,
            base=info["baseUrl"],
            template_ref=info["entityRef"],
            session=lambda: sessions.current,
        )


class _Path:
    """One attempt at a template's steps."""

    def __init__(
        self,
        host: PluginHost,
        policy: PolicyGate,
        run: RunContext,
        sessions: Sessions,
        workspace: Workspace,
        workspace_known: bool,
        desk: ActionDesk,
    ) -> None:
        self._host = host
        self._policy = policy
        self._run = run
        self._sessions = sessions
        self._workspace = workspace
        self._workspace_known = workspace_known
        self._desk = desk
        self._veil = Veil(run.secrets)
        self._outputs: dict[str, Any] = {}
        self._failure: TowpathError | None = None

    async def walk(self) -> Any:
        steps = self._run.input["steps"]
        self._run.log(f"Starting up task with {len(steps)} steps")
        for step in steps:
            await self._step(step)
        if self._failure is not None:
            raise self._failure
        return await self._output()

    async def _step(self, step: Mapping[str, Any]) -> None:
        key = step["id"]
        try:
            if not await self._wanted(step):
                await self._run.skip(key, step["name"])
                return
            self._run.log(f"Beginning step {step['name']}", step=key, status="processing")
            if step.get("each") is None:
                output = await self._act(step, key, None)
            else:
                output = await self._each(step)
        except (FenceLost, DatabaseUnavailable):
            raise
        except Cancelled:
            self._run.log(f"Step {key} has been cancelled.", step=key, status="cancelled")
            raise
        except TowpathError as error:
            self._run.log(str(error), step=key, status="failed", level="error")
            self._failure = self._failure or error
            if isinstance(error, LimitExceeded):
                # Perhaps the session was used up; what cleans up needs one.
                await self._sessions.renew()
        else:
            self._outputs[key] = {"output": output}
            self._run.log(f"Finished step {step['name']}", step=key, status="completed")

    async def _wanted(self, step: Mapping[str, Any]) -> bool:
        condition = step.get("if", True)
        if self._failure is not None and not _asks_after_failure(condition):
            why = "a previous step failed"
        elif condition is not False and step.get("each") is not None:
            return True  # asked again for each item
        elif await self._holds(condition, self._context()):
            return True
        else:
            why = "its if condition was false"
        self._run.log(
            f"Skipping step {step['id']} because {why}", step=step["id"], status="skipped"
        )
        return False

    async def _holds(self, condition: Any, context: Mapping[str, Any]) -> bool:
        """Whether a condition holds; one that is no text holds unless it is `false`."""
        if not isinstance(condition, str):
            return condition is not False
        return await self._sessions.truthy(condition, context)

    async def _each(self, step: Mapping[str, Any]) -> dict[str, list[Any]]:
        items = await self._sessions.value(step["each"], self._context(inside=True))
        if isinstance(items, list):
            pairs = [(str(number), item) for number, item in enumerate(items)]
        elif isinstance(items, dict):
            pairs = list(items.items())
        else:
            raise Invalid(
                f"Invalid value on action {step['action']}.each parameter, "
                "it must be a list or an object."
            )
        if len(pairs) > _MAX_EACH:
            raise LimitExceeded(f"A step is repeated at most {_MAX_EACH} times, not {len(pairs)}.")
        gathered: dict[str, list[Any]] = {}
        for key, value in pairs:
            each = {"key": key, "value": value}
            context = self._context(inside=True, each=each)
            if not await self._holds(step.get("if", True), context):
                continue
            output = await self._act(step, f"{step['id']}[{key}]", each)
            for name, item in (output or {}).items():
                gathered.setdefault(name, []).append(item)
        return gathered

    async def _act(self, step: Mapping[str, Any], key: str, each: Any) -> Any:
        action = self._host.contributions.actions.get(step["action"])
        if action is None:
            raise NotFound(
                f"Template action with ID '{step['action']}' is not registered.",
                next="Install a plugin that offers it.",
            )
        before = self._run.known(key)
        lost = not self._workspace_known and action.value.effect != "external"
        if before is not None and before.state == "succeeded" and lost:
            # Another machine did it and its folder is not here: files can be made again.
            self._run.forget(key)

        async def work(tools: RunStepTools) -> Any:
            return await self._perform(step, action, key, each, tools)

        # What was allowed when the run was asked for may not be any more.
        await self._policy.check(self._run.principal, "action:execute", step["action"])
        return await self._run.step(
            key,
            step["name"],
            work,
            seconds=_ACTION_SECONDS,
            effect=action.value.effect,
            owner=f"action:{action.name}",
        )

    async def _perform(
        self,
        step: Mapping[str, Any],
        action: Contribution[Action],
        key: str,
        each: Any,
        tools: RunStepTools,
    ) -> Any:
        input = await self._input(step, action.value, key, each)
        if action.value.effect != "external":
            await asyncio.to_thread(self._workspace.guard, tools.of.seq)
        context = TemplateActionContext(
            self._desk, self._run, tools.of, seconds=_ACTION_SECONDS, owner=f"action:{action.name}"
        )
        output = await self._host.call(
            action, "run", input, context, seconds=_ACTION_SECONDS, returns=Mapping
        )
        return dict(output)

    async def _input(
        self, step: Mapping[str, Any], action: Action, key: str, each: Any
    ) -> dict[str, Any]:
        context = self._context(inside=True, each=each)
        template = step.get("input") or {}
        rendered = await self._sessions.value(template, context)
        given = {} if rendered is UNDEFINED or rendered is None else rendered
        lifted = self._veil.lift(given)

        def warn(text: str) -> None:
            self._run.log(text, step=key, level="warning")

        return checked_input(action, lifted, warn, secret=lifted != given)

    async def _output(self) -> Any:
        template = self._run.input["output"]
        try:
            output = await self._sessions.value(template, self._context())
        except TowpathError as error:
            raise StepFailed("The template's output cannot be rendered.", why=str(error)) from error
        return shown_output(template, output)

    def _context(self, *, inside: bool = False, each: Any = None) -> dict[str, Any]:
        """What expressions see; secrets only inside a step, and there as marks."""
        context: dict[str, Any] = {
            "parameters": self._run.input["parameters"],
            "steps": self._outputs,
            "user": self._run.input["user"],
            "context": {"task": {"id": str(self._run.id)}},
            "environment": {"parameters": {}},
            "$failed": self._failure is not None,
        }
        if inside:
            context["secrets"] = self._veil.marks
            context["environment"]["secrets"] = {}
        if each is not None:
            context["each"] = each
        return context


def _asks_after_failure(condition: Any) -> bool:
    return isinstance(condition, str) and ("always()" in condition or "failure()" in condition)
