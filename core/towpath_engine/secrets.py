"""Sealing: what must not be read from the database is encrypted and bound to where it belongs.

AES-256-GCM with the platform's key; the purpose is authenticated, so that a sealed value moved to
another row or column does not open. Losing the key loses what was sealed, nothing else.
"""

from __future__ import annotations

import base64
import contextlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from towpath_core.errors import SettingsError, TowpathError

__all__ = ("MASK", "Sealer", "mask")

_NONCE_BYTES = 12
_KEY_BYTES = 32
_MASKED = 4
MASK = "***"
"""What stands in the place of a secret."""


class Sealer:
    """Seals and opens JSON values with one key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise SettingsError(
                f"A sealing key has {_KEY_BYTES} bytes, not {len(key)}.",
                next="Give 32 random bytes.",
            )
        self._key = key
        self._cipher = AESGCM(key)

    @classmethod
    def from_text(cls, text: str, source: str = "TOWPATH_SECRET_KEY") -> Sealer:
        """Build one from a key in URL-safe base64; `source` is named in errors.

        Raises:
            SettingsError: the text is not 32 bytes in base64.
        """
        plain = text.strip()
        try:
            key = base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
        except ValueError as error:
            raise SettingsError(
                f"{source} is not base64.", next="Give 32 random bytes in URL-safe base64."
            ) from error
        if len(key) != _KEY_BYTES:
            raise SettingsError(
                f"{source} has {len(key)} bytes, not {_KEY_BYTES}.",
                next="Give 32 random bytes in URL-safe base64.",
            )
        return cls(key)

    @classmethod
    def from_file(cls, path: Path) -> Sealer:
        """Read the key from a file, making one that only its owner can read where there is none.

        Safe when several processes start at once: the first one's key is everybody's.

        Raises:
            SettingsError: the file cannot be made or read, or holds no key.
        """
        try:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                _make_key(path)
            text = path.read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"The sealing key {path} cannot be read: {error}.",
                next="Mend the file or its folder, or give TOWPATH_SECRET_KEY.",
            ) from error
        return cls.from_text(text, str(path))

    def derive(self, purpose: str) -> bytes:
        """A key of 32 bytes for another use, such as signing cursors; same for one purpose."""
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(SHA256(), _KEY_BYTES, salt=None, info=purpose.encode()).derive(self._key)

    def seal(self, value: Any, purpose: str) -> bytes:
        """Encrypt a JSON value; `purpose` names the row and column it belongs to."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, msgspec.json.encode(value), purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> Any:
        """Decrypt what `seal` made for the same purpose.

        Raises:
            TowpathError: another key sealed it, or it was moved or changed.
        """
        try:
            plain = self._cipher.decrypt(
                sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose.encode()
            )
        # ValueError: so short that it does not even hold a nonce.
        except (InvalidTag, ValueError) as error:
            raise TowpathError(
                "A sealed value does not open.",
                why="It was sealed with another key, or changed since.",
                next="Start with the key that sealed it (TOWPATH_SECRET_KEY or secret.key).",
            ) from error
        return msgspec.json.decode(plain)


def mask(text: str, secrets: Iterable[str]) -> str:
    """Replace every occurrence of a secret by `***`, longest first; very short ones are left.

    Of a secret of several lines, such as a private key, each line is one too. A second line of
    defence for logs: secrets are kept out of what is logged in the first place.
    """
    whole = list(secrets)
    lines = [line.strip() for secret in whole for line in secret.splitlines()]
    for secret in sorted({s for s in (*whole, *lines) if len(s) >= _MASKED}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def _make_key(path: Path) -> None:
    # A name of its own each time: what a killed start left behind must not be in the way.
    descriptor, fresh = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.urlsafe_b64encode(os.urandom(_KEY_BYTES)))
            file.flush()
            os.fsync(file.fileno())
        # link() fails where the name is taken, unlike rename(): no key is ever replaced.
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        Path(fresh).unlink()
