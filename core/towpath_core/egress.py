"""The one way out: how a plugin asks other machines for something.

A plugin opens no connection of its own. The platform hands an `Egress` to every contributed object
that has `use_egress`; it knows which hosts are allowed, sees to it that a name does not lead into
the network, adds the credentials of a host, and keeps the budgets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import msgspec

from towpath_core.errors import Forbidden

__all__ = ("Egress", "FetchBudget", "Fetched", "NoEgress", "Route", "UsesEgress")


class FetchBudget(msgspec.Struct, frozen=True):
    """What one fetch may cost. The platform's own limits hold besides: the lower one counts.

    Attributes:
        bytes: of the body, after decompression.
        seconds: from the call to the last byte, redirects and waiting included.
        ratio: how many times larger than what was sent the body may become.
        redirects: how many are followed, at most 3. Each hop is checked as the first was.
        types: content types that are taken, such as `text/*`; empty takes all. An answer without
            one counts as `application/octet-stream`. Only looked at where the status is 200.
    """

    bytes: int = 8 * 1024 * 1024
    seconds: float = 30.0
    ratio: int = 100
    redirects: int = 0
    types: tuple[str, ...] = ()


class Fetched(msgspec.Struct, frozen=True):
    """An answer.

    Attributes:
        url: where it came from in the end.
        status: HTTP status; never a redirect that was followed.
        headers: by lower-case name; of repeated ones the last.
        content: the body, decompressed. Of a status of 400 and above at most 64 KiB of it.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    content: bytes


class Route(msgspec.Struct, frozen=True):
    """The way to a host, for a tool that makes its own connections, such as git.

    Attributes:
        host: the name, in ASCII.
        port: the port.
        addresses: the checked addresses. The tool must connect to one of these, and not look the
            name up again.
        user: who asks, for hosts that want a user and a password.
        password: the token of the host, or None; not to be shown, logged, or put on a command line.
        ca_file: certificates of authorities to trust besides the system's.
    """

    host: str
    port: int
    addresses: tuple[str, ...]
    user: str = ""
    password: str | None = None
    ca_file: str | None = None

    def __repr__(self) -> str:
        """Name the host alone: the password is secret."""
        return f"Route({self.host}:{self.port})"


@runtime_checkable
class Egress(Protocol):
    """Asks other machines over HTTP and HTTPS. Safe from any thread; blocks."""

    def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        budget: FetchBudget | None = None,
    ) -> Fetched:
        """Ask for something and give the answer, whatever its status.

        A host that answers GET with 429 or 503 is asked again when it wants to be, if that is
        within the budget; until then nobody asks it.

        Args:
            url: http or https, without user and password.
            method: GET, HEAD, POST, PUT, PATCH or DELETE; GET and HEAD are tried again where a
                connection fails.
            headers: besides those that the platform sets. Those that carry credentials are left
                behind when a redirect leads to another host.
            content: the body to send.
            budget: what it may cost.

        Raises:
            Forbidden: the host is not allowed, or its name leads into the network; names the
                setting.
            Invalid: the url is none.
            Unavailable: the host cannot be reached, answers too late, or asks for a pause.
            LimitExceeded: the answer is larger than the budget; names it.
        """
        ...

    def route(self, url: str) -> Route:
        """Check a url as `fetch` does, for a tool that makes its own connections.

        Raises:
            Forbidden: the host is not allowed, or its name leads into the network.
            Invalid: the url is none.
            Unavailable: the name is not known.
        """
        ...


@runtime_checkable
class UsesEgress(Protocol):
    """The power of any contributed object to ask other machines."""

    def use_egress(self, egress: Egress) -> None:
        """Take the way out. Called once, before the object's other methods; does no I/O."""
        ...


class NoEgress:
    """The way out of an object that was given none: everything is refused."""

    def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        budget: FetchBudget | None = None,
    ) -> Fetched:
        """Refuse."""
        raise _refused()

    def route(self, url: str) -> Route:
        """Refuse."""
        raise _refused()


def _refused() -> Forbidden:
    return Forbidden(
        "Other machines are not allowed here.",
        why="The platform gave no way out to this part.",
        next="List the host in `allow` under [egress].",
    )
