"""Parts that the engine is tried with: small real plugins, principals, and a platform put together.

The plugins keep their state in dicts and folders, so that a test sees what they did.
"""

from __future__ import annotations

import asyncio
import contextlib
import fnmatch
import json
import posixpath
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from towpath_core import hookimpl
from towpath_core.catalog import SourceFile
from towpath_core.errors import Forbidden, LimitExceeded, NotFound, Unavailable
from towpath_core.identity import SCOPES, Principal
from towpath_core.plugins import PluginConfig, PluginHost
from towpath_core.provisioning import (
    Applied,
    Change,
    Credentials,
    Offering,
    Output,
    PlanRequest,
    ResourceHandle,
    Size,
)
from towpath_core.runs import RUN_ENDED, StepTools
from towpath_engine.platform import Platform, assemble
from towpath_engine.runs.records import RunInfo
from towpath_engine.runs.worker import RunWorker, WorkerTimes
from towpath_engine.secrets import Sealer
from towpath_engine.settings import EngineSettings
from towpath_engine.store.database import Database

# A machine that stands still for seconds must not make a living worker dead: tests that kill one
# say so with `silenced`.
FAST = WorkerTimes(heartbeat=0.1, stalled=20.0, sweep=0.1, grace=20.0, poll=0.05, retry=0.01)
SEALER = Sealer(bytes(range(32)))


def principal(
    name: str = "ada", *, groups: Iterable[str] = (), scopes: Iterable[str] | None = None
) -> Principal:
    """A user with every scope but `platform:admin`, unless scopes are given."""
    every = [scope for scope in SCOPES if scope != "platform:admin"]
    return Principal(
        issuer="towpath",
        subject=name,
        kind="user",
        entity_ref=f"user:default/{name}",
        groups=frozenset(groups),
        scopes=frozenset(every if scopes is None else scopes),
        token_id=None,
    )


ADMIN = principal("root", scopes=["platform:admin"])
ADA = principal("ada", groups=["group:default/a-team"])
BOB = principal("bob", groups=["group:default/b-team"])


class DictSource:
    """A source of type `mem` that reads a dict of files; paths are absolute."""

    name = "dict"
    types = frozenset({"mem"})

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.down = False

    def claims(self, type: str, target: str) -> bool:
        return type == "mem" and target.startswith("/")

    def read(self, target: str, *, max_bytes: int) -> list[SourceFile]:
        if self.down:
            raise Unavailable("The dict does not answer.")
        names = sorted(n for n in self.files if fnmatch.fnmatchcase(n, target))
        if not names:
            raise NotFound(f"There is no {target}.")
        for name in names:
            if len(self.files[name]) > max_bytes:
                raise LimitExceeded(f"{name} is too large.")
        return [SourceFile(n, self.files[n], str(hash(self.files[n]))) for n in names]

    def resolve(self, base: str, relative: str) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(base), relative))
        if path.startswith("/secret"):
            raise Forbidden("Nobody leaves this way.")
        return path


BUCKET = Offering(
    name="bucket",
    title="A bucket",
    description="A folder with one file.",
    resource_type="bucket",
    provisioner="files",
    # On purpose without additionalProperties: the platform must refuse unknown ones by itself.
    parameters={
        "type": "object",
        "properties": {
            "region": {"type": "string", "enum": ["north", "south"], "default": "north"},
            "gigabytes": {"type": "integer", "minimum": 1, "maximum": 100, "default": 1},
            "network": {"type": "object", "properties": {"public": {"type": "boolean"}}},
        },
    },
    sizes=(
        Size("small", "One.", {"gigabytes": 1}),
        Size("large", "Many.", {"gigabytes": 50}),
    ),
    outputs=(Output("path", "Where it is."),),
    credentials=(Output("user", "Who."), Output("password", "What.", secret=True)),
)


class FileProvisioner:
    """Makes one file a resource, one a binding; says in `effects` what it did, by step key.

    A file `down` in its folder makes it unavailable, `broken` makes it fail, `slow` makes an
    apply wait until the file is gone.
    """

    name = "files"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.password = "canary-of-the-bucket"

    def _effect(self, what: str, key: str) -> None:
        with (self.folder / "effects").open("a") as file:
            file.write(f"{what} {key}\n")

    def effects(self) -> list[str]:
        file = self.folder / "effects"
        return file.read_text().splitlines() if file.exists() else []

    def _look(self) -> None:
        if (self.folder / "down").exists():
            raise Unavailable("The folder does not answer.")
        if (self.folder / "broken").exists():
            raise RuntimeError(f"it broke with {self.password}")

    def plan(self, request: PlanRequest) -> Sequence[Change]:
        self._look()
        there = (self.folder / f"{request.resource_id}.json").exists()
        detail = dict(request.parameters)
        if (self.folder / "price").exists():
            detail["price"] = (self.folder / "price").read_text()
        request.parameters["smuggled"] = True
        return [Change("none" if there else "create", f"bucket {request.name}", detail)]

    def apply(self, request: PlanRequest, tools: StepTools) -> Applied:
        self._effect("apply", tools.key)
        while (self.folder / "slow").exists():
            tools.check()
            time.sleep(0.01)
        self._look()
        file = self.folder / f"{request.resource_id}.json"
        file.write_text(json.dumps(request.parameters))
        tools.log(f"made {request.name}")
        outputs = {"path": str(file), "undeclared": "canary-not-declared"}
        return Applied(outputs, {"file": file.name, "root": "canary-of-the-state"})

    def read(self, resource: ResourceHandle) -> Applied | None:
        file = self.folder / f"{resource.resource_id}.json"
        return Applied({"path": str(file)}) if file.exists() else None

    def delete(self, resource: ResourceHandle, tools: StepTools) -> None:
        self._effect("delete", tools.key)
        self._look()
        for file in self.folder.glob(f"{resource.resource_id}*"):
            file.unlink()

    def bind(self, resource: ResourceHandle, binding_id: str, tools: StepTools) -> Credentials:
        self._effect("bind", tools.key)
        self._look()
        (self.folder / f"{resource.resource_id}.{binding_id}").write_text("")
        values = {"user": binding_id[:8], "password": self.password, "more": "canary-undeclared"}
        return Credentials(values, {"id": binding_id, "hidden": "canary-of-the-binding"})

    def unbind(
        self, resource: ResourceHandle, binding_id: str, state: dict[str, Any], tools: StepTools
    ) -> None:
        self._effect(f"unbind-{state.get('id')}", tools.key)
        self._look()
        (self.folder / f"{resource.resource_id}.{binding_id}").unlink(missing_ok=True)


