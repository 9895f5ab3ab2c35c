# Generated from _async/connection.py by tools/unasync.py. Change that file, not this one.
"""The connection: sends calls, tries again what may be tried again, raises what went wrong.

Knows httpx and waiting; what is sent, what is retried and what an error means is decided by
pure code.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import httpx
from time import sleep

from towpath_sdk._wire.calls import Call, decode
from towpath_sdk._wire.errors import NotFound, PlatformError, TransportFailed, UnexpectedAnswer
from towpath_sdk._wire.problems import error_from
from towpath_sdk._wire.retry import Backoff, retry_delay

__all__ = ("AsyncConnection",)

T = TypeVar("T")


class Connection:
    """One platform's address, held open.

    Args:
        http: the client that calls travel by; its base address is the platform's.
        retries: how often a call is tried again.
        backoff: how long to wait in between.
    """

    def __init__(self, http: httpx.Client, *, retries: int, backoff: Backoff) -> None:
        self._http = http
        self._retries = retries
        self._backoff = backoff

    def read(self, call: Call, into: type[T]) -> T:
        """Send a call and read its answer into a shape."""
        return decode(call, self.send(call), into)

    def send(self, call: Call) -> bytes:
        """Send a call until it is answered, and return the body.

        Raises:
            ApiError: the platform refused; the class says how.
            TransportFailed: no answer came in all attempts.
        """
        response = self.exchange(call)
        return response.content if response is not None else b""

    def exchange(self, call: Call) -> httpx.Response | None:
        """Send a call until it is answered, and return the answer; None for what is gone already.

        Raises:
            ApiError: the platform refused; the class says how.
            TransportFailed: no answer came in all attempts.
        """
        attempt = 0
        while True:
            try:
                return self._attempt(call)
            except PlatformError as failure:
                if attempt and call.removes and isinstance(failure, NotFound):
                    return None
                delay = self.delay(failure, attempt)
                if delay is None:
                    raise
            sleep(delay)
            attempt += 1

    def delay(
        self, failure: PlatformError, attempt: int, *, retries: int | None = None
    ) -> float | None:
        """Seconds to wait before trying again; None when the failure is final.

        Args:
            failure: what the attempt ended with.
            attempt: how many failed before.
            retries: more than this connection's own, for calls that must last. None of them
                where retrying is turned off.
        """
        most = self._retries if retries is None or not self._retries else retries
        return retry_delay(
            failure, attempt, retries=most, backoff=self._backoff, luck=random.random
        )

    @contextmanager
    def open(
        self, call: Call, *, accept: str, silence: float
    ) -> Iterator[httpx.Response]:
        """Send a call once and give its answer while it is still coming.

        Args:
            call: what to send.
            accept: the content type that is asked for; another one is refused.
            silence: seconds in which something must come; `httpx.ReadTimeout` ends it otherwise.
        """
        request = self._request(call)
        request.headers["accept"] = accept
        request.extensions["timeout"] = {**self._http.timeout.as_dict(), "read": silence}
        response = self._hand_over(call, request, stream=True)
        try:
            if not response.is_success:
                content = response.read()
                raise error_from(str(call), response.status_code, response.headers, content)
            if response.headers.get("content-type", "").partition(";")[0].strip() != accept:
                raise UnexpectedAnswer(f"{call} was not answered with {accept}.")
            yield response
        finally:
            response.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _attempt(self, call: Call) -> httpx.Response:
        response = self._hand_over(call, self._request(call), stream=False)
        if response.is_success or response.status_code in call.accept:
            return response
        raise error_from(str(call), response.status_code, response.headers, response.content)

    def _hand_over(
        self, call: Call, request: httpx.Request, *, stream: bool
    ) -> httpx.Response:
        try:
            return self._http.send(request, stream=stream)
        except httpx.RequestError as error:
            raise no_answer(call, error) from error

    def _request(self, call: Call) -> httpx.Request:
        headers = dict(call.headers)
        if call.body is not None:
            headers["content-type"] = "application/json"
        return self._http.build_request(
            call.method,
            call.path,
            params=list(call.params) or None,
            content=call.body,
            headers=headers,
        )


def no_answer(call: Call, error: httpx.RequestError) -> TransportFailed:
    """Say in our terms why no answer came."""
    if isinstance(error, httpx.TimeoutException):
        what, next_step = "timed out", "Give it more time, or see whether the platform is busy."
    elif isinstance(error, httpx.ConnectError):
        what, next_step = "could not connect", "See whether the platform runs at this address."
    else:
        what, next_step = "lost the connection", None
    return TransportFailed(
        f"{call} {what}.",
        why=str(error) or type(error).__name__,
        next=next_step,
        lost=isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)
        and not isinstance(error, httpx.ConnectError),
    )
