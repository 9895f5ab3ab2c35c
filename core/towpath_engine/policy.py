"""The gate: asks every policy before something is done, and refuses when one says no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import structlog

from towpath_core.errors import Forbidden, TowpathError
from towpath_core.identity import Principal
from towpath_core.plugins import PluginHost
from towpath_core.policy import Allow, Deny, PolicyRequest

__all__ = ("PolicyGate",)

log = structlog.get_logger(__name__)

_SECONDS = 2.0


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
        policies = self._host.contributions.policies
        if not policies:
            return
        reasons: list[str] = []
        for offered in policies.values():
            # A copy for each: what one policy does to it must not reach another, or us.
            facts = msgspec.json.decode(msgspec.json.encode(dict(context or {})))
            request = PolicyRequest(principal, action, resource, facts)
            try:
                decision = await self._host.call(
                    offered, "decide", request, seconds=_SECONDS, returns=(Allow, Deny)
                )
            except TowpathError as error:
                log.error("policy.failed", policy=offered.name, error=error.what)
                decision = Deny((f"policy {offered.name} could not answer",))
            if isinstance(decision, Deny):
                reasons += _reasons(offered.name, decision.reasons)
        if reasons:
            raise Forbidden(f"{action} is not allowed.", why="; ".join(reasons))


def _reasons(policy: str, given: object) -> list[str]:
    """What a policy says against it, at least one sentence, whatever the plugin gave."""
    texts = [given] if isinstance(given, str) else given if isinstance(given, tuple | list) else []
    reasons = [f"{policy}: {text}" for text in texts if isinstance(text, str)]
    return reasons or [f"{policy} denies it"]
