# Generated from _async/reasons.py by tools/unasync.py. Change that file, not this one.
"""Why the catalog is as it is: what was removed, and what two sources want."""

from __future__ import annotations

from towpath_sdk._sync.connection import Connection
from towpath_sdk._sync.pages import Pages
from towpath_sdk._wire.calls import post, route
from towpath_sdk._wire.keeping import RefConflict, Restored, Tombstone
from towpath_sdk._wire.pages import Page, list_call, page_of
from towpath_sdk._wire.refs import EntityRef, parse_ref

__all__ = ("AsyncConflicts", "AsyncTombstones")

_OURS = "/api/v1/catalog"


class AsyncTombstones:
    """What was removed from the catalog and can still be restored."""

    def __init__(self, link: Connection) -> None:
        self._link = link

    def list(
        self,
        ref: str | EntityRef | None = None,
        *,
        page_size: int = 200,
        cursor: str | None = None,
    ) -> Pages[Tombstone]:
        """Walk what was removed, the last removed first; of one reference or of all."""
        params = [("ref", str(parse_ref(ref)))] if ref is not None else []
        call = list_call(f"{_OURS}/tombstones", params, limit=page_size, cursor=cursor)
        return Pages(self._link, call, page_of(Page[Tombstone]))

    def restore(self, uid: str, *, idempotency_key: str | None = None) -> Restored:
        """Bring an entity back with its uid and its history; it is readable then.

        It stays even if its source still lacks it, until that states it again.

        Raises:
            NotFound: it was not removed, or too long ago.
            Conflict: something else has its reference.
        """
        call = post(route(f"{_OURS}/tombstones", uid, "restore"), key=idempotency_key)
        return self._link.read(call, Restored)


class AsyncConflicts:
    """References that two sources state; the first holder keeps them."""

    def __init__(self, link: Connection) -> None:
        self._link = link

    def list(
        self,
        *,
        location: str | None = None,
        ref: str | EntityRef | None = None,
        page_size: int = 200,
        cursor: str | None = None,
    ) -> Pages[RefConflict]:
        """Walk them by reference.

        Args:
            location: id of a location; only those it has part in, as holder or as loser.
            ref: only those about one reference.
            page_size: conflicts in one answer, 1 or more.
            cursor: go on from here, as a page of the same list told.
        """
        params = [("location", location)] if location is not None else []
        if ref is not None:
            params.append(("ref", str(parse_ref(ref))))
        call = list_call(f"{_OURS}/conflicts", params, limit=page_size, cursor=cursor)
        return Pages(self._link, call, page_of(Page[RefConflict]))
