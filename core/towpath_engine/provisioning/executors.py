"""Does what provisioning accepted, as runs: provision, delete, bind, unbind.

Each is one step on the backend; what it means for our tables and the catalog commits with the
step's result. What a backend must keep secret never enters the journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from towpath_core.entities import Entity
from towpath_core.errors import Conflict, NotFound, PluginError
from towpath_core.plugins import PluginHost
from towpath_core.provisioning import Applied, Credentials, Offering, PlanRequest, ResourceHandle
from towpath_engine.catalog.service import CatalogService
from towpath_engine.provisioning.bindings import credentials_purpose, state_purpose
from towpath_engine.provisioning.marks import binding_in, mark_binding, mark_resource, resource_in
from towpath_engine.provisioning.records import origin_of
from towpath_engine.provisioning.service import ProvisioningService
from towpath_engine.provisioning.tables import BINDINGS, RESOURCES
from towpath_engine.runs.context import Executor, RunContext
from towpath_engine.runs.journal import ErrorInfo
from towpath_engine.runs.tools import RunStepTools
from towpath_engine.secrets import Sealer
from towpath_engine.store.database import Database, Transaction

__all__ = ("Backends", "provisioning_executors")

_SECONDS = 900.0


class Backends:
    """What all four executors share: the tables, the backends, the catalog and the seal."""

    def __init__(
        self,
        database: Database,
        host: PluginHost,
        provisioning: ProvisioningService,
        catalog: CatalogService,
        sealer: Sealer,
    ) -> None:
        self.database = database
        self.host = host
        self.provisioning = provisioning
        self.catalog = catalog
        self.sealer = sealer

    async def row(self, run: RunContext) -> Mapping[Any, Any]:
        """The row of the resource that a run is about."""
        query = select(RESOURCES).where(RESOURCES.c.id == resource_in(run.input))
        async with self.database.begin() as transaction:
            row = (await transaction.execute(query)).mappings().one_or_none()
        if row is None:
            raise NotFound(f"There is no resource {resource_in(run.input)}.")
        return row

    def handle(self, row: Mapping[Any, Any]) -> ResourceHandle:
        """A resource as its backend sees it."""
        purpose = resource_purpose(row["id"])
        state = self.sealer.open(row["state"], purpose) if row["state"] else {}
        return ResourceHandle(
            str(row["id"]), row["name"], row["offering"], row["parameters"], row["owner"], state
        )

    def owner(self, row: Mapping[Any, Any]) -> str:
        """Whose code takes back what is done to a resource."""
        return f"provisioner:{row['provisioner']}"

    async def call(
        self, row: Mapping[Any, Any], method: str, *args: Any, returns: Any = None
    ) -> Any:
        """Call the backend of a resource."""
        backend = self.provisioning.provisioner(row["provisioner"])
        return await self.host.call(backend, method, *args, seconds=_SECONDS, returns=returns)


def resource_purpose(resource_id: UUID) -> str:
    """What a resource's backend state is sealed for."""
    return f"resources.state:{resource_id}"


class ProvisionExecutor:
    """Executor of runs of kind `provision`."""

    def __init__(self, backends: Backends) -> None:
        self._backends = backends

    async def execute(self, run: RunContext) -> Any:
        """Make the resource as planned and put it into the catalog."""
        backends = self._backends
        row = await backends.row(run)
        offering = backends.provisioning.offering(row["offering"])
        request = PlanRequest(
            str(row["id"]), row["name"], row["offering"], dict(row["parameters"]), row["owner"]
        )
        made: list[Applied] = []

        async def work(tools: RunStepTools) -> Any:
            applied = await backends.call(row, "apply", request, tools, returns=Applied)
            made.append(applied)
            return {"outputs": _declared(offering, applied)}

        async def commit(transaction: Transaction, output: Any) -> None:
            sealed = backends.sealer.seal(made[-1].state, resource_purpose(row["id"]))
            values = {"phase": "active", "outputs": output["outputs"], "state": sealed}
            await mark_resource(transaction, row["id"], error=None, **values)
            entity = _entity(row, offering)
            await backends.catalog.put(transaction, run.principal, entity, origin_of(row["id"]))

        name = f"Make {row['entity_ref']}"
        output = await run.step(
            "apply", name, work, seconds=_SECONDS, owner=backends.owner(row), commit=commit
        )
        return {"resourceId": str(row["id"]), "entityRef": row["entity_ref"], **output}

    async def failed(self, transaction: Transaction, run: RunContext, error: ErrorInfo) -> None:
        """Show the resource as failed; it can be deleted."""
        await _resource_failed(transaction, run, error)


class DeleteExecutor:
    """Executor of runs of kind `delete`."""

    def __init__(self, backends: Backends) -> None:
        self._backends = backends

    async def execute(self, run: RunContext) -> Any:
        """Remove the resource, its bindings and its catalog entity."""
        backends = self._backends
        row = await backends.row(run)

        async def work(tools: RunStepTools) -> Any:
            await backends.call(row, "delete", backends.handle(row), tools)
            return {}

        async def commit(transaction: Transaction, output: Any) -> None:
            await mark_resource(transaction, row["id"], phase="deleted", state=None, error=None)
            gone = update(BINDINGS).where(BINDINGS.c.resource_id == row["id"])
            await transaction.execute(gone.values(state="revoked", sealed=None, unbind_state=None))
            await backends.catalog.remove(
                transaction, run.principal, row["entity_ref"], origin_of(row["id"])
            )

        name = f"Delete {row['entity_ref']}"
        await run.step(
            "delete", name, work, seconds=_SECONDS, owner=backends.owner(row), commit=commit
        )
        return {"resourceId": str(row["id"])}

    async def failed(self, transaction: Transaction, run: RunContext, error: ErrorInfo) -> None:
        """Show the resource as failed; deleting can be tried again."""
        await _resource_failed(transaction, run, error)


