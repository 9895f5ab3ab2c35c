"""Policies: what is asked of them and what they answer.

A policy can only narrow: the platform asks every policy, and one Deny is enough. A policy that
raises, misses its deadline or answers something else counts as a Deny.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import msgspec

from towpath_core.identity import Principal

__all__ = ("Allow", "Decision", "Deny", "Policy", "PolicyRequest")


class Allow(msgspec.Struct, frozen=True, tag="allow", tag_field="decision"):
    """Nothing speaks against it."""


class Deny(msgspec.Struct, frozen=True, tag="deny", tag_field="decision"):
    """Refused; each reason is a sentence for the one who asked."""

    reasons: tuple[str, ...]


Decision = Allow | Deny


class PolicyRequest(msgspec.Struct, frozen=True):
    """A question to a policy.

    Attributes:
        principal: who asks.
        action: what is asked, as `field:verb`: `catalog:write`, `scaffold:run`, `provision:apply`.
        resource: what it is asked of: an entity reference, a template, an offering's name.
        context: facts about the request; for `provision:*` the plan's parameters, checked already;
            for `catalog:write` of an entity its `owner`, a canonical reference or None. A change of
            owner is asked about twice, with the old one and with the new one.
    """

    principal: Principal
    action: str
    resource: str
    context: dict[str, Any]


@runtime_checkable
class Policy(Protocol):
    """A rule set that narrows what principals may do."""

    name: str

    def decide(self, request: PolicyRequest) -> Decision:
        """Answer one request, in well under 50 milliseconds and without I/O."""
        ...
