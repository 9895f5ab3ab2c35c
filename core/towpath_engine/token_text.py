"""The text of an access token: `tow_pat_<id>_<secret><check>`.

The prefix and the checksum let scanners find lost ones, and let junk be told without a look-up.
"""

from __future__ import annotations

import secrets
import zlib
from datetime import datetime

import msgspec

__all__ = ("PREFIX", "NewToken", "checksum", "make_token", "split_token")

PREFIX = "tow_pat_"

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID, _SECRET, _CHECK = 22, 32, 6


class NewToken(msgspec.Struct, frozen=True):
    """A token as it is shown, once."""

    id: str
    token: str
    expires_at: datetime

    def __repr__(self) -> str:
        """Name the token without showing it."""
        return f"NewToken(id={self.id!r})"


def make_token() -> tuple[str, str, str]:
    """A new token: its id, its secret of 190 random bits, and the text that holds both."""
    token_id, secret = _random(_ID), _random(_SECRET)
    body = f"{token_id}_{secret}"
    return token_id, secret, f"{PREFIX}{body}{checksum(body)}"


def split_token(text: str) -> tuple[str, str] | None:
    """The id and the secret in a token's text; None where it is none."""
    length = len(PREFIX) + _ID + 1 + _SECRET + _CHECK
    if len(text) != length or not text.isascii() or not text.startswith(PREFIX):
        return None
    body, check = text[len(PREFIX) : -_CHECK], text[-_CHECK:]
    if body[_ID] != "_" or checksum(body) != check:
        return None
    return body[:_ID], body[_ID + 1 :]


def checksum(body: str) -> str:
    """CRC-32 of what stands between prefix and checksum, in six digits of base 62."""
    value, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECK):
        value, digit = divmod(value, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
