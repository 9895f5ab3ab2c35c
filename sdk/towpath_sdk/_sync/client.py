# Generated from _async/client.py by tools/unasync.py. Change that file, not this one.
"""The client: one platform, and everything that can be asked of it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx

from towpath_sdk._agent import user_agent
from towpath_sdk._sync.connection import Connection
from towpath_sdk._sync.entities import Entities
from towpath_sdk._sync.history import History
from towpath_sdk._sync.locations import Locations
from towpath_sdk._sync.offerings import Offerings, Plans
from towpath_sdk._sync.reasons import AsyncConflicts, AsyncTombstones
from towpath_sdk._sync.resources import Bindings, Resources
from towpath_sdk._sync.runs import Runs
from towpath_sdk._sync.schedules import Schedules
from towpath_sdk._sync.sets import Sets
from towpath_sdk._sync.templates import Templates
from towpath_sdk._sync.tokens import Plugins, Tokens
from towpath_sdk._logins import find_login
from towpath_sdk._wire.address import checked_token, checked_url
from towpath_sdk._wire.calls import Call, get
from towpath_sdk._wire.platform import Health, Info, Readiness
from towpath_sdk._wire.retry import DEFAULT_BACKOFF, Backoff

__all__ = ("AsyncPlatform",)


class Platform:
    """A Towpath platform. Use it in a `with` statement, or close it.

    Its parts are named after what they hold: `entities`, `history`, `sets`, `locations`,
    `tombstones`, `conflicts`, `templates`, `runs`, `schedules`, `offerings`, `plans`,
    `resources`, `bindings`, `plugins` and `tokens`. Calls that fail for a passing reason are
    tried again; those that change something carry an idempotency key, the same in all attempts,
    or may be repeated anyway, so that none has its effect twice.

    Args:
        url: the address, such as `https://towpath.example.com`.
        token: says who asks; shown by nothing the SDK prints or raises.
        timeout: seconds that connecting, and each wait for a part of an answer, may take.
        retries: how often a call is tried again; 0 turns it off.
        backoff: how long to wait in between.
        verify: False trusts any certificate; a context trusts what it says.
        transport: how calls travel, for tests and special networks.

    Raises:
        ConfigurationError: the address or the token is not usable.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        timeout: float = 30.0,
        retries: int = 4,
        backoff: Backoff = DEFAULT_BACKOFF,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._url = checked_url(url)
        headers = {"user-agent": user_agent(), "accept": "application/json"}
        if token := checked_token(token):
            headers["authorization"] = f"Bearer {token}"
        http = httpx.Client(
            base_url=self._url,
            headers=headers,
            timeout=timeout,
            # Reading the certificates of all authorities takes longer than a call; http has none.
            verify=verify if self._url.startswith("https:") else False,
            transport=transport,
        )
        link = Connection(http, retries=retries, backoff=backoff)
        self._link = link
        self.entities = Entities(link)
        self.history = History(link)
        self.sets = Sets(link)
        self.locations = Locations(link)
        self.tombstones = AsyncTombstones(link)
        self.conflicts = AsyncConflicts(link)
        self.templates = Templates(link)
        self.runs = Runs(link)
        self.schedules = Schedules(link)
        self.offerings = Offerings(link)
        self.plans = Plans(link)
        self.resources = Resources(link)
        self.bindings = Bindings(link)
        self.plugins = Plugins(link)
        self.tokens = Tokens(link)

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        timeout: float = 30.0,
        retries: int = 4,
        backoff: Backoff = DEFAULT_BACKOFF,
    ) -> Self:
        """The platform that `TOWPATH_URL` and `TOWPATH_TOKEN` name, else the one logged in to.

        What a variable does not say comes from the file that `towpath login` writes. A token in
        it is used for the address it was given for, and for no other.

        Raises:
            ConfigurationError: no address or no token is to be had; says which variable to set.
        """
        login = find_login(environ)
        return cls(login.url, token=login.token, timeout=timeout, retries=retries, backoff=backoff)

    @property
    def url(self) -> str:
        """The platform's address."""
        return self._url

    def info(self) -> Info:
        """What platform this is, and who one is to it.

        Raises:
            Unauthorized: the token is missing or no longer good.
        """
        return self._link.read(get("/api/v1/info"), Info)

    def health(self) -> Health:
        """Whether the process lives. Needs no token.

        Raises:
            TransportFailed: it does not answer.
        """
        return self._link.read(get("/healthz"), Health)

    def readiness(self) -> Readiness:
        """Whether the platform can do its work, and which part cannot. Needs no token."""
        call = Call("GET", "/readyz", accept=frozenset({503}))
        return self._link.read(call, Readiness)

    def close(self) -> None:
        """Close all connections; runs go on."""
        self._link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        """Name the address without showing the token."""
        return f"{type(self).__name__}({self._url!r})"
