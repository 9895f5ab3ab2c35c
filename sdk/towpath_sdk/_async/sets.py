"""Sets: entities that belong together, applied as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from towpath_sdk._async.connection import AsyncConnection
from towpath_sdk._async.pages import AsyncPages
from towpath_sdk._wire.calls import Call, decode, delete, get
from towpath_sdk._wire.entities import Entity
from towpath_sdk._wire.pages import Page, list_call, page_of
from towpath_sdk._wire.writes import AppliedSet, EntitySet, put_set, set_path

__all__ = ("AsyncSets",)

_BASE = "/api/v1/catalog/sets"


class _Held(msgspec.Struct, frozen=True, rename="camel"):
    entity_refs: tuple[str, ...]
    next_cursor: str | None = None


class AsyncSets:
    """Apply, list and remove sets of entities."""

    def __init__(self, link: AsyncConnection) -> None:
        self._link = link

    async def apply(
        self,
        id: str,
        entities: Iterable[Entity | Mapping[str, Any]] = (),
        *,
        files: Mapping[str, str] | None = None,
        prune: str | None = None,
        dry_run: bool = False,
    ) -> AppliedSet:
        """Make a set hold just these entities, all or nothing; readable when this returns.

        What it held and is not listed goes. Applying the same again changes nothing.

        Args:
            id: of the set: lower-case letters and digits, with -._ inside, at most 63.
            entities: what it is to hold.
            files: descriptor files instead or as well, text by name; the names are for messages.
            prune: the `prune_digest` of a plan: just this may go, however much it is.
            dry_run: only plan.

        Raises:
            Invalid: an entity or a file is wrong; `problems` say where.
            Conflict: others hold some of it; or, with the code `vanishing`, more than 10 % and 5
                of it would go, or all of it, and `prune` did not say so.
        """
        call = put_set(id, entities, files or {}, prune, dry_run)
        return await self._link.read(call, AppliedSet)

    def list(self, *, page_size: int = 200, cursor: str | None = None) -> AsyncPages[EntitySet]:
        """Walk all sets, by id."""
        call = list_call(_BASE, limit=page_size, cursor=cursor)
        return AsyncPages(self._link, call, page_of(Page[EntitySet]))

    async def get(self, id: str) -> EntitySet:
        """Read one set, without what it holds.

        Raises:
            NotFound: it holds nothing.
        """
        return await self._link.read(get(set_path(id), [("limit", "1")]), EntitySet)

    def refs(self, id: str, *, page_size: int = 500, cursor: str | None = None) -> AsyncPages[str]:
        """Walk the references that a set holds.

        Raises:
            NotFound: while walking, when it holds nothing.
        """
        call = list_call(set_path(id), limit=page_size, cursor=cursor)
        return AsyncPages(self._link, call, _refs)

    async def delete(self, id: str) -> tuple[str, ...]:
        """Remove a set with all that it holds, and return the references.

        Raises:
            NotFound: it holds nothing.
        """
        call = delete(set_path(id))
        content = await self._link.send(call)
        return decode(call, content, _Held).entity_refs if content else ()


def _refs(call: Call, content: bytes) -> Page[str]:
    found = decode(call, content, _Held)
    return Page(found.entity_refs, found.next_cursor)
