"""The client: one fetch from its url to its answer, hop by hop, within one budget.

Knows no plugin and no file format. What it raises shows no credential and no query of a url.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from urllib.parse import urljoin

import httpcore
import msgspec
import structlog

from towpath_core.egress import FetchBudget, Fetched, Route
from towpath_core.errors import Forbidden, Invalid, SettingsError, Unavailable
from towpath_engine.egress.addresses import Peer, peer_of
from towpath_engine.egress.body import check_type, read_body
from towpath_engine.egress.guard import PeerGuard, Resolve, look_up
from towpath_engine.egress.network import CheckedNetwork, Clock
from towpath_engine.egress.pacing import Pacing, pause_of
from towpath_engine.egress.settings import EgressSettings

__all__ = ("EgressClient",)

log = structlog.get_logger(__name__)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_REPEATABLE = frozenset({"GET", "HEAD"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 3
_ATTEMPTS = 3
_ERROR_BYTES = 64 * 1024
_KEEP_SECONDS = 15.0
# What may follow a redirect to another host; anything else could be a credential.
_HARMLESS = frozenset(
    {"accept", "accept-language", "content-type", "if-modified-since", "if-none-match"}
)
_OURS = frozenset({"host", "connection", "transfer-encoding", "content-length", "accept-encoding"})


class EgressClient:
    """Asks other machines as `towpath_core.egress.Egress` says. Close it at the end.

    Args:
        settings: who may be asked, and what it may cost.
        resolve: gives the addresses of a name.

    Raises:
        SettingsError: `ca_file` cannot be read.
    """

    def __init__(self, settings: EgressSettings, *, resolve: Resolve = look_up) -> None:
        self._settings = settings
        self._guard = PeerGuard(settings, resolve)
        self._clock = Clock(settings.idle_seconds)
        self._pacing = Pacing(settings.concurrency)
        self._pool = httpcore.ConnectionPool(
            ssl_context=_trust(settings.ca_file),
            max_connections=None,
            max_keepalive_connections=20,
            keepalive_expiry=_KEEP_SECONDS,
            network_backend=CheckedNetwork(self._guard, self._clock),
        )

    def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        budget: FetchBudget | None = None,
    ) -> Fetched:
        """Ask for something; see `towpath_core.egress.Egress.fetch`."""
        given = budget or FetchBudget()
        budget = msgspec.structs.replace(given, bytes=min(given.bytes, self._settings.bytes))
        end = time.monotonic() + min(given.seconds, self._settings.seconds)
        if method not in _METHODS:
            raise Invalid(f"{method!r} is not a method of HTTP that is used here.")
        own = {name.lower(): value for name, value in (headers or {}).items()}
        address, peer = peer_of(url)
        followed, known = 0, True
        while True:
            self._guard.admit(peer)
            hop = _Hop(method, address, peer, own, content, known)
            answer = self._ask(hop, budget, end)
            target = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not target or method not in _REPEATABLE:
                return answer
            if followed == min(budget.redirects, _MOST_REDIRECTS):
                if followed:
                    raise Forbidden(f"{peer} sends on more than {followed} times.")
                return answer
            followed += 1
            address, next_peer = peer_of(urljoin(address, target))
            if (peer.scheme, next_peer.scheme) == ("https", "http"):
                raise Forbidden(f"{peer} sends on from https to http.")
            if next_peer != peer:
                if self._guard.is_inside(next_peer) and not self._guard.is_inside(peer):
                    raise Forbidden(f"{peer} sends on to {next_peer}, inside the network.")
                # Not the credentials of the other host either: nobody asked for it by name.
                own = {name: value for name, value in own.items() if name in _HARMLESS}
                known = False
            peer = next_peer

    def route(self, url: str) -> Route:
        """Check a url for another tool; see `towpath_core.egress.Egress.route`."""
        _, peer = peer_of(url)
        addresses = self._guard.addresses(peer)
        credential = self._settings.credential(peer)
        user, password = (credential.user, credential.token) if credential else ("", None)
        return Route(
            peer.host, peer.port, addresses, user, password, ca_file=self._settings.ca_file
        )

    def close(self) -> None:
        """Close idle connections; the client is not used afterwards."""
        self._pool.close()

    def _ask(self, hop: _Hop, budget: FetchBudget, end: float) -> Fetched:
        """One hop: asked again where the host wants that, or an old connection had died."""
        for attempt in range(_ATTEMPTS):
            last = hop.method not in _REPEATABLE or attempt == _ATTEMPTS - 1
            try:
                with self._pacing.turn(hop.peer, end), self._clock.asking(hop.peer, end):
                    answer = self._send(hop, budget)
            except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
                if last or isinstance(error, httpcore.ConnectError):
                    raise _unreachable(hop.peer, error) from None
                continue
            except (httpcore.TimeoutException, httpcore.ProtocolError) as error:
                raise _unreachable(hop.peer, error) from None
            pause = pause_of(answer.status, answer.headers, attempt)
            if pause is None:
                return answer
            self._pacing.pause(hop.peer, pause)
            if last or time.monotonic() + pause >= end:
                raise Unavailable(f"{hop.peer} asks for a pause of {pause:.0f} seconds.")
        raise AssertionError("the last attempt answers or raises")

    def _send(self, hop: _Hop, budget: FetchBudget) -> Fetched:
        try:
            request = self._pool.stream(
                hop.method, hop.url, headers=self._headers(hop), content=hop.content
            )
            with request as response:
                headers = {
                    name.decode("latin-1").lower(): value.decode("latin-1")
                    for name, value in response.headers
                }
                log.debug("egress.answer", host=str(hop.peer), status=response.status)
                encoding = headers.get("content-encoding", "").strip().lower()
                if response.status >= 400:
                    content = _start_of(response, encoding)
                else:
                    if response.status == 200:
                        check_type(headers.get("content-type"), budget)
                    content = read_body(response.iter_stream(), encoding, budget)
                return Fetched(hop.url, response.status, headers, content)
        except httpcore.LocalProtocolError as error:
            raise Invalid("The request cannot be sent.", why=str(error)[:200]) from None

    def _headers(self, hop: _Hop) -> list[tuple[str, str]]:
        netloc = hop.url.partition("://")[2].partition("/")[0]
        headers = {name: value for name, value in hop.headers.items() if name not in _OURS}
        credential = self._settings.credential(hop.peer) if hop.known else None
        if credential is not None:
            headers[credential.header[0].lower()] = credential.header[1]
        headers.setdefault("user-agent", "towpath")
        headers.setdefault("accept", "*/*")
        if hop.content is not None:
            headers["content-length"] = str(len(hop.content))
        return [("host", netloc), ("accept-encoding", "gzip"), *headers.items()]


class _Hop(msgspec.Struct, frozen=True):
    method: str
    url: str
    peer: Peer
    headers: Mapping[str, str]
    content: bytes | None
    known: bool


def _start_of(response: httpcore.Response, encoding: str) -> bytes:
    """What an error says, as far as it is needed; a compressed one is left alone."""
    if encoding not in ("", "identity"):
        return b""
    content = b""
    for chunk in response.iter_stream():
        content += chunk
        if len(content) >= _ERROR_BYTES:
            break
    return content[:_ERROR_BYTES]


def _unreachable(peer: Peer, error: Exception) -> Unavailable:
    # Nothing of the request is in these texts; httpcore gives what the system or TLS said.
    why = str(error).strip()[:200] or type(error).__name__
    if isinstance(error, httpcore.TimeoutException):
        why = "It did not answer in time."
    return Unavailable(f"{peer} cannot be reached.", why=why)


def _trust(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as error:
            raise SettingsError(f"egress.ca_file cannot be read: {error.strerror}.") from None
    return context
