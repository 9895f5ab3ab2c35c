"""Routes about the platform itself."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Annotated

import msgspec
from litestar import Controller, Litestar
from litestar.params import PathParameter

from towpath_core.errors import NotFound
from towpath_core.hookspecs import SPEC_VERSION
from towpath_core.identity import Principal, Scope
from towpath_gateway.answer import Answer, json_bytes, nothing, reply
from towpath_gateway.ask import Ask
from towpath_gateway.openapi.document import document
from towpath_gateway.parameters import Cursor, Limit
from towpath_gateway.platform import operations as op
from towpath_gateway.platform.wire import (
    AliveWire,
    InfoWire,
    NewTokenWire,
    PluginWire,
    PrincipalWire,
    ReadinessWire,
    ReadyWire,
    SeenPlugin,
    SeenRuns,
    TokenBody,
    TokenWire,
)
from towpath_gateway.routing import OPEN, delete, get, post
from towpath_gateway.wire import page_of

__all__ = ("HealthController", "PlatformController", "TokenController")

ADMIN: Scope = "platform:admin"


class PlatformController(Controller):
    """Info and plugins."""

    path = "/api/v1"
    tags = ("Platform",)

    @get("/info", "catalog:read", op.GET_INFO)
    async def info(self, request: Ask) -> Answer:
        """Version, scopes, and where catalog files may be read from."""
        demo = request.served.demo
        roots = request.platform.settings.catalog_roots
        return reply(
            InfoWire(
                name="towpath",
                version=version("towpath"),
                spec_version=SPEC_VERSION,
                principal=PrincipalWire.of(request.principal),
                catalog_roots=[str(root) for root in roots],
                demo_location=demo.location if demo else None,
                demo_template=demo.template if demo else None,
            )
        )

    @get("/openapi.json", "catalog:read", op.GET_DOCUMENT)
    async def openapi(self, request: Ask) -> Answer:
        """What all routes take and give."""
        return json_bytes(_document(request.app))

    @get("/plugins", "platform:read", op.LIST_PLUGINS)
    async def plugins(self, request: Ask, limit: Limit = 1000, cursor: Cursor = None) -> Answer:
        """All installed plugins, with their state and why."""
        found = request.platform.host.describe()
        return reply(page_of([PluginWire.of(one) for one in found], limit, cursor))


class TokenController(Controller):
    """Access tokens."""

    path = "/api/v1/tokens"
    tags = ("Platform",)

    @get("/", ADMIN, op.LIST_TOKENS)
    async def tokens(self, request: Ask, limit: Limit = 1000, cursor: Cursor = None) -> Answer:
        """Without their secrets, newest first."""
        found = await request.platform.tokens.list(request.principal)
        return reply(page_of([TokenWire.of(one) for one in found], limit, cursor))

    @post("/", ADMIN, op.CREATE_TOKEN)
    async def create(self, request: Ask) -> Answer:
        """For the asker, with no more scopes than the asker has. It is shown this once."""
        data = await request.read(TokenBody)
        made = await request.platform.tokens.create(
            request.principal, data.name, data.scopes, days=data.days, key=request.key
        )
        return reply(NewTokenWire(made.id, made.token, made.expires_at), 201)

    @delete("/{token_id:str}", ADMIN, op.REVOKE_TOKEN)
    async def revoke(
        self,
        request: Ask,
        token_id: Annotated[str, PathParameter(description="Id of a token.")],
    ) -> Answer:
        """It ends now; in other gateways within 5 seconds. Repeating it is harmless."""
        if not (token_id.isascii() and token_id.isalnum()):
            raise NotFound("There is no such token.")
        await request.platform.tokens.revoke(request.principal, token_id)
        return nothing()


class HealthController(Controller):
    """Whether the platform lives, and whether it can work. Open to everybody."""

    tags = ("Health",)

    @get("/healthz", OPEN, op.IS_ALIVE)
    async def alive(self) -> Answer:
        """Always ok while it answers."""
        return reply(AliveWire("ok"))

    @get("/readyz", OPEN, op.IS_READY)
    async def ready(self, request: Ask) -> Answer:
        """503 when it cannot. Missing workers delay runs but no answers: they are told, with 200.

        Reasons of plugins and the names of queues are told to those with `platform:read`.
        """
        readiness = await request.platform.readiness()
        asker = request.user
        told = isinstance(asker, Principal) and asker.has("platform:read")
        body = ReadyWire(
            "ok" if readiness.ready else "unavailable",
            ReadinessWire.of(readiness),
            [
                SeenPlugin(plugin.name, plugin.state, plugin.why if told else None)
                for plugin in request.platform.host.describe()
            ],
            SeenRuns.of(readiness.runs, told=told),
        )
        return reply(body, 200 if readiness.ready else 503)


@cache
def _document(app: Litestar) -> bytes:
    return msgspec.json.encode(document(app))
