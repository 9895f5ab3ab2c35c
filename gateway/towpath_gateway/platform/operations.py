"""What the platform's own operations take and give, with examples."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from towpath_gateway.openapi.operation import IDEMPOTENCY_KEY, Given, Operation
from towpath_gateway.platform.wire import (
    AliveWire,
    InfoWire,
    NewTokenWire,
    PluginWire,
    PrincipalWire,
    ReadinessWire,
    ReadyWire,
    SeenPlugin,
    SeenQueue,
    SeenRuns,
    TokenBody,
    TokenWire,
)
from towpath_gateway.wire import Page

_AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
_END = _AT + timedelta(days=90)
_TOKEN_ID = "4bVwQnE2rYc8LsJ0mZtX1k"  # noqa: S105  (the public part of one)

_INFO = InfoWire(
    name="towpath",
    version="0.1.0",
    spec_version=1,
    principal=PrincipalWire("admin", "user", "user:default/admin", [], ["platform:admin"]),
    catalog_roots=["/srv/catalogs"],
)
_PLUGIN = PluginWire(
    name="postgres",
    distribution="towpath",
    state="active",
    hooks=["towpath_offerings", "towpath_provisioners"],
    version="0.1.0",
    spec=1,
    summary="Databases on a PostgreSQL server.",
)
_TOKEN = TokenWire(
    id=_TOKEN_ID,
    name="pipeline",
    subject="admin",
    scopes=["catalog:read", "catalog:write"],
    created_at=_AT,
    expires_at=_END,
    last_used_at=_AT + timedelta(hours=3),
)
_READY = ReadyWire(
    "ok",
    ReadinessWire("ok", "ok", "none takes runs from 1 of the queues that have some: they wait"),
    [SeenPlugin("postgres", "active")],
    SeenRuns(
        2,
        73.4,
        ["gpu"],
        [SeenQueue("gpu", 1, 0, 73.4, 0), SeenQueue("scaffold", 2, 1, 0.3, 2)],
    ),
)
_NOT_READY = ReadyWire(
    "unavailable",
    ReadinessWire("connection refused", "ok", "unknown"),
    [SeenPlugin("postgres", "active")],
)

GET_INFO = Operation(
    id="getInfo",
    summary="What this is, and who you are",
    gives=(Given(type=InfoWire, example=_INFO, description="What it is, and who you are."),),
)
GET_DOCUMENT = Operation(
    id="getOpenapi",
    summary="The OpenAPI document",
    gives=(
        Given(
            type=dict[str, Any],
            example={"openapi": "3.1.0", "info": {"title": "Towpath"}, "paths": {}},
            description="This document.",
        ),
    ),
)
LIST_PLUGINS = Operation(
    id="listPlugins",
    summary="List plugins",
    gives=(
        Given(
            type=Page[PluginWire],
            example=Page([_PLUGIN]),
            description="All plugins that are installed.",
        ),
    ),
)
LIST_TOKENS = Operation(
    id="listTokens",
    summary="List tokens",
    gives=(
        Given(type=Page[TokenWire], example=Page([_TOKEN]), description="Tokens, newest first."),
    ),
)
CREATE_TOKEN = Operation(
    id="createToken",
    summary="Make a token",
    takes=TokenBody,
    request=TokenBody("pipeline", ["catalog:read", "catalog:write"], 90),
    gives=(
        Given(
            status=201,
            type=NewTokenWire,
            example=NewTokenWire(_TOKEN_ID, f"tow_pat_{_TOKEN_ID}_...", _END),
            description="The token, shown this once.",
        ),
    ),
    headers=(IDEMPOTENCY_KEY,),
    errors=(422,),
)
REVOKE_TOKEN = Operation(
    id="revokeToken",
    summary="Revoke a token",
    gives=(Given(status=204, description="It is good for nothing any more."),),
    errors=(404,),
)
IS_ALIVE = Operation(
    id="isAlive",
    summary="Whether the process lives",
    gives=(Given(type=AliveWire, example=AliveWire("ok"), description="The process lives."),),
)
IS_READY = Operation(
    id="isReady",
    summary="Whether it can do its work",
    gives=(
        Given(type=ReadyWire, example=_READY, description="It can do its work."),
        Given(status=503, type=ReadyWire, example=_NOT_READY, description="It cannot, and why."),
    ),
)
