"""Backends as the executors of provisioning call them, and what that means for our tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from towpath_core.errors import NotFound
from towpath_core.plugins import PluginHost
from towpath_core.provisioning import ResourceHandle
from towpath_engine.catalog.service import CatalogService
from towpath_engine.provisioning.marks import mark_resource, resource_in
from towpath_engine.provisioning.records import origin_of
from towpath_engine.provisioning.service import ProvisioningService
from towpath_engine.provisioning.tables import BINDINGS, RESOURCES
from towpath_engine.runs.context import RunContext
from towpath_engine.secrets import Sealer
from towpath_engine.store.database import Database, Transaction

__all__ = ("SECONDS", "Backends", "resource_purpose")

SECONDS = 900.0
"""How long one call of a backend may take."""


class Backends:
    """What all executors share: the tables, the backends, the catalog and the seal."""

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

    async def has(self, transaction: Transaction, run: RunContext, resource_id: UUID) -> bool:
        """Whether it is a run that deletes a resource now."""
        c = RESOURCES.c
        mine = (c.id == resource_id, c.phase == "deleting", c.run_id == run.id)
        return (await transaction.execute(select(c.id).where(*mine))).first() is not None

    async def deleted(
        self, transaction: Transaction, run: RunContext, row: Mapping[Any, Any]
    ) -> None:
        """Write that a resource is not there any more, nor its bindings and its entity."""
        await mark_resource(transaction, row["id"], phase="deleted", state=None, error=None)
        gone = update(BINDINGS).where(BINDINGS.c.resource_id == row["id"])
        await transaction.execute(gone.values(state="revoked", sealed=None, unbind_state=None))
        await self.catalog.remove(
            transaction, run.principal, row["entity_ref"], origin_of(row["id"])
        )

    async def call(
        self, row: Mapping[Any, Any], method: str, *args: Any, returns: Any = None
    ) -> Any:
        """Call the backend of a resource."""
        backend = self.provisioning.provisioner(row["provisioner"])
        return await self.host.call(backend, method, *args, seconds=SECONDS, returns=returns)


def resource_purpose(resource_id: UUID) -> str:
    """What a resource's backend state is sealed for."""
    return f"resources.state:{resource_id}"
