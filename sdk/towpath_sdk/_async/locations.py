"""Locations: the places that entities are read from."""

from __future__ import annotations

import msgspec

from towpath_sdk._async.connection import AsyncConnection
from towpath_sdk._async.pages import AsyncPages
from towpath_sdk._wire.calls import Call, ask, delete, get, post, route
from towpath_sdk._wire.entities import Location, LocationItem, LocationProblem, LocationReport
from towpath_sdk._wire.keeping import LocationPlan, LocationState
from towpath_sdk._wire.pages import Page, list_call, page_of

__all__ = ("AsyncLocations",)

_OURS = "/api/v1/catalog"
_CATALOG = "/api/catalog/locations"


class _Confirmed(msgspec.Struct, frozen=True, rename="camel"):
    entity_refs: tuple[str, ...]


class AsyncLocations:
    """Register, read again and remove locations, and see before what that would do."""

    def __init__(self, link: AsyncConnection) -> None:
        self._link = link

    async def add(
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
        return await self._link.read(call, LocationReport)

    async def refresh(
        self, id: str, *, full: bool = False, idempotency_key: str | None = None
    ) -> LocationReport:
        """Read a location again now, and say what that gave.

        Args:
            id: the location.
            full: parse files that have not changed too, as when the rules for them have.
            idempotency_key: a key of one's own, to be safe over restarts of the caller.

        Raises:
            NotFound: there is no such location.
        """
        call = post(route(f"{_OURS}/locations", id, "refresh"), key=idempotency_key)
        if full:
            call = msgspec.structs.replace(call, params=(("full", "true"),))
        return await self._link.read(call, LocationReport)

    async def plan(
        self, target: str, *, type: str | None = None, full: bool = False
    ) -> LocationPlan:
        """What registering a location, or reading it again, would do now. Writes nothing.

        Args:
            target: as for `add`.
            type: as for `add`.
            full: parse files that have not changed too.

        Raises:
            Invalid: the target cannot be a location.
        """
        said = {"target": target, "type": type, "full": full or None}
        body = {name: value for name, value in said.items() if value is not None}
        return await self._link.read(ask(f"{_OURS}/locations/plan", body), LocationPlan)

    async def plan_removal(self, id: str) -> LocationPlan:
        """What would go with a location, and what would pass to others. Removes nothing.

        Raises:
            NotFound: there is no such location.
        """
        path = route(f"{_OURS}/locations", id)
        call = Call("DELETE", path, params=(("dryRun", "true"),))
        return await self._link.read(call, LocationPlan)

    async def confirm(
        self, id: str, digest: str, *, idempotency_key: str | None = None
    ) -> tuple[str, ...]:
        """Remove what vanished from a location and was held back.

        Args:
            id: the location.
            digest: of what is held, as the report or `state` showed it.
            idempotency_key: a key of one's own, to be safe over restarts of the caller.

        Returns:
            The references that were removed. They can be restored for some days.

        Raises:
            NotFound: there is no such location.
            Conflict: nothing is held, or something else than was seen.
        """
        path = route(f"{_OURS}/locations", id, "confirm")
        call = post(path, {"digest": digest}, idempotency_key)
        return (await self._link.read(call, _Confirmed)).entity_refs

    def states(
        self, *, page_size: int = 200, cursor: str | None = None
    ) -> AsyncPages[LocationState]:
        """Walk all locations as they stand: what they hold, what is wrong, and what waits."""
        call = list_call(f"{_OURS}/locations", limit=page_size, cursor=cursor)
        return AsyncPages(self._link, call, page_of(Page[LocationState]))

    async def state(self, id: str) -> LocationState:
        """One location as it stands.

        Raises:
            NotFound: there is none.
        """
        return await self._link.read(get(route(f"{_OURS}/locations", id)), LocationState)

    async def list(self) -> tuple[Location, ...]:
        """All registered locations; they come in one answer."""
        items = await self._link.read(get(_CATALOG), tuple[LocationItem, ...])
        return tuple(item.data for item in items)

    async def get(self, id: str) -> Location:
        """Read one location.

        Raises:
            NotFound: there is none.
        """
        return await self._link.read(get(route(_CATALOG, id)), Location)

    async def remove(self, id: str) -> None:
        """Remove a location and the entities that come from it alone.

        Raises:
            NotFound: there is none.
        """
        await self._link.send(delete(route(_CATALOG, id)))

    def problems(
        self, location: str | None = None, *, page_size: int = 200, cursor: str | None = None
    ) -> AsyncPages[LocationProblem]:
        """Walk what the catalog could not take in, of one location (its id) or of all."""
        params = [("location", location)] if location is not None else []
        call = list_call(f"{_OURS}/problems", params, limit=page_size, cursor=cursor)
        return AsyncPages(self._link, call, page_of(Page[LocationProblem]))
