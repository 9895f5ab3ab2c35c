"""The client: one platform, and everything that can be asked of it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx

from towpath_sdk._agent import user_agent
from towpath_sdk._async.connection import AsyncConnection
from towpath_sdk._async.entities import AsyncEntities
from towpath_sdk._async.history import AsyncHistory
from towpath_sdk._async.locations import AsyncLocations
from towpath_sdk._async.offerings import AsyncOfferings, AsyncPlans
from towpath_sdk._async.reasons import AsyncConflicts, AsyncTombstones
from towpath_sdk._async.resources import AsyncBindings, AsyncResources
from towpath_sdk._async.runs import AsyncRuns
from towpath_sdk._async.schedules import AsyncSchedules
from towpath_sdk._async.sets import AsyncSets
from towpath_sdk._async.templates import AsyncTemplates
from towpath_sdk._async.tokens import AsyncPlugins, AsyncTokens
from towpath_sdk._logins import find_login
from towpath_sdk._wire.address import checked_token, checked_url
from towpath_sdk._wire.calls import Call, get
from towpath_sdk._wire.platform import Health, Info, Readiness
from towpath_sdk._wire.retry import DEFAULT_BACKOFF, Backoff

__all__ = ("AsyncPlatform",)


class AsyncPlatform:
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
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = checked_url(url)
        headers = {"user-agent": user_agent(), "accept": "application/json"}
        if token := checked_token(token):
            headers["authorization"] = f"Bearer {token}"
        http = httpx.AsyncClient(
            base_url=self._url,
            headers=headers,
            timeout=timeout,
            # Reading the certificates of all authorities takes longer than a call; http has none.
            verify=verify if self._url.startswith("https:") else False,
            transport=transport,
        )
        link = AsyncConnection(http, retries=retries, backoff=backoff)
        self._link = link
        self.entities = AsyncEntities(link)
        self.history = AsyncHistory(link)
        self.sets = AsyncSets(link)
        self.locations = AsyncLocations(link)
        self.tombstones = AsyncTombstones(link)
        self.conflicts = AsyncConflicts(link)
        self.templates = AsyncTemplates(link)
        self.runs = AsyncRuns(link)
        self.schedules = AsyncSchedules(link)
        self.offerings = AsyncOfferings(link)
        self.plans = AsyncPlans(link)
        self.resources = AsyncResources(link)
        self.bindings = AsyncBindings(link)
        self.plugins = AsyncPlugins(link)
        self.tokens = AsyncTokens(link)

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

    async def info(self) -> Info:
        """What platform this is, and who one is to it.

        Raises:
            Unauthorized: the token is missing or no longer good.
        """
        return await self._link.read(get("/api/v1/info"), Info)

    async def health(self) -> Health:
        """Whether the process lives. Needs no token.

        Raises:
            TransportFailed: it does not answer.
        """
        return await self._link.read(get("/healthz"), Health)

    async def readiness(self) -> Readiness:
        """Whether the platform can do its work, and which part cannot. Needs no token."""
        call = Call("GET", "/readyz", accept=frozenset({503}))
        return await self._link.read(call, Readiness)

    async def close(self) -> None:
        """Close all connections; runs go on."""
        await self._link.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        """Name the address without showing the token."""
        return f"{type(self).__name__}({self._url!r})"
