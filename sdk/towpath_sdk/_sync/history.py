# Generated from _async/history.py by tools/unasync.py. Change that file, not this one.
"""History: what entities were, who changed them, and how to have it back."""

from __future__ import annotations

from datetime import datetime

from towpath_sdk._sync.connection import Connection
from towpath_sdk._sync.pages import Pages
from towpath_sdk._wire.calls import get, keyed
from towpath_sdk._wire.entities import Entity
from towpath_sdk._wire.pages import Page, list_call, page_of
from towpath_sdk._wire.refs import EntityRef
from towpath_sdk._wire.writes import (
    DeclaredEntity,
    EntityRevision,
    entity_path,
    past_params,
    restore_call,
    time_text,
)

__all__ = ("AsyncHistory",)

_BASE = "/api/v1/catalog/history"
_ENTITIES = "/api/v1/catalog/entities"


class History:
    """Read and restore what entities were, also of those that are gone."""

    def __init__(self, link: Connection) -> None:
        self._link = link

    def list(
        self, ref: str | EntityRef, *, page_size: int = 50, cursor: str | None = None
    ) -> Pages[EntityRevision]:
        """Walk the revisions of an entity, newest first, with what was different.

        Raises:
            NotFound: while walking, when there never was one.
        """
        call = list_call(entity_path(ref, _BASE), limit=page_size, cursor=cursor)
        return Pages(self._link, call, page_of(Page[EntityRevision]))

    def get(self, ref: str | EntityRef, seq: int) -> EntityRevision:
        """Read one revision, with the whole entity as it was written.

        Raises:
            NotFound: the entity has no such revision.
        """
        return self._link.read(get(entity_path(ref, _BASE, str(seq))), EntityRevision)

    def restore(
        self,
        ref: str | EntityRef,
        seq: int,
        *,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> DeclaredEntity:
        """Make an entity what it was in a revision, as a new one; readable when this returns.

        Args:
            ref: which entity; one that is gone comes back.
            seq: of the revision.
            if_match: only where the entity has this etag now.
            idempotency_key: sent along; restoring twice does no more than once.

        Raises:
            NotFound: there is no such revision.
            Conflict: a location or a set holds the entity and would overwrite it.
            Invalid: what was good then is not any more.
        """
        path = entity_path(ref, _BASE, str(seq), "restore")
        call = restore_call(path, keyed(idempotency_key), if_match)
        return self._link.read(call, DeclaredEntity)

    def entity(self, ref: str | EntityRef, at: datetime | str) -> Entity:
        """Read one entity as it was at a time, with the relations of then.

        Raises:
            NotFound: it was not there then.
            Gone: the time is before what is kept.
        """
        return self._link.read(
            get(entity_path(ref, _ENTITIES), [("as_of", time_text(at))]), Entity
        )

    def entities(
        self,
        at: datetime | str,
        *,
        kind: str | None = None,
        page_size: int = 200,
        cursor: str | None = None,
    ) -> Pages[Entity]:
        """Walk all entities as they were at a time, by reference.

        Raises:
            Gone: while walking, when the time is before what is kept.
        """
        params = past_params(at, kind)
        call = list_call(_ENTITIES, params, limit=page_size, cursor=cursor)
        return Pages(self._link, call, page_of(Page[Entity]))
