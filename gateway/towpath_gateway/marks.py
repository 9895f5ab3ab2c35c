"""Cursors of lists by time: signed, and good for their asker and their question only."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from towpath_core.errors import Invalid
from towpath_core.identity import Principal

__all__ = ("Marks",)

_MAC_BYTES = 16


class Marks:
    """Writes and reads such cursors with one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, principal: Principal, question: Any, last: tuple[datetime, UUID]) -> str:
        """The cursor behind the last item of a page.

        Args:
            principal: who asks; nobody else can go on with it.
            question: what is asked, as a struct; another question cannot go on with it.
            last: when the item was made, and its id.
        """
        plain = msgspec.json.encode(last)
        raw = self._mac(principal, question, plain) + plain
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    def read(
        self, principal: Principal, question: Any, cursor: str | None
    ) -> tuple[datetime, UUID] | None:
        """Where a list goes on; None for its start.

        Raises:
            Invalid: the cursor is malformed, changed, or of another asker or question.
        """
        if cursor is None:
            return None
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            raw = base64.b64decode(padded, altchars=b"-_", validate=True)
            mac, plain = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
            if not hmac.compare_digest(mac, self._mac(principal, question, plain)):
                raise ValueError("not ours")
            return msgspec.json.decode(plain, type=tuple[datetime, UUID])
        except (ValueError, msgspec.MsgspecError) as error:
            raise Invalid(
                "Malformed cursor.",
                why="It is none of this list, or was given for other filters or to someone else.",
                next="Start from the first page.",
            ) from error

    def _mac(self, principal: Principal, question: Any, plain: bytes) -> bytes:
        bound = [principal.issuer, principal.subject, question]
        whole = msgspec.json.encode(bound, order="deterministic") + b"\n" + plain
        return hmac.digest(self._key, whole, hashlib.sha256)[:_MAC_BYTES]
