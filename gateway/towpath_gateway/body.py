"""Reads the bodies of requests: whole, in time, JSON of one meaning, and of the shape asked for.

Stricter than the framework, which turns "5" into 5 where a number belongs and takes the last of
two equal keys: what is hashed, approved or sent again must be read alike by everybody.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from litestar.types import Receive, Scope

from towpath_core.errors import Invalid, Place, Problem
from towpath_gateway.faults import ClientGone, MediaType, TooLarge, TooSlow

__all__ = (
    "BODY_SECONDS",
    "MAX_BODY_BYTES",
    "decode_body",
    "read_bytes",
    "refuse_ambiguous",
    "too_slow",
)

T = TypeVar("T")

MAX_BODY_BYTES = 10 * 1024 * 1024
BODY_SECONDS = 30.0
"""How long a body may take to come."""

_JSON_TYPE = re.compile(rb"\s*application/([a-z0-9.+-]+\+)?json\s*(;.*)?", re.IGNORECASE)
_PLACE = re.compile(r"(.*?)(?: - at `\$(.*)`)?", re.DOTALL)
_PART = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_MAX_DIGITS = 19


async def read_bytes(scope: Scope, receive: Receive, *, needed: bool = True) -> bytes:
    """The body of a request; empty where there is none and it is not `needed`.

    Raises:
        Invalid: there is none, and it is needed.
        MediaType: it is not JSON, or compressed.
        TooLarge: it has more than 10 MiB.
        TooSlow: it did not come within 30 seconds.
        ClientGone: the client went away before its end.
    """
    _check_headers(scope)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            more = True
            while more:
                event = await receive()
                if event["type"] != "http.request":
                    raise ClientGone("The request ended before its body did.")
                parts.append(event["body"])
                size += len(parts[-1])
                if size > MAX_BODY_BYTES:
                    raise _too_large()
                more = event["more_body"]
    except TimeoutError as error:
        raise too_slow() from error
    if not size and needed:
        raise Invalid("The body is missing.", next="Send JSON with Content-Type: application/json.")
    return b"".join(parts)


def decode_body(content: bytes, type: type[T]) -> T:
    """Read JSON of a given shape.

    Raises:
        Invalid: it is no JSON, or of another shape; names the place.
    """
    try:
        return msgspec.json.decode(content, type=type)
    except msgspec.ValidationError as error:
        raise _misshapen(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid("The body is not JSON.", why=str(error)) from error
    except RecursionError as error:
        raise Invalid("The body nests too deep.") from error
    except ValueError as error:
        # An integer of more digits than Python turns into one.
        raise Invalid("The body is not JSON that can be read.", why=str(error)) from error


def refuse_ambiguous(content: bytes) -> None:
    """See that JSON, which can be read, is read alike by everybody.

    Raises:
        Invalid: an object has a key twice, or an integer more than 19 digits.
    """
    try:
        json.loads(content, object_pairs_hook=_once, parse_int=_whole)
    except RecursionError as error:
        raise Invalid("The body nests too deep.") from error


def _check_headers(scope: Scope) -> None:
    for name, value in scope["headers"]:
        if name == b"content-type" and not _JSON_TYPE.fullmatch(value):
            raise MediaType(
                f"A body of type {value[:80].decode('latin-1')!r} is not read here.",
                next="Send JSON with Content-Type: application/json.",
            )
        if name == b"content-encoding" and value.strip().lower() != b"identity":
            raise MediaType("A compressed body is not read here.", next="Send it as it is.")
        if name == b"content-length" and len(value) < 20 and int(value) > MAX_BODY_BYTES:
            raise _too_large()


def too_slow() -> TooSlow:
    """The error of a body that did not come in time."""
    return TooSlow(f"The body did not come within {BODY_SECONDS:.0f} seconds.")


def _too_large() -> TooLarge:
    return TooLarge(f"The body has more than {MAX_BODY_BYTES} bytes.")


def _misshapen(text: str) -> Invalid:
    matched = _PLACE.fullmatch(text)
    message, path = (matched[1], matched[2] or "") if matched else (text, "")
    # A key that msgspec does not name is written `[...]`; what comes after it has no place.
    known = path.partition("[...]")[0]
    pointer = "".join(f"/{_escaped(name or number)}" for name, number in _PART.findall(known))
    problem = Problem("body", message, Place(pointer=pointer or None))
    return Invalid("The body is wrong.", why=str(problem), problems=[problem])


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


def _once(pairs: Sequence[tuple[str, Any]]) -> None:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise Invalid(f"The body has the key {twice[:80]!r} twice in one object.")


def _whole(digits: str) -> None:
    if len(digits.lstrip("-")) > _MAX_DIGITS:
        raise Invalid(f"The body has an integer of more than {_MAX_DIGITS} digits.")