class BindExecutor:
    """Executor of runs of kind `bind`."""

    def __init__(self, backends: Backends) -> None:
        self._backends = backends

    async def execute(self, run: RunContext) -> Any:
        """Make credentials and seal them."""
        backends = self._backends
        row, binding_id = await backends.row(run), binding_in(run.input)
        if row["phase"] in ("deleted", "failed"):
            raise Conflict(f"{row['entity_ref']} is {row['phase']} by now.")
        offering = backends.provisioning.offering(row["offering"])
        made: list[Credentials] = []

        async def work(tools: RunStepTools) -> Any:
            handle = backends.handle(row)
            credentials = await backends.call(
                row, "bind", handle, str(binding_id), tools, returns=Credentials
            )
            made.append(_promised(offering, credentials))
            return {}

        async def commit(transaction: Transaction, output: Any) -> None:
            seal = backends.sealer.seal
            await mark_binding(
                transaction,
                binding_id,
                state="active",
                sealed=seal(made[-1].values, credentials_purpose(binding_id)),
                unbind_state=seal(made[-1].state, state_purpose(binding_id)),
            )

        name = f"Make credentials to {row['entity_ref']}"
        await run.step(
            "bind", name, work, seconds=_SECONDS, owner=backends.owner(row), commit=commit
        )
        return {"bindingId": str(binding_id)}

    async def failed(self, transaction: Transaction, run: RunContext, error: ErrorInfo) -> None:
        """Show the binding as failed; it can be deleted."""
        await mark_binding(transaction, binding_in(run.input), state="failed", sealed=None)


class UnbindExecutor:
    """Executor of runs of kind `unbind`."""

    def __init__(self, backends: Backends) -> None:
        self._backends = backends

    async def execute(self, run: RunContext) -> Any:
        """Take the credentials back."""
        backends = self._backends
        row, binding_id = await backends.row(run), binding_in(run.input)
        query = select(BINDINGS.c.unbind_state).where(BINDINGS.c.id == binding_id)
        async with backends.database.begin() as transaction:
            sealed = (await transaction.execute(query)).scalar_one()
        state = backends.sealer.open(sealed, state_purpose(binding_id)) if sealed else {}

        async def work(tools: RunStepTools) -> Any:
            await backends.call(row, "unbind", backends.handle(row), str(binding_id), state, tools)
            return {}

        async def commit(transaction: Transaction, output: Any) -> None:
            await mark_binding(
                transaction, binding_id, state="revoked", sealed=None, unbind_state=None
            )

        name = f"Take back credentials to {row['entity_ref']}"
        await run.step(
            "unbind", name, work, seconds=_SECONDS, owner=backends.owner(row), commit=commit
        )
        return {"bindingId": str(binding_id)}

    async def failed(self, transaction: Transaction, run: RunContext, error: ErrorInfo) -> None:
        """Show the binding as failed; deleting can be tried again."""
        await mark_binding(transaction, binding_in(run.input), state="failed", sealed=None)


def provisioning_executors(backends: Backends) -> dict[str, Executor]:
    """The executors of all kinds of run that provisioning has."""
    return {
        "provision": ProvisionExecutor(backends),
        "delete": DeleteExecutor(backends),
        "bind": BindExecutor(backends),
        "unbind": UnbindExecutor(backends),
    }


def _declared(offering: Offering, applied: Applied) -> dict[str, Any]:
    """Outputs that the offering declares; others might be secrets, so they are left out."""
    names = {output.name for output in offering.outputs if not output.secret}
    return {name: value for name, value in applied.outputs.items() if name in names}


def _promised(offering: Offering, credentials: Credentials) -> Credentials:
    """The credentials that the offering declares, and no others.

    Raises:
        PluginError: one is missing.
    """
    names = [output.name for output in offering.credentials]
    missing = [name for name in names if name not in credentials.values]
    if missing:
        raise PluginError(f"{offering.provisioner} did not give {', '.join(missing)}.")
    values = {name: str(credentials.values[name]) for name in names}
    return Credentials(values, credentials.state)


def _entity(row: Mapping[Any, Any], offering: Offering) -> Entity:
    return Entity(
        api_version="backstage.io/v1alpha1",
        kind="Resource",
        metadata={
            "name": row["name"],
            "namespace": "default",
            "description": offering.title,
            "annotations": {
                "towpath.io/resource-id": str(row["id"]),
                "towpath.io/offering": offering.name,
            },
        },
        spec={"type": offering.resource_type, "owner": row["owner"]},
    )


async def _resource_failed(transaction: Transaction, run: RunContext, error: ErrorInfo) -> None:
    plain = {"code": error.code, "message": error.message}
    await mark_resource(transaction, resource_in(run.input), phase="failed", error=plain)
