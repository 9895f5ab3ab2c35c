"""Who may be asked: the lists of the settings, and every address that a name leads to."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

from towpath_core.errors import Forbidden, Unavailable
from towpath_engine.egress.addresses import Peer, kind_of
from towpath_engine.egress.settings import EgressSettings

__all__ = ("PeerGuard", "Resolve", "look_up")

Resolve = Callable[[str, int], list[str]]
"""Gives the addresses of a name, in the order in which they should be tried."""


def look_up(host: str, port: int) -> list[str]:
    """Ask the system for the addresses of a name.

    Raises:
        OSError: there is no such name, or nobody answers.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class PeerGuard:
    """Decides by the settings. Keeps nothing: each connection is judged by its own look-up."""

    def __init__(self, settings: EgressSettings, resolve: Resolve = look_up) -> None:
        self._settings = settings
        self._resolve = resolve

    def admit(self, peer: Peer) -> None:
        """Refuse a host that no list names.

        Raises:
            Forbidden: names the setting.
        """
        given = self._settings
        if not any(rule.fits(peer) for rule in (*given.allow, *given.internal)):
            raise Forbidden(
                f"The host {peer} is not allowed.",
                why="No line of `allow` or `internal` under [egress] names it.",
                next=f'Add "{peer}" to `allow` under [egress].',
            )

    def is_inside(self, peer: Peer) -> bool:
        """Whether a host may be at an address inside the network.

        Whoever writes an address out in the settings means that address.
        """
        named = any(rule.fits(peer) for rule in self._settings.internal)
        return named or peer.address is not None

    def addresses(self, peer: Peer) -> tuple[str, ...]:
        """The addresses that may be connected to, of a host that was admitted.

        One bad address among good ones is enough to refuse the host.

        Raises:
            Forbidden: an address lies in the network, and `internal` does not name the host.
            Unavailable: the name leads nowhere.
        """
        self.admit(peer)
        try:
            texts = [peer.host] if peer.address else self._resolve(peer.host, peer.port)
            found = [ipaddress.ip_address(text) for text in texts]
        except (OSError, ValueError):
            found = []
        if not found:
            raise Unavailable(f"The name {peer.host} leads to no address.")
        inside = self.is_inside(peer)
        for address in found:
            kind = kind_of(address)
            if kind == "never" or (kind == "internal" and not inside):
                raise _inside(peer, kind)
        return tuple(str(address) for address in found)


def _inside(peer: Peer, kind: str) -> Forbidden:
    if kind == "never":
        return Forbidden(
            f"The host {peer} is not allowed.",
            why="It leads to an address that nobody is sent to: link local, metadata, reserved.",
        )
    return Forbidden(
        f"The host {peer} is not allowed.",
        why="Its name leads to an address inside the network.",
        next=f'If it is meant to, add "{peer}" to `internal` under [egress].',
    )
