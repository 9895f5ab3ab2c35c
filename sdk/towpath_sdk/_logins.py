"""The file that remembers which platforms one is logged in to, and what a script should use.

The one module that knows the file's format and place; `towpath login` writes it, `from_env` reads
it. A token is kept for the address it was given for and is never used for another one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkstemp
from typing import Any

import msgspec

from towpath_sdk._wire.address import checked_token, checked_url
from towpath_sdk._wire.errors import ConfigurationError

__all__ = ("Login", "Logins", "find_login", "logins_path")

_MAX_BYTES = 1_000_000


class Login(msgspec.Struct, frozen=True, omit_defaults=True):
    """An address and the token for it. The repr leaves the token out."""

    url: str
    token: str | None = None

    def __repr__(self) -> str:
        """Name the address without showing the token."""
        return f"Login({self.url!r}, token={'***' if self.token else None})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Leave the token out of what pretty printers show."""
        return [("url", self.url)]


class Logins(msgspec.Struct, frozen=True, omit_defaults=True):
    """The contents of the file.

    Attributes:
        current: the address that is used when none is named.
        logins: one for each address, in the order they were made.
    """

    version: int = 1
    current: str | None = None
    logins: tuple[Login, ...] = ()

    def find(self, url: str) -> Login | None:
        """The login for an address, which may be written in any way that means the same."""
        wanted = checked_url(url)
        return next((login for login in self.logins if login.url == wanted), None)

    def added(self, url: str, token: str) -> Logins:
        """The same with this login, which becomes the current one. An older one is replaced."""
        login = Login(checked_url(url), checked_token(token))
        others = tuple(one for one in self.logins if one.url != login.url)
        return Logins(current=login.url, logins=(*others, login))

    def removed(self, url: str) -> Logins:
        """The same without the login for an address; the newest other one becomes current."""
        left = tuple(one for one in self.logins if one.url != checked_url(url))
        current = self.current if any(one.url == self.current for one in left) else None
        return Logins(current=current or (left[-1].url if left else None), logins=left)

    @classmethod
    def load(cls, path: Path | None = None) -> Logins:
        """Read the file; empty when there is none.

        Raises:
            ConfigurationError: others can read it, or it is not such a file.
        """
        path = path or logins_path()
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                content = file.read(_MAX_BYTES)
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read.", why=error.strerror) from error
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise ConfigurationError(
                f"Others than you can read {path}, which holds tokens.",
                next=f"Say chmod 600 {path}; make new tokens if others are on this machine.",
            )
        try:
            return msgspec.json.decode(content, type=cls)
        except msgspec.DecodeError as error:
            raise ConfigurationError(
                f"{path} is not a file of logins.",
                next="Remove it and say towpath login again.",
            ) from error

    def save(self, path: Path | None = None) -> Path:
        """Write the file, readable by its owner only, all of it or nothing; returns its path.

        Raises:
            ConfigurationError: it cannot be written.
        """
        path = path or logins_path()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _replace(path, msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be written.", why=error.strerror) from error
        return path


def logins_path(environ: Mapping[str, str] | None = None) -> Path:
    """Where the file is: `TOWPATH_LOGINS`, else `towpath/logins.json` in the user's settings."""
    environ = os.environ if environ is None else environ
    if named := environ.get("TOWPATH_LOGINS"):
        return Path(named)
    home = environ.get("XDG_CONFIG_HOME")
    folder = Path(home) if home else Path("~/.config").expanduser()
    return folder / "towpath" / "logins.json"


def find_login(
    environ: Mapping[str, str] | None = None, *, url: str | None = None, token: str | None = None
) -> Login:
    """The platform to use: what is given, else `TOWPATH_URL` and `TOWPATH_TOKEN`, else the file.

    A token out of the file is used for the address it was given for, and for no other.

    Raises:
        ConfigurationError: no address or no token is to be had; the message names the variables.
    """
    environ = os.environ if environ is None else environ
    url = url or environ.get("TOWPATH_URL") or None
    token = token or environ.get("TOWPATH_TOKEN") or None
    path = logins_path(environ)
    known = Logins() if url and token else Logins.load(path)
    url = url or known.current
    if url is None:
        raise ConfigurationError(
            "No platform is named.",
            why=f"TOWPATH_URL is not set, and {path} names none.",
            next="Set TOWPATH_URL and TOWPATH_TOKEN, or say towpath login.",
        )
    if token is None:
        stored = known.find(url)
        token = stored.token if stored else None
    if token is None:
        raise ConfigurationError(
            f"There is no token for {checked_url(url)}.",
            why=f"TOWPATH_TOKEN is not set, and {path} has none for this address.",
            next=f"Set TOWPATH_TOKEN, or say towpath login --url {checked_url(url)}.",
        )
    return Login(checked_url(url), checked_token(token))


def _replace(path: Path, content: bytes) -> None:
    # mkstemp makes the file readable by its owner only, from its first moment on.
    descriptor, name = mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
