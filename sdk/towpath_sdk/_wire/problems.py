"""How an error answer becomes an error: problem+json, the two Backstage forms, and anything else.

Knows the three body formats of the platform; the classes themselves are in `errors`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from towpath_sdk._wire.errors import (
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    PlanStale,
    Problem,
    RateLimited,
    Unauthorized,
    Unavailable,
)

__all__ = ("error_from",)

_CLASSES: Mapping[int, tuple[type[ApiError], str]] = {
    400: (Invalid, "invalid"),
    401: (Unauthorized, "unauthenticated"),
    403: (Forbidden, "forbidden"),
    404: (NotFound, "not-found"),
    409: (Conflict, "conflict"),
    410: (Gone, "gone"),
    412: (Conflict, "precondition-failed"),
    413: (Invalid, "limit-exceeded"),
    415: (Invalid, "invalid"),
    422: (Invalid, "invalid"),
    428: (Conflict, "precondition-required"),
    429: (RateLimited, "rate-limited"),
    502: (Unavailable, "unavailable"),
    503: (Unavailable, "unavailable"),
    504: (Unavailable, "unavailable"),
}
_BY_CODE: Mapping[str, type[ApiError]] = {
    "plan-stale": PlanStale,
    "plugin-error": ApiError,  # 502 as well, but coming again does not mend a plugin
}
_MAX_BODY = 1_000_000
_EXCERPT = 200


def error_from(request: str, status: int, headers: Mapping[str, str], content: bytes) -> ApiError:
    """Build the error that an answer stands for. Never raises, whatever the body holds.

    Args:
        request: method and path of the call, without its query.
        status: the HTTP status.
        headers: the headers, looked up in lower case.
        content: the body.
    """
    kind, code = _CLASSES.get(status, (ApiError, "error"))
    body = _mapping(content)
    said = _said(body)
    code = said.get("code") or code
    kind = _BY_CODE.get(code, kind)
    return kind(
        said.get("what") or _plain(request, status, content, body),
        status=status,
        code=code,
        why=said.get("why"),
        next=said.get("next"),
        problems=_problems(body),
        request=request,
        retry_after=_retry_after(headers),
    )


def _mapping(content: bytes) -> dict[str, Any]:
    if len(content) > _MAX_BODY:
        return {}
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return {}


def _said(body: dict[str, Any]) -> dict[str, str | None]:
    error = body.get("error")
    if isinstance(error, dict):
        return {"what": _text(error.get("message"))}
    what = _text(body.get("detail")) or _text(body.get("title"))
    if what is None and _problems(body):
        what = "The platform refused the values."
    fields = {key: _text(body.get(key)) for key in ("code", "why", "next")}
    return {"what": what, **fields}


def _problems(body: dict[str, Any]) -> list[Problem]:
    found = body.get("errors")
    listed = found if isinstance(found, list) else []
    return [_problem(item) for item in listed if isinstance(item, dict)]


def _problem(item: dict[str, Any]) -> Problem:
    message = _text(item.get("detail")) or _text(item.get("message")) or "not valid"
    pointer = _text(item.get("pointer"))
    named = _text(item.get("property"))
    if named and pointer is None:
        pointer = _pointer(named)
    return Problem(
        code=_text(item.get("code")) or _text(item.get("name")) or "invalid",
        message=message,
        file=_text(item.get("file")),
        line=_number(item.get("line")),
        column=_number(item.get("column")),
        pointer=pointer,
        entity_ref=_text(item.get("entityRef")),
    )


def _pointer(named: str) -> str:
    """Turn `instance.list[0].name` of a JSON Schema validator into `/list/0/name`."""
    parts = re.split(r"[.\[\]]+", named.removeprefix("instance").strip(".[]"))
    return "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in parts if part)


def _plain(request: str, status: int, content: bytes, body: dict[str, Any]) -> str:
    """Say what is known of an answer that says nothing in our terms."""
    text = "" if body else content[: 4 * _EXCERPT].decode("utf-8", "replace")
    text = "" if text.lstrip().startswith("<") else " ".join(text.split())[:_EXCERPT]
    shown = "".join(mark for mark in text if mark.isprintable())
    return f"{request} was answered with status {status}" + (f": {shown}" if shown else ".")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds the answer asks to wait; a date counts from the answer's own `Date`."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:9])
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))
    except (TypeError, ValueError):
        return None
    return max(0.0, wait.total_seconds())


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
