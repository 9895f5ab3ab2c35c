"""Does what provisioning accepted, as runs: provision, delete, bind, unbind.

Each is one step on the backend; what it means for our tables and the catalog commits with the
step's result. What a backend must keep secret never enters the journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from towpath_core.entities import Entity
from towpath_core.errors import Conflict, PluginError
from towpath_core.provisioning import Applied, Credentials, Offering, PlanRequest
from towpath_engine.provisioning.backends import SECONDS, Backends, resource_purpose
from towpath_engine.provisioning.bindings import credentials_purpose, state_purpose
from towpath_engine.provisioning.marks import binding_in, mark_binding, mark_resource, resource_in
from towpath_engine.provisioning.records import origin_of
from towpath_engine.provisioning.tables import BINDINGS
from towpath_engine.provisioning.undoing import undo_of_resource
from towpath_engine.runs.context import RunContext
from towpath_engine.runs.executing import Executor
from towpath_engine.runs.journal import ErrorInfo
from towpath_engine.runs.tools import RunStepTools
from towpath_engine.runs.undo_executor import PLATFORM_OWNER
from towpath_engine.store.database import Transaction

__all__ = ("provisioning_executors",)


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
            # Before the backend hears of it: what it has begun can be taken back then.
            await run.register_undo(tools.of, PLATFORM_OWNER, undo_of_resource(row["id"]))
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
            "apply", name, work, seconds=SECONDS, owner=backends.owner(row), commit=commit
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
            await backends.deleted(transaction, run, row)

        name = f"Delete {row['entity_ref']}"
        await run.step(
            "delete", name, work, seconds=SECONDS, owner=backends.owner(row), commit=commit
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
            "bind", name, work, seconds=SECONDS, owner=backends.owner(row), commit=commit
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
            "unbind", name, work, seconds=SECONDS, owner=backends.owner(row), commit=commit
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
