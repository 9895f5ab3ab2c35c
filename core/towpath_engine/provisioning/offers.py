"""What plugins offer, and plans drawn by the backends behind it. Writes nothing."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import msgspec

from towpath_core.errors import NotFound, PlanStale, PluginError
from towpath_core.plugins import Contribution, PluginHost
from towpath_core.provisioning import Change, Offering, PlanRequest, Provisioner
from towpath_engine.clock import new_id, now
from towpath_engine.provisioning.records import Plan
from towpath_engine.provisioning.requests import plan_hash

__all__ = ("PLAN_LIFE", "Offers")

PLAN_LIFE = timedelta(hours=1)
_PLAN_SECONDS = 20.0
_MAX_CHANGES = 1000
_MAX_BYTES = 1024 * 1024


class Offers:
    """Offerings by name, and the provisioners behind them."""

    def __init__(self, host: PluginHost) -> None:
        self._host = host

    def all(self) -> Sequence[Offering]:
        """All that can be asked for, ordered by name."""
        return [offered.value for offered in self._host.contributions.offerings.values()]

    def offering(self, name: str) -> Offering:
        """An offering.

        Raises:
            NotFound: there is none of that name.
        """
        offered = self._host.contributions.offerings.get(name)
        if offered is None:
            known = ", ".join(self._host.contributions.offerings) or "none"
            raise NotFound(f"There is no offering {name!r}.", next=f"Offered: {known}.")
        return offered.value

    def provisioner(self, name: str) -> Contribution[Provisioner]:
        """The backend behind an offering.

        Raises:
            NotFound: its plugin is not active any more.
        """
        offered = self._host.contributions.provisioners.get(name)
        if offered is None:
            raise NotFound(
                f"The provisioner {name!r} is not there.",
                next="towpath plugins says what became of its plugin.",
            )
        return offered

    async def draw(self, offering: Offering, request: PlanRequest, size: str | None) -> Plan:
        """Ask the backend what it would do, and make a plan of it that is good for an hour.

        Raises:
            Invalid: the backend cannot meet the request.
            Unavailable: it does not answer.
        """
        changes = await self._ask(offering, request)
        moment = now()
        return Plan(
            id=new_id(),
            hash=plan_hash(offering, request, size, changes),
            offering=offering.name,
            name=request.name,
            size=size,
            owner=request.owner_ref,
            parameters=request.parameters,
            changes=changes,
            resource_id=UUID(request.resource_id),
            state="open",
            created_at=moment,
            expires_at=moment + PLAN_LIFE,
        )

    async def check_fresh(self, plan: Plan, hash: str) -> None:
        """See that a plan still says what would happen.

        Raises:
            PlanStale: the hash is another, the plan is too old, or what it would do has changed.
        """
        if hash != plan.hash:
            raise _stale("The hash is not that of the plan.")
        if plan.expires_at < now():
            raise _stale("The plan is too old.")
        offering = self.offering(plan.offering)
        changes = await self._ask(offering, plan.request)
        if plan_hash(offering, plan.request, plan.size, changes) != plan.hash:
            raise _stale("What the plan would do has changed since.")

    async def _ask(self, offering: Offering, request: PlanRequest) -> tuple[Change, ...]:
        # A copy: a plugin that changes what it is given must not change what policies judge.
        given = copy.deepcopy(request)
        changes: list[Change] = await self._host.call(
            self.provisioner(offering.provisioner),
            "plan",
            given,
            seconds=_PLAN_SECONDS,
            collect=_MAX_CHANGES,
            returns=Change,
        )
        try:
            text = msgspec.json.encode(changes, order="deterministic")
            plain = msgspec.json.decode(text, type=tuple[Change, ...])
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise PluginError(
                f"The provisioner {offering.provisioner} gave a plan that is not JSON.",
                why=type(error).__name__,
            ) from error
        if len(text) > _MAX_BYTES:
            raise PluginError(
                f"The provisioner {offering.provisioner} gave a plan of {len(text):,} bytes."
            )
        return plain


def _stale(why: str) -> PlanStale:
    return PlanStale(
        "The plan cannot be applied as it is.", why=why, next="Ask for a new plan and look at it."
    )
