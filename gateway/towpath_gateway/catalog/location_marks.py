"""Cursors of `locations/by-query`: Backstage's, with a signature for the one who asked."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any
from uuid import UUID

import msgspec

from towpath_core.errors import Invalid
from towpath_core.identity import Principal

__all__ = ("MAX_LOCATIONS", "LocationMark", "LocationMarks")

MAX_LOCATIONS = 10_000
"""How many locations a page has at the most, however many are asked for."""

_MAC_BYTES = 16


class LocationMark(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Where a walk through locations stands, and what it looks for."""

    limit: int
    query: dict[str, Any] | None = None
    after_id: UUID | None = None


class _Signed(LocationMark, frozen=True, forbid_unknown_fields=True, kw_only=True):
    mac: str


class LocationMarks:
    """Writes and reads cursors with one key. They are base64 of JSON, as Backstage's are."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, mark: LocationMark, principal: Principal) -> str:
        """A cursor as text, good for that principal only."""
        signed = _Signed(mark.limit, mark.query, mark.after_id, mac=self._mac(mark, principal))
        return base64.b64encode(msgspec.json.encode(signed)).decode()

    def read(self, text: str, principal: Principal) -> LocationMark:
        """Read a cursor.

        Raises:
            Invalid: it is malformed, was changed, or was given to someone else.
        """
        try:
            plain = base64.b64decode(text, validate=True)
            signed = msgspec.json.decode(plain, type=_Signed)
        except (ValueError, RecursionError) as error:
            raise Invalid("Malformed cursor, could not be parsed.") from error
        mark = LocationMark(signed.limit, signed.query, signed.after_id)
        # Compared as a whole: an id in capitals would be the same id, and yet not what was given.
        if not hmac.compare_digest(text, self.write(mark, principal)):
            raise Invalid("Malformed cursor, it was not given to you.")
        return mark

    def _mac(self, mark: LocationMark, principal: Principal) -> str:
        whose = f"{principal.issuer}\n{principal.subject}\n".encode()
        plain = msgspec.json.encode(mark, order="deterministic")
        return hmac.digest(self._key, whose + plain, hashlib.sha256)[:_MAC_BYTES].hex()
