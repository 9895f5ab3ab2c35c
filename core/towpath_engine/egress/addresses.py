"""Urls and hosts as text, and what kind of address a name leads to. Asks nobody.

A host has one spelling here: lower case, ASCII, an address only in its usual form. What other
programs take for an address in disguise (`127.1`, `2130706433`, `0x7f.1`) is refused.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Literal
from urllib.parse import SplitResult, quote, urlsplit

import msgspec

from towpath_core.errors import Invalid, SettingsError

__all__ = ("Address", "HostRule", "Peer", "kind_of", "peer_of", "rule_of")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
AddressKind = Literal["public", "internal", "never"]

_MAX_URL = 4096
_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_SAFE = "/%!$&'()*+,;=:@~-._"
_UNSEEN = re.compile(r"[\x00-\x20\x7f\\]")
_INTERNAL = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
    )
)
# Where clouds keep the credentials of a machine, whatever range the address is in.
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "100.100.100.200", "192.0.0.192", "fd00:ec2::254")
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_V4_COMPATIBLE = ipaddress.ip_network("::/96")


class Peer(msgspec.Struct, frozen=True):
    """Whom a url names: scheme, host in its one spelling, and port."""

    scheme: str
    host: str
    port: int

    @property
    def address(self) -> Address | None:
        """The host, where it is an address and no name."""
        return _address(self.host)

    def __str__(self) -> str:
        """Write the host as settings have it, the port only where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class HostRule(msgspec.Struct, frozen=True):
    """Which hosts a line of the settings means.

    Attributes:
        host: a name or address, or with `below` the name that those meant end in.
        port: the one port; None means the usual one of http or https.
        below: whether it is written `*.host`.
    """

    host: str
    port: int | None = None
    below: bool = False

    def fits(self, peer: Peer) -> bool:
        """Whether a host is meant."""
        if peer.port != (self.port or _PORTS[peer.scheme]):
            return False
        return peer.host.endswith(f".{self.host}") if self.below else peer.host == self.host


def rule_of(text: str, setting: str) -> HostRule:
    """Read `github.com`, `*.example.com`, `127.0.0.1:8080` or `[::1]:8080`.

    Raises:
        SettingsError: it is no such text; names the setting.
    """
    below = text.startswith("*.")
    try:
        parts = urlsplit(f"//{text[2:] if below else text}")
        if parts.netloc and not any((parts.path, parts.query, parts.fragment, parts.username)):
            return HostRule(_host(parts), parts.port, below)
    except (ValueError, Invalid):
        pass
    raise SettingsError(
        f"{setting} holds {text[:100]!r}, which names no host.",
        next='Write "github.com", "*.example.com" or "git.example.com:8443".',
    )


def peer_of(url: str) -> tuple[str, Peer]:
    """Read a url: as it is to be asked for, without its fragment, and whom it names.

    Raises:
        Invalid: it is not http or https, has a user or password in it, or no usual host.
    """
    if len(url) > _MAX_URL or _UNSEEN.search(url):
        raise Invalid("That is no URL: it is too long, or has blanks or backslashes in it.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Invalid("That is no URL.") from None
    scheme = parts.scheme.lower()
    if scheme not in _PORTS:
        raise Invalid("Only http and https URLs can be asked for.")
    if "@" in parts.netloc:
        raise Invalid(
            "A URL may not hold a user or password.",
            next="Put the token of the host under [egress.credentials].",
        )
    if port == 0:
        raise Invalid("A URL has a port from 1 to 65535.")
    peer = Peer(scheme, _host(parts), port or _PORTS[scheme])
    host = f"[{peer.host}]" if ":" in peer.host else peer.host
    netloc = host if peer.port == _PORTS[scheme] else f"{host}:{peer.port}"
    path = quote(parts.path or "/", safe=_SAFE)
    query = f"?{quote(parts.query, safe=_SAFE + '?')}" if parts.query else ""
    return f"{scheme}://{netloc}{path}{query}", peer


def kind_of(address: Address) -> AddressKind:
    """What kind of address it is.

    `internal` is of a private network or this machine, `never` what nobody may be sent to: link
    local, multicast, metadata services, reserved. An IPv4 address inside an IPv6 one counts.
    """
    if address in _METADATA:
        return "never"
    if isinstance(address, ipaddress.IPv6Address):
        inside = _embedded(address)
        if inside is not None:
            return kind_of(inside)
    if any(address in network for network in _INTERNAL if network.version == address.version):
        return "internal"
    return "public" if address.is_global and not address.is_multicast else "never"


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    # ::1 and :: are addresses of their own, not 0.0.0.1 and 0.0.0.0.
    if address in _NAT64 or (address in _V4_COMPATIBLE and int(address) > 0xFFFF):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _host(parts: SplitResult) -> str:
    """The host in its one spelling.

    Raises:
        Invalid: it is no name, or an address in an unusual form.
    """
    written = (parts.hostname or "").rstrip(".")
    if ":" in written:
        try:
            return str(ipaddress.IPv6Address(written)) if "%" not in written else _refuse(written)
        except ValueError:
            return _refuse(written)
    try:
        host = written.encode("idna").decode() if not written.isascii() else written
    except UnicodeError:
        return _refuse(written)
    host = host.lower()
    if not _NAME.fullmatch(host) or len(host) > 253:
        return _refuse(written)
    if _NUMBER.fullmatch(host.rpartition(".")[2]) and _address(host) is None:
        return _refuse(written)
    return host


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _refuse(host: str) -> str:
    raise Invalid(
        f"{host[:100]!r} is no host.", next="Write a name, or an address in its usual form."
    )
