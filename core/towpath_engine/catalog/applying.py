"""Sets: entities that belong together under an owner id, applied as a whole.

What a set no longer lists goes; too much of that at once waits for a word. A set is there as long
as it holds entities.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import func, select

from towpath_core.catalog import Document
from towpath_core.errors import Invalid, LimitExceeded, NotFound, Place, Problem
from towpath_core.identity import Principal
from towpath_core.plugins import PluginHost
from towpath_engine.catalog.changing import ChangePlan, Changes, Wish
from towpath_engine.catalog.judging import KindJudge
from towpath_engine.catalog.standing import SET_ORIGIN
from towpath_engine.catalog.stating import Statement, drafts_of, stated
from towpath_engine.catalog.tables import ENTITIES
from towpath_engine.store.database import Database

__all__ = ("Applied", "EntitySet", "SetFile", "Sets")

_ID = re.compile(r"[a-z0-9]([-a-z0-9._]{0,61}[a-z0-9])?")
_SECONDS = 30.0
_MOST = 20_000


class SetFile(msgspec.Struct, frozen=True):
    """A descriptor file that a caller sent: the name is for messages, its ending for the format."""

    name: str
    text: str


class EntitySet(msgspec.Struct, frozen=True):
    """A set: its id, how many entities it holds, and when one of them last changed."""

    id: str
    entities: int
    updated_at: datetime


class Applied(msgspec.Struct, frozen=True):
    """What applying a set did, or would do where it was only planned."""

    id: str
    plan: ChangePlan
    dry: bool


class Sets:
    """Applies, lists and removes sets."""

    def __init__(
        self, database: Database, host: PluginHost, kinds: KindJudge, changes: Changes
    ) -> None:
        self._database = database
        self._host = host
        self._kinds = kinds
        self._changes = changes

    async def apply(
        self,
        principal: Principal,
        id: str,
        entities: Sequence[Any] = (),
        files: Sequence[SetFile] = (),
        *,
        consent: str | None = None,
        dry: bool = False,
    ) -> Applied:
        """Make a set hold just these entities, all or nothing; readable when this returns.

        Idempotent: applied again, it changes nothing.

        Args:
            principal: who asks.
            id: of the set: lower-case letters, digits and -._ inside, at most 63.
            entities: envelopes, as JSON data.
            files: descriptor files, read beside the entities.
            consent: the digest of a plan: just this may vanish, however much it is.
            dry: only plan; conflicts and what would vanish are told and raise nothing.

        Raises:
            Invalid: the id, a file or an entity is wrong; `problems` have pointers or places.
            VanishingRefused: much would vanish, and it was not said that just this may.
            Conflict: others hold some of it; `problems` say who.
            Forbidden: a policy denies a part of it.
        """
        origin = _origin(id)
        statements = [
            Statement(Document(value, 1), pointer=f"/entities/{number}")
            for number, value in enumerate(entities)
        ]
        for file in files:
            statements += await self._read(file)
        if len(statements) > _MOST:
            raise LimitExceeded(f"A set has at most {_MOST} entities.")
        # A large set must not hold up the event loop.
        ones = await asyncio.to_thread(stated, statements)
        refs = tuple(one.ref for one in ones)
        there = await self._changes.there(Wish("", origin, origin, removes=refs))
        drafts = await drafts_of(self._kinds, ones, there, origin)
        wish = Wish("catalog:apply", origin, origin, drafts, whole=True, consent=consent)
        if dry:
            return Applied(id, await self._changes.plan(principal, wish), True)
        outcome = await self._changes.carry_out(principal, wish)
        done = ChangePlan(
            tuple(sorted(outcome.added)),
            tuple(sorted(outcome.changed)),
            tuple(sorted(outcome.unchanged)),
            tuple(sorted(outcome.deleted)),
            tuple(sorted(outcome.handed)),
        )
        return Applied(id, done, False)

    async def list(self, *, after: str = "", limit: int = 100) -> Sequence[EntitySet]:
        """Sets with a greater id than `after`, in order, at most `limit`."""
        return await self._find(f"{SET_ORIGIN}{after}", None, limit)

    async def get(self, id: str) -> EntitySet:
        """One set.

        Raises:
            NotFound: it holds no entities.
        """
        found = await self._find("", _origin(id), 1)
        if not found:
            raise NotFound(f"There is no set {id}.")
        return found[0]

    async def refs(self, id: str, *, after: str = "", limit: int = 100) -> Sequence[str]:
        """References that a set holds beyond `after`, in order, at most `limit`."""
        c = ENTITIES.c
        query = select(c.ref).where(c.origin == _origin(id), c.ref > after)
        async with self._database.begin() as transaction:
            found = await transaction.execute(query.order_by(c.ref).limit(limit))
            return [row.ref for row in found]

    async def remove(self, principal: Principal, id: str) -> Sequence[str]:
        """Remove a set with all that it holds; gives the references.

        Raises:
            NotFound: it holds no entities.
            Forbidden: a policy denies a part of it.
        """
        origin = _origin(id)
        wish = Wish("catalog:remove-set", origin, origin, whole=True)
        plan = await self._changes.plan(principal, wish)
        consented = msgspec.structs.replace(wish, consent=plan.digest)
        outcome = await self._changes.carry_out(principal, consented)
        gone = [*outcome.deleted, *outcome.handed]
        if not gone:
            raise NotFound(f"There is no set {id}.")
        return sorted(gone)

    async def _find(self, after: str, origin: str | None, limit: int) -> Sequence[EntitySet]:
        c = ENTITIES.c
        query = select(c.origin, func.count(), func.max(c.updated_at)).group_by(c.origin)
        if origin is not None:
            query = query.where(c.origin == origin)
        else:
            query = query.where(c.origin.startswith(SET_ORIGIN), c.origin > after)
        async with self._database.begin() as transaction:
            rows = await transaction.execute(query.order_by(c.origin).limit(limit))
            return [EntitySet(o.removeprefix(SET_ORIGIN), n, at) for o, n, at in rows]

    async def _read(self, file: SetFile) -> Sequence[Statement]:
        format = next(
            (
                offered
                for ending, offered in self._host.contributions.descriptor_formats.items()
                if file.name.lower().endswith(ending)
            ),
            None,
        )
        if format is None:
            text = f"no format reads {file.name[:200]!r}"
            raise Invalid(text, problems=[Problem("format", text, Place(file.name[:200]))])
        documents: Sequence[Document] = await self._host.call(
            format,
            "parse",
            file.text.encode("utf-8", "surrogatepass"),
            file.name,
            seconds=_SECONDS,
            collect=100_000,
            returns=Document,
        )
        return [Statement(document, file.name) for document in documents]


def _origin(id: str) -> str:
    if not _ID.fullmatch(id):
        raise Invalid(
            f"{id[:80]!r} is not the id of a set.",
            next="Take lower-case letters and digits, with -._ inside, at most 63.",
        )
    return f"{SET_ORIGIN}{id}"
