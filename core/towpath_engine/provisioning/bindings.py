"""Bindings: credentials to a resource, sealed at rest, shown once, taken back."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import insert, select, update

from towpath_core.errors import Conflict, Gone, Invalid, NotFound
from towpath_core.identity import Principal
from towpath_core.provisioning import Bindable
from towpath_engine import audit
from towpath_engine.clock import new_id, now
from towpath_engine.idempotency import Request, recall, remember
from towpath_engine.policy import PolicyGate
from towpath_engine.provisioning.marks import terms_of
from towpath_engine.provisioning.records import Accepted, facts_of
from towpath_engine.provisioning.rows import resource_row
from towpath_engine.provisioning.service import ProvisioningService
from towpath_engine.provisioning.tables import BINDINGS
from towpath_engine.runs.service import RunService
from towpath_engine.secrets import Sealer
from towpath_engine.store.database import Database, Transaction

_MAX_NAME = 100

__all__ = ("Binding", "BindingService", "credentials_purpose", "state_purpose")


class Binding(msgspec.Struct, frozen=True):
    """Credentials to a resource, without the credentials."""

    id: UUID
    resource_id: UUID
    name: str
    state: str
    shown: bool
    created_at: datetime
    run_id: UUID | None


def credentials_purpose(binding_id: UUID) -> str:
    """What a binding's credentials are sealed for."""
    return f"bindings.sealed:{binding_id}"


def state_purpose(binding_id: UUID) -> str:
    """What is needed to take a binding back is sealed for this."""
    return f"bindings.unbind_state:{binding_id}"


