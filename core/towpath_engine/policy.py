"""The gate: asks every policy before something is done, and refuses when one says no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import structlog

from towpath_core.errors import Forbidden, TowpathError
from towpath_core.identity import Principal
from towpath_core.plugins import Contribution, PluginHost
from towpath_core.policy import (
    AllOf,
    Allow,
    AnyOf,
    Conditional,
    Criteria,
    Decision,
    Deny,
    Not,
    Policy,
    PolicyRequest,
    Rule,
)

__all__ = ("PolicyGate",)

log = structlog.get_logger(__name__)

_SECONDS = 2.0
_MOST_CRITERIA = 200


class PolicyGate:
    """Puts each request to all policies that plugins offer."""

    def __init__(self, host: PluginHost) -> None:
        self._host = host

    async def check(
        self,
        principal: Principal,
        action: str,
        resource: str,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        """Return when no policy speaks against it.

        Raises:
            Forbidden: a policy denies it, with its reasons; or it failed, which counts as no.
        """
        reasons: list[str] = []
        for offered in self._host.contributions.policies.values():
            # A copy for each: what one policy does to it must not reach another, or us.
            facts = msgspec.json.decode(msgspec.json.encode(dict(context or {})))
            request = PolicyRequest(principal, action, resource, facts)
            decision = await self._decide(offered, request, (Allow, Deny))
            if isinstance(decision, Deny):
                reasons += _reasons(offered.name, decision.reasons)
        if reasons:
            raise Forbidden(f"{action} is not allowed.", why="; ".join(reasons))

    @property
    def is_open(self) -> bool:
        """Whether there is no policy at all."""
        return not self._host.contributions.policies

    async def readable(self, principal: Principal) -> Criteria:
        """What entities must be like for a principal to see them; what all policies agree on.

        A policy that fails lets nothing be seen.
        """
        agreed: list[Criteria] = []
        for offered in self._host.contributions.policies.values():
            request = PolicyRequest(principal, "catalog:read", "*", {})
            decision = await self._decide(offered, request, (Allow, Deny, Conditional))
            if isinstance(decision, Deny):
                return AnyOf()
            if isinstance(decision, Conditional):
                agreed.append(_checked(offered.name, decision.criteria))
        return agreed[0] if len(agreed) == 1 else AllOf(tuple(agreed))

    async def _decide(
        self, offered: Contribution[Policy], request: PolicyRequest, returns: tuple[type, ...]
    ) -> Decision:
        try:
            decision: Decision = await self._host.call(
                offered, "decide", request, seconds=_SECONDS, returns=returns
            )
        except TowpathError as error:
            log.error("policy.failed", policy=offered.name, error=error.what)
            return Deny((f"policy {offered.name} could not answer",))
        return decision


def _checked(policy: str, criteria: Criteria) -> Criteria:
    """The criteria, or those that nothing meets where a plugin gave something else."""
    waiting: list[object] = [criteria]
    for _ in range(_MOST_CRITERIA):
        if not waiting:
            return criteria
        node = waiting.pop()
        match node:
            case Rule(field=str(), values=tuple() as values) if all(
                isinstance(value, str) for value in values
            ):
                pass
            case AllOf(criteria=tuple() as parts) | AnyOf(criteria=tuple() as parts):
                waiting += parts
            case Not(criteria=part):
                waiting.append(part)
            case _:
                break
    log.error("policy.failed", policy=policy, error="its criteria are malformed, or too many")
    return AnyOf()


def _reasons(policy: str, given: object) -> list[str]:
    """What a policy says against it, at least one sentence, whatever the plugin gave."""
    texts = [given] if isinstance(given, str) else given if isinstance(given, tuple | list) else []
    reasons = [f"{policy}: {text}" for text in texts if isinstance(text, str)]
    return reasons or [f"{policy} denies it"]
