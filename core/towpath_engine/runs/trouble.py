"""What keeps workers from writing, told to every gateway, so that readiness can say it.

A database that answers and takes nothing, because its disk is full, is not seen by who only reads.
It needs no table: there may be no room in any.
"""

from __future__ import annotations

import time

import structlog
from psycopg import errors
from sqlalchemy import text

from towpath_core.errors import Unavailable
from towpath_engine.store.database import Database, DatabaseUnavailable

__all__ = ("CHANNEL", "Troubles", "tell_trouble")

log = structlog.get_logger(__name__)

CHANNEL = "towpath_trouble"
"""Notified with the name of what a worker's write failed by."""

_LASTS_SECONDS = 30.0
"""Runs that could not go on are tried again more often than that."""

_REFUSED = ("53", "58")
"""Classes of errors by which a server says that it lacks something, or that its system fails."""


async def tell_trouble(database: Database, error: DatabaseUnavailable) -> None:
    """Tell all gateways that the server refused a write; a lost connection is no trouble."""
    cause = getattr(error.__cause__, "orig", error.__cause__)
    state = getattr(cause, "sqlstate", None) or ""
    if not state.startswith(_REFUSED):
        return
    try:
        name = errors.lookup(state).__name__
    except KeyError:
        name = f"SQLSTATE {state}"
    try:
        async with database.begin() as transaction:
            note = text("SELECT pg_notify(:channel, :name)")
            await transaction.execute(note, {"channel": CHANNEL, "name": name})
    except Unavailable as untold:
        log.warning("trouble.untold", trouble=name, error=untold.why or untold.what)


class Troubles:
    """What a gateway was told of late."""

    def __init__(self) -> None:
        self._last = ""
        self._at = 0.0

    async def on_notify(self, payload: str) -> None:
        """Remember what was told; an empty payload says that the feed began."""
        if payload:
            self._last, self._at = payload, time.monotonic()

    def now(self) -> str | None:
        """The trouble at the moment, in words; None where there is none."""
        if not self._last or time.monotonic() - self._at > _LASTS_SECONDS:
            return None
        why = {"DiskFull": "the database's disk is full"}.get(self._last, self._last)
        return f"runs cannot be written: {why}; they go on when they can"