class BindingService:
    """Hands out and takes back credentials."""

    def __init__(
        self,
        database: Database,
        provisioning: ProvisioningService,
        runs: RunService,
        policy: PolicyGate,
        sealer: Sealer,
    ) -> None:
        self._database = database
        self._provisioning = provisioning
        self._runs = runs
        self._policy = policy
        self._sealer = sealer

    async def create(
        self, principal: Principal, resource_id: UUID, name: str, *, key: str | None = None
    ) -> Accepted:
        """Ask for credentials of their own; a run makes them.

        Raises:
            NotFound: there is no such resource that the asker may see.
            Conflict: it is not active, or its backend hands out none.
            Invalid: the name is empty, too long, or not printable.
            Forbidden: a policy denies it.
        """
        _check_name(name)
        request = Request.of(principal, key, "bind", [str(resource_id), name])
        async with self._database.begin() as transaction:
            row = await resource_row(transaction, principal, resource_id)
        await self._policy.check(principal, "provision:bind", row["offering"], facts_of(row))
        async with self._database.begin() as transaction:
            if (answer := await recall(transaction, request)) is not None:
                return msgspec.convert(answer, Accepted)
            row = await resource_row(transaction, principal, resource_id, lock=True)
            self._check_bindable(row)
            ref, binding_id = row["entity_ref"], new_id()
            run_id = await self._run(
                transaction, principal, "bind", f"Bind {ref}", binding_id, resource_id
            )
            values = {
                "id": binding_id,
                "resource_id": resource_id,
                "name": name,
                "state": "pending",
                "shown": False,
                "run_id": run_id,
                "created_by": audit.actor_of(principal),
                "created_at": now(),
            }
            await transaction.execute(insert(BINDINGS).values(**values))
            await audit.record(transaction, principal, "provision:bind", ref, run_id=run_id)
            accepted = Accepted(binding_id, run_id)
            await remember(transaction, request, accepted)
        return accepted

    async def list(self, principal: Principal, resource_id: UUID) -> Sequence[Binding]:
        """The bindings of a resource, oldest first.

        Raises:
            NotFound: there is no such resource that the asker may see.
        """
        c = BINDINGS.c
        query = select(BINDINGS).where(c.resource_id == resource_id).order_by(c.id)
        async with self._database.begin() as transaction:
            await resource_row(transaction, principal, resource_id)
            rows = (await transaction.execute(query)).mappings().all()
        return [_binding(row) for row in rows]

    async def reveal(
        self, principal: Principal, binding_id: UUID, *, key: str | None = None
    ) -> dict[str, str]:
        """The credentials, once; they are wiped in the transaction that reads them.

        Args:
            principal: who asks.
            binding_id: the binding.
            key: idempotency key; the same asker gets them again with it, because an answer that
                was lost on its way would lose them for good. They stay sealed until it is
                forgotten.

        Raises:
            NotFound: there is no such binding that the asker may see.
            Conflict: they are not made yet, or making them failed.
            Gone: they were shown, or taken back.
            Forbidden: a policy denies it.
        """
        await self._check(principal, "provision:reveal", binding_id)
        request = Request.of(principal, key, "reveal", str(binding_id))
        async with self._database.begin() as transaction:
            answer = await recall(transaction, request)
            row = await self._row(transaction, principal, binding_id)
            if answer is not None and row["state"] == "active":
                sealed = base64.b64decode(answer)
            else:
                sealed = _unseen(row)
                change = update(BINDINGS).where(BINDINGS.c.id == binding_id)
                await transaction.execute(change.values(shown=True, sealed=None))
                await remember(transaction, request, base64.b64encode(sealed).decode())
            values: dict[str, str] = self._sealer.open(sealed, credentials_purpose(binding_id))
            # Each showing, also a repeated one.
            await audit.record(transaction, principal, "provision:reveal", str(binding_id))
        return values

    async def delete(
        self, principal: Principal, binding_id: UUID, *, key: str | None = None
    ) -> Accepted:
        """Have credentials taken back; a run does it.

        Raises:
            NotFound: there is no such binding that the asker may see.
            Conflict: it is being made or taken back, or is gone already.
            Forbidden: a policy denies it.
        """
        request = Request.of(principal, key, "unbind", str(binding_id))
        await self._check(principal, "provision:unbind", binding_id)
        async with self._database.begin() as transaction:
            if (answer := await recall(transaction, request)) is not None:
                return msgspec.convert(answer, Accepted)
            row = await self._row(transaction, principal, binding_id)
            if row["state"] not in ("active", "failed"):
                raise Conflict(f"The binding is {row['state']}; it cannot be deleted now.")
            run_id = await self._run(
                transaction, principal, "unbind", "Unbind", binding_id, row["resource_id"]
            )
            change = update(BINDINGS).where(BINDINGS.c.id == binding_id)
            await transaction.execute(change.values(state="revoking", run_id=run_id))
            await audit.record(
                transaction, principal, "provision:unbind", str(binding_id), run_id=run_id
            )
            accepted = Accepted(binding_id, run_id)
            await remember(transaction, request, accepted)
        return accepted

    def _check_bindable(self, row: Mapping[Any, Any]) -> None:
        if row["phase"] != "active":
            raise Conflict(f"{row['entity_ref']} is {row['phase']}, not active.")
        backend = self._provisioning.provisioner(row["provisioner"])
        if not isinstance(backend.value, Bindable):
            raise Conflict(f"{row['offering']} hands out no credentials.")

    async def _run(
        self,
        transaction: Transaction,
        principal: Principal,
        kind: str,
        title: str,
        binding_id: UUID,
        resource_id: UUID,
    ) -> UUID:
        input = {"bindingId": str(binding_id), "resourceId": str(resource_id)}
        terms = terms_of(resource_id)
        return await self._runs.create(transaction, principal, kind, title, input, terms=terms)

    async def _check(self, principal: Principal, action: str, binding_id: UUID) -> None:
        async with self._database.begin() as transaction:
            binding = await self._row(transaction, principal, binding_id, lock=False)
            row = await resource_row(transaction, principal, binding["resource_id"])
        await self._policy.check(principal, action, row["offering"], facts_of(row))

    async def _row(
        self, transaction: Transaction, principal: Principal, binding_id: UUID, *, lock: bool = True
    ) -> Mapping[Any, Any]:
        query = select(BINDINGS).where(BINDINGS.c.id == binding_id)
        if lock:
            query = query.with_for_update()
        row = (await transaction.execute(query)).mappings().one_or_none()
        if row is None:
            raise NotFound(f"There is no binding {binding_id}.")
        try:
            await resource_row(transaction, principal, row["resource_id"])
        except NotFound as error:
            # Whose it is must not be told by which id is missing.
            raise NotFound(f"There is no binding {binding_id}.") from error
        return row


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > _MAX_NAME or not name.isprintable():
        raise Invalid(f"A binding needs a name of 1 to {_MAX_NAME} printable characters.")


def _unseen(row: Mapping[Any, Any]) -> bytes:
    """The sealed credentials of a binding that nobody has seen yet."""
    if row["shown"] or row["state"] == "revoked":
        raise Gone(
            "These credentials were shown already, or taken back.", next="Make a new binding."
        )
    if row["state"] != "active" or row["sealed"] is None:
        raise Conflict(f"The binding is {row['state']}.", next="Wait for its run to end.")
    sealed: bytes = row["sealed"]
    return sealed


def _binding(row: Mapping[Any, Any]) -> Binding:
    return Binding(**{name: row[name] for name in Binding.__struct_fields__})
