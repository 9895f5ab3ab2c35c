"""Calls: what is sent, written down before anything is sent; and answers read into shapes.

Knows how paths, bodies and keys are written, and nothing of how they travel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import uuid4

import msgspec

from towpath_sdk._wire.errors import BadArgument, UnexpectedAnswer

__all__ = (
    "Call",
    "Params",
    "ask",
    "begin_delete",
    "decode",
    "delete",
    "get",
    "keyed",
    "post",
    "route",
    "written",
)

T = TypeVar("T")
Params = Sequence[tuple[str, str]]
_MAX_KEY = 255
_MAX_SEGMENT = 1000


class Call(msgspec.Struct, frozen=True):
    """One call of the API; all its attempts send the same.

    Attributes:
        method: the HTTP method.
        path: the path below the platform's address, percent-encoded.
        params: the query, in order; a name may come more than once.
        body: JSON, or None where nothing is sent.
        headers: what is sent beyond authentication, such as the idempotency key.
        accept: error statuses whose body is an answer all the same.
        removes: whether "there is none" is success when the call is repeated, because an attempt
            whose answer was lost must have removed it.
    """

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    accept: frozenset[int] = frozenset()
    removes: bool = False

    def __str__(self) -> str:
        """Method and path, without the query."""
        return f"{self.method} {self.path}"


def route(base: str, *segments: str) -> str:
    """Write a path; each segment is percent-encoded as one, whatever it holds.

    Raises:
        BadArgument: a segment is empty, a dot segment or overlong, which would name another path.
    """
    for segment in segments:
        if segment in ("", ".", "..") or len(segment) > _MAX_SEGMENT:
            raise BadArgument(f"{segment[:50]!r} is not an id or a name.")
    return "/".join((base, *(quote(segment, safe="") for segment in segments)))


def get(path: str, params: Params = ()) -> Call:
    """Read something."""
    return Call("GET", path, params=tuple(params))


def delete(path: str) -> Call:
    """Remove something at once. Repeating it is safe: what is gone stays gone."""
    return Call("DELETE", path, removes=True)


def begin_delete(path: str, key: str | None = None) -> Call:
    """Begin to remove something in a run, under an idempotency key as `post` has it."""
    return Call("DELETE", path, headers=keyed(key))


def ask(path: str, body: Mapping[str, Any]) -> Call:
    """Read something whose question is too long for a query. Changes nothing, carries no key."""
    return Call("POST", path, body=written(body))


def post(path: str, body: Mapping[str, Any] | None = None, key: str | None = None) -> Call:
    """Change something, under an idempotency key that all attempts of this call share.

    Args:
        path: as written by `route`.
        body: members with the value None are left out.
        key: the caller's own idempotency key; a fresh one is made without.

    Raises:
        BadArgument: the key has no or more than 255 characters, or others than visible ASCII;
            or the body holds something that JSON cannot say.
    """
    said = {name: value for name, value in (body or {}).items() if value is not None}
    return Call("POST", path, body=written(said), headers=keyed(key))


def decode(call: Call, content: bytes, into: type[T]) -> T:
    """Read an answer into its shape; fields that the shape does not know are ignored.

    Raises:
        UnexpectedAnswer: the answer is not JSON of that shape.
    """
    try:
        return msgspec.json.decode(content, type=into)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnexpectedAnswer(
            f"{call} was answered with something this SDK cannot read.",
            why=str(error)[:300],
            next="Check that the address is that of a Towpath platform, and that SDK and "
            "platform are of one major version.",
        ) from error


def keyed(key: str | None) -> tuple[tuple[str, str], ...]:
    """The header of an idempotency key: the caller's own, or a fresh one.

    Raises:
        BadArgument: the key has no or more than 255 characters, or others than visible ASCII.
    """
    key = str(uuid4()) if key is None else key
    if not 0 < len(key) <= _MAX_KEY or not all("!" <= mark <= "~" for mark in key):
        raise BadArgument("An idempotency key is 1 to 255 visible ASCII characters.")
    return (("idempotency-key", key),)


def written(body: Mapping[str, Any]) -> bytes:
    """A body as JSON.

    Raises:
        BadArgument: it holds something that JSON cannot say.
    """
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadArgument(f"The values cannot be written as JSON: {error}") from error
