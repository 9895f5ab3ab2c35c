"""The table `[egress]`: which hosts may be asked, as whom, and what it may cost.

    [egress]
    allow = ["github.com", "*.example.com", "127.0.0.1:8080"]
    internal = ["git.corp.example:8443"]
    seconds = 30
    idle_seconds = 10
    bytes = 67108864
    concurrency = 4
    ca_file = "/etc/ssl/corp.pem"

    [egress.credentials."github.com"]
    token_env = "GITHUB_TOKEN"
    scheme = "bearer"

Reads the table; asks nobody. Tokens come from the environment, so that the file holds none.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from towpath_core.errors import SettingsError
from towpath_engine.egress.addresses import HostRule, Peer, rule_of

__all__ = ("Credential", "EgressSettings", "read_egress")

_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_HEADER_VALUE = re.compile(r"[\x21-\x7e]+")


class Credential(msgspec.Struct, frozen=True):
    """How a host is told who asks. Shows no secret in its repr.

    Attributes:
        header: name and value of the header.
        user: for tools that send a user with the token.
        token: the token itself.
        plain: whether it is sent over http, too.
    """

    header: tuple[str, str]
    user: str
    token: str
    plain: bool = False

    def __repr__(self) -> str:
        """Name the header alone."""
        return f"Credential({self.header[0]})"


class EgressSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who may be asked, as whom, and what one fetch may cost at most.

    Attributes:
        allow: hosts at public addresses, and addresses that are written out.
        internal: hosts that may be at private addresses, too.
        credentials: by host.
        seconds: most time of one fetch.
        idle_seconds: most time without a byte.
        bytes: most bytes of one answer.
        concurrency: fetches of one host at a time.
        ca_file: certificates of authorities to trust besides the system's.
    """

    allow: tuple[HostRule, ...] = ()
    internal: tuple[HostRule, ...] = ()
    credentials: Mapping[HostRule, Credential] = {}
    seconds: float = 30.0
    idle_seconds: float = 10.0
    bytes: int = 64 * 1024 * 1024
    concurrency: int = 4
    ca_file: str | None = None

    def credential(self, peer: Peer) -> Credential | None:
        """What a host is to be shown; None where there is nothing, or the way is not private."""
        for rule, credential in self.credentials.items():
            if rule.fits(peer):
                return credential if peer.scheme == "https" or credential.plain else None
        return None


class _CredentialTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    token_env: str
    scheme: Literal["bearer", "token", "basic", "header"] = "bearer"
    user: str = "x-access-token"
    header: str = "PRIVATE-TOKEN"
    plain: bool = False


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    allow: tuple[str, ...] = ()
    internal: tuple[str, ...] = ()
    credentials: dict[str, _CredentialTable] = {}
    seconds: float = 30.0
    idle_seconds: float = 10.0
    bytes: int = 64 * 1024 * 1024
    concurrency: int = 4
    ca_file: str | None = None


def read_egress(table: Mapping[str, Any], environ: Mapping[str, str]) -> EgressSettings:
    """Read the table `[egress]`.

    Raises:
        SettingsError: says which setting is wrong, and never shows a token.
    """
    try:
        given = msgspec.convert(dict(table), _Table)
    except msgspec.ValidationError as error:
        raise SettingsError(
            "A setting in [egress] is wrong.",
            why=str(error),
            next='Write it like this: allow = ["github.com", "*.example.com"].',
        ) from None
    for name in ("seconds", "idle_seconds", "bytes", "concurrency"):
        if not 0 < getattr(given, name) < 2**40:
            raise SettingsError(f"egress.{name} must be greater than 0.")
    credentials = {
        rule_of(host, "egress.credentials"): _credential(host, one, environ)
        for host, one in given.credentials.items()
    }
    return EgressSettings(
        allow=tuple(rule_of(host, "egress.allow") for host in given.allow),
        internal=tuple(rule_of(host, "egress.internal") for host in given.internal),
        credentials=credentials,
        seconds=given.seconds,
        idle_seconds=given.idle_seconds,
        bytes=given.bytes,
        concurrency=given.concurrency,
        ca_file=given.ca_file,
    )


def _credential(host: str, table: _CredentialTable, environ: Mapping[str, str]) -> Credential:
    token = environ.get(table.token_env, "").strip()
    if not _HEADER_VALUE.fullmatch(token):
        raise SettingsError(
            f"The token of egress.credentials for {host} cannot be used.",
            why=f"The variable {table.token_env} is empty, or holds what no header may.",
            next=f"Set {table.token_env} in the environment of the gateway and the workers.",
        )
    header = ("Authorization", f"Bearer {token}")
    if table.scheme == "header":
        if not _HEADER_NAME.fullmatch(table.header):
            raise SettingsError(f"egress.credentials for {host}: {table.header!r} is no header.")
        header = (table.header, token)
    elif table.scheme == "token":
        header = ("Authorization", f"token {token}")
    elif table.scheme == "basic":
        pair = base64.b64encode(f"{table.user}:{token}".encode()).decode()
        header = ("Authorization", f"Basic {pair}")
    return Credential(header, table.user, token, table.plain)
