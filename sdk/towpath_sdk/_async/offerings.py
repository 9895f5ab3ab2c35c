"""Offerings and plans: what can be asked for, and what asking for it would change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from towpath_sdk._async.connection import AsyncConnection
from towpath_sdk._async.pages import AsyncPages
from towpath_sdk._wire.calls import get, post, route
from towpath_sdk._wire.pages import Page, list_call, page_of
from towpath_sdk._wire.provisioning import Offering, Plan, ResourceRun

__all__ = ("AsyncOfferings", "AsyncPlans")

_OFFERINGS = "/api/v1/offerings"
_PLANS = "/api/v1/plans"


class AsyncOfferings:
    """See what can be asked for."""

    def __init__(self, link: AsyncConnection) -> None:
        self._link = link

    def list(self, *, page_size: int = 100, cursor: str | None = None) -> AsyncPages[Offering]:
        """Walk all offerings, by name."""
        call = list_call(_OFFERINGS, limit=page_size, cursor=cursor)
        return AsyncPages(self._link, call, page_of(Page[Offering]))

    async def get(self, name: str) -> Offering:
        """Read one offering.

        Raises:
            NotFound: there is none of that name.
        """
        return await self._link.read(get(route(_OFFERINGS, name)), Offering)


class AsyncPlans:
    """Look before leaping: a plan says what would change, and only a plan can be applied."""

    def __init__(self, link: AsyncConnection) -> None:
        self._link = link

    async def create(
        self,
        offering: str,
        name: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        size: str | None = None,
        owner: str | None = None,
        idempotency_key: str | None = None,
    ) -> Plan:
        """Ask what providing an offering would change. Nothing is provided yet.

        Args:
            offering: name of the offering.
            name: what the resource shall be called.
            parameters: what the offering's schema asks for.
            size: one of the offering's sizes; its first without.
            owner: reference of the owner; without, the one who asks.
            idempotency_key: a key of one's own, to be safe over restarts of the caller.

        Raises:
            NotFound: there is no such offering.
            Invalid: parameters do not fit; `problems` say which.
            Forbidden: the asker may not have this.
        """
        body = {
            "offering": offering,
            "name": name,
            "parameters": parameters,
            "size": size,
            "owner": owner,
        }
        return await self._link.read(post(_PLANS, body, idempotency_key), Plan)

    async def get(self, id: str) -> Plan:
        """Read a plan.

        Raises:
            NotFound: there is none, or the asker may not see it.
        """
        return await self._link.read(get(route(_PLANS, id)), Plan)

    async def apply(self, id: str, hash: str, *, idempotency_key: str | None = None) -> ResourceRun:
        """Carry out exactly what the plan of this hash says, in a run that goes on by itself.

        Args:
            id: the plan.
            hash: the hash of the plan that was looked at.
            idempotency_key: a key of one's own, to be safe over restarts of the caller.

        Raises:
            PlanStale: the plan no longer describes what would happen, or has expired.
            Conflict: it was applied already.
            NotFound: there is none, or the asker may not see it.
        """
        call = post(f"{route(_PLANS, id)}/apply", {"hash": hash}, idempotency_key)
        return await self._link.read(call, ResourceRun)
