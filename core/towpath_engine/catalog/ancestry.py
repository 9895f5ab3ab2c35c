"""Who brought an entity in: the locations that lead to its file, up to the one registered.

Told from what is stored: the file that an entity stands in, and the targets that the Location
entities of the same registration state. Reads no source.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import select

from towpath_core.catalog import CatalogSource
from towpath_core.entities import Entity
from towpath_core.errors import NotFound, TowpathError
from towpath_core.plugins import PluginHost
from towpath_engine.catalog.judging import MANAGED_BY
from towpath_engine.catalog.locations import Location
from towpath_engine.catalog.reach import leads_to
from towpath_engine.catalog.reading import LocationReader
from towpath_engine.catalog.tables import ENTITIES, LOCATIONS
from towpath_engine.store.database import Database, Transaction

__all__ = ("Ancestor", "Ancestry")

_SECONDS = 10.0
_MOST = 1000
"""How many ancestors are looked for; a real chain has a handful."""


class Ancestor(msgspec.Struct, frozen=True):
    """An entity on the way, and the entities that brought it in."""

    ref: str
    parents: tuple[str, ...]


class _Lead(msgspec.Struct):
    """A Location entity: where it stands, and where it leads to, made absolute."""

    ref: str
    file: str | None
    targets: list[str]


class Ancestry:
    """Finds the ancestors of entities."""

    def __init__(self, database: Database, host: PluginHost, reader: LocationReader) -> None:
        self._database = database
        self._host = host
        self._reader = reader

    async def of(self, ref: str) -> list[Ancestor]:
        """An entity and all its ancestors, the entity first, each once.

        What no location brought in has no parents, and neither has the entity that stands for a
        registered location.

        Raises:
            NotFound: there is no such entity.
        """
        c = ENTITIES.c
        async with self._database.begin() as transaction:
            query = select(c.file, c.location_id).where(c.ref == ref)
            row = (await transaction.execute(query)).one_or_none()
            if row is None:
                raise NotFound(f"No such entity {ref}")
            if row.location_id is None:
                return [Ancestor(ref, ())]
            location, stated = await _registered(transaction, row.location_id)
        leads = {lead.ref: lead for lead in await self._leads(stated)}
        leads[location.entity_ref] = _Lead(location.entity_ref, None, [location.target])
        # In a thread, because there may be very many, and their targets are foreign text.
        return await asyncio.to_thread(_walk, ref, row.file, location.entity_ref, leads)

    async def _leads(self, stated: Sequence[tuple[str, str, Entity]]) -> list[_Lead]:
        leads: list[_Lead] = []
        relative: dict[str, list[tuple[_Lead, str]]] = {}
        for ref, file, entity in stated:
            lead = _Lead(ref, file, [])
            leads.append(lead)
            here = entity.annotations.get(MANAGED_BY, "").partition(":")[0]
            there = str(entity.spec.get("type") or here)
            for target in _targets(entity):
                if here == there:
                    relative.setdefault(here, []).append((lead, target))
                else:
                    lead.targets.append(target)
        for type, asked in relative.items():
            await self._resolve(type, asked)
        return leads

    async def _resolve(self, type: str, asked: Sequence[tuple[_Lead, str]]) -> None:
        """Make targets absolute, all in one call of the source that reads their files."""
        source = self._reader.source_for(type, str(asked[0][0].file))
        if source is None:
            return
        pairs = [(str(lead.file), target) for lead, target in asked]

        def resolve(source: CatalogSource) -> list[str | None]:
            return [_absolute(source, file, target) for file, target in pairs]

        try:
            found: list[str | None] = await self._host.call(
                source, resolve, seconds=_SECONDS, returns=list
            )
        except TowpathError:
            return  # what cannot be told leads nowhere; the registration itself still does
        for (lead, _), target in zip(asked, found, strict=True):
            if target is not None:
                lead.targets.append(target)


def _absolute(source: CatalogSource, file: str, target: str) -> str | None:
    """Runs foreign code, in its plugin's thread."""
    try:
        return str(source.resolve(file, target))
    except TowpathError:
        return None


def _walk(ref: str, file: str | None, registered: str, leads: dict[str, _Lead]) -> list[Ancestor]:
    found: list[Ancestor] = []
    files = {lead.ref: lead.file for lead in leads.values()} | {ref: file}
    seen = {ref}
    waiting = deque([ref])
    while waiting and len(seen) <= _MOST:
        here = waiting.popleft()
        parents: tuple[str, ...] = ()
        if here != registered:
            # Where nothing that is stored leads to it, it was led to by what is gone since.
            parents = _parents(here, files[here], leads) or (registered,)
        found.append(Ancestor(here, parents))
        for parent in parents:
            if parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return found


def _parents(ref: str, file: str | None, leads: dict[str, _Lead]) -> tuple[str, ...]:
    if file is None:
        return ()
    found = (
        lead.ref
        for lead in leads.values()
        if lead.ref != ref and any(leads_to(target, file) for target in lead.targets)
    )
    return tuple(sorted(found))


def _targets(entity: Entity) -> list[str]:
    listed = entity.spec.get("targets")
    every = [entity.spec.get("target"), *(listed if isinstance(listed, list) else ())]
    return [target for target in every if isinstance(target, str)]


async def _registered(
    transaction: Transaction, location_id: UUID
) -> tuple[Location, list[tuple[str, str, Entity]]]:
    """A location, and the Location entities in its files: reference, file, entity."""
    where = LOCATIONS.c.id == location_id
    location = Location.of((await transaction.execute(select(LOCATIONS).where(where))).one())
    c = ENTITIES.c
    query = select(c.ref, c.file, c.body).where(
        c.location_id == location_id, c.kind == "location", c.file.is_not(None)
    )
    stated = [
        (row.ref, row.file, msgspec.json.decode(row.body, type=Entity))
        for row in await transaction.execute(query)
    ]
    return location, stated
