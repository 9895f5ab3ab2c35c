"""Bodies of the platform's own API."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from towpath_core.identity import Principal
from towpath_core.plugins import PluginInfo
from towpath_core.plugins.model import PluginState
from towpath_engine.platform import Readiness
from towpath_engine.runs.metrics import RunsState
from towpath_engine.tokens import DEFAULT_DAYS, TokenInfo
from towpath_gateway.wire import StrictBody, Wire

__all__ = (
    "AliveWire",
    "InfoWire",
    "NewTokenWire",
    "PluginWire",
    "PrincipalWire",
    "ReadyWire",
    "SeenPlugin",
    "SeenQueue",
    "SeenRuns",
    "TokenBody",
    "TokenWire",
)


class PrincipalWire(Wire, frozen=True):
    """Who asks."""

    subject: str
    kind: str
    entity_ref: str
    groups: list[str]
    scopes: list[str]

    @classmethod
    def of(cls, principal: Principal) -> PrincipalWire:
        """Show a principal."""
        return cls(
            principal.subject,
            principal.kind,
            principal.entity_ref,
            sorted(principal.groups),
            sorted(principal.scopes),
        )


class InfoWire(Wire, frozen=True):
    """What this platform is, and as whom one asks."""

    name: str
    version: str
    spec_version: int
    principal: PrincipalWire
    catalog_roots: list[str]
    demo_location: str | None = None
    demo_template: str | None = None


class PluginWire(Wire, frozen=True):
    """A plugin and its state."""

    name: str
    distribution: str
    state: PluginState
    hooks: list[str]
    version: str | None = None
    why: str | None = None
    spec: int | None = None
    summary: str | None = None

    @classmethod
    def of(cls, plugin: PluginInfo) -> PluginWire:
        """Show a plugin."""
        values = {name: getattr(plugin, name) for name in cls.__struct_fields__}
        return cls(**(values | {"hooks": list(plugin.hooks)}))


class TokenBody(StrictBody, frozen=True):
    """What a token is asked for."""

    name: str
    scopes: list[str]
    days: int = DEFAULT_DAYS


class NewTokenWire(Wire, frozen=True):
    """A token, shown this once."""

    id: str
    token: str
    expires_at: datetime

    def __repr__(self) -> str:
        """Name the token without showing it."""
        return f"NewTokenWire(id={self.id!r})"


class TokenWire(Wire, frozen=True):
    """A token as it is listed."""

    id: str
    name: str
    subject: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    @classmethod
    def of(cls, token: TokenInfo) -> TokenWire:
        """Show a token."""
        values = {name: getattr(token, name) for name in cls.__struct_fields__}
        return cls(**(values | {"scopes": list(token.scopes)}))


class AliveWire(Wire, frozen=True):
    """The process lives."""

    status: Literal["ok"]


class ReadinessWire(Wire, frozen=True):
    """The parts that it takes, each `ok` or what is wrong with it."""

    database: str
    feed: str
    workers: str

    @classmethod
    def of(cls, readiness: Readiness) -> ReadinessWire:
        """Show what was found."""
        return cls(readiness.database, readiness.feed, readiness.workers)


class SeenPlugin(Wire, frozen=True):
    """A plugin's state; why it is so is told to those who may see plugins."""

    name: str
    state: PluginState
    why: str | None = None


class SeenQueue(Wire, frozen=True, omit_defaults=False):
    """A queue that has runs: how many are due or held, how old the oldest is, and its workers."""

    name: str
    due: int
    held: int
    oldest_seconds: float
    workers: int


class SeenRuns(Wire, frozen=True, omit_defaults=False):
    """How runs stand: workers that live, and how long the oldest run that is due has waited.

    `deserted` are the queues that have runs which are due, and no worker; queues are told to those
    who may see them.
    """

    workers: int
    oldest_seconds: float
    deserted: list[str] | None
    queues: list[SeenQueue] | None

    @classmethod
    def of(cls, runs: RunsState | None, *, told: bool) -> SeenRuns | None:
        """Show what waits; with its queues where they may be told."""
        if runs is None:
            return None
        queues = [
            SeenQueue(one.name, one.due, one.held, round(one.oldest_seconds, 1), one.workers)
            for one in runs.queues
        ]
        return cls(
            len(runs.workers),
            round(runs.oldest_seconds, 1),
            list(runs.deserted) if told else None,
            queues if told else None,
        )


class ReadyWire(Wire, frozen=True):
    """Whether the platform can do its work."""

    status: Literal["ok", "unavailable"]
    checks: ReadinessWire
    plugins: list[SeenPlugin]
    runs: SeenRuns | None = None
