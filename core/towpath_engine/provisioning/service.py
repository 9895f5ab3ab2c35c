"""Provisioning as it is asked for: offerings, plans, resources.

Decides and remembers; backends are called by the executors, but for `plan`, which changes nothing.
What is not the asker's, or of one of its groups, is not there for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from towpath_core.errors import Conflict, Forbidden, Invalid
from towpath_core.identity import Principal
from towpath_core.plugins import Contribution, PluginHost
from towpath_core.provisioning import Offering, PlanRequest, Provisioner
from towpath_core.refs import parse_ref
from towpath_engine import audit
from towpath_engine.clock import new_id, now
from towpath_engine.idempotency import Request, recall, remember
from towpath_engine.policy import PolicyGate
from towpath_engine.provisioning.marks import terms_of
from towpath_engine.provisioning.offers import Offers
from towpath_engine.provisioning.records import (
    Accepted,
    Plan,
    Resource,
    entity_ref_of,
    facts_of,
    origin_of,
    plan_of,
    resource_of,
)
from towpath_engine.provisioning.requests import check_name, complete, size_of
from towpath_engine.provisioning.rows import (
    applied_already,
    check_free,
    claim,
    plan_row,
    resource_row,
)
from towpath_engine.provisioning.tables import PLANS, RESOURCES
from towpath_engine.runs.service import RunService
from towpath_engine.store.database import Database, Transaction

__all__ = ("Accepted", "Plan", "ProvisioningService", "Resource", "entity_ref_of", "origin_of")


_MAX_REF = 255


class ProvisioningService:
    """Offerings, plans and resources."""

    def __init__(
        self, database: Database, host: PluginHost, runs: RunService, policy: PolicyGate
    ) -> None:
        self._database = database
        self._offers = Offers(host)
        self._runs = runs
        self._policy = policy

    def offerings(self) -> Sequence[Offering]:
        """All that can be asked for, ordered by name."""
        return self._offers.all()

    def offering(self, name: str) -> Offering:
        """An offering.

        Raises:
            NotFound: there is none of that name.
        """
        return self._offers.offering(name)

    def provisioner(self, name: str) -> Contribution[Provisioner]:
        """The backend behind an offering.

        Raises:
            NotFound: its plugin is not active any more.
        """
        return self._offers.provisioner(name)

    async def plan(
        self,
        principal: Principal,
        offering_name: str,
        name: str,
        parameters: Mapping[str, Any],
        *,
        size: str | None = None,
        owner: str | None = None,
        key: str | None = None,
    ) -> Plan:
        """Ask what it would take, without doing it.

        Raises:
            NotFound: there is no such offering.
            Invalid: name, size or parameters are wrong; each problem has its place.
            Forbidden: the owner is not the asker nor one of its groups, or a policy denies it.
            Conflict: the name is taken.
            Unavailable: the backend does not answer.
        """
        offering = self.offering(offering_name)
        check_name(name)
        chosen = size_of(offering, size)
        full = complete(offering, chosen, parameters)
        owner_ref = self._owner(principal, owner)
        named = chosen.name if chosen is not None else None
        request = Request.of(principal, key, "plan", [offering_name, name, full, named, owner_ref])
        async with self._database.begin() as transaction:
            if (answer := await recall(transaction, request)) is not None:
                return msgspec.convert(answer, Plan)
            await check_free(transaction, name)
        wanted = PlanRequest(str(new_id()), name, offering_name, full, owner_ref)
        plan = await self._offers.draw(offering, wanted, named)
        await self._policy.check(principal, "provision:plan", offering_name, plan.facts)
        return await self._keep(principal, plan, request)

    async def _keep(self, principal: Principal, plan: Plan, request: Request | None) -> Plan:
        row = msgspec.structs.asdict(plan) | {
            "changes": msgspec.to_builtins(plan.changes),
            "created_by": audit.actor_of(principal),
        }
        async with self._database.begin() as transaction:
            if (answer := await recall(transaction, request)) is not None:
                return msgspec.convert(answer, Plan)
            await transaction.execute(insert(PLANS).values(**row))
            await audit.record(transaction, principal, "provision:plan", str(plan.id))
            await remember(transaction, request, plan)
        return plan

    async def get_plan(self, principal: Principal, plan_id: UUID) -> Plan:
        """A plan of the asker's.

        Raises:
            NotFound: there is none that the asker may see.
        """
        async with self._database.begin() as transaction:
            row = await plan_row(transaction, principal, plan_id)
        return plan_of(row)

    async def apply(
        self, principal: Principal, plan_id: UUID, hash: str, *, key: str | None = None
    ) -> Accepted:
        """Have exactly that plan done; a run does it.

        Raises:
            NotFound: there is no such plan that the asker may see.
            PlanStale: the hash is another, the plan is too old, or what it would do has changed.
            Conflict: it was applied already, or the name is taken by now.
            Forbidden: a policy denies it.
        """
        request = Request.of(principal, key, "apply", [str(plan_id), hash])
        async with self._database.begin() as transaction:
            if (answer := await recall(transaction, request)) is not None:
                return msgspec.convert(answer, Accepted)
            plan = plan_of(await plan_row(transaction, principal, plan_id))
        if plan.state != "open":
            raise applied_already()
        await self._offers.check_fresh(plan, hash)
        await self._policy.check(principal, "provision:apply", plan.offering, plan.facts)
        async with self._database.begin() as transaction:
            if (answer := await recall(transaction, request)) is not None:
                return msgspec.convert(answer, Accepted)
            await claim(transaction, plan)
            await check_free(transaction, plan.name)
            accepted = await self._start(transaction, principal, plan)
            await remember(transaction, request, accepted)
        return accepted

    async def resources(
        self,
        principal: Principal,
        *,
        limit: int = 50,
        before: tuple[datetime, UUID] | None = None,
    ) -> Sequence[Resource]:
        """The asker's resources that are not deleted, newest first, at most `limit`."""
        c = RESOURCES.c
        query = select(RESOURCES).where(c.phase != "deleted")
        query = query.order_by(c.created_at.desc(), c.id.desc()).limit(limit)
        if not principal.is_admin:
            owners = [principal.entity_ref.lower(), *principal.groups]
            query = query.where(c.owner.in_(owners))
        if before is not None:
            query = query.where(tuple_(c.created_at, c.id) < tuple_(*before))
        async with self._database.begin() as transaction:
            return [resource_of(row) for row in (await transaction.execute(query)).mappings()]

    async def resource(self, principal: Principal, resource_id: UUID) -> Resource:
        """A resource of the asker's, also a deleted one.

        Raises:
            NotFound: there is none that the asker may see.
        """
        async with self._database.begin() as transaction:
            return resource_of(await resource_row(transaction, principal, resource_id))

    async def delete(
        self, principal: Principal, resource_id: UUID, *, key: str | None = None
    ) -> Accepted:
        """Have a resource removed with its bindings; a run does it.

        Raises:
            NotFound: there is none that the asker may see.
            Conflict: it is being made or removed, or is gone already.
            Forbidden: a policy denies it.
        """
        request = Request.of(principal, key, "delete", str(resource_id))
        async with self._database.begin() as transaction:
            row = await resource_row(transaction, principal, resource_id)
        await self._policy.check(principal, "provision:delete", row["offering"], facts_of(row))
        async with self._database.begin() as transaction:
            if (answer := await recall(transaction, request)) is not None:
                return msgspec.convert(answer, Accepted)
            row = await resource_row(transaction, principal, resource_id, lock=True)
            if row["phase"] not in ("active", "failed"):
                raise Conflict(f"{row['entity_ref']} is {row['phase']}; it cannot be deleted now.")
            title = f"Delete {row['entity_ref']}"
            run_id = await self._runs.create(
                transaction,
                principal,
                "delete",
                title,
                {"resourceId": str(resource_id)},
                terms=terms_of(resource_id),
            )
            change = update(RESOURCES).where(RESOURCES.c.id == resource_id)
            await transaction.execute(
                change.values(phase="deleting", run_id=run_id, updated_at=now())
            )
            await audit.record(
                transaction, principal, "provision:delete", row["entity_ref"], run_id=run_id
            )
            accepted = Accepted(resource_id, run_id)
            await remember(transaction, request, accepted)
        return accepted

    def _owner(self, principal: Principal, owner: str | None) -> str:
        if owner is None:
            return principal.entity_ref.lower()
        ref = str(parse_ref(owner, default_kind="group"))
        if len(ref) > _MAX_REF or not ref.isprintable():
            raise Invalid(f"An owner has at most {_MAX_REF} printable characters.")
        if not (principal.is_admin or principal.owns(ref)):
            raise Forbidden(
                f"You cannot make {ref} the owner.",
                why="An owner is you or one of your groups.",
            )
        return ref

    async def _start(self, transaction: Transaction, principal: Principal, plan: Plan) -> Accepted:
        ref, offering = entity_ref_of(plan.name), self.offering(plan.offering)
        run_id = await self._runs.create(
            transaction,
            principal,
            "provision",
            f"Provision {offering.name} {plan.name}",
            {"resourceId": str(plan.resource_id), "planId": str(plan.id), "hash": plan.hash},
            terms=terms_of(plan.resource_id),
        )
        moment = now()
        row = {
            "id": plan.resource_id,
            "offering": offering.name,
            "provisioner": offering.provisioner,
            "name": plan.name,
            "owner": plan.owner,
            "entity_ref": ref,
            "parameters": plan.parameters,
            "phase": "provisioning",
            "outputs": {},
            "plan_id": plan.id,
            "run_id": run_id,
            "created_by": audit.actor_of(principal),
            "created_at": moment,
            "updated_at": moment,
        }
        try:
            async with transaction.begin_nested():
                await transaction.execute(insert(RESOURCES).values(**row))
        except IntegrityError as error:
            # Two plans for one name, applied at the same moment.
            raise Conflict(f"{ref} is there already.", next="Choose another name.") from error
        detail = {"plan": str(plan.id), "hash": plan.hash}
        await audit.record(
            transaction, principal, "provision:apply", ref, run_id=run_id, detail=detail
        )
        return Accepted(plan.resource_id, run_id)