class Kind:
    """A kind of run that calls a function; `undone` keeps what it was asked to take back."""

    title = "A kind"
    description = "Does what a test says."
    seconds = 30.0

    def __init__(
        self,
        do: Callable[[dict[str, Any], StepTools], Any],
        *,
        name: str = "acme",
        queue: str = "default",
        schema: dict[str, Any] | None = None,
    ) -> None:
        self.do = do
        self.name = name
        self.queue = queue
        self.input_schema = schema or {"type": "object"}
        self.undone: list[tuple[str, dict[str, Any], str]] = []

    def run(self, input: dict[str, Any], tools: StepTools) -> Mapping[str, Any]:
        found = self.do(input, tools)
        return found if isinstance(found, dict) else {"found": found}

    def undo(self, name: str, data: dict[str, Any], tools: StepTools) -> None:
        self.undone.append((name, data, tools.key))


class Plugin:
    """A plugin of this process: offers what it is given."""

    def __init__(self, **offered: Iterable[Any]) -> None:
        self.offered = {name: list(items) for name, items in offered.items()}

    @hookimpl
    def towpath_catalog_sources(self) -> Iterable[Any]:
        return self.offered.get("sources", [])

    @hookimpl
    def towpath_descriptor_formats(self) -> Iterable[Any]:
        return self.offered.get("formats", [])

    @hookimpl
    def towpath_entity_kinds(self) -> Iterable[Any]:
        return self.offered.get("kinds", [])

    @hookimpl
    def towpath_template_languages(self) -> Iterable[Any]:
        return self.offered.get("languages", [])

    @hookimpl
    def towpath_actions(self) -> Iterable[Any]:
        return self.offered.get("actions", [])

    @hookimpl
    def towpath_offerings(self) -> Iterable[Any]:
        return self.offered.get("offerings", [])

    @hookimpl
    def towpath_provisioners(self) -> Iterable[Any]:
        return self.offered.get("provisioners", [])

    @hookimpl
    def towpath_run_kinds(self) -> Iterable[Any]:
        return self.offered.get("run_kinds", [])

    @hookimpl
    def towpath_policies(self) -> Iterable[Any]:
        return self.offered.get("policies", [])


def load_host(
    *plugins: Plugin,
    installed: Sequence[str] = (),
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> PluginHost:
    """A plugin host with plugins of this process, and installed ones by name."""
    config = PluginConfig(only=tuple(installed), settings=settings or {}, strict=True)
    return PluginHost.load(config, extra={f"plugin-{n}": p for n, p in enumerate(plugins)})


@asynccontextmanager
async def platform_of(host: PluginHost, url: str, home: Path) -> AsyncIterator[Platform]:
    """A platform over a migrated database, as `open_platform` makes one."""
    async with AsyncExitStack() as stack:
        stack.callback(host.close)
        database = await stack.enter_async_context(Database(url, pool_size=5))
        settings = EngineSettings(home=home, database_url=url)
        yield await stack.enter_async_context(assemble(settings, database, host, SEALER))


@asynccontextmanager
async def working(*workers: RunWorker) -> AsyncIterator[None]:
    """Let workers work until the block ends."""
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        yield
    finally:
        for worker in workers:
            worker.stop()
        await asyncio.gather(*tasks)


async def ended(
    platform: Platform, who: Principal, run_id: UUID, *, seconds: float = 60
) -> RunInfo:
    """Wait until a run has ended."""
    async with asyncio.timeout(seconds):
        async with contextlib.aclosing(platform.runs.follow(who, run_id)) as events:
            async for _ in events:
                pass
    info = await platform.runs.get(who, run_id)
    assert info.state in RUN_ENDED
    return info


async def silenced(database: Database) -> None:
    """Let those who have jobs now, and give no more signs of life, be noticed at once."""
    silent = text(
        "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'"
        " WHERE id IN (SELECT worker_id FROM procrastinate_jobs WHERE status = 'doing')"
    )
    async with database.begin() as transaction:
        await transaction.execute(silent)


async def until(what: Any, *, seconds: float = 60) -> Any:
    """Wait until a function, sync or async, gives something true; for what cannot be awaited."""
    async with asyncio.timeout(seconds):
        while True:
            found = what()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.01)
