"""Errors that only HTTP knows: what is wrong with a request before anybody reads what it asks."""

from __future__ import annotations

from towpath_core.errors import Forbidden, Invalid, TowpathError

__all__ = ("ClientGone", "MediaType", "ScopeMissing", "TooLarge", "TooLong", "TooSlow")


class ScopeMissing(Forbidden):
    """The credentials are good, but lack a scope."""

    def __init__(self, scope: str, what_for: str) -> None:
        super().__init__(
            f"Your token does not have the scope {scope}.",
            why=f"It is needed to {what_for}.",
            next="Use a token that has it.",
        )
        self.scope = scope


class ClientGone(Invalid):
    """The client went away in the middle of its request; nobody reads the answer."""


class TooLarge(TowpathError):
    """The body has more bytes than are read."""

    code = "too-large"


class TooLong(TowpathError):
    """The address has more bytes than are read."""

    code = "too-long"


class TooSlow(TowpathError):
    """The body did not come in time."""

    code = "timeout"


class MediaType(TowpathError):
    """The body is of a kind that is not read."""

    code = "media-type"
