"""Policies: what is asked of them and what they answer.

A policy can only narrow: the platform asks every policy, and one Deny is enough. A policy that
raises, misses its deadline or answers something else counts as a Deny.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import msgspec

from towpath_core.identity import Principal

__all__ = (
    "AllOf",
    "Allow",
    "AnyOf",
    "Conditional",
    "Criteria",
    "Decision",
    "Deny",
    "Not",
    "Policy",
    "PolicyRequest",
    "Rule",
)


class Allow(msgspec.Struct, frozen=True, tag="allow", tag_field="decision"):
    """Nothing speaks against it."""


class Deny(msgspec.Struct, frozen=True, tag="deny", tag_field="decision"):
    """Refused; each reason is a sentence for the one who asked."""

    reasons: tuple[str, ...]


class Rule(msgspec.Struct, frozen=True, tag="rule", tag_field="is"):
    """Holds for entities that have a field, with one of some values where any are named.

    Attributes:
        field: a dotted path as in catalog filters, such as `kind`, `spec.type`,
            `metadata.annotations.example.com/tier` or `relations.ownedBy`; without case.
        values: without case; none means that the field is there.
    """

    field: str
    values: tuple[str, ...] = ()


class AllOf(msgspec.Struct, frozen=True, tag="all", tag_field="is"):
    """Holds where all of them do; always without any."""

    criteria: tuple[Criteria, ...] = ()


class AnyOf(msgspec.Struct, frozen=True, tag="any", tag_field="is"):
    """Holds where one of them does; never without any."""

    criteria: tuple[Criteria, ...] = ()


class Not(msgspec.Struct, frozen=True, tag="not", tag_field="is"):
    """Holds where it does not, also where a field is missing."""

    criteria: Criteria


Criteria = Rule | AllOf | AnyOf | Not
"""Which entities: the same sets that catalog filters are made of."""


class Conditional(msgspec.Struct, frozen=True, tag="conditional", tag_field="decision"):
    """Allowed for the entities that meet the criteria. An answer to `catalog:read` only."""

    criteria: Criteria


Decision = Allow | Deny | Conditional


class PolicyRequest(msgspec.Struct, frozen=True):
    """A question to a policy.

    `catalog:read` is asked once for a principal, with the resource `*`, and the answer is kept for
    5 seconds: Allow shows everything, Deny nothing, Conditional what meets its criteria.

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
