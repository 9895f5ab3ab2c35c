"""Cursors of `by-query`: signed, and bound to the principal they were given to."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import msgspec

from towpath_core.errors import Invalid
from towpath_core.identity import Principal

__all__ = ("Cursor", "Cursors")

_MAC_BYTES = 16


class Cursor(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a walk stands, and the whole question it answers."""

    order: str
    descending: bool
    start: tuple[str, str]
    total: int
    back: bool = False
    filters: tuple[str, ...] = ()
    predicate: Any = None
    term: str = ""
    fields: tuple[str, ...] = ()


class Cursors:
    """Writes and reads cursors with one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, cursor: Cursor, principal: Principal) -> str:
        """A cursor as text, good for that principal only."""
        plain = msgspec.json.encode(cursor)
        return base64.urlsafe_b64encode(self._mac(plain, principal) + plain).decode()

    def read(self, text: str, principal: Principal) -> Cursor:
        """Read a cursor.

        Raises:
            Invalid: it is malformed, was changed, or was given to someone else.
        """
        try:
            raw = base64.b64decode(text, altchars=b"-_", validate=True)
            mac, plain = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
            if not hmac.compare_digest(mac, self._mac(plain, principal)):
                raise ValueError("not ours")
            return msgspec.json.decode(plain, type=Cursor)
        except (ValueError, msgspec.MsgspecError) as error:
            raise Invalid("Malformed cursor, could not be parsed.") from error

    def _mac(self, plain: bytes, principal: Principal) -> bytes:
        whose = f"{principal.issuer}\n{principal.subject}\n".encode()
        return hmac.digest(self._key, whose + plain, hashlib.sha256)[:_MAC_BYTES]
