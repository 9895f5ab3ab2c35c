"""Who brought an entity in. Contract: Backstage's catalog."""

from __future__ import annotations

import msgspec
from litestar import Controller

from towpath_core.refs import EntityRef
from towpath_gateway.answer import Answer, json_bytes
from towpath_gateway.ask import Ask
from towpath_gateway.catalog import operations_contract as op
from towpath_gateway.parameters import Kind, Name, Namespace
from towpath_gateway.routing import get

__all__ = ("AncestryController",)


class AncestryController(Controller):
    """Ancestors of entities."""

    path = "/api/catalog/entities/by-name"
    tags = ("Catalog",)

    @get("/{kind:str}/{namespace:str}/{name:str}/ancestry", "catalog:read", op.GET_ANCESTRY)
    async def ancestry(self, request: Ask, kind: Kind, namespace: Namespace, name: Name) -> Answer:
        """The entity and the locations that led to it, up to the one that was registered."""
        ref = str(EntityRef(kind, namespace, name))
        index = request.platform.index
        items = []
        for ancestor in await request.platform.ancestry.of(ref):
            # What the asker cannot see, or what is gone by now, is cut.
            entry = index.by_ref(ancestor.ref)
            if entry is not None and await request.sees(entry.number):
                parents = msgspec.json.encode(ancestor.parents)
                items.append(b'{"entity":%b,"parentEntityRefs":%b}' % (entry.final, parents))
        root = msgspec.json.encode(ref)
        return json_bytes(b'{"rootEntityRef":%b,"items":[%b]}' % (root, b",".join(items)))
