"""Who asks: a principal, told by issuer and subject, with groups and scopes."""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ("SCOPES", "Principal", "Scope")

Scope = Literal[
    "catalog:read",
    "catalog:write",
    "scaffold:run",
    "provision:read",
    "provision:write",
    "runs:read",
    "runs:write",
    "platform:read",
    "platform:admin",
]

SCOPES: dict[Scope, str] = {
    "catalog:read": "read entities, facets and locations",
    "catalog:write": "register, refresh and remove locations and entities",
    "scaffold:run": "run templates and see their runs",
    "provision:read": "see offerings, plans and resources",
    "provision:write": "plan, apply, bind and delete resources",
    "runs:read": "see one's own runs, their steps, events and logs, and stop them",
    "runs:write": "start, retry, undo, signal, approve and schedule runs",
    "platform:read": "see plugins, problems and health in detail",
    "platform:admin": "everything, including tokens and other people's runs",
}


class Principal(msgspec.Struct, frozen=True):
    """Who asks. Equal only when issuer and subject are.

    Attributes:
        issuer: who vouches for the subject; `towpath` for our own tokens.
        subject: unique below the issuer, never reused.
        kind: a person, a program, or a plugin acting for itself.
        entity_ref: the catalog entity that stands for the principal; owns what it makes.
        groups: canonical references of the groups it belongs to.
        scopes: what its credentials allow; rights are these and the policies, never more.
        token_id: the credential that was used, for the audit; never a secret.
    """

    issuer: str
    subject: str
    kind: Literal["user", "service", "plugin"]
    entity_ref: str
    groups: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    token_id: str | None = None

    @property
    def is_admin(self) -> bool:
        """Whether the credentials carry `platform:admin`."""
        return "platform:admin" in self.scopes

    def has(self, scope: Scope) -> bool:
        """Whether the credentials carry a scope, directly or through `platform:admin`."""
        return scope in self.scopes or self.is_admin

    def owns(self, owner_ref: str) -> bool:
        """Whether a thing with that owner belongs to this principal or one of its groups."""
        owner = owner_ref.lower()
        return owner == self.entity_ref.lower() or owner in self.groups
