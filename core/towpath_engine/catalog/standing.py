"""What stands in the store under references or for an origin: content, owner, holder, place.

Reads only; knows nothing of how it changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import func, or_, select

from towpath_core.errors import TowpathError
from towpath_core.refs import parse_ref
from towpath_engine.catalog.drafts import RESTORED
from towpath_engine.catalog.tables import CONFLICTS, ENTITIES
from towpath_engine.store.database import Transaction

__all__ = (
    "API_ORIGIN",
    "OWN_ORIGIN",
    "SET_ORIGIN",
    "Holder",
    "Standing",
    "claims",
    "owner_of",
    "standing",
)

API_ORIGIN = "api:entities"
"""The origin of entities that were put one by one."""
SET_ORIGIN = "set:"
"""How the origins of sets begin; their id follows."""
OWN_ORIGIN = "towpath:"
"""How the origins of entities begin that the platform itself holds."""

_RAW = msgspec.json.Decoder()


class Holder(msgspec.Struct, frozen=True):
    """Who declares an entity, and where.

    A location, a set, the API, the platform itself; or nobody, where it was restored though what
    held it lacks it.
    """

    origin: str
    location_id: UUID | None = None
    file: str | None = None
    line: int | None = None

    @property
    def type(self) -> str:
        """What kind of holder it is."""
        if self.origin.startswith(RESTORED):
            return "restored"
        for type, begin in (("api", "api:"), ("set", SET_ORIGIN), ("platform", OWN_ORIGIN)):
            if self.origin.startswith(begin) and self.location_id is None:
                return type
        return "location"

    @property
    def place(self) -> str:
        """Where it stands, for a sentence."""
        if self.file is None:
            return self.origin
        return f"{self.file}:{self.line}" if self.line is not None else self.file

    @property
    def release(self) -> str:
        """How a location is made to let go, by the command and through the API."""
        id = self.location_id
        return f"towpath catalog rm {id} (DELETE /api/catalog/locations/{id})"

    def way(self, ref: str) -> str:
        """How an entity is changed that it holds."""
        if self.type == "location":
            place = f"Change it in {self.place} and refresh the location"
            return f"{place}, or unregister it: {self.release}."
        if self.type == "set":
            name = self.origin.removeprefix(SET_ORIGIN)
            applied = f"towpath catalog apply --set {name} (PUT /api/v1/catalog/sets/{name})"
            return f"Change it in the set: {applied}."
        if self.type == "platform":
            return "Change or delete the resource that it stands for; the entity follows."
        path = ref.replace(":", "/", 1)
        removed = f"towpath catalog delete {ref} (DELETE /api/v1/catalog/entities/{path})"
        return f"Remove it first: {removed}."


class Standing(msgspec.Struct, frozen=True, dict=True):
    """An entity as it is stored, without what others state about it."""

    uid: UUID
    ref: str
    body: str
    edges: str
    revision: int
    holder: Holder

    @cached_property
    def document(self) -> dict[str, Any]:
        """The envelope."""
        found: dict[str, Any] = _RAW.decode(self.body)
        return found

    @property
    def owner(self) -> str | None:
        """Who owns it, as a canonical reference."""
        return owner_of(self.document)


def owner_of(document: dict[str, Any]) -> str | None:
    """The canonical reference of the owner that an entity names; None where it names none."""
    spec = document.get("spec")
    owner = spec.get("owner") if isinstance(spec, dict) else None
    if not isinstance(owner, str):
        return None
    namespace = document["metadata"].get("namespace") or "default"
    try:
        return str(parse_ref(owner, default_kind="group", default_namespace=namespace))
    except TowpathError:
        return None


async def standing(
    transaction: Transaction, refs: Iterable[str] = (), *, origin: str | None = None
) -> dict[str, Standing]:
    """What is stored under references, and all that an origin holds, by reference."""
    c = ENTITIES.c
    wanted = c.ref == func.any(list(refs))
    query = select(
        c.uid, c.ref, c.body, c.edges, c.revision, c.origin, c.location_id, c.file, c.line
    ).where(wanted if origin is None else or_(wanted, c.origin == origin))
    return {
        row.ref: Standing(
            row.uid,
            row.ref,
            row.body,
            row.edges,
            row.revision,
            Holder(row.origin, row.location_id, row.file, row.line),
        )
        for row in await transaction.execute(query)
    }


async def claims(transaction: Transaction, ref: str) -> list[Holder]:
    """Who else declares an entity, and lost it to its holder."""
    c = CONFLICTS.c
    query = select(c.origin, c.location_id, c.file, c.line).where(c.ref == ref).order_by(c.origin)
    return [Holder(*row) for row in await transaction.execute(query)]
