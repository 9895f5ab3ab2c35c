"""Does the runs of kinds that plugins offer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from towpath_core.errors import NotFound
from towpath_core.plugins import PluginHost
from towpath_engine.runs.context import RunContext
from towpath_engine.runs.journal import ErrorInfo, StepInfo
from towpath_engine.runs.tools import RunStepTools
from towpath_engine.runs.trying import try_often
from towpath_engine.store.database import Transaction

__all__ = ("PluginRunExecutor", "run_kind_executors", "whole")


def whole(title: str) -> StepInfo:
    """What stands for a whole run where tools want a step: number 0, without a key."""
    return StepInfo(0, "", title, "running", 1, None, None, "pure")


class PluginRunExecutor:
    """Executor of runs of one kind that a plugin offers."""

    def __init__(self, host: PluginHost, kind: str) -> None:
        self._host = host
        self._kind = kind

    async def execute(self, run: RunContext) -> Any:
        """Call the plugin from the top; what it did in steps is not done again."""
        offered = self._host.contributions.run_kinds.get(self._kind)
        if offered is None:
            raise NotFound(f"No plugin offers runs of kind {self._kind!r}.")
        seconds = float(offered.value.seconds)
        tools = RunStepTools(
            run, whole(offered.value.title), seconds=seconds, owner=f"kind:{self._kind}"
        )

        async def work(tools: RunStepTools) -> Any:
            input = dict(run.input)
            found = await self._host.call(
                offered, "run", input, tools, seconds=seconds, returns=Mapping
            )
            return dict(found)

        return await try_often(run, work, tools, seconds + 1)

    async def failed(self, transaction: Transaction, run: RunContext, error: ErrorInfo) -> None:
        """Nothing of ours hangs on it."""


def run_kind_executors(host: PluginHost) -> dict[str, PluginRunExecutor]:
    """Executors of all kinds that plugins offer, by name."""
    return {name: PluginRunExecutor(host, name) for name in host.contributions.run_kinds}
