"""Brings back what an entity was, as a new revision that passes the checks of today."""

from __future__ import annotations

import msgspec

from towpath_core.catalog import Document
from towpath_core.errors import Conflict
from towpath_core.identity import Principal
from towpath_core.refs import EntityRef
from towpath_engine.catalog.declaring import Declarations, Declared
from towpath_engine.catalog.drafts import belongs
from towpath_engine.catalog.history import History
from towpath_engine.catalog.preconditions import Condition
from towpath_engine.catalog.standing import API_ORIGIN, Holder, standing
from towpath_engine.catalog.stating import GIVEN_ANNOTATIONS, Statement, stated
from towpath_engine.store.database import Database

__all__ = ("Restoring",)


class Restoring:
    """Writes old content anew."""

    def __init__(self, database: Database, history: History, declarations: Declarations) -> None:
        self._database = database
        self._history = history
        self._declarations = declarations

    async def restore(
        self,
        principal: Principal,
        ref: EntityRef,
        seq: int,
        condition: Condition | None = None,
    ) -> Declared:
        """Make an entity what it was in a revision; readable when this returns.

        Works for entities that are gone: they are held by the API then, with the uid that they had
        as long as their tombstones are kept.
        Idempotent: what is so already is left alone.

        Raises:
            NotFound: there is no such revision.
            Conflict: the revision is a removal, or somebody holds the entity who would overwrite
                what was restored.
            Invalid: what was good then is not any more; `problems` say why.
            PreconditionFailed: the condition does not hold.
            Forbidden: a policy denies it.
        """
        found = await self._history.revision(ref, seq)
        if found.body is None:
            raise Conflict(f"Revision {seq} removed {ref}.", next="Restore the revision before it.")
        async with self._database.begin() as transaction:
            there = (await standing(transaction, [str(ref)])).get(str(ref))
        if there is not None and not belongs(there.holder.origin, API_ORIGIN):
            raise _overwritten(str(ref), there.holder)
        value = msgspec.json.decode(found.body)
        annotations = value["metadata"].get("annotations", {})
        value["metadata"]["annotations"] = {
            name: text for name, text in annotations.items() if name not in GIVEN_ANNOTATIONS
        }
        (one,) = stated([Statement(Document(value, 1))])
        return await self._declarations.write(
            principal,
            one,
            condition=condition,
            act="catalog:restore",
            source=f"history:{seq}",
            reason="restored",
        )


def _overwritten(ref: str, holder: Holder) -> Conflict:
    when = {
        "location": ": the next reading of the location would overwrite it",
        "set": ": the next time that the set is applied would overwrite it",
    }.get(holder.type, "")
    return Conflict(
        f"{ref} cannot be restored here.",
        why=f"{holder.place} holds it{when}.",
        next=holder.way(ref),
    )
