"""Addresses and tokens: checked before anything is sent, so that a slip cannot leak a secret."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from towpath_sdk._wire.errors import ConfigurationError

__all__ = ("checked_token", "checked_url")

_EXAMPLE = "Give an address such as https://towpath.example.com or http://127.0.0.1:8000."
_PORTS = {"http": 80, "https": 443}


def checked_url(url: str) -> str:
    """The address in one form: lower-case host, no default port, no slash at the end.

    Raises:
        ConfigurationError: it is not an http or https address, or holds a user, a password, a
            query or a fragment.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigurationError("The address cannot be read.", next=_EXAMPLE) from error
    if "@" in parts.netloc:
        raise ConfigurationError(
            "The address holds a user or a password.",
            next="Leave them out; the token says who you are.",
        )
    if parts.scheme not in _PORTS or not host or any(mark.isspace() for mark in url.strip()):
        raise ConfigurationError(f"{url.strip()[:200]!r} is not an address.", next=_EXAMPLE)
    if parts.query or parts.fragment:
        raise ConfigurationError("The address holds a query or a fragment.", next=_EXAMPLE)
    named = f"[{host}]" if ":" in host else host
    if port is not None and port != _PORTS[parts.scheme]:
        named = f"{named}:{port}"
    return urlunsplit((parts.scheme, named, parts.path.rstrip("/"), "", ""))


def checked_token(token: str | None) -> str | None:
    """The token, which must be fit for a header.

    Raises:
        ConfigurationError: it is empty or holds others than visible ASCII characters. The token
            is not shown.
    """
    if token is None:
        return None
    if not token or not all("!" <= mark <= "~" for mark in token):
        raise ConfigurationError(
            "The token is not usable.",
            why="It is empty, or holds spaces, line ends or other characters no token has.",
            next="Copy it again, without what stands round it.",
        )
    return token
