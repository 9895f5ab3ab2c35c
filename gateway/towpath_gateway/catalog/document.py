"""The OpenAPI document of the catalog alone, where clients of Backstage's look for it."""

from __future__ import annotations

from functools import cache

import msgspec
from litestar import Controller, Litestar

from towpath_gateway.answer import Answer, json_bytes
from towpath_gateway.ask import Ask
from towpath_gateway.catalog import operations_contract as op
from towpath_gateway.openapi.document import document
from towpath_gateway.routing import get

__all__ = ("CatalogDocumentController",)

_MOUNT = "/api/catalog"


class CatalogDocumentController(Controller):
    """What the catalog takes and gives."""

    path = _MOUNT
    tags = ("Catalog",)

    @get("/openapi.json", "catalog:read", op.GET_CATALOG_DOCUMENT)
    async def openapi(self, request: Ask) -> Answer:
        """What the routes of `/api/catalog` take and give, with their whole paths."""
        return json_bytes(_encoded(request.app))


@cache
def _encoded(app: Litestar) -> bytes:
    return msgspec.json.encode(document(app, _MOUNT))
