# Generated from _async/locations.py by tools/unasync.py. Change that file, not this one.
"""Locations: the places that entities are read from."""

from __future__ import annotations

from towpath_sdk._sync.connection import Connection
from towpath_sdk._sync.pages import Pages
from towpath_sdk._wire.calls import delete, get, post, route
from towpath_sdk._wire.entities import Location, LocationItem, LocationProblem, LocationReport
from towpath_sdk._wire.pages import Page, list_call, page_of

__all__ = ("AsyncLocations",)

_OURS = "/api/v1/catalog"
_CATALOG = "/api/catalog/locations"


class Locations:
    """Register, read again and remove locations."""

    def __init__(self, link: Connection) -> None:
        self._link = link

    def add(
        self, target: str, *, type: str | None = None, idempotency_key: str | None = None
    ) -> LocationReport:
        """Register a location and read it, or read it again when it is known.

        Its entities are readable when this returns.

        Args:
            target: an address, or for type `file` an absolute path on the platform's machine.
            type: `url`, `file` or what a plugin offers; the platform tells by the target without.
            idempotency_key: a key of one's own, to be safe over restarts of the caller.

        Returns:
            What was taken in, and what could not be, with file and line.

        Raises:
            Invalid: the target cannot be a location.
            Forbidden: the target lies outside of what the platform may read.
        """
        call = post(f"{_OURS}/locations", {"type": type, "target": target}, idempotency_key)
        return self._link.read(call, LocationReport)

    def refresh(self, id: str, *, idempotency_key: str | None = None) -> LocationReport:
        """Read a location again now, and say what that gave.

        Raises:
            NotFound: there is no such location.
        """
        call = post(route(f"{_OURS}/locations", id, "refresh"), key=idempotency_key)
        return self._link.read(call, LocationReport)

    def list(self) -> tuple[Location, ...]:
        """All registered locations; they come in one answer."""
        items = self._link.read(get(_CATALOG), tuple[LocationItem, ...])
        return tuple(item.data for item in items)

    def get(self, id: str) -> Location:
        """Read one location.

        Raises:
            NotFound: there is none.
        """
        return self._link.read(get(route(_CATALOG, id)), Location)

    def remove(self, id: str) -> None:
        """Remove a location and the entities that come from it alone.

        Raises:
            NotFound: there is none.
        """
        self._link.send(delete(route(_CATALOG, id)))

    def problems(
        self, location: str | None = None, *, page_size: int = 200, cursor: str | None = None
    ) -> Pages[LocationProblem]:
        """Walk what the catalog could not take in, of one location (its id) or of all."""
        params = [("location", location)] if location is not None else []
        call = list_call(f"{_OURS}/problems", params, limit=page_size, cursor=cursor)
        return Pages(self._link, call, page_of(Page[LocationProblem]))
