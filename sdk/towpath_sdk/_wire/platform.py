"""Shapes of the platform itself: who asks, what is loaded, how it is, and tokens. Times are UTC."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

__all__ = (
    "Health",
    "Info",
    "NewToken",
    "Plugin",
    "PluginState",
    "Principal",
    "Readiness",
    "Token",
)


class Principal(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Who asks, as the platform sees it.

    Attributes:
        kind: `user`, `service` or `plugin`.
        entity_ref: the catalog entity that stands for it and owns what it makes.
        groups: canonical references of its groups.
        scopes: what its token allows.
    """

    subject: str
    kind: str
    entity_ref: str
    groups: tuple[str, ...]
    scopes: tuple[str, ...]


class Info(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What platform this is, and who one is to it.

    Attributes:
        spec_version: version of the hook specs that its plugins are written for.
        catalog_roots: folders that `file` locations may lie in.
        demo_location: a location with a sample catalog, where the platform brings one.
        demo_template: a template to try, where the platform brings one.
    """

    name: str
    version: str
    spec_version: int | str
    principal: Principal
    catalog_roots: tuple[str, ...]
    demo_location: str | None = None
    demo_template: str | None = None


class Plugin(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A plugin and how it fares.

    Attributes:
        state: `active`, `disabled`, `failed`, `incompatible` or `unavailable`.
        why: what stopped it, where something did.
        hooks: what it implements.
        spec: version of the hook specs it is written for.
        summary: what it is, in its distribution's words.
    """

    name: str
    distribution: str
    state: str
    hooks: tuple[str, ...]
    version: str | None = None
    why: str | None = None
    spec: int | None = None
    summary: str | None = None


class Health(msgspec.Struct, frozen=True, rename="camel"):
    """Whether the process lives; `status` is `ok`."""

    status: str


class PluginState(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How a plugin fares, in short."""

    name: str
    state: str
    why: str | None = None


class Readiness(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Whether the platform can do its work, and which part cannot.

    Attributes:
        status: `ok` when it can.
        checks: each part by name, such as `database`, with what it says of itself; free-form.
    """

    status: str
    checks: dict[str, Any]
    plugins: tuple[PluginState, ...]


class Token(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A token without its secret."""

    id: str
    name: str
    subject: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


class NewToken(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A token that was just made. `token` is shown this once; the repr leaves it out."""

    id: str
    token: str
    expires_at: datetime

    def __repr__(self) -> str:
        """Name the token without showing it."""
        return f"NewToken(id={self.id!r}, expires_at={self.expires_at!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Leave the token out of what pretty printers show."""
        return [("id", self.id), ("expires_at", self.expires_at)]
